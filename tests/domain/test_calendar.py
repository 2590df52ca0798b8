"""Shifts as people at the site know them, turned into instants."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.calendar import Segment, segment_at
from shared.domain.spec import Calendar, ShiftPattern
from tests.plants import CALENDAR, DAY, HOUR, MINUTE, MONDAY

BERLIN = ZoneInfo("Europe/Berlin")
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
GAPS = Calendar(
    "Europe/Berlin",
    (ShiftPattern("a", (0, 1, 2, 3, 4), 360, 720), ShiftPattern("b", (0, 1, 2, 3, 4), 780, 1080)),
    frozenset({"2026-12-25"}),
)
NIGHTS = Calendar("Europe/Berlin", (ShiftPattern("night", EVERY_DAY, 1320, 1800, ((1560, 1590),)),))


def local(text: str, *, fold: int = 0) -> int:
    """Milliseconds of a wall-clock time in Berlin."""
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).timestamp() * 1000)


def at(calendar: Calendar, text: str) -> Segment:
    return segment_at(calendar, local(text))


def test_a_shift_begins_and_ends_by_the_wall_clock() -> None:
    assert at(CALENDAR, "2026-03-09T06:00").shift_id == "2026-03-09.early"
    assert at(CALENDAR, "2026-03-09T05:59:59").shift_id is None
    assert at(CALENDAR, "2026-03-09T14:00").shift_id == "2026-03-09.late"


def test_a_break_belongs_to_its_shift_and_is_not_planned() -> None:
    pause = at(CALENDAR, "2026-03-09T10:15")
    assert (pause.shift_id, pause.planned) == ("2026-03-09.early", False)
    assert (pause.start, pause.end) == (local("2026-03-09T10:00"), local("2026-03-09T10:30"))
    assert at(CALENDAR, "2026-03-09T10:30").planned


def test_a_night_shift_carries_the_date_of_its_evening() -> None:
    night = at(CALENDAR, "2026-03-10T03:00")
    assert night.shift_id == "2026-03-09.night"
    assert night.shift_start == local("2026-03-09T22:00")
    assert night.shift_end == local("2026-03-10T06:00")
    assert not at(CALENDAR, "2026-03-10T02:15").planned


def test_no_shift_starts_on_a_holiday_but_the_one_before_ends() -> None:
    assert at(CALENDAR, "2026-03-11T03:00").shift_id == "2026-03-10.night"
    assert at(CALENDAR, "2026-03-11T07:00").shift_id is None
    assert at(CALENDAR, "2026-03-12T03:00").shift_id is None


def test_between_two_shifts_of_a_day_nothing_is_planned() -> None:
    pause = at(GAPS, "2026-03-09T12:30")
    assert (pause.shift_id, pause.planned) == (None, False)
    assert (pause.start, pause.end) == (local("2026-03-09T12:00"), local("2026-03-09T13:00"))


@pytest.mark.parametrize("time", ["2026-03-13T18:00", "2026-03-13T23:59"])
def test_the_evening_before_a_weekend_ends_at_midnight(time: str) -> None:
    evening = at(GAPS, time)
    assert (evening.start, evening.end) == (local("2026-03-13T18:00"), local("2026-03-14T00:00"))


@pytest.mark.parametrize("time", ["2026-03-15T00:00", "2026-03-15T12:00", "2026-03-15T23:59"])
def test_a_day_without_shifts_is_one_stretch_whenever_one_asks(time: str) -> None:
    sunday = at(GAPS, time)
    assert (sunday.start, sunday.end) == (local("2026-03-15T00:00"), local("2026-03-16T00:00"))
    assert (sunday.shift_start, sunday.shift_end) == (sunday.start, sunday.end)


def test_a_night_shift_is_an_hour_shorter_when_summer_time_begins() -> None:
    night = at(NIGHTS, "2026-03-29T04:00")
    assert night.shift_id == "2026-03-28.night"
    assert night.shift_end - night.shift_start == 7 * HOUR


def test_a_night_shift_is_an_hour_longer_when_summer_time_ends() -> None:
    night = segment_at(NIGHTS, local("2026-10-25T02:45", fold=1))
    assert night.shift_id == "2026-10-24.night"
    assert night.shift_end - night.shift_start == 9 * HOUR
    assert night.planned


def test_a_break_that_summer_time_skips_takes_no_longer_than_planned() -> None:
    pause = segment_at(NIGHTS, local("2026-03-29T03:00"))
    assert not pause.planned
    assert pause.end - pause.start == 30 * MINUTE


def test_a_day_without_any_shift_pattern_is_still_a_stretch() -> None:
    never = Calendar("Europe/Berlin", ())
    day = at(never, "2026-03-29T12:00")
    assert (day.shift_id, day.end - day.start) == (None, 23 * HOUR)


@given(
    st.sampled_from([CALENDAR, GAPS, NIGHTS, Calendar("Australia/Lord_Howe", CALENDAR.shifts)]),
    st.integers(MONDAY - 60 * DAY, MONDAY + 300 * DAY),
    st.floats(0, 1, exclude_max=True),
)
@settings(max_examples=200, deadline=None)
def test_segments_tile_the_time_line(calendar: Calendar, moment: int, place: float) -> None:
    segment = segment_at(calendar, moment)
    inside = segment.start + int((segment.end - segment.start) * place)
    assert segment_at(calendar, inside) == segment
    assert segment_at(calendar, segment.end).start == segment.end
    assert segment_at(calendar, segment.start - 1).end == segment.start
    assert segment.shift_start <= segment.start < segment.end <= segment.shift_end
    assert segment.end - segment.start <= 25 * HOUR
