"""A description -> the twins and relationships that it asks for."""

from collections.abc import Iterator, Sequence

from millwright.documents import SiteVersion
from millwright.graph import CONTAINS, FEEDS, MONITORS, REPORTS, Graph, Relationship, Twin, Value
from millwright.ontology import Ontology
from shared.contracts.spec_documents import ClassPart, LineDocument, MachinePart
from shared.devices import DEVICE_MODEL, device_twin_id


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


def twin_ids(version: SiteVersion) -> set[str]:
    """The twins of one site's version, the enterprise aside."""
    enterprise = version.site.enterprise_id
    return {thing.id for thing in _things([version]) if isinstance(thing, Twin) and thing.id != enterprise}


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
        yield from _devices(version)


def _devices(version: SiteVersion) -> Iterator[Twin | Relationship]:
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
        yield Relationship(sensor, MONITORS, machine_id, {"signal": signal.name})


def _twin(id: str, kind: str, **properties: Value) -> Twin:
    return Twin(id, f"dtmi:millwright:{kind};1", properties)


def _contains(source: str, target: str, position: int) -> Relationship:
    return Relationship(source, CONTAINS, target, {"position": position})
