"""What the Azure predictive maintenance set knows of its machines beside their telemetry.

Standard library only: the replay of the same set judges its predictions by the same records.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HOUR_MS = 3_600_000
ERRORS = ("error1", "error2", "error3", "error4", "error5")
HORIZON_MS = 24 * HOUR_MS
"""A warning is meant for a failure within this time."""

TEST_UNTIL = 1_427_868_000_000
"""2015-04-01T06:00Z, ms: the subset holds every hour of the test machines up to here."""


@dataclass(frozen=True, slots=True)
class Records:
    """What is known of each machine beside its telemetry; instants in ms, ascending."""

    age_years: dict[int, float]
    maintained: dict[int, list[tuple[int, str]]]
    failed_at: dict[int, list[int]]


def files(folder: Path) -> tuple[Path, ...]:
    """The files that are read, telemetry first."""
    complete, subset = folder / "PdM_telemetry.csv", folder / "PdM_telemetry_subset.parquet"
    telemetry = complete if complete.exists() else subset
    return (telemetry, *(folder / f"PdM_{table}.csv" for table in ("machines", "maint", "failures")))


def read_records(folder: Path) -> Records:
    _, machines, maintenance, failures = files(folder)
    maintained: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for row in _rows(maintenance):
        maintained[int(row["machineID"])].append((milliseconds(row["datetime"]), row["comp"]))
    failed_at: dict[int, set[int]] = defaultdict(set)
    for row in _rows(failures):
        failed_at[int(row["machineID"])].add(milliseconds(row["datetime"]))
    return Records(
        {int(row["machineID"]): float(row["age"]) for row in _rows(machines)},
        {machine: sorted(entries) for machine, entries in maintained.items()},
        {machine: sorted(instants) for machine, instants in failed_at.items()},
    )


def error_file(folder: Path) -> Path:
    return folder / "PdM_errors.csv"


def read_errors(folder: Path) -> dict[tuple[int, int, str], int]:
    """(machine, hour, code) -> how often the controller reported it in that hour."""
    counts: dict[tuple[int, int, str], int] = defaultdict(int)
    for row in _rows(error_file(folder)):
        counts[int(row["machineID"]), milliseconds(row["datetime"]), row["errorID"]] += 1
    return counts


def milliseconds(text: str) -> int:
    """The set's naive time stamps, read as UTC.

    >>> milliseconds("2015-04-01 06:00:00") == TEST_UNTIL
    True
    """
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)
