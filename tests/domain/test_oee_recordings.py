"""Published recordings of real lines come to the figures that their authors' tables, or plain sums, give.

The soda line is teaching data, and its answer is known: 1,388 of 3,858 minutes down. The three
machines of a metalworking SME are real; what they have to come to is summed up here row by row.
"""

import csv
import os
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from shared.domain.elements import OeeElements
from shared.domain.inputs import Reading
from shared.domain.kpi import indicators, total
from shared.domain.losses import pareto, waterfall
from shared.domain.packml import PackMLState, TimeCategory
from shared.domain.spec import Calendar, CalendarException, MachineSpec, ShiftPattern
from tests.machine import Machine
from tests.plants import DAY, MINUTE, SECOND, SPEC, reading

DATA = Path(os.environ.get("MILLWRIGHT_DATA", Path(__file__).parents[3] / "shared/data"))
SODA = DATA / "soda_line_downtime/Manufacturing_Line_Productivity.xlsx"
SME = DATA / "sme_production/company_A_labelled_subset.csv"
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
FIRST_DAY_OF_EXCEL = date(1899, 12, 30)
EXECUTE, STOPPED = PackMLState.EXECUTE, PackMLState.STOPPED


def present(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"needs {path.name} below MILLWRIGHT_DATA ({DATA}); see docs/replay.md")
    return path


def table(book: zipfile.ZipFile, number: int) -> list[dict[str, str]]:
    """A sheet's rows, by the letter of the column."""
    strings = [
        "".join(text.text or "" for text in one.iter(f"{MAIN}t"))
        for one in ElementTree.fromstring(book.read("xl/sharedStrings.xml")).iter(f"{MAIN}si")
    ]
    rows: list[dict[str, str]] = []
    for row in ElementTree.fromstring(book.read(f"xl/worksheets/sheet{number}.xml")).iter(f"{MAIN}row"):
        cells: dict[str, str] = {}
        for cell in row.iter(f"{MAIN}c"):
            value = cell.findtext(f"{MAIN}v")
            if value is not None:
                column = re.match("[A-Z]+", cell.attrib["r"])
                assert column is not None
                cells[column[0]] = strings[int(value)] if cell.get("t") == "s" else value
        rows.append(cells)
    return rows


@dataclass(frozen=True)
class Batch:
    start: int
    end: int
    product: str
    number: str
    ideal_ms: int
    downs: list[tuple[str, int]]
    """(why, ms)."""


def soda_batches() -> list[Batch]:
    """The line's batches; each begins when the one before ends, but on another day."""
    with zipfile.ZipFile(present(SODA)) as book:
        batches, products, factors, downs = (table(book, number) for number in (1, 2, 3, 4))
    ideal_ms = {row["A"]: int(row["D"]) * MINUTE for row in products[1:]}
    names = {row["A"]: row["B"] for row in factors[1:]}
    columns = {letter: names[factor] for letter, factor in downs[1].items() if letter != "A"}
    down = {
        row["A"]: [(columns[c], int(spent) * MINUTE) for c, spent in row.items() if c != "A"]
        for row in downs[2:]
    }
    found: list[Batch] = []
    for row in batches[1:]:
        day = FIRST_DAY_OF_EXCEL + timedelta(days=int(row["A"]))
        midnight = round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND
        begin, end = (round(float(row[column]) * 1440) * MINUTE for column in "EF")
        if end < begin:  # the last one, over midnight: it is booked on the day that it ends on
            begin -= DAY
        found.append(
            Batch(midnight + begin, midnight + end, row["B"], row["C"], ideal_ms[row["B"]], down[row["C"]])
        )
    return found


def soda_line(batches: list[Batch]) -> tuple[MachineSpec, list[Reading]]:
    """A line that is planned while there are batches: each runs its least time, then stands."""
    shifts: dict[date, tuple[int, int]] = {}
    for batch in batches:
        day = datetime.fromtimestamp(batch.start / SECOND, UTC).date()
        begin, _ = shifts.get(day, (batch.start, 0))
        shifts[day] = begin, batch.end
    exceptions = []
    for day, (begin, end) in shifts.items():
        midnight = round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND
        pattern = ShiftPattern("day", (), (begin - midnight) // MINUTE, (end - midnight) // MINUTE)
        exceptions.append(CalendarException(day.isoformat(), (pattern,)))
    reasons = {reason: TimeCategory.UNPLANNED_STOP for batch in batches for reason, _ in batch.downs}
    reasons |= {"Batch change": TimeCategory.SETUP, "Inventory shortage": TimeCategory.STARVED}
    spec = replace(
        SPEC,
        calendar=Calendar("UTC", (), exceptions=tuple(exceptions)),
        silence_ms=30 * DAY,
        reasons=reasons,
        ideal_cycle_ms={batch.product: batch.ideal_ms for batch in batches},
        rules=(),
        models=(),
    )
    rows: list[tuple[int, PackMLState, str | None, str, int]] = []
    for made, batch in enumerate(batches):
        rows.append((batch.start, EXECUTE, None, batch.product, made))
        at = batch.start + batch.ideal_ms
        for reason, spent in batch.downs:
            rows.append((at, STOPPED, reason, batch.product, made + 1))
            at += spent
        assert at == batch.end, batch.number
        rows.append((batch.end, STOPPED, None, batch.product, made + 1))
    last = {at: row for at, *row in rows}  # where the next batch begins at once, it runs
    return spec, [
        reading(n, at, state=state, reason=reason, product=product, good=good, reject=0)
        for n, (at, (state, reason, product, good)) in enumerate(sorted(last.items()))
    ]


def test_the_soda_line_stood_for_1388_of_3858_minutes() -> None:
    batches = soda_batches()
    spec, readings = soda_line(batches)
    machine = Machine(spec)
    machine.fold(*readings)
    shifts = [one for one in machine.close().values() if one.shift_id.endswith(".day")]
    summed = total(shifts)
    found = indicators(summed)
    assert (len(batches), len(shifts), summed.good_count) == (38, 4, 38)
    assert found.base.planned_busy_ms == 3_858 * MINUTE
    assert summed.times_ms[TimeCategory.PRODUCTION] == (3_858 - 1_388) * MINUTE
    assert found.base.availability is not None
    assert round(found.base.availability, 4) == 0.6402
    assert (found.base.effectiveness, found.base.quality) == (1.0, 1.0)
    assert found.base.oee == found.base.availability
    down: Counter[str] = Counter()
    for batch in batches:
        down.update(dict(batch.downs))
    assert {reason: spent for _, reason, spent in pareto(summed)} == down
    assert sum(loss.time_ms for loss in waterfall(summed)) == 3_858 * MINUTE
    assert found.unclassified == 0.0


STATES = {0: PackMLState.IDLE, 1: PackMLState.STARTING, 2: EXECUTE, 3: PackMLState.HELD}
"""Idle, worked on by hand, automatic, in alarm."""
KINDS = {
    PackMLState.IDLE: TimeCategory.STARVED,
    PackMLState.STARTING: TimeCategory.SETUP,
    EXECUTE: TimeCategory.PRODUCTION,
    PackMLState.HELD: TimeCategory.UNPLANNED_STOP,
}
HOLDS_MS = 15 * MINUTE
"""Rows are five minutes apart or a multiple of it; so long a status is taken to hold."""


def sme_rows() -> dict[str, list[tuple[int, PackMLState, str, int]]]:
    """Machine -> (instant, state, product, units since the row before)."""
    rows: dict[str, list[tuple[int, PackMLState, str, int]]] = defaultdict(list)
    with present(SME).open(newline="") as file:
        for row in csv.DictReader(file):
            at = round(datetime.fromisoformat(row["ts"]).timestamp()) * SECOND
            state = STATES[int(float(row["status"]))]
            rows[row["asset"]].append((at, state, row["product"], int(float(row["items"]))))
    return rows


def sme_readings(rows: list[tuple[int, PackMLState, str, int]]) -> Iterator[Reading]:
    made = 0
    for number, (at, state, product, items) in enumerate(rows):
        made += items
        yield reading(number, at, state=state, product=product, good=made, reject=0)


@pytest.mark.parametrize(("asset", "availability"), [("0", 0.887), ("1", 0.5489), ("2", 0.4821)])
def test_real_machines_come_to_what_their_rows_sum_up_to(asset: str, availability: float) -> None:
    rows = sme_rows()[asset]
    every_day = ShiftPattern("day", (0, 1, 2, 3, 4, 5, 6), 0, 1440)
    spec = replace(
        SPEC, calendar=Calendar("UTC", (every_day,)), silence_ms=HOLDS_MS, reasons={}, rules=(), models=()
    )
    machine = Machine(spec)
    machine.fold(*sme_readings(rows))
    final: list[OeeElements] = [*machine.close().values()]
    expected: Counter[TimeCategory] = Counter()
    for (at, state, *_), (after, *_) in pairwise(rows):
        known = min(after - at, HOLDS_MS)
        expected[KINDS[state]] += known
        expected[TimeCategory.UNKNOWN] += after - at - known
    first, last = rows[0][0], rows[-1][0]
    expected[KINDS[rows[-1][1]]] += HOLDS_MS
    times = Counter(total(final).times_ms)
    times[TimeCategory.UNKNOWN] -= sum(times.values()) - (last + HOLDS_MS - first)
    assert +times == +expected
    assert sum(one.good_count for one in final) == sum(items for *_, items in rows[1:])
    assert all(one.late_count == 0 for one in final)
    by_product: Counter[str] = Counter()
    for (_, _, product, _), (*_, items) in pairwise(rows):
        by_product[product] += items
    made: Counter[str] = Counter()
    for one in final:
        for product in one.made:
            made[product.product] += product.good_count
    assert +made == +by_product
    known_ms = sum(spent for kind, spent in times.items() if kind is not TimeCategory.UNKNOWN)
    assert round(times[TimeCategory.PRODUCTION] / known_ms, 4) == availability
