"""One enterprise as its graph shows it, put together with what its description said."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from millwright.documents import SiteVersion
from millwright.graph import Graph
from millwright.ontology import MACHINE, Ontology
from shared.described import CONTAINS, FEEDS, Relationship, Twin

type Json = dict[str, Any]

_SITE, _AREA, _LINE = (f"dtmi:millwright:{kind};1" for kind in ("Site", "Area", "ProductionLine"))


class NotExportable(Exception):
    """There is nothing to export, or not one thing; says what to do."""


@dataclass(slots=True)
class Live:
    """One enterprise's applied versions, seen through the graph that is. Pure."""

    versions: Sequence[SiteVersion]
    graph: Graph
    shipped: Ontology
    notes: list[str] = field(default_factory=list[str])
    _placed: set[str] = field(default_factory=set[str])
    _contains: dict[str, list[Relationship]] = field(init=False)
    _feeds: dict[str, list[Relationship]] = field(init=False)
    _interfaces: Json = field(init=False)
    _models: dict[str, str] = field(init=False)
    """Class -> twin model."""
    _said_lines: dict[str, Json] = field(init=False)
    _said_machines: dict[str, Json] = field(init=False)

    def __post_init__(self) -> None:
        self._contains = self.graph.targets(CONTAINS)
        self._feeds = self.graph.targets(FEEDS)
        self._interfaces = {**self.shipped.interfaces, **self.graph.models}
        self._models = {
            name: kind.get("twin_model") or f"dtmi:millwright:{name};1"
            for version in self.versions
            for name, kind in _whole(version)["classes"].items()
        }
        self._said_lines = {
            part.line_id: part.description
            for version in self.versions
            for part in version.sources
            if part.line_id is not None
        }
        self._said_machines = {
            machine["id"]: machine for line in self._said_lines.values() for machine in line["machines"]
        }

    def description(self) -> Json:
        """The description as plain values. NotExportable when its sites were applied from different files."""
        said = self._common()
        enterprise = self.graph.twins.get(said["enterprise"]["id"])
        if enterprise is None:
            raise NotExportable(f"the graph has no twin {said['enterprise']['id']}: apply the description")
        said["enterprise"] = self._named(said["enterprise"], enterprise)
        sites = [self._site(twin) for twin in self._children(enterprise.id, _SITE)]
        self._note_missing()
        if not any(sites):
            raise NotExportable(
                f"the graph shows no site of {enterprise.id} with machines: apply the description"
            )
        return {**said, "sites": [site for site in sites if site]}

    def _common(self) -> Json:
        """What the file says beside its sites. Parts that only one site's version has are joined."""
        joined: Json = {}
        for version in self.versions:
            own = {key: value for key, value in _whole(version).items() if key != "sites"}
            clash = _join(joined, own)
            if clash:
                raise NotExportable(
                    f"{version.site.site_id} was applied from another description than the sites before it: "
                    f"they differ in {clash}; apply one file with all sites first"
                )
        return joined

    def _site(self, twin: Twin) -> Json | None:
        version = next((one for one in self.versions if one.site.site_id == twin.id), None)
        if version is None:
            self.notes.append(f"left out: site {twin.id}, which has no shifts: describe it in a file")
            return None
        said = deepcopy(_whole(version)["sites"][0])
        areas = {area["id"]: area for area in said.pop("areas", [])}
        devices = said.pop("devices", {})
        site = self._named(said, twin)
        if "timeZone" in twin.properties:
            site["time_zone"] = twin.properties["timeZone"]
        found = [
            {**self._named(areas.get(area.id, {"id": area.id}), area), "lines": lines}
            for area in self._children(twin.id, _AREA)
            if (lines := self._lines(area.id))
        ]
        lines = self._lines(twin.id)
        if found:
            site["areas"] = found
        if lines:
            site["lines"] = lines
        if not (found or lines):
            self.notes.append(f"left out: site {twin.id}, which has no machines in the graph")
            return None
        known = {
            name: device for one in self.versions for name, device in _site_of(one).get("devices", {}).items()
        }
        used = {
            device
            for line in (*lines, *(line for area in found for line in area["lines"]))
            for machine in line["machines"]
            for device in machine["devices"]
        }
        profiles = {name: device for name, device in {**devices, **known}.items() if name in used}
        return {**site, "devices": profiles} if profiles else site

    def _lines(self, parent: str) -> list[Json]:
        return [line for twin in self._children(parent, _LINE) if (line := self._line(twin)) is not None]

    def _line(self, twin: Twin) -> Json | None:
        said = deepcopy(self._said_lines.get(twin.id, {"id": twin.id}))
        machines = [
            self._machine(machine) for machine in self._children(twin.id, None) if self._is_machine(machine)
        ]
        if not machines:
            self.notes.append(f"left out: line {twin.id}, which has no machines in the graph")
            return None
        return {**self._named(said, twin), "machines": machines}

    def _machine(self, twin: Twin) -> Json:
        said = deepcopy(self._said_machines.get(twin.id))
        if said is None:
            self.notes.append(
                f"made up: machine {twin.id} is in no description; its device is taken to be {twin.id}"
            )
            said = {"id": twin.id, "class": "", "devices": [twin.id]}
        machine = self._named(said, twin)
        machine["class"] = self._class(twin, said["class"])
        fed = [one.target for one in self._feeds.get(twin.id, ())]
        before: list[str] = said.get("feeds", [])
        feeds = [*(name for name in before if name in fed), *(name for name in fed if name not in before)]
        machine.pop("feeds", None)
        return {**machine, "feeds": feeds} if feeds else machine

    def _class(self, twin: Twin, said: str) -> str:
        """The class whose twin model the machine has."""
        if self._models.get(said) == twin.model:
            return said
        found = next((name for name, model in self._models.items() if model == twin.model), None)
        if found is None:
            found = twin.model.rpartition(":")[2].partition(";")[0]
            self.notes.append(f"{twin.id} is a {twin.model}, which no class is: describe class {found}")
        return found

    def _children(self, parent: str, model: str | None) -> Iterator[Twin]:
        """The twins that one contains, in order, each once in the whole description."""
        for one in self._contains.get(parent, ()):
            twin = self.graph.twins.get(one.target)
            if twin is None or (model is not None and twin.model != model):
                continue
            if model is None and not self._is_machine(twin):
                continue
            if twin.id in self._placed:
                self.notes.append(f"{parent} contains {twin.id} too: left where it was found first")
                continue
            self._placed.add(twin.id)
            yield twin

    def _is_machine(self, twin: Twin) -> bool:
        return MACHINE in _ancestors(twin.model, self._interfaces)

    def _named(self, said: Json, twin: Twin) -> Json:
        """With the name that the twin has; one that only repeats the id is not written."""
        name = twin.properties.get("name", said.get("name", twin.id))
        if "name" not in said and name == twin.id and self._is_machine(twin):
            return dict(said)
        return {**said, "name": name}

    def _note_missing(self) -> None:
        described = [
            name
            for version in self.versions
            for name in (version.site.site_id, *version.site.areas, *version.site.lines)
        ]
        self.notes += (
            f"left out: {name} is described, but not in the graph where it belongs"
            for name in (*described, *self._said_machines)
            if name not in self._placed
        )


def _whole(version: SiteVersion) -> Json:
    """The description with this site, without its lines."""
    return version.sources[0].description


def _site_of(version: SiteVersion) -> Json:
    return _whole(version)["sites"][0]


def _join(joined: Json, own: Json) -> str | None:
    """Put `own` into `joined`; where they clash, the name of what does."""
    for key, value in own.items():
        if key not in joined:
            joined[key] = deepcopy(value)
        elif joined[key] != value:
            return key
    return None


def _ancestors(model: str, interfaces: Json) -> set[str]:
    """A model and all that it extends."""
    found: set[str] = set()
    waiting = [model]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        extends = interfaces.get(name, {}).get("extends", [])
        waiting += [extends] if isinstance(extends, str) else extends
    return found
