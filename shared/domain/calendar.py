"""Which shift an instant belongs to: wall-clock patterns turned into intervals of UTC milliseconds."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from shared.domain.spec import Calendar, ShiftPattern


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time with one meaning. `shift_id` is None between shifts."""

    start: int
    end: int
    shift_id: str | None
    shift_start: int
    shift_end: int
    planned: bool
    """False in a planned break and between shifts."""


def segment_at(calendar: Calendar, at: int) -> Segment:
    """The segment that contains `at`; consecutive segments tile the time line without overlap.

    Shift borders follow the site's wall clock: a night shift over the end of daylight saving is
    an hour longer. Shift ids are `<local start date>.<shift>`. Time between shifts is cut at local
    midnight, so that a stretch is the same whichever of its instants one asks for. Of two shifts
    that overlap (overtime planned into the one before) the later begins when the earlier ends.
    """
    day = datetime.fromtimestamp(at / 1000, tz=UTC).astimezone(ZoneInfo(calendar.zone)).date()
    start, end = (_instant(calendar.zone, day + timedelta(days=offset), 0) for offset in (0, 1))
    reached = floor = -1
    shift_id = None
    for offset in (-1, 0):
        for segment in _segments_of_day(calendar, day + timedelta(days=offset)):
            if segment.shift_id != shift_id:
                shift_id, floor = segment.shift_id, reached
            if segment.end <= floor:
                continue
            if segment.shift_start < floor:
                segment = replace(segment, start=max(segment.start, floor), shift_start=floor)
            reached = segment.end
            if at < segment.start:
                return Segment(start, segment.start, None, start, segment.start, False)
            if at < segment.end:
                return segment
            start = max(start, segment.end)
    return Segment(start, end, None, start, end, False)


@lru_cache(maxsize=4096)
def _segments_of_day(calendar: Calendar, day: date) -> tuple[Segment, ...]:
    """The segments of the shifts that start on a local date, in order."""
    segments: list[Segment] = []
    for pattern in sorted(_patterns(calendar, day), key=lambda shift: shift.start_minute):
        borders = [pattern.start_minute]
        for pause in sorted(pattern.breaks):
            borders.extend(pause)
        borders.append(pattern.end_minute)
        instants = [_instant(calendar.zone, day, minute) for minute in borders]
        shift_id = f"{day.isoformat()}.{pattern.shift}"
        for index, (start, end) in enumerate(pairwise(instants)):
            if start < end:
                segments.append(
                    Segment(start, end, shift_id, instants[0], instants[-1], planned=index % 2 == 0)
                )
    return tuple(segments)


def _patterns(calendar: Calendar, day: date) -> list[ShiftPattern]:
    """The shifts that start on a local date."""
    name = day.isoformat()
    for exception in calendar.exceptions:
        if exception.day == name:
            return list(exception.shifts)
    if name in calendar.holidays:
        return []
    shifts = calendar.shifts
    for change in calendar.changes:
        if change.first_day <= name:
            shifts = change.shifts
    return [pattern for pattern in shifts if day.weekday() in pattern.weekdays]


def day_start(zone: str, day: date) -> int:
    """The instant at which a local date begins."""
    return _instant(zone, day, 0)


def _instant(zone: str, day: date, minute: int) -> int:
    """A wall-clock minute of a local day; one that daylight saving skips counts from before the jump."""
    wall = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute)
    return int(wall.replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)
