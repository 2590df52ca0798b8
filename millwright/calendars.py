"""Calendars, colours and line rules of a description -> what the domain folds with."""

from collections.abc import Iterable
from datetime import date

from shared.contracts.factory import CalendarException, Factory, Line, Shift, Site
from shared.contracts.spec_documents import LineOee
from shared.domain.calendar import day_start
from shared.domain.spec import Bands, Calendar, CalendarChange, ShiftPattern
from shared.domain.spec import CalendarException as Exceptional

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MIN = 1440


def calendar(site: Site, line: Line | None = None) -> Calendar:
    """The site's calendar in minutes after local midnight, or a line's where it differs."""
    exceptions = {one.day: one for one in site.calendar_exceptions}
    if line is not None:
        exceptions |= {one.day: one for one in line.calendar_exceptions}
    changes = sorted(site.shift_changes, key=lambda change: change.first_day)
    return Calendar(
        site.time_zone,
        tuple(map(shift_pattern, site.shifts)),
        frozenset(site.holidays),
        tuple(CalendarChange(c.first_day, tuple(map(shift_pattern, c.shifts))) for c in changes),
        tuple(_exceptional(exceptions[day]) for day in sorted(exceptions)),
    )


def shift_pattern(shift: Shift) -> ShiftPattern:
    """A shift on one scale of minutes: what is before its start belongs to the next day."""
    start = minute(shift.start)

    def after(clock: str, *, at_least: int) -> int:
        return minute(clock) + (_DAY_MIN if minute(clock) < at_least else 0)

    breaks = tuple(
        (begin, begin + (minute(pause.end) - minute(pause.start)) % _DAY_MIN)
        for pause in shift.breaks
        for begin in (after(pause.start, at_least=start),)
    )
    weekdays = tuple(sorted({_WEEKDAYS.index(day) for day in shift.days}))
    return ShiftPattern(
        shift.id, weekdays, start, after(shift.end, at_least=start + 1), tuple(sorted(breaks))
    )


def minute(clock: str) -> int:
    """Minutes after midnight of `hh:mm`."""
    return int(clock[:2]) * 60 + int(clock[3:])


def bands(factory: Factory, site: Site, scopes: Iterable[str | None]) -> tuple[Bands, ...]:
    """The limits of the colours from their dates on; of several scopes the last that has any counts."""
    found: tuple[Bands, ...] = ()
    for scope in scopes:
        own = sorted(
            (target for target in factory.oee.targets if target.scope == scope),
            key=lambda target: target.first_day,
        )
        if own:
            found = tuple(
                Bands(
                    day_start(site.time_zone, date.fromisoformat(target.first_day)),
                    target.green_ratio,
                    target.yellow_ratio,
                )
                for target in own
            )
    return found


def line_oee(factory: Factory, site: Site, area: str | None, line: Line) -> LineOee:
    """How the line's OEE is made. The last machine feeds none of the line, the first is fed by none."""
    ids = {machine.id for machine in line.machines}
    fed = {target for machine in line.machines for target in machine.feeds}
    last = [machine.id for machine in line.machines if not ids & set(machine.feeds)]
    first = [machine.id for machine in line.machines if machine.id not in fed]
    machine = {"sum": None, "bottleneck": line.bottleneck, "last": last[-1] if last else None}[line.oee_by]
    return LineOee(
        machine=machine,
        first=first[0] if first else None,
        area=area,
        bands=bands(factory, site, (factory.enterprise.id, site.id, area, line.id)),
    )


def _exceptional(exception: CalendarException) -> Exceptional:
    return Exceptional(exception.day, tuple(map(shift_pattern, exception.shifts)))
