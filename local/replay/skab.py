"""The Skoltech Anomaly Benchmark: a testbed's rows as JSON with their own column names, as text."""

import csv
from collections.abc import Iterable
from pathlib import Path

import orjson

from local.replay.recording import Lane, NotARecording, Recording, Span, utc
from shared.contracts.factory import Factory

FACTORY = "benchmark-skab.yaml"
TIME = "datetime"
LABEL = "anomaly"
LABELS = (LABEL, "changepoint")
"""The authors' answers; a device does not know them."""

COLUMN = "Accelerometer1RMS"
"""By which the set is recognised."""


def looks_like(folder: Path) -> bool:
    return any(COLUMN in _columns(path) for path in _files(folder))


def read(folder: Path, path: Path, factory: Factory) -> Recording:
    """All recordings of the testbed, in the order of their time."""
    machine = factory.sites[0].lines[0].machines[0]
    rows: list[tuple[int, dict[str, str]]] = []
    for file in _files(folder):
        if COLUMN in _columns(file):
            rows += _rows(file)
    rows.sort(key=lambda row: row[0])
    return Recording(
        name="skab",
        title="Skoltech Anomaly Benchmark",
        factory=path,
        lanes=(Lane(machine.id, machine.devices[0], [(at, body(row)) for at, row in rows]),),
        per_message=60,
        remarks=(
            "A real testbed (Katser and Kozitsin, 2020). Limits are read off the recordings, no model is "
            "bound: the report says what limit alarms saw, not how well an anomaly detector would do.",
            "Its time stamps have no zone and are taken as UTC.",
            "Anomaly-free rows and those without a label count as normal.",
        ),
        anomalies=spans((at, float(row.get(LABEL) or 0) > 0) for at, row in rows),
    )


def body(row: dict[str, str]) -> bytes:
    """A row as the testbed's logger would send it; the factory's profile makes a reading of it."""
    return orjson.dumps({column: value for column, value in row.items() if column not in LABELS})


def spans(labelled: Iterable[tuple[int, bool]]) -> tuple[Span, ...]:
    """Runs of labelled instants.

    >>> spans([(1, False), (2, True), (3, True), (4, False), (5, True)])
    (Span(start=2, end=3), Span(start=5, end=5))
    """
    found: list[Span] = []
    running = False
    for at, anomalous in labelled:
        if anomalous:
            found[-1:] = [Span(found[-1].start, at)] if running else [*found[-1:], Span(at, at)]
        running = anomalous
    return tuple(found)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.csv"))


def _columns(path: Path) -> list[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().strip().split(";")


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    with path.open(newline="", encoding="utf-8") as file:
        try:
            return [(utc(row[TIME]), row) for row in csv.DictReader(file, delimiter=";")]
        except (KeyError, ValueError, csv.Error) as exc:
            raise NotARecording(f"{path}: not the rows of the benchmark ({exc!r})") from exc
