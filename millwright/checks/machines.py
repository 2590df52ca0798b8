"""Machines: their class, devices, material flow, and what lines and machines change of rules."""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from millwright.checks.classes import rule_problems
from millwright.checks.names import repeated, unknown
from millwright.places import lines_at, machines_at
from millwright.quantities import overridden
from millwright.source import Path, Problem
from shared.contracts.factory import Binding, Factory, Line, Machine, MachineClass, RuleOverride, Site


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
                yield from _rule_problems(kind, line, machine, at)


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
    for index, change in enumerate(line.rules):
        if change.id not in known:
            yield unknown("rule", change.id, known, (*at, "rules", index, "id"))
    yield from repeated("rule", ((change.id, (*at, "rules", i, "id")) for i, change in enumerate(line.rules)))


def _rule_problems(kind: MachineClass, line: Line, machine: Machine, at: Path) -> Iterator[Problem]:
    rules = {rule.id: rule for rule in kind.rules}
    line_at = at[:-2]
    changes: list[tuple[RuleOverride, Path]] = [
        *((change, (*line_at, "rules", i)) for i, change in enumerate(line.rules) if change.id in rules),
        *((change, (*at, "rules", i)) for i, change in enumerate(machine.rules)),
    ]
    for change, place in changes:
        rule = rules.get(change.id)
        if rule is None:
            yield unknown("rule", change.id, rules, (*place, "id"))
            continue
        rules[change.id] = overridden(rule, change)
        yield from rule_problems(rules[change.id], kind, place, _given(change))


def _given(change: RuleOverride) -> tuple[str, ...]:
    values: Mapping[str, object] = change.model_dump(exclude_none=True)
    return tuple(values)
