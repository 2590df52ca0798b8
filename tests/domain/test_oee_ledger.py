"""The ledger behind OEE: pages tile time and sum to shifts; short stops, counters, indicators by hand."""

from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given

from shared.domain.calendar import segment_at
from shared.domain.counters import Step, step
from shared.domain.effects import PageClosed, StopEnded
from shared.domain.elements import OeeElements
from shared.domain.inputs import Reading
from shared.domain.kpi import indicators, total
from shared.domain.losses import waterfall
from shared.domain.oee import kpis
from shared.domain.packml import PackMLState, TimeCategory
from shared.domain.spec import Calendar, CalendarChange, CalendarException, CounterRule, ShiftPattern
from tests.machine import Machine
from tests.plants import DAY, HOUR, MINUTE, MONDAY, SECOND, SPEC, deliveries, reading

EARLY = MONDAY + 5 * HOUR
EXECUTE, HELD, STOPPED = PackMLState.EXECUTE, PackMLState.HELD, PackMLState.STOPPED
FOREVER = replace(SPEC, silence_ms=30 * DAY)
MINOR = replace(FOREVER, minor_stop_ms=5 * MINUTE)


def at(clock: str) -> int:
    """An instant of that Monday, by the clock in the hall; the early shift is 06:00 to 14:00."""
    hour, minute = map(int, clock.split(":"))
    return EARLY + (hour - 6) * HOUR + minute * MINUTE


def said(*rows: tuple[str, PackMLState, str | None, int, int]) -> list[Reading]:
    """Readings from a table: clock, state, reason, good, reject."""
    return [
        reading(n, at(clock), state=state, reason=reason, good=good, reject=reject, product="gear")
        for n, (clock, state, reason, good, reject) in enumerate(rows)
    ]


def closed(*readings: Reading, spec=FOREVER) -> tuple[dict[str, OeeElements], Machine]:
    machine = Machine(spec)
    machine.fold(*readings)
    return machine.close(), machine


def minutes(elements: OeeElements) -> dict[str, float]:
    return {str(kind): spent / MINUTE for kind, spent in elements.times_ms.items() if spent}


# What one shift comes to, worked out by hand: minutes by category, failures.
SHIFTS = {
    "a stop of four minutes is minor": (
        [("06:00", EXECUTE, None), ("07:00", HELD, "E-STOP"), ("07:04", EXECUTE, None)],
        {"production": 476, "minorStop": 4},
        0,
    ),
    "a stop of five minutes is not": (
        [("06:00", EXECUTE, None), ("07:00", HELD, "E-STOP"), ("07:05", EXECUTE, None)],
        {"production": 475, "unplannedStop": 5},
        1,
    ),
    "a change of reason does not begin a stop anew": (
        [
            ("06:00", EXECUTE, None),
            ("07:00", HELD, None),
            ("07:04", HELD, "E-STOP"),
            ("07:08", EXECUTE, None),
        ],
        {"production": 472, "unplannedStop": 8},
        1,
    ),
    "set-up ends a short stop": (
        [
            ("06:00", EXECUTE, None),
            ("07:00", HELD, None),
            ("07:03", STOPPED, "CHANGEOVER"),
            ("07:30", EXECUTE, None),
        ],
        {"production": 450, "minorStop": 3, "setup": 27},
        0,
    ),
    "a breakdown through the break is one failure": (
        [("06:00", EXECUTE, None), ("09:50", HELD, "E-STOP"), ("10:45", EXECUTE, None)],
        {"production": 425, "unplannedStop": 25, "plannedStop": 30},
        1,
    ),
    "two breakdowns are two": (
        [
            ("06:00", EXECUTE, None),
            ("07:00", HELD, None),
            ("07:10", EXECUTE, None),
            ("08:00", HELD, None),
            ("08:20", EXECUTE, None),
        ],
        {"production": 450, "unplannedStop": 30},
        2,
    ),
    "waiting for material is neither": (
        [("06:00", EXECUTE, None), ("07:00", STOPPED, "NO-MATERIAL"), ("07:02", EXECUTE, None)],
        {"production": 478, "starved": 2},
        0,
    ),
}


@pytest.mark.parametrize("name", SHIFTS)
def test_shifts_worked_out_by_hand(name: str) -> None:
    rows, expected, failures = SHIFTS[name]
    final, _ = closed(*said(*((clock, state, reason, 0, 0) for clock, state, reason in rows)), spec=MINOR)
    done = final["2026-03-09.early"]
    assert minutes(done) == expected
    assert done.failure_count == failures


def test_a_short_stop_over_the_border_of_two_shifts_is_minor_in_both() -> None:
    final, machine = closed(
        *said(("06:00", EXECUTE, None, 0, 0), ("13:58", HELD, None, 0, 0), ("14:02", EXECUTE, None, 0, 0)),
        spec=MINOR,
    )
    assert minutes(final["2026-03-09.early"]) == {"production": 478, "minorStop": 2}
    assert minutes(final["2026-03-09.late"]) == {"production": 478, "minorStop": 2}
    [ended] = machine.of(StopEnded)
    assert ended.category is TimeCategory.MINOR_STOP


def test_a_short_stop_into_silence_is_not_shown_to_be_short() -> None:
    spec = replace(MINOR, silence_ms=MINUTE)
    readings = [reading(n, at("06:00") + n * MINUTE) for n in range(60)]
    stopped = reading(60, at("07:00"), state=HELD)
    back = reading(61, at("07:03"))
    final, _ = closed(*readings, stopped, back, spec=spec)
    times = final["2026-03-09.early"].times_ms
    assert times[TimeCategory.UNPLANNED_STOP] == MINUTE
    assert TimeCategory.MINOR_STOP not in times


def test_indicators_of_a_shift_by_the_formulas_of_the_standard() -> None:
    final, _ = closed(
        *said(
            ("06:00", EXECUTE, None, 0, 0),
            ("08:00", HELD, "E-STOP", 600, 20),
            ("08:30", STOPPED, "CHANGEOVER", 600, 20),
            ("09:00", STOPPED, "NO-MATERIAL", 600, 20),
            ("09:15", EXECUTE, None, 600, 20),
            ("14:00", EXECUTE, None, 2000, 70),
        )
    )
    done = final["2026-03-09.early"]
    found = indicators(done)
    assert minutes(done) == {"production": 405, "unplannedStop": 30, "setup": 30, "starved": 15}
    assert found.base.planned_busy_ms == 480 * MINUTE
    assert found.base.availability == 405 / 480
    assert found.base.effectiveness == pytest.approx(2070 * 10 / (405 * 60))
    assert found.base.oee == pytest.approx(2000 * 10 / (480 * 60))
    assert found.nee == pytest.approx(435 / 480 * (20_700 / 24_300) * (2000 / 2070))
    assert found.allocation == 465 / 480
    assert found.utilisation == 405 / 465
    assert found.technical == 405 / 435
    assert found.setup == 30 / 435
    assert found.scrap == 70 / 2070
    assert found.throughput_per_h == pytest.approx(2070 / 8)
    assert (found.mtbf_ms, found.mttf_ms, found.mttr_ms) == (
        435 * MINUTE // 2,
        405 * MINUTE // 2,
        30 * MINUTE,
    )
    assert found.unclassified == 0.0
    parts = {loss.name: loss.time_ms for loss in waterfall(done)}
    assert sum(parts.values()) == 480 * MINUTE
    assert parts["fullyProductive"] == 20_000 * SECOND
    assert parts["defects"] == 700 * SECOND
    assert parts["reducedSpeed"] == 405 * MINUTE - 20_700 * SECOND


def test_effectiveness_above_one_is_shown_with_the_cycle_it_suspects() -> None:
    final, _ = closed(*said(("06:00", EXECUTE, None, 0, 0), ("14:00", EXECUTE, None, 5760, 0)))
    found = indicators(final["2026-03-09.early"])
    assert found.base.effectiveness == 2.0
    assert (found.suspected_product, found.suspected_cycle_ms) == ("gear", 5 * SECOND)
    assert sum(loss.time_ms for loss in waterfall(final["2026-03-09.early"])) == 480 * MINUTE


def test_units_that_contradict_themselves_are_counted_and_flagged() -> None:
    held = replace(reading(1, at("07:00"), state=HELD, good=10, reject=5), total=12)
    final, _ = closed(
        replace(reading(0, at("06:00"), state=HELD, good=0, reject=0), total=0), held, spec=FOREVER
    )
    done = final["2026-03-09.early"]
    assert (done.good_count, done.reject_count) == (10, 5)
    assert done.flags == {"countedWhileStopped": 15, "countsOverTotal": 3}


def test_units_made_unseen_are_counted_on_the_shift_of_return_and_flagged_there() -> None:
    first = [reading(n, at("13:00") + n * MINUTE, good=n, product="gear") for n in range(30)]
    back = [reading(30 + n, at("15:00") + n * MINUTE, good=60 + n) for n in range(3)]
    final, _ = closed(*first, *back, spec=SPEC)
    assert final["2026-03-09.early"].good_count == 29
    late = final["2026-03-09.late"]
    assert late.good_count == 33
    assert late.flags == {"countedOverGap": 31, "countedOverShifts": 31}


STEPS = {
    "first": (None, 7, {}, (0, Step.FIRST)),
    "same": (7, 7, {}, (0, Step.GROWN)),
    "grown": (7, 9, {}, (2, Step.GROWN)),
    "rolled over": (65_530, 4, {"modulus": 65_536}, (10, Step.ROLLED_OVER)),
    "restarted though it could roll over": (30_000, 4, {"modulus": 65_536}, (4, Step.RESTARTED)),
    "restarted": (900, 40, {"fastest_ms": 100}, (40, Step.RESTARTED)),
    "lower by one: no restart counts so far in a second": (900, 899, {"fastest_ms": 100}, (0, Step.REBASED)),
    "baseline after a restart": (900, 4, {"restart": "baseline"}, (0, Step.REBASED)),
    "a spike": (900, 90_000, {"fastest_ms": 100}, (0, Step.JUMPED)),
    "above the declared width": (70_000, 4, {"modulus": 65_536}, (4, Step.RESTARTED)),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_counters_steps_are_told_apart(name: str) -> None:
    last, new, rule, expected = STEPS[name]
    assert step(last, new, rule=CounterRule(**rule), elapsed_ms=10 * SECOND) == expected


def test_a_replaced_device_counts_from_wherever_it_stands() -> None:
    first = reading(0, at("06:00"), good=500)
    other = reading(1, at("06:01"), good=20, device="GATEWAY-2")
    grown = reading(2, at("06:02"), good=25, device="GATEWAY-2")
    final, _ = closed(first, other, grown)
    done = final["2026-03-09.early"]
    assert (done.good_count, done.reset_count, done.flags) == (5, 0, {"counterRebased": 1})


def test_a_clock_that_was_set_back_makes_no_units() -> None:
    """Told at 06:01:00 to :02, then the same device's clock says 06:00:55 and counts on to 59."""
    first = [reading(n, at("06:00") + n * SECOND, good=n) for n in range(62)]
    back = [
        reading(62 + n, at("06:00") + (55 + n) * SECOND + 1, arrived_at=at("06:02"), good=62 + n)
        for n in range(20)
    ]
    final, _ = closed(*first, *back)
    done = final["2026-03-09.early"]
    assert (done.good_count, done.reset_count, done.flags) == (81, 0, {"counterOvertaken": 6})


def test_a_device_that_begins_again_at_once_loses_no_unit() -> None:
    """Its numbers and counters begin again at 0; for the lateness bound that could be an old reading."""
    before = [reading(100 + n, at("06:00") + n * SECOND, good=500 + n) for n in range(3)]
    after = [replace(reading(103 + n, at("06:00") + (3 + n) * SECOND, good=n), sequence=n) for n in range(30)]
    final, _ = closed(*before, *after)
    done = final["2026-03-09.early"]
    assert (done.good_count, done.reset_count) == (2 + 29, 1)


def known(elements: OeeElements) -> dict[TimeCategory, int]:
    """Times without those outside any shift: a page of nothing else is not written."""
    return {k: v for k, v in elements.times_ms.items() if v and k is not TimeCategory.NOT_SCHEDULED}


@given(deliveries())
def test_pages_tile_time_and_sum_to_their_shifts(readings: list[Reading]) -> None:
    for spec in (SPEC, replace(SPEC, minor_stop_ms=3 * MINUTE)):
        final, machine = closed(*readings, spec=spec)
        pages = machine.of(PageClosed)
        for page in pages:
            elements = page.elements
            if not page.intervals:
                assert elements.start == elements.end
                continue
            assert page.intervals[0][0] == elements.start
            assert page.intervals[-1][1] == elements.end
            assert all(one[1] == other[0] for one, other in pairwise(page.intervals))
            assert sum(elements.times_ms.values()) == elements.end - elements.start
            assert sum(end - start for start, end, *_ in page.intervals) == elements.end - elements.start
        assert all(one.elements.end <= other.elements.start for one, other in pairwise(pages))
        for shift_id, elements in final.items():
            mine = [page.elements for page in pages if page.elements.shift_id == shift_id]
            if not mine:
                assert not known(elements)
                continue
            summed = total(mine)
            assert known(summed) == known(elements)
            assert (summed.good_count, summed.reject_count) == (elements.good_count, elements.reject_count)
            assert (summed.ideal_ms, summed.failure_count) == (elements.ideal_ms, elements.failure_count)
            assert summed.losses_ms == elements.losses_ms
            assert sum(loss.time_ms for loss in waterfall(elements)) == kpis(elements).planned_busy_ms


USUAL = (ShiftPattern("day", (0, 1, 2, 3, 4), 480, 960),)
BERLIN = Calendar(
    "Europe/Berlin",
    USUAL,
    frozenset({"2026-12-25"}),
    (CalendarChange("2026-06-01", (ShiftPattern("day", (0, 1, 2, 3), 360, 960),)),),
    (
        CalendarException("2026-03-14", (ShiftPattern("overtime", (), 480, 720),)),
        CalendarException("2026-12-24", (ShiftPattern("half", (), 360, 720),)),
        CalendarException("2026-03-10", ()),
    ),
)


@pytest.mark.parametrize(
    ("instant", "shift"),
    [
        ("2026-05-29T07:00", None),
        ("2026-05-29T09:00", "2026-05-29.day"),
        ("2026-06-01T07:00", "2026-06-01.day"),
        ("2026-06-05T09:00", None),
        ("2026-03-14T09:00", "2026-03-14.overtime"),
        ("2026-03-14T13:00", None),
        ("2026-12-24T07:00", "2026-12-24.half"),
        ("2026-12-25T09:00", None),
        ("2026-03-10T09:00", None),
    ],
)
def test_a_calendar_knows_changes_overtime_half_days_and_days_off(instant: str, shift: str | None) -> None:
    moment = datetime.fromisoformat(instant).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    assert segment_at(BERLIN, int(moment.timestamp() * 1000)).shift_id == shift


def test_overtime_into_the_shift_before_begins_when_that_ends() -> None:
    nights = Calendar(
        "Europe/Berlin",
        (ShiftPattern("night", (0, 1, 2, 3, 4, 5, 6), 1320, 1800),),
        exceptions=(CalendarException("2026-03-10", (ShiftPattern("overtime", (), 300, 600),)),),
    )
    six = int(datetime(2026, 3, 10, 6, tzinfo=ZoneInfo("Europe/Berlin")).timestamp() * 1000)
    assert segment_at(nights, six - 1).shift_id == "2026-03-09.night"
    overtime = segment_at(nights, six)
    assert (overtime.shift_id, overtime.start, overtime.shift_start) == ("2026-03-10.overtime", six, six)
