"""What the API reads of the graph, from the local Digital Twins through Microsoft's SDK."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from azure.digitaltwins.core.aio import DigitalTwinsClient

from millwright.described import described
from millwright.documents import site_versions
from millwright.factory_file import load
from millwright.graph import difference
from millwright.ontology import Ontology
from millwright.twin_service import TwinService
from shared.adapters.credentials import credential
from shared.adapters.digital_twins import AzureTwins
from shared.adapters.transport import transport
from shared.graph import along, asked, below
from shared.ports import Refused
from shared.relay.work_orders import WorkOrderTwins
from tests.local_cloud.conftest import ServiceProcess, launch
from tests.memory import MemoryDocuments

__all__ = ["launch"]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def service(launch: Callable[..., ServiceProcess]) -> ServiceProcess:
    return launch("digital-twins")


@pytest.fixture
async def twins(service: ServiceProcess) -> AsyncIterator[AzureTwins]:
    """The graph of the smart factory; what is there already is left as it is."""
    url, ca = service.endpoints["digitalTwins"], str(service.folder / "ca.pem")
    versions = site_versions(load(ROOT / "factories" / "smart-factory.yaml", None).factory, {})
    wanted, ontology = described(versions, Ontology.shipped(ROOT / "dtdl"))
    trusting = transport(connection_verify=ca)
    async with DigitalTwinsClient(url, credential("local"), transport=trusting) as client:
        there = TwinService(client)
        await there.change(difference(await there.graph(), wanted), ontology, lambda: None)
    async with AzureTwins(url, credential("local"), connection_verify=ca) as found:
        yield found


def ids(found: list[dict[str, str]]) -> list[str]:
    return [twin["$dtId"] for twin in found]


async def test_a_part_of_the_graph_is_a_twin_and_what_it_contains(twins: AzureTwins) -> None:
    line = await below(twins, "LINE-1", 1)
    assert line is not None
    assert ids(line.twins)[0] == "LINE-1"
    assert sorted(ids(line.twins)[1:]) == [
        f"LINE-1-{name}" for name in ("CNC-1", "CNC-2", "CONVEYOR-1", "ROBOT-1")
    ]
    links = {(one["$sourceId"], one["$relationshipName"], one["$targetId"]) for one in line.relationships}
    assert ("LINE-1-CNC-1", "feeds", "LINE-1-ROBOT-1") in links
    assert ("LINE-1", "contains", "LINE-1-CNC-1") in links
    assert line.complete
    whole = await below(twins, "MILLWRIGHT", 5)
    assert whole is not None
    assert len(whole.twins) == 1 + 1 + 3 + 12 + 3 * (8 + 8 + 4 + 4)
    assert (await below(twins, "GRAZ", 0) or whole).twins[0]["$dtId"] == "GRAZ"


async def test_a_machine_has_those_before_it_and_those_behind_it(twins: AzureTwins) -> None:
    before = await along(twins, "LINE-1-CONVEYOR-1", upstream=True, hops=10)
    assert before is not None
    assert ids(before.twins)[:2] == ["LINE-1-CONVEYOR-1", "LINE-1-ROBOT-1"]
    assert sorted(ids(before.twins)[2:]) == ["LINE-1-CNC-1", "LINE-1-CNC-2"]
    assert len(before.relationships) == 3
    nearest = await along(twins, "LINE-1-CONVEYOR-1", upstream=True, hops=1)
    assert nearest is not None
    assert ids(nearest.twins) == ["LINE-1-CONVEYOR-1", "LINE-1-ROBOT-1"]
    behind = await along(twins, "LINE-1-CNC-1", upstream=False, hops=10)
    assert behind is not None
    assert ids(behind.twins) == ["LINE-1-CNC-1", "LINE-1-ROBOT-1", "LINE-1-CONVEYOR-1"]
    assert await along(twins, "LINE-9", upstream=True, hops=1) is None


async def test_a_query_is_answered_in_pages(twins: AzureTwins) -> None:
    query = "SELECT T.$dtId FROM DIGITALTWINS T WHERE IS_OF_MODEL(T, 'dtmi:millwright:CncMachine;1')"
    rows, cursor = await asked(twins, query, limit=4, cursor=None)
    assert len(rows) == 4
    rest, end = await asked(twins, query, limit=4, cursor=cursor)
    assert (len(rest), end) == (2, None)


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM DIGITALTWINS",
        "SELECT * FROM DIGITALTWINS; x",
        "SELECT",
        "SELECT * FROM X",
        "SELECT " * 2000,
    ],
)
async def test_what_is_no_query_is_refused_with_the_place(twins: AzureTwins, query: str) -> None:
    with pytest.raises(Refused):
        await asked(twins, query, limit=10, cursor=None)


async def test_ids_cannot_leave_their_quotes(twins: AzureTwins) -> None:
    with pytest.raises(Refused, match="is no id of a twin"):
        await below(twins, "x'] OR true", 1)


async def answer(twins: AzureTwins, query: str) -> list[str]:
    """The ids that a query finds, sorted."""
    rows, cursor = await asked(twins, query, limit=100, cursor=None)
    assert cursor is None
    return sorted(row["$dtId"] for row in rows)


async def test_a_product_leads_to_the_machines_that_can_make_it_and_to_those_that_do_so_now(
    twins: AzureTwins,
) -> None:
    for machine, product in {"LINE-2-CNC-1": "P-200", "LINE-3-CNC-1": "P-300"}.items():
        await twins.patch(machine, [{"op": "add", "path": "/product", "value": product}])
        await twins.patch(machine, [{"op": "add", "path": "/state", "value": "Execute"}])
    can = "SELECT m.$dtId FROM DIGITALTWINS MATCH (p)<-[r:produces]-(m) WHERE p.$dtId = 'P-200'"
    assert len(await answer(twins, can)) == 12
    fast = await answer(twins, f"{can} AND r.idealCycleS < 30")
    assert fast == [f"LINE-{line}-{kind}-1" for line in (1, 2, 3) for kind in ("CONVEYOR", "ROBOT")]
    now = "SELECT $dtId FROM DIGITALTWINS WHERE product = 'P-200' AND state = 'Execute'"
    assert await answer(twins, now) == ["LINE-2-CNC-1"]


async def test_the_open_work_orders_of_the_line_that_feeds_a_machine_are_found_until_the_work_is_done(
    twins: AzureTwins,
) -> None:
    query = (
        "SELECT w.$dtId FROM DIGITALTWINS "
        "MATCH (y)<-[:feeds]-(f)<-[:contains]-(line)-[:contains]->(m)<-[:assignedTo]-(w) "
        "WHERE y.$dtId = 'LINE-1-CONVEYOR-1' AND w.state = 'open'"
    )
    documents = MemoryDocuments()
    relay = WorkOrderTwins(twins, documents)

    async def happens(machine: str, state: str, version: int) -> None:
        order = {
            "id": f"workorder:{machine}:7",
            "type": "workorder",
            "machineId": machine,
            "workOrderId": f"{machine}:7",
            "version": version,
            "component": "spindle",
            "work": "Change the bearings",
            "state": state,
            "cause": "prediction",
            "openedAt": "2026-03-09T06:00:00.000Z",
            "dueAt": "2026-03-11T06:00:00.000Z",
            "active": state != "done",
        }
        await documents.upsert("machines", machine, order)
        await relay([order])

    await happens("LINE-1-CNC-1", "open", 1)
    await happens("LINE-1-CNC-2", "open", 1)
    await happens("LINE-2-CNC-1", "open", 1)
    assert await answer(twins, query) == ["LINE-1-CNC-1#7", "LINE-1-CNC-2#7"]
    await happens("LINE-1-CNC-1", "done", 2)
    await happens("LINE-1-CNC-2", "inProgress", 2)
    assert await answer(twins, query) == []
    assert await twins.get("LINE-1-CNC-1#7") is None
    began = await twins.get("LINE-1-CNC-2#7")
    assert began is not None
    assert began["state"] == "inProgress"
