"""Sites: zones, shifts and breaks, and ids that must differ across the whole description."""

from collections.abc import Iterator
from difflib import get_close_matches
from itertools import pairwise
from zoneinfo import available_timezones

from millwright.calendars import minute, shift_pattern
from millwright.checks.names import repeated, unknown
from millwright.places import lines_at, machines_at
from millwright.source import Path, Problem
from shared.contracts.factory import Factory, Shift, Site
from shared.described import sensor_twin_id
from shared.devices import device_twin_id

_WEEK_MIN = 7 * 1440


def site_problems(factory: Factory) -> Iterator[Problem]:
    yield from repeated("twin", _twins(factory))
    yield from _made_up_problems(factory)
    for index, site in enumerate(factory.sites):
        at: Path = ("sites", index)
        yield from zone_problems(site.time_zone, (*at, "time_zone"))
        yield from _shift_problems(site, at)
        if not site.lines and not site.areas:
            yield Problem(at, f"site {site.id} has no lines", "add `lines`, or `areas` with lines")
        used = {device for _, _, machine in machines_at(index, site) for device in machine.devices}
        for device, spec in site.devices.items():
            if device not in used:
                yield unknown("device", device, used, (*at, "devices", device))
            if spec.profile is not None and spec.profile not in factory.profiles:
                yield unknown("profile", spec.profile, factory.profiles, (*at, "devices", device, "profile"))


def zone_problems(zone: str, at: Path) -> Iterator[Problem]:
    """A zone that the IANA database does not have, with the likeliest meant."""
    zones = available_timezones()
    if zone not in zones:
        city = zone.rpartition("/")[2].replace(" ", "_").lower()
        close = [name for name in sorted(zones) if city and name.lower().endswith("/" + city)]
        close = close or get_close_matches(zone, zones, 1)
        yield Problem(
            at,
            f"{zone} is no IANA time zone",
            f"did you mean {close[0]}?" if close else "use a name such as Europe/Vienna",
            about=zone,
        )


def _twins(factory: Factory) -> Iterator[tuple[str, Path]]:
    """Everything that becomes a twin: one graph, one space of ids."""
    yield factory.enterprise.id, ("enterprise", "id")
    for index, site in enumerate(factory.sites):
        yield site.id, ("sites", index, "id")
        for number, area in enumerate(site.areas):
            yield area.id, ("sites", index, "areas", number, "id")
        for at, line in lines_at(index, site):
            yield line.id, (*at, "id")
        for at, _, machine in machines_at(index, site):
            yield machine.id, (*at, "id")
    for product in factory.products:
        yield product, ("products", product)


def _made_up_problems(factory: Factory) -> Iterator[Problem]:
    """Devices and signals whose twins would be called as another twin is."""
    taken = {name for name, _ in _twins(factory)}
    seen: set[str] = set()
    for index, site in enumerate(factory.sites):
        for at, _, machine in machines_at(index, site):
            for number, device in enumerate(machine.devices):
                if device_twin_id(device) in taken and device not in seen:
                    yield _clash(f"device {device}", device_twin_id(device), (*at, "devices", number))
                seen.add(device)
    devices = {device_twin_id(device) for device in seen}
    for index, site in enumerate(factory.sites):
        for at, _, machine in machines_at(index, site):
            kind = factory.classes.get(machine.machine_class)
            for signal in kind.signals if kind is not None else ():
                twin_id = sensor_twin_id(machine.id, signal)
                if twin_id in taken or twin_id in devices:
                    yield _clash(f"signal {signal} of {machine.id}", twin_id, (*at, "id"))


def _clash(what: str, twin_id: str, at: Path) -> Problem:
    return Problem(at, f"the twin of {what} would be called {twin_id}, which is taken", "give it another id")


def _shift_problems(site: Site, at: Path) -> Iterator[Problem]:
    yield from repeated(
        "shift", ((shift.id, (*at, "shifts", i, "id")) for i, shift in enumerate(site.shifts))
    )
    for index, shift in enumerate(site.shifts):
        yield from _break_problems(shift, (*at, "shifts", index))
    spans = sorted(
        (day * 1440 + pattern.start_minute, day * 1440 + pattern.end_minute, index)
        for index, shift in enumerate(site.shifts)
        for pattern in (shift_pattern(shift),)
        for day in pattern.weekdays
    )
    told: set[tuple[int, int]] = set()
    around = [*spans, *((start + _WEEK_MIN, end + _WEEK_MIN, index) for start, end, index in spans[:1])]
    for (_, end, one), (start, _, other) in pairwise(around):
        pair = (min(one, other), max(one, other))
        if start < end and pair not in told:
            told.add(pair)
            shifts = site.shifts[pair[0]].id, site.shifts[pair[1]].id
            yield Problem(
                (*at, "shifts", pair[1]),
                f"shift {shifts[1]} overlaps shift {shifts[0]}"
                if one != other
                else f"shift {shifts[0]} overlaps itself",
                "a moment belongs to one shift: change their times or days",
            )


def _break_problems(shift: Shift, at: Path) -> Iterator[Problem]:
    pattern = shift_pattern(shift)
    for index, pause in enumerate(shift.breaks):
        start = minute(pause.start) + (1440 if minute(pause.start) < pattern.start_minute else 0)
        length = (minute(pause.end) - minute(pause.start)) % 1440
        place = (*at, "breaks", index)
        if length == 0:
            yield Problem(place, f"the break at {pause.start} lasts no time", "give it another end")
        elif start + length > pattern.end_minute:
            yield Problem(
                place,
                f"the break {pause.start} to {pause.end} is not inside shift {shift.id}, "
                f"{shift.start} to {shift.end}",
                "move it, or leave it out",
            )
    for (_, end), (start, _) in pairwise(pattern.breaks):
        if start < end:
            yield Problem((*at, "breaks"), f"breaks of shift {shift.id} overlap", "join them")
