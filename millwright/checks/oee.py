"""OEE: whose a line's is, colours, reasons of states, calendars of single dates."""

from collections.abc import Iterator

from millwright.checks.names import repeated, unknown
from millwright.places import lines_at
from millwright.source import Path, Problem
from shared.contracts.factory import CalendarException, Factory, Line


def oee_problems(factory: Factory) -> Iterator[Problem]:
    """Names that lead nowhere, and line rules that say nothing."""
    scopes = {factory.enterprise.id}
    for index, site in enumerate(factory.sites):
        scopes |= {site.id, *(area.id for area in site.areas)}
        yield from _dates(site.calendar_exceptions, ("sites", index, "calendar_exceptions"))
        for at, line in lines_at(index, site):
            scopes |= {line.id, *(machine.id for machine in line.machines)}
            yield from _line_problems(line, at)
    for index, target in enumerate(factory.oee.targets):
        place: Path = ("oee", "targets", index)
        if target.scope not in scopes:
            yield unknown("scope", target.scope, scopes, (*place, "scope"))
        if target.yellow_ratio > target.green_ratio:
            yield Problem(
                (*place, "yellow_ratio"), "yellow begins above green", "make yellow_ratio the smaller one"
            )
    for name, kind in factory.classes.items():
        for state, reason in kind.state_reasons.items():
            if reason not in factory.stop_reasons:
                yield unknown(
                    "stop reason", reason, factory.stop_reasons, ("classes", name, "state_reasons", state)
                )


def _line_problems(line: Line, at: Path) -> Iterator[Problem]:
    ids = {machine.id for machine in line.machines}
    yield from _dates(line.calendar_exceptions, (*at, "calendar_exceptions"))
    if line.bottleneck is not None and line.bottleneck not in ids:
        yield unknown("machine", line.bottleneck, ids, (*at, "bottleneck"))
    elif line.oee_by == "bottleneck" and line.bottleneck is None:
        yield Problem(
            (*at, "oee_by"), f"line {line.id} does not name its bottleneck", "add `bottleneck: MACHINE`"
        )
    elif line.oee_by == "last":
        last = [machine.id for machine in line.machines if not ids & set(machine.feeds)]
        if len(last) != 1:
            yield Problem(
                (*at, "oee_by"),
                f"line {line.id} has {len(last)} last machines",
                "say with `feeds` where units go, so that one machine feeds none of the line",
            )


def _dates(exceptions: list[CalendarException], at: Path) -> Iterator[Problem]:
    yield from repeated("day", ((one.day, (*at, index, "day")) for index, one in enumerate(exceptions)))
