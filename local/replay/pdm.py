"""The Azure predictive maintenance set as v1 telemetry, with its maintenance records and failures."""

import csv
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson

from local.replay.recording import Lane, NotARecording, Recording
from shared.contracts.factory import Factory
from shared.instants import iso
from training.pdm_records import TEST_UNTIL, files, milliseconds, read_records

FACTORY = "benchmark-pdm.yaml"
SIGNALS = {"volt": "volt_v", "rotate": "rotate_rpm", "pressure": "pressure", "vibration": "vibration"}
"""Column of the set -> signal of the factory."""

PREFIX = "PDM-"

type Row = tuple[int, int, tuple[float, ...]]
"""(machine, ms, values in the order of SIGNALS)."""


def looks_like(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("PdM_telemetry.csv", "PdM_telemetry_subset.parquet"))


def read(folder: Path, path: Path, factory: Factory) -> Recording:
    """The machines that the factory describes, over the months that the model was tested on."""
    missing = [file.name for file in files(folder) if not file.exists()]
    if missing:
        raise NotARecording(f"{folder} has the telemetry but not {', '.join(missing)}")
    devices = {
        machine.id: machine.devices[0]
        for site in factory.sites
        for line in site.lines
        for machine in line.machines
    }
    numbers = {int(machine.removeprefix(PREFIX)) for machine in devices}
    rows: dict[int, list[Row]] = {}
    for row in _rows(files(folder)[0], numbers):
        rows.setdefault(row[0], []).append(row)
    records = read_records(folder)
    lanes = (
        Lane(
            f"{PREFIX}{number}",
            devices[f"{PREFIX}{number}"],
            [(at, body(number, at, values)) for _, at, values in sorted(rows[number])],
            records.maintained.get(number, []),
        )
        for number in sorted(rows)
    )
    return Recording(
        name="azure_pdm",
        title="Azure predictive maintenance set",
        factory=path,
        lanes=tuple(lanes),
        per_message=24,
        remarks=(
            "The set is simulated (Fidan Boylu Uz, Microsoft, 2016): no figure here proves performance "
            "in the field.",
            "Its time stamps have no zone and are taken as UTC.",
            "Maintenance records are committed behind the readings of their hour and before the next one.",
        ),
        failed_at={f"{PREFIX}{number}": instants for number, instants in records.failed_at.items()},
    )


def body(number: int, at: int, values: tuple[float, ...]) -> bytes:
    """One hour of a machine as a v1 telemetry message."""
    return orjson.dumps(
        {
            "machineId": f"{PREFIX}{number}",
            "timestamp": iso(at),
            "signals": dict(zip(SIGNALS.values(), values, strict=True)),
        }
    )


def _rows(path: Path, numbers: set[int]) -> Iterator[Row]:
    """The hours of these machines up to the end of the contiguous recording."""
    for row in _from_parquet(path) if path.suffix == ".parquet" else _from_csv(path):
        if row[0] in numbers and row[1] < TEST_UNTIL:
            yield row


def _from_csv(path: Path) -> Iterator[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            values = tuple(float(row[column]) for column in SIGNALS)
            yield int(row["machineID"]), milliseconds(row["datetime"]), values


def _from_parquet(path: Path) -> Iterator[Row]:
    try:
        # pyarrow ships no types, and belongs to the training group.
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError as exc:
        raise NotARecording(
            f"{path.name} needs pyarrow: run `make setup`, or give PdM_telemetry.csv instead"
        ) from exc
    table: Any = parquet.read_table(path, columns=["machineID", "datetime", *SIGNALS])
    stamps = table["datetime"].cast("timestamp[ms]").cast("int64").to_pylist()
    values = zip(*(table[column].to_pylist() for column in SIGNALS), strict=True)
    yield from zip(table["machineID"].to_pylist(), stamps, values, strict=True)
