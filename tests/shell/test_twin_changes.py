"""Changes of the graph by hand: reported once where they contradict the file, cleared when they are gone."""

from pathlib import Path
from typing import Any

import pytest

from millwright.documents import site_versions
from millwright.factory_file import load
from millwright.model_cards import read_cards
from millwright.versions import plan, point, write
from shared.contracts.documents.scopes import ConflictDocument
from shared.contracts.events import envelope
from shared.described import CONTAINS, DESCRIBED_PROPERTIES, Relationship, Twin, things
from shared.ports import Document, Unavailable
from shared.specs import SpecStore
from shared.twin_changes import CONFLICTS, Change, TwinChanges
from tests.memory import MemoryDocuments
from tests.plants import MONDAY
from tests.sinks import MemoryEvents, MemoryTwins

ROOT = Path(__file__).parents[2]
MACHINE, OWN_LINE, OTHER_LINE = "LINE-1-CONVEYOR-1", "LINE-1", "LINE-2"
CARDS = read_cards(ROOT / "models")
FACTORY = load(ROOT / "factories/smart-factory.yaml", CARDS).factory


class Graph:
    """A graph that was applied, its description, and the function that listens."""

    def __init__(self) -> None:
        self.documents, self.events, self.twins = MemoryDocuments(), MemoryEvents(), MemoryTwins()
        specs = SpecStore(self.documents, clock=lambda: 0.0)
        self.listener = TwinChanges(self.twins, specs, self.documents, self.events)

    async def applied(self) -> "Graph":
        await self.describe(FACTORY)
        for thing in things(site_versions(FACTORY, CARDS)):
            match thing:
                case Twin():
                    twin = {"$metadata": {"$model": thing.model}, **thing.properties}
                    await self.twins.create(thing.id, twin)
                case Relationship():
                    self.twins.relationships.add(thing.triple)
        return self

    async def describe(self, factory: Any, *, pointed: bool = True) -> None:
        for change in await plan(self.documents, site_versions(factory, CARDS)):
            await write(self.documents, change)
            if pointed:
                await point(self.documents, change)

    async def move(self, source: str, target: str) -> None:
        """The machine to another line, by hand."""
        self.twins.relationships.remove((source, CONTAINS, MACHINE))
        self.twins.relationships.add((target, CONTAINS, MACHINE))
        await self.tell(related("Delete", source), related("Create", target))

    async def tell(self, *changes: Change) -> None:
        await self.listener(changes, now=MONDAY)

    def told(self) -> list[tuple[str, str]]:
        return [(event["type"].split(".")[2], event["data"]["twinId"]) for event in self.events.published]

    def open(self) -> list[Document]:
        return [one for one in self.documents.partition("deliveries", CONFLICTS).values() if one["open"]]


def related(what: str, source: str) -> Change:
    data = {"$sourceId": source, "$relationshipName": CONTAINS, "$targetId": MACHINE}
    return Change(f"Microsoft.DigitalTwins.Relationship.{what}", f"{source}/relationships/any", data)


def patched(*paths: str) -> Change:
    data = {"modelId": "dtmi:x;1", "patch": [{"op": "add", "path": path, "value": 1} for path in paths]}
    return Change("Microsoft.DigitalTwins.Twin.Update", MACHINE, data)


async def test_a_machine_moved_by_hand_is_reported_once_and_cleared_when_it_is_put_back() -> None:
    graph = await Graph().applied()
    for _ in range(2):
        if not graph.told():
            await graph.move(OWN_LINE, OTHER_LINE)
        await graph.tell(related("Delete", OWN_LINE), related("Create", OTHER_LINE))
    assert graph.told() == [("conflicted", OWN_LINE), ("conflicted", OTHER_LINE)]
    assert [(one["said"], one["found"]) for one in graph.open()] == [(True, False), (False, True)]
    await graph.move(OTHER_LINE, OWN_LINE)
    assert not graph.open()
    assert {kind for kind, _ in graph.told()[2:]} == {"conflictcleared"}
    await graph.move(OWN_LINE, OTHER_LINE)
    assert len({event["id"] for event in graph.events.published}) == len(graph.told()) == 6
    for event in graph.events.published:
        envelope(event["type"]).model_validate(event)
    for one in graph.documents.partition("deliveries", CONFLICTS).values():
        ConflictDocument.model_validate({name: value for name, value in one.items() if name[0] != "_"})


async def test_the_relays_own_patches_cost_no_request() -> None:
    graph = await Graph().applied()
    asked = graph.twins.get_count
    graph.documents.broken = graph.twins.broken = True
    await graph.tell(patched("/state", "/powerKw", "/oee/oee", "/$metadata/powerKw/sourceTime"))
    assert graph.twins.get_count == asked


async def test_a_changed_property_and_a_deleted_twin_contradict_the_file() -> None:
    graph = await Graph().applied()
    graph.twins.twins[MACHINE]["name"] = "Mine"
    await graph.tell(patched("/name"))
    [conflict] = graph.open()
    assert conflict["found"] == {"name": "Mine"}
    del graph.twins.twins[MACHINE]
    await graph.tell(Change("Microsoft.DigitalTwins.Twin.Delete", MACHINE, {}))
    [conflict] = graph.open()
    assert conflict["found"] is None
    assert graph.told() == [("conflicted", MACHINE)]


async def test_an_apply_under_way_contradicts_nothing_and_a_file_that_gives_in_clears() -> None:
    graph = await Graph().applied()
    renamed = FACTORY.model_copy(deep=True)
    machine = next(
        machine
        for site in renamed.sites
        for line in (*site.lines, *(line for area in site.areas for line in area.lines))
        for machine in line.machines
        if machine.id == MACHINE
    )
    object.__setattr__(machine, "name", "Renamed")
    graph.twins.twins[MACHINE]["name"] = "Renamed"
    await graph.tell(patched("/name"))
    assert len(graph.open()) == 1
    await graph.describe(renamed, pointed=False)
    await graph.listener.recheck(now=MONDAY)
    assert not graph.open()
    await graph.describe(renamed)
    await graph.tell(patched("/name"))
    assert not graph.open()


async def test_an_outage_loses_no_report() -> None:
    graph = await Graph().applied()
    graph.twins.twins[MACHINE]["name"] = "Mine"
    graph.events.broken = True
    with pytest.raises(Unavailable):
        await graph.tell(patched("/name"))
    graph.events.broken = False
    await graph.tell(patched("/name"))
    assert graph.told() == [("conflicted", MACHINE)]


def test_the_properties_that_descriptions_decide_are_those_that_are_listened_for() -> None:
    written = {name for thing in things(site_versions(FACTORY, CARDS)) if isinstance(thing, Twin)
               for name in thing.properties}  # fmt: skip
    assert written == DESCRIBED_PROPERTIES
