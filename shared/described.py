"""A description -> the twins and relationships that it asks for: what apply makes, what stays true."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shared.contracts.spec_documents import ClassPart, LineDocument, MachinePart, SiteDocument
from shared.devices import DEVICE_MODEL, device_twin_id

type Value = str | float | int
type Triple = tuple[str, str, str]
"""(source, name, target)."""

CONTAINS, FEEDS, MONITORS, REPORTS, PRODUCES = "contains", "feeds", "monitors", "reports", "produces"
DESCRIBED = frozenset({CONTAINS, FEEDS, MONITORS, REPORTS, PRODUCES})
"""Relationships that descriptions decide. Others between the same twins are somebody else's."""


DESCRIBED_PROPERTIES = frozenset({"name", "timeZone", "signal", "unit", "rangeLow", "rangeHigh"})
"""Properties of twins that descriptions decide; nobody else writes them."""


@dataclass(frozen=True, slots=True)
class Twin:
    """A twin as far as descriptions decide it."""

    id: str
    model: str
    properties: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Relationship:
    source: str
    name: str
    target: str
    properties: dict[str, Value] = field(default_factory=dict[str, Value])
    given_id: str | None = None
    """Its id in the graph, where somebody else made it."""

    @property
    def id(self) -> str:
        return self.given_id or f"{self.name}.{self.target}"

    @property
    def triple(self) -> Triple:
        return self.source, self.name, self.target


class Described(Protocol):
    """One site's part of a description."""

    @property
    def site(self) -> SiteDocument: ...
    @property
    def lines(self) -> tuple[LineDocument, ...]: ...


def sensor_twin_id(machine_id: str, signal: str) -> str:
    """
    >>> sensor_twin_id("LINE-1-CNC-1", "temperature_c")
    'LINE-1-CNC-1.temperature_c'
    """
    return f"{machine_id}.{signal}"


def has(actual: Mapping[str, object], wanted: Mapping[str, Value]) -> bool:
    """Whether everything that is wanted is there; what else there is is not ours."""
    return all(actual.get(name) == value for name, value in wanted.items())


def things(versions: Sequence[Described]) -> Iterator[Twin | Relationship]:
    """Every twin and relationship that the sites of one description ask for.

    A device is yielded once for each machine that it reports.
    """
    for position, version in enumerate(versions, start=1):
        site = version.site
        yield _twin(site.enterprise_id, "Enterprise", name=site.enterprise_name)
        yield _twin(site.site_id, "Site", name=site.name, timeZone=site.calendar.zone)
        yield _contains(site.enterprise_id, site.site_id, position)
        for product, name in site.products.items():
            yield _twin(product, "Product", name=name)
        for number, (area, name) in enumerate(site.areas.items(), start=1):
            yield _twin(area, "Area", name=name)
            yield _contains(site.site_id, area, number)
        for number, line in enumerate(version.lines, start=1):
            yield _twin(line.line_id, "ProductionLine", name=line.name)
            yield _contains(line.area_id or site.site_id, line.line_id, number)
            yield from _line(line, site.classes)
        yield from _devices(version)


def _devices(version: Described) -> Iterator[Twin | Relationship]:
    for line in version.lines:
        for machine_id, machine in line.machines.items():
            for device in machine.devices:
                yield Twin(device_twin_id(device), DEVICE_MODEL, {"name": device})
                yield Relationship(device_twin_id(device), REPORTS, machine_id)


def _line(line: LineDocument, classes: dict[str, ClassPart]) -> Iterator[Twin | Relationship]:
    for number, (machine_id, machine) in enumerate(line.machines.items(), start=1):
        kind = classes[machine.machine_class]
        yield Twin(machine_id, kind.twin_model, {"name": machine.name})
        yield _contains(line.line_id, machine_id, number)
        for fed in machine.feeds:
            yield Relationship(machine_id, FEEDS, fed)
        cycles = kind.ideal_cycle_ms | machine.ideal_cycle_ms
        for product, cycle_ms in cycles.items():
            if product:
                yield Relationship(machine_id, PRODUCES, product, {"idealCycleS": cycle_ms / 1000})
        yield from _sensors(machine_id, machine, kind)


def _sensors(machine_id: str, machine: MachinePart, kind: ClassPart) -> Iterator[Twin | Relationship]:
    for number, signal in enumerate(kind.signals, start=1):
        sensor = sensor_twin_id(machine_id, signal.name)
        yield _twin(
            sensor,
            "Sensor",
            name=f"{machine.name} {signal.name}",
            signal=signal.name,
            unit=signal.unit,
            rangeLow=signal.low,
            rangeHigh=signal.high,
        )
        yield _contains(machine_id, sensor, number)
        yield Relationship(sensor, MONITORS, machine_id, {"signal": signal.name})


def _twin(id: str, kind: str, **properties: Value) -> Twin:
    return Twin(id, f"dtmi:millwright:{kind};1", properties)


def _contains(source: str, target: str, position: int) -> Relationship:
    return Relationship(source, CONTAINS, target, {"position": position})
