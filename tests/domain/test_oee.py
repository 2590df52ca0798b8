"""Whole shifts worked out by hand, and the fold held to a slow count of every second."""

from collections import Counter
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.effects import GapClosed, OeeMeasured, StopEnded, StopStarted
from shared.domain.elements import OeeElements
from shared.domain.inputs import Position, Reading, SpecChanged
from shared.domain.oee import kpis, shown_band
from shared.domain.packml import PackMLState, TimeCategory, category
from shared.domain.spec import Calendar, ShiftPattern
from tests.machine import Machine, of
from tests.plants import CALENDAR, DAY, HOUR, MINUTE, MONDAY, SECOND, SPEC, reading

EARLY = MONDAY + 5 * HOUR
"""06:00 in Berlin: the early shift begins. It ends after 8 h and has a break of 30 min from 10:00."""
EXECUTE, HELD, STOPPED = PackMLState.EXECUTE, PackMLState.HELD, PackMLState.STOPPED
FOREVER = replace(SPEC, silence_ms=30 * DAY)
"""The last state holds through any silence, so that a worked example needs few readings."""


def at(clock: str) -> int:
    """An instant of that Monday, by the clock in the hall."""
    hour, minute = map(int, clock.split(":"))
    return EARLY + (hour - 6) * HOUR + minute * MINUTE


def shift(*readings: Reading, spec=SPEC, shift_id: str = "2026-03-09.early") -> OeeElements:
    """The final elements of the early shift after some readings."""
    machine = Machine(spec)
    machine.fold(*readings)
    return machine.close()[shift_id]


def minutes(elements: OeeElements) -> dict[str, float]:
    return {str(kind): spent / MINUTE for kind, spent in elements.times_ms.items() if spent}


def test_a_shift_at_full_speed_without_a_stop() -> None:
    done = shift(
        reading(1, at("06:00"), good=0, reject=0, product="gear"),
        reading(2, at("14:00"), good=2700, reject=0),
        spec=FOREVER,
    )
    assert minutes(done) == {"production": 480}
    assert done.ideal_ms == 2700 * 10 * SECOND
    figures = kpis(done)
    assert figures.availability == 1.0
    assert figures.effectiveness == pytest.approx(27_000 / 28_800)
    assert figures.oee == pytest.approx(0.9375)
    assert shown_band(SPEC, done) == "green"


def test_a_shift_with_a_stop_a_break_and_scrap() -> None:
    done = shift(
        reading(1, at("06:00"), good=0, reject=0, product="gear"),
        reading(2, at("08:00"), good=600, reject=20, state=HELD, reason="E-STOP"),
        reading(3, at("09:00"), good=600, reject=20),
        reading(4, at("10:00"), good=900, reject=50, state=STOPPED, reason="LUNCH"),
        reading(5, at("10:30"), good=900, reject=50),
        reading(6, at("14:00"), good=2000, reject=70),
        spec=FOREVER,
    )
    assert minutes(done) == {"production": 390, "unplannedStop": 60, "plannedStop": 30}
    figures = kpis(done)
    assert figures.planned_busy_ms == 450 * MINUTE
    assert figures.availability == pytest.approx(390 / 450)
    assert figures.effectiveness == pytest.approx(2070 * 10 / (390 * 60))
    assert figures.quality == pytest.approx(2000 / 2070)
    assert figures.oee == pytest.approx(2000 * 10 / (450 * 60))
    assert shown_band(SPEC, done) == "red"


def test_two_products_are_each_priced_by_their_own_cycle() -> None:
    done = shift(
        reading(1, at("06:00"), good=0, reject=0, product="gear"),
        reading(2, at("09:00"), good=1000, reject=0, state=STOPPED, reason="CHANGEOVER"),
        reading(3, at("09:30"), good=1000, reject=0, product="shaft"),
        reading(4, at("14:00"), good=3000, reject=0),
        spec=FOREVER,
    )
    assert minutes(done) == {"production": 450, "setup": 30}
    assert done.ideal_ms == (1000 * 10 + 2000 * 7) * SECOND
    assert kpis(done).oee == pytest.approx(24_000 / 28_800)
    assert shown_band(SPEC, done) == "yellow"


def test_units_made_up_to_a_change_of_product_are_the_old_ones() -> None:
    done = shift(
        reading(1, at("06:00"), good=0, product="gear"),
        reading(2, at("07:00"), good=100, product="shaft"),
        spec=FOREVER,
    )
    assert done.ideal_ms == 100 * 10 * SECOND


def test_a_product_without_a_cycle_leaves_effectiveness_unknown() -> None:
    done = shift(
        reading(1, at("06:00"), good=0, product="unheard-of"),
        reading(2, at("14:00"), good=5),
        spec=FOREVER,
    )
    assert (done.unpriced_count, kpis(done).oee) == (5, None)
    assert shown_band(SPEC, done) == "grey"


def test_time_without_data_stays_planned_and_turns_the_band_grey() -> None:
    """Readings every minute until 13:00, then none: 1 min is believed, 59 min are unknown."""
    readings = [
        reading(n, at("06:00") + n * MINUTE, good=6 * n, reject=0, product="gear") for n in range(421)
    ]
    done = shift(*readings)
    assert minutes(done) == {"production": 421, "unknown": 59}
    figures = kpis(done)
    assert figures.coverage == pytest.approx(421 / 480)
    assert figures.oee == pytest.approx(2520 * 10 / 28_800)
    assert figures.upper_bound == pytest.approx(2520 * 10 / 28_800 + 59 / 480)
    assert shown_band(SPEC, done) == "grey"


def test_a_machine_that_never_ran_has_an_oee_of_zero_and_is_red() -> None:
    done = shift(reading(1, at("06:00"), state=HELD), spec=FOREVER)
    figures = kpis(done)
    assert (figures.availability, figures.oee, figures.upper_bound) == (0.0, 0.0, 0.0)
    assert (figures.effectiveness, figures.quality) == (None, None)
    assert shown_band(SPEC, done) == "red"


def test_an_idle_break_is_planned_and_production_in_it_is_production() -> None:
    idle = shift(reading(1, at("06:00"), state=HELD), spec=FOREVER)
    assert minutes(idle) == {"unplannedStop": 450, "plannedStop": 30}
    busy = shift(reading(1, at("06:00")), spec=FOREVER)
    assert minutes(busy) == {"production": 480}


def test_a_first_reading_within_a_shift_opens_it_there() -> None:
    done = shift(reading(1, at("12:00"), good=7), spec=FOREVER)
    assert (done.start, done.end, minutes(done)) == (at("12:00"), at("14:00"), {"production": 120})
    assert done.good_count == 0


def test_a_counter_that_was_reset_counts_from_zero_and_says_so() -> None:
    done = shift(reading(1, at("06:00"), good=900), reading(2, at("07:00"), good=40), spec=FOREVER)
    assert (done.good_count, done.reset_count) == (40, 1)


def test_a_counter_with_a_modulus_rolls_over() -> None:
    done = shift(
        reading(1, at("06:00"), good=65_530),
        reading(2, at("07:00"), good=4),
        spec=replace(FOREVER, counter_modulus=65_536),
    )
    assert (done.good_count, done.reset_count) == (10, 0)


def test_rejects_by_reason_are_counted_even_when_they_come_alone() -> None:
    first = replace(reading(1, at("06:00")), rejects={"scratch": 3})
    second = replace(reading(2, at("07:00")), rejects={"scratch": 5, "dent": 1})
    third = replace(reading(3, at("08:00")), rejects={"scratch": 5, "dent": 2})
    assert shift(first, second, third, spec=FOREVER).rejects == {"scratch": 2, "dent": 1}


def test_no_device_can_make_the_state_grow_by_inventing_reject_reasons() -> None:
    machine = Machine(FOREVER)
    for n in range(1000):
        machine.fold(replace(reading(n, at("06:00") + n * SECOND, reject=n), rejects={f"reason {n}": n}))
    assert len(machine.state.fold.rejects) == 64
    assert machine.close()["2026-03-09.early"].reject_count == 999


def test_a_late_reading_is_counted_on_the_closed_shift_it_belongs_to() -> None:
    machine = Machine(FOREVER)
    machine.fold(reading(1, at("06:00")), reading(2, at("15:00")))
    assert machine.final["2026-03-09.early"].late_count == 0
    machine.fold(reading(3, at("13:00"), arrived_at=at("15:01")))
    assert machine.final["2026-03-09.early"].late_count == 1
    assert minutes(machine.final["2026-03-09.early"]) == {"production": 480}


def test_a_free_day_on_which_the_machine_only_reports_gets_no_figures() -> None:
    saturday = MONDAY + 5 * DAY + 10 * HOUR
    machine = Machine()
    machine.fold(*(reading(n, saturday + n * 10 * SECOND, state=STOPPED) for n in range(60)))
    assert machine.of(OeeMeasured) == []
    machine.close()
    assert not [shift_id for shift_id in machine.final if shift_id.startswith("unscheduled")]


def test_production_on_a_free_day_has_figures_and_they_become_final() -> None:
    saturday = MONDAY + 5 * DAY + 10 * HOUR
    machine = Machine()
    machine.fold(*(reading(n, saturday + n * 10 * SECOND) for n in range(60)))
    measured = {e.elements.shift_id for e in machine.of(OeeMeasured)}
    assert measured <= machine.close().keys()


def test_a_stop_lasts_from_the_first_state_that_is_none_to_the_next_production() -> None:
    machine = Machine()
    machine.fold(
        reading(1, at("06:00")),
        reading(2, at("06:01"), state=HELD, reason="E-STOP"),
        reading(3, at("06:02"), state=STOPPED, reason="NO-MATERIAL"),
        reading(4, at("06:03")),
        reading(5, at("06:04")),
    )
    [started] = machine.of(StopStarted)
    [ended] = machine.of(StopEnded)
    assert (started.stop_id, started.at) == (ended.stop_id, at("06:01"))
    assert (ended.at, ended.category, ended.reason) == (at("06:03"), TimeCategory.STARVED, "NO-MATERIAL")


@pytest.mark.parametrize("heard", ["13:00", "13:59", "14:00"])
def test_a_long_silence_closes_as_rows_of_one_document_and_no_second_is_lost(heard: str) -> None:
    """`13:59`: the last state still holds when the next shift has begun."""
    spec = replace(SPEC, silence_ms=5 * MINUTE)
    machine = Machine(spec)
    machine.fold(reading(1, at("06:00")), reading(2, at(heard)), reading(3, at(heard) + 30 * DAY))
    machine.fold(reading(4, at(heard) + 30 * DAY + MINUTE))
    [gap] = machine.of(GapClosed)
    assert len(gap.rows) > 30
    assert sum(planned for *_, planned in gap.rows) > 0
    for elements in machine.final.values():
        assert sum(elements.times_ms.values()) == elements.end - elements.start
    kept = list(machine.final) + [shift_id for shift_id, *_ in gap.rows]
    assert len(set(kept)) == len(kept)
    covered = sorted([(e.start, e.end) for e in machine.final.values()] + [(s, e) for _, s, e, _ in gap.rows])
    assert all(end <= start for (_, end), (start, _) in pairwise(covered))
    assert all(gap.start <= start and end <= gap.end for _, start, end, _ in gap.rows)


def test_a_gap_of_many_years_says_which_of_it_is_written_down() -> None:
    machine = Machine()
    machine.fold(reading(1, at("06:00")), reading(2, at("06:00") + 3650 * DAY))
    machine.fold(reading(3, at("06:00") + 3650 * DAY + MINUTE))
    [gap] = machine.of(GapClosed)
    assert len(gap.rows) == 5_000
    assert gap.start == gap.rows[0][1]


LONGER = Calendar("Europe/Berlin", (ShiftPattern("early", (0, 1, 2, 3, 4), 360, 1080),))
SHORTER = Calendar("Europe/Berlin", (ShiftPattern("early", (0, 1, 2, 3, 4), 360, 720),))
OTHER = Calendar("Europe/Berlin", (ShiftPattern("day", (0, 1, 2, 3, 4), 480, 960),))


@pytest.mark.parametrize("calendar", [LONGER, SHORTER, OTHER])
@pytest.mark.parametrize("changed_at", ["09:00", "13:00"])
def test_shifts_add_up_when_their_calendar_changes_within_them(calendar: Calendar, changed_at: str) -> None:
    machine = Machine(FOREVER)
    spec = replace(FOREVER, version=2, calendar=calendar)
    machine.fold(reading(1, at("06:00")), reading(2, at(changed_at)))
    machine.fold(SpecChanged(Position("apply/SITE-1", 2), spec, at(changed_at)))
    machine.fold(reading(3, at(changed_at) + MINUTE))
    machine.close()
    for elements in machine.final.values():
        assert sum(elements.times_ms.values()) == elements.end - elements.start
    monday = [e for e in machine.final.values() if e.start < MONDAY + DAY]
    assert sum(e.end - e.start for e in monday) >= at(changed_at) - at("06:00")


# The reference: each second of a history, one by one, from the definitions.

PATTERNS = {"early": (6 * 60, 14 * 60, 600, 630), "late": (14 * 60, 22 * 60, 1080, 1110)}


def planned(second: int) -> tuple[str, bool]:
    """(shift, whether planned) of a second on a working Monday, by the clock on the wall."""
    wall = datetime.fromtimestamp(second, tz=ZoneInfo(CALENDAR.zone))
    minute = wall.hour * 60 + wall.minute
    for name, (start, end, pause, resume) in PATTERNS.items():
        if start <= minute < end:
            return f"2026-03-09.{name}", not pause <= minute < resume
    raise AssertionError(wall)


def count_seconds(readings: list[Reading], end: int) -> dict[str, Counter[str]]:
    """Seconds by shift and category: what the newest reading up to then said, while it held."""
    counted: dict[str, Counter[str]] = {}
    silence_s = SPEC.silence_ms // SECOND
    told = iter([*readings, None])
    following = next(told)
    state, reason, heard = PackMLState.UNDEFINED, None, 0
    for second in range(readings[0].at // SECOND, end // SECOND):
        while following is not None and following.at // SECOND <= second:
            heard = following.at // SECOND
            if following.state is not None:
                state, reason = following.state, following.reason
            following = next(told)
        kind = category(state, reason, SPEC.reasons) if second < heard + silence_s else TimeCategory.UNKNOWN
        name, is_planned = planned(second)
        if not is_planned and kind is not TimeCategory.PRODUCTION:
            kind = TimeCategory.PLANNED_STOP
        counted.setdefault(name, Counter())[str(kind)] += 1
    return counted


@st.composite
def mondays(draw: st.DrawFn) -> list[Reading]:
    """Readings of one Monday between 06:00 and 21:00, on whole seconds."""
    start = at("06:00") // SECOND
    seconds = sorted(draw(st.lists(st.integers(start, start + 15 * 3600), min_size=2, max_size=30)))
    bursts = draw(st.lists(st.integers(start, start + 15 * 3600 - 600), max_size=3))
    seconds = sorted(seconds + [first + step for first in bursts for step in range(0, 300, 20)])
    states = st.sampled_from([None, EXECUTE, EXECUTE, HELD, STOPPED, PackMLState.IDLE, PackMLState.UNDEFINED])
    reasons = st.sampled_from([None, "E-STOP", "CHANGEOVER", "LUNCH", "never heard of"])
    return [
        reading(n, second * SECOND, state=draw(states), reason=draw(reasons))
        for n, second in enumerate(seconds)
    ]


@given(mondays())
@settings(max_examples=40, deadline=None)
def test_time_is_accounted_as_a_count_of_every_second_would(readings: list[Reading]) -> None:
    machine = Machine()
    machine.fold(*readings)
    machine.close()
    end = at("22:00")
    expected = count_seconds(readings, end)
    for name in PATTERNS:
        elements = machine.final.get(f"2026-03-09.{name}")
        spent = {} if elements is None else elements.times_ms
        got = {str(kind): ms // SECOND for kind, ms in spent.items() if ms}
        assert got == dict(expected.get(f"2026-03-09.{name}", {}))


def test_the_effects_of_one_input_fit_into_one_commit_however_much_was_waiting() -> None:
    spec = replace(SPEC, lateness_ms=DAY)
    machine = Machine(spec)
    states = (EXECUTE, HELD)
    for n in range(140):
        machine.fold(reading(n, at("06:00") + n * 5 * MINUTE, state=states[n % 2], good=n))
    jump = machine.fold(reading(141, at("06:00") + 20 * DAY))
    assert len(jump) < 60
    assert machine.state.fold.waiting
    now = machine.state.arrived_at + spec.close_after_ms
    machine.tick(now)
    assert machine.state.fold.waiting
    assert machine.due_at is not None
    assert machine.due_at <= now
    machine.close()
    assert not machine.state.fold.waiting
    assert sum(e.good_count for e in machine.final.values()) == 139
    assert of(StopEnded, machine.effects)
