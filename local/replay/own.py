"""Anybody's recording: a factory description beside one file of JSON lines for each device."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import orjson

from local.replay.recording import Lane, NotARecording, Recording
from shared.contracts.factory import Factory
from shared.instants import instant

FACTORY = "factory.yaml"


def looks_like(folder: Path) -> bool:
    return (folder / FACTORY).exists() and any(folder.glob("*.jsonl"))


def read(folder: Path, path: Path, factory: Factory) -> Recording:
    """DEVICE.jsonl holds what the device sent, one reading a line, in the order in which it was sent.

    Lines are not looked into further than for whom they are: bad ones are the pipeline's business.
    """
    machines: dict[str, list[str]] = {}
    for site in factory.sites:
        for line in (*site.lines, *(line for area in site.areas for line in area.lines)):
            for machine in line.machines:
                for device in machine.devices:
                    machines.setdefault(device, []).append(machine.id)
    lanes: list[Lane] = []
    for file in sorted(folder.glob("*.jsonl")):
        if file.stem not in machines:
            raise NotARecording(f"{file}: {FACTORY} has no machine that device {file.stem} reports")
        only = machines[file.stem][0] if len(machines[file.stem]) == 1 else file.stem
        readings: dict[str, list[tuple[int, bytes]]] = {}
        for machine_id, at, line in _lines(file, only):
            readings.setdefault(machine_id, []).append((at, line))
        lanes += (Lane(machine_id, file.stem, mine) for machine_id, mine in readings.items())
    return Recording(
        name="own",
        title=f"Recording in {folder}",
        factory=path,
        lanes=tuple(lanes),
        per_message=24,
        remarks=(),
    )


def _lines(file: Path, default: str) -> Iterator[tuple[str, int, bytes]]:
    """(machine, ms, line); what has no readable time counts as of the line before."""
    at = 0
    for number, raw in enumerate(file.read_bytes().splitlines(), start=1):
        if not raw.strip():
            continue
        try:
            message: Any = orjson.loads(raw)
        except orjson.JSONDecodeError as exc:
            raise NotARecording(f"{file}:{number}: not JSON ({exc}), so it cannot go into an array") from exc
        if not isinstance(message, dict):
            raise NotARecording(f"{file}:{number}: not a JSON object: one reading a line")
        sent = cast(dict[str, object], message)
        machine, time = sent.get("machineId"), sent.get("timestamp")
        # Naive or misspelt times are for a profile to read, or for the pipeline to quarantine.
        with suppress(ValueError):
            at = instant(time) if isinstance(time, str) else at
        yield machine if isinstance(machine, str) else default, at, raw
