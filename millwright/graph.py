"""The twin graph that a description asks for, and what it takes to get there from the graph that is.

Pure: graphs are values. Only what a description says is compared; live properties belong to the relays.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from millwright.documents import SiteVersion
from millwright.ontology import Interface, Ontology
from shared.contracts.spec_documents import ClassPart, LineDocument, MachinePart

type Value = str | float | int


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

    @property
    def id(self) -> str:
        return f"{self.name}.{self.target}"


@dataclass(frozen=True, slots=True)
class Graph:
    models: dict[str, Interface]
    twins: dict[str, Twin]
    relationships: dict[tuple[str, str], Relationship]
    """(source, relationship id) -> relationship."""


@dataclass(frozen=True, slots=True)
class GraphChange:
    """What is missing or different. Nothing is ever deleted here."""

    models: list[Interface]
    twins: list[Twin]
    changed_twins: list[tuple[Twin, Twin]]
    """(as it is, as it should be)."""
    relationships: list[Relationship]
    changed_relationships: list[Relationship]
    differing_models: list[str]
    """Models in the graph that say something else than ours: models cannot be changed, only replaced."""
    undescribed: list[str]
    """Twins of ours that no description mentions any more."""

    @property
    def count(self) -> int:
        """Write operations that it takes, models aside."""
        return (
            len(self.twins)
            + len(self.changed_twins)
            + len(self.relationships)
            + len(self.changed_relationships)
        )


def described(versions: Sequence[SiteVersion], shipped: Ontology) -> tuple[Graph, Ontology]:
    """The graph of all sites of one description, and the models that it needs."""
    classes = {name: part for version in versions for name, part in version.site.classes.items()}
    ontology = shipped.extended(classes)
    twins: dict[str, Twin] = {}
    relationships: dict[tuple[str, str], Relationship] = {}
    for thing in _things(versions):
        if isinstance(thing, Twin):
            twins[thing.id] = thing
        else:
            relationships[thing.source, thing.id] = thing
    return Graph(ontology.interfaces, twins, relationships), ontology


def difference(actual: Graph, wanted: Graph) -> GraphChange:
    """What turns `actual` into `wanted`, leaving everything else alone."""
    return GraphChange(
        models=[model for name, model in wanted.models.items() if name not in actual.models],
        twins=[twin for name, twin in wanted.twins.items() if name not in actual.twins],
        changed_twins=[
            (actual.twins[name], twin)
            for name, twin in wanted.twins.items()
            if name in actual.twins and actual.twins[name] != twin
        ],
        relationships=[one for key, one in wanted.relationships.items() if key not in actual.relationships],
        changed_relationships=[
            one
            for key, one in wanted.relationships.items()
            if key in actual.relationships and actual.relationships[key] != one
        ],
        differing_models=[
            name
            for name, model in wanted.models.items()
            if name in actual.models and actual.models[name] != model
        ],
        undescribed=sorted(
            name
            for name, twin in actual.twins.items()
            if name not in wanted.twins and twin.model in wanted.models
        ),
    )


def _things(versions: Sequence[SiteVersion]) -> Iterator[Twin | Relationship]:
    for position, version in enumerate(versions, start=1):
        site = version.site
        yield _twin(site.enterprise_id, "Enterprise", name=site.enterprise_name)
        yield _twin(site.site_id, "Site", name=site.name, timeZone=site.calendar.zone)
        yield _contains(site.enterprise_id, site.site_id, position)
        for number, (area, name) in enumerate(site.areas.items(), start=1):
            yield _twin(area, "Area", name=name)
            yield _contains(site.site_id, area, number)
        for number, line in enumerate(version.lines, start=1):
            yield _twin(line.line_id, "ProductionLine", name=line.name)
            yield _contains(line.area_id or site.site_id, line.line_id, number)
            yield from _line(line, site.classes)


def _line(line: LineDocument, classes: dict[str, ClassPart]) -> Iterator[Twin | Relationship]:
    for number, (machine_id, machine) in enumerate(line.machines.items(), start=1):
        kind = classes[machine.machine_class]
        yield Twin(machine_id, kind.twin_model, {"name": machine.name})
        yield _contains(line.line_id, machine_id, number)
        for fed in machine.feeds:
            yield Relationship(machine_id, "feeds", fed)
        yield from _sensors(machine_id, machine, kind)


def _sensors(machine_id: str, machine: MachinePart, kind: ClassPart) -> Iterator[Twin | Relationship]:
    for number, signal in enumerate(kind.signals, start=1):
        sensor = f"{machine_id}.{signal.name}"
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
        yield Relationship(sensor, "monitors", machine_id)


def _twin(id: str, kind: str, **properties: Value) -> Twin:
    return Twin(id, f"dtmi:millwright:{kind};1", properties)


def _contains(source: str, target: str, position: int) -> Relationship:
    return Relationship(source, "contains", target, {"position": position})
