"""Machines: their class, devices, material flow, and what lines and machines change of rules."""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from millwright.checks.alarm_rules import cycle_problems, rule_problems
from millwright.checks.names import repeated, unknown
from millwright.documents import has_signals
from millwright.places import lines_at, machines_at
from millwright.quantities import overridden
from millwright.source import Path, Problem
from shared.contracts.factory import (
    Binding,
    Factory,
    Line,
    Machine,
    MachineClass,
    RuleChange,
    RuleOverride,
    Site,
)


def machine_problems(factory: Factory) -> Iterator[Problem]:
    sites_of_devices: dict[str, str] = {}
    for index, site in enumerate(factory.sites):
        yield from _flow_problems(index, site)
        for at, line in lines_at(index, site):
            yield from _line_rule_problems(factory, line, at)
        for at, line, machine in machines_at(index, site):
            yield from _device_problems(site, machine, at, sites_of_devices)
            kind = factory.classes.get(machine.machine_class)
            if kind is None:
                yield unknown("class", machine.machine_class, factory.classes, (*at, "class"))
                continue
            for product in machine.ideal_cycle_s:
                if product not in factory.products:
                    yield unknown("product", product, factory.products, (*at, "ideal_cycle_s", product))
            for binding in kind.models:
                yield from _attribute_problems(binding, machine, at)
            if line.rules or machine.rules:
                yield from _rule_problems(factory, kind, line, machine, at)


def _device_problems(
    site: Site, machine: Machine, at: Path, sites_of_devices: dict[str, str]
) -> Iterator[Problem]:
    yield from repeated("device", ((device, (*at, "devices", i)) for i, device in enumerate(machine.devices)))
    for index, device in enumerate(machine.devices):
        owner = sites_of_devices.setdefault(device, site.id)
        if owner != site.id:
            yield Problem(
                (*at, "devices", index),
                f"device {device} reports machines of two sites, {owner} and {site.id}",
                "give each site a device of its own",
            )


def _flow_problems(index: int, site: Site) -> Iterator[Problem]:
    """Feeds that lead nowhere, to the machine itself, or around in a circle."""
    places = {machine.id: at for at, _, machine in machines_at(index, site)}
    graph: dict[str, list[str]] = {}
    for at, _, machine in machines_at(index, site):
        graph[machine.id] = [fed for fed in machine.feeds if fed in places]
        for number, fed in enumerate(machine.feeds):
            if fed not in places:
                yield unknown("machine", fed, places, (*at, "feeds", number))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as exc:
        circle: list[str] = exc.args[1]
        first = circle[-2] if len(circle) > 1 else circle[0]
        yield Problem(
            (*places[first], "feeds"),
            f"material flows in a circle: {' -> '.join(reversed(circle))}",
            "leave out one of these feeds",
        )


def _attribute_problems(binding: Binding, machine: Machine, at: Path) -> Iterator[Problem]:
    for name, source in binding.attributes.items():
        value = machine.attributes.get(source.attribute)
        if value is None:
            yield Problem(
                at,
                f"machine {machine.id} has no attribute {source.attribute}, "
                f"which model {binding.model} needs as {name}",
                f"add `attributes: {{{source.attribute}: ...}}`",
            )
        elif isinstance(value, str) and value not in source.codes:
            yield Problem(
                (*at, "attributes", source.attribute),
                f"{value!r} has no code for model {binding.model}",
                f"codes: {', '.join(source.codes)}"
                if source.codes
                else "give a number, or codes in the class",
            )


def _line_rule_problems(factory: Factory, line: Line, at: Path) -> Iterator[Problem]:
    """A line's change must meet a rule of one of its machines."""
    known = {
        rule.id
        for machine in line.machines
        if machine.machine_class in factory.classes
        for rule in factory.classes[machine.machine_class].rules
    }
    kinds = [
        factory.classes[machine.machine_class]
        for machine in line.machines
        if machine.machine_class in factory.classes
    ]
    for index, change in enumerate(line.rules):
        if not isinstance(change, RuleOverride):
            if not any(has_signals(kind, change) for kind in kinds):
                yield Problem(
                    (*at, "rules", index),
                    f"rule {change.id}: no machine of the line has what it watches",
                    "name a signal or a model of theirs",
                )
        elif change.id not in known:
            yield unknown("rule", change.id, known, (*at, "rules", index, "id"))
    yield from repeated("rule", ((change.id, (*at, "rules", i, "id")) for i, change in enumerate(line.rules)))


def _rule_problems(
    factory: Factory, kind: MachineClass, line: Line, machine: Machine, at: Path
) -> Iterator[Problem]:
    rules = {rule.id: rule for rule in kind.rules}
    line_at = at[:-2]
    changes: list[tuple[RuleChange, Path]] = [
        *((change, (*line_at, "rules", i)) for i, change in enumerate(line.rules)),
        *((change, (*at, "rules", i)) for i, change in enumerate(machine.rules)),
    ]
    for change, place in changes:
        of_line = place[: len(line_at)] == line_at and place[:-2] != at
        if not isinstance(change, RuleOverride):
            if of_line and not has_signals(kind, change):
                continue
            if change.id in rules:
                yield Problem(
                    (*place, "id"), f"rule id {change.id} is taken", "leave out `kind` to change that rule"
                )
            rules[change.id] = change
            yield from rule_problems(factory, kind, change, place)
            continue
        rule = rules.get(change.id)
        if rule is None:
            if not of_line:
                yield unknown("rule", change.id, rules, (*place, "id"))
            continue
        for key in _given(change):
            if key not in type(rule).model_fields:
                yield Problem(
                    (*place, key), f"rule {rule.id} is of kind {rule.kind} and has no {key}", "leave it out"
                )
        rules[change.id] = overridden(rule, change)
        yield from rule_problems(factory, kind, rules[change.id], place, _given(change))
    if rules.keys() != {rule.id for rule in kind.rules}:
        yield from cycle_problems(list(rules.values()), at)


def _given(change: RuleOverride) -> tuple[str, ...]:
    values: Mapping[str, object] = change.model_dump(exclude_none=True)
    return tuple(values)
