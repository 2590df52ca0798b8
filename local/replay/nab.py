"""The machine temperature of the Numenta Anomaly Benchmark: rows as JSON with their own column names."""

import csv
import json
from pathlib import Path

import orjson

from local.replay.recording import Lane, NotARecording, Recording, Span, utc
from shared.contracts.factory import Factory

FACTORY = "benchmark-nab.yaml"
FILE = "machine_temperature_system_failure.csv"
WINDOWS = "combined_windows.json"


def looks_like(folder: Path) -> bool:
    return _found(folder, FILE) is not None


def read(folder: Path, path: Path, factory: Factory) -> Recording:
    """The one machine of the benchmark, with its labelled windows when they are there."""
    machine = factory.sites[0].lines[0].machines[0]
    file = _found(folder, FILE)
    assert file is not None
    with file.open(newline="", encoding="utf-8") as lines:
        try:
            readings = [(utc(row["timestamp"]), body(row)) for row in csv.DictReader(lines)]
        except (KeyError, ValueError, csv.Error) as exc:
            raise NotARecording(f"{file}: not the rows of the benchmark ({exc!r})") from exc
    return Recording(
        name="nab",
        title="Numenta Anomaly Benchmark, machine temperature",
        factory=path,
        lanes=(Lane(machine.id, machine.devices[0], readings),),
        per_message=288,
        remarks=(
            "A real machine (Ahmad and others, 2017). Limits are read off the recording, no model is bound: "
            "the report says what limit alarms saw, not how well an anomaly detector would do.",
            "Its time stamps have no zone and are taken as UTC.",
            "Times run as recorded: rows that repeat or go back arrive that way.",
        ),
        anomalies=_windows(_found(folder, WINDOWS)),
    )


def body(row: dict[str, str]) -> bytes:
    """A row as a logger would send it; the factory's profile makes a reading of it."""
    return orjson.dumps(row)


def _found(folder: Path, name: str) -> Path | None:
    """In the folder itself, or where the benchmark's repository has it below."""
    return next(iter(sorted(folder.rglob(name))), None)


def _windows(path: Path | None) -> tuple[Span, ...] | None:
    if path is None:
        return None
    labels: dict[str, list[list[str]]] = json.loads(path.read_bytes())
    return tuple(
        Span(utc(start), utc(end))
        for name, windows in labels.items()
        if name.endswith(f"/{FILE}")
        for start, end in windows
    )
