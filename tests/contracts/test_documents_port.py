"""One contract for every document store: in memory, and Cosmos DB with one and with three ranges."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable

import pytest

from shared.adapters.containers import ensure
from shared.adapters.cosmos import CosmosDocuments, cosmos_client
from shared.ports import (
    AlreadyDone,
    Conflict,
    Create,
    Delete,
    Document,
    Documents,
    Missing,
    Refused,
    Replace,
    SetFields,
    Unavailable,
    Upsert,
)
from tests.contracts.conftest import ServiceProcess
from tests.memory import MemoryDocuments

MACHINES = "machines"
RANGES = {"cosmos": "1", "cosmos with three ranges": "3"}


@pytest.fixture(scope="module")
def services(launch: Callable[..., ServiceProcess]) -> dict[str, ServiceProcess]:
    """One service of each kind, with the containers made."""

    async def make_containers(process: ServiceProcess) -> None:
        async with cosmos_client(process.endpoints["cosmos"], process.endpoints["cosmosKey"]) as client:
            await ensure(client)

    running: dict[str, ServiceProcess] = {}
    for store, ranges in RANGES.items():
        running[store] = launch("cosmos", environment={"MILLWRIGHT_COSMOS_PARTITION_KEY_RANGES": ranges})
        asyncio.run(make_containers(running[store]))
    return running


@pytest.fixture(params=["memory", *RANGES])
async def documents(
    request: pytest.FixtureRequest, services: dict[str, ServiceProcess]
) -> AsyncIterator[Documents]:
    if request.param == "memory":
        yield MemoryDocuments()
        return
    async with connect(services[request.param]) as store:
        yield store


_numbers = itertools.count(1)


@pytest.fixture
def machine() -> str:
    """A partition that no other test uses; its site is `site-of-MACHINE`."""
    return f"M-{next(_numbers)}"


def document(machine: str, id: str = "d1", **more: object) -> Document:
    return {"id": id, "machineId": machine, "siteId": f"site-of-{machine}", "type": "thing", **more}


async def read(documents: Documents, machine: str, id: str = "d1") -> Document | None:
    """A document without what the service adds."""
    found = await documents.get(MACHINES, machine, id)
    return None if found is None else {k: v for k, v in found.items() if not k.startswith("_")}


async def test_what_was_never_written_is_none(documents: Documents, machine: str) -> None:
    assert await documents.get(MACHINES, machine, "d1") is None


async def test_an_upsert_creates_then_replaces(documents: Documents, machine: str) -> None:
    await documents.upsert(MACHINES, machine, document(machine, at="a", old=1))
    await documents.upsert(MACHINES, machine, document(machine, at="b"))
    assert await read(documents, machine) == document(machine, at="b")


async def test_ids_may_hold_what_positions_hold(documents: Documents, machine: str) -> None:
    for id in ("telemetry~2026~0~12~0", "minutes:2026-11-21T22:00:00.000Z.v3", "gap: ü é 中"):
        await documents.upsert(MACHINES, machine, document(machine, id, note="Größe 中"))
        assert await read(documents, machine, id) == document(machine, id, note="Größe 中")


async def test_a_commit_answers_with_the_etags_the_documents_then_have(
    documents: Documents, machine: str
) -> None:
    etags = await documents.commit(
        MACHINES, machine, [Create(document(machine, "state")), Upsert(document(machine, "twin"))]
    )
    found = [await documents.get(MACHINES, machine, id) for id in ("state", "twin")]
    assert [one["_etag"] for one in found if one] == etags
    after = await documents.commit(
        MACHINES, machine, [Replace(document(machine, "state", at="b"), etags[0]), Delete("twin")]
    )
    assert after[0] != etags[0]
    assert after[1] == ""
    assert await documents.get(MACHINES, machine, "twin") is None


async def test_a_replace_with_an_old_etag_conflicts_and_the_whole_batch_is_undone(
    documents: Documents, machine: str
) -> None:
    [old] = await documents.commit(MACHINES, machine, [Create(document(machine, "state", at="a"))])
    await documents.upsert(MACHINES, machine, document(machine, "state", at="b"))
    with pytest.raises(Conflict, match="state"):
        await documents.commit(
            MACHINES, machine, [Upsert(document(machine, "other")), Replace(document(machine, "state"), old)]
        )
    assert await read(documents, machine, "state") == document(machine, "state", at="b")
    assert await read(documents, machine, "other") is None


async def test_replacing_what_is_gone_conflicts(documents: Documents, machine: str) -> None:
    [etag] = await documents.commit(MACHINES, machine, [Create(document(machine, "state"))])
    await documents.commit(MACHINES, machine, [Delete("state")])
    with pytest.raises(Conflict):
        await documents.commit(MACHINES, machine, [Replace(document(machine, "state"), etag)])


async def test_creating_the_state_twice_conflicts(documents: Documents, machine: str) -> None:
    await documents.commit(MACHINES, machine, [Create(document(machine, "state"))])
    with pytest.raises(Conflict):
        await documents.commit(MACHINES, machine, [Create(document(machine, "state"))])


async def test_creating_anything_else_twice_says_that_it_was_done(documents: Documents, machine: str) -> None:
    await documents.commit(MACHINES, machine, [Create(document(machine, "command:1"))])
    with pytest.raises(AlreadyDone, match="command:1"):
        await documents.commit(
            MACHINES, machine, [Upsert(document(machine)), Create(document(machine, "command:1"))]
        )
    assert await read(documents, machine) is None


async def test_fields_are_set_without_touching_the_rest(documents: Documents, machine: str) -> None:
    await documents.upsert(MACHINES, machine, document(machine, rows={"0": [1]}, at="a"))
    await documents.commit(MACHINES, machine, [SetFields("d1", {"/rows/1": [2, None], "/at": "b"})])
    assert await read(documents, machine) == document(machine, rows={"0": [1], "1": [2, None]}, at="b")


async def test_setting_fields_of_a_document_that_does_not_exist_says_which(
    documents: Documents, machine: str
) -> None:
    with pytest.raises(Missing) as raised:
        await documents.commit(
            MACHINES, machine, [Upsert(document(machine)), SetFields("minutes", {"/rows/1": [1]})]
        )
    assert raised.value.id == "minutes"
    assert await read(documents, machine) is None


@pytest.mark.parametrize(
    "operation", [SetFields("missing", {"/at": 1}), SetFields("d1", {"/no/where": 1}), Delete("missing")]
)
async def test_changing_what_does_not_exist_is_refused(
    documents: Documents, machine: str, operation: SetFields | Delete
) -> None:
    await documents.upsert(MACHINES, machine, document(machine))
    with pytest.raises(Refused, match=operation.id):
        await documents.commit(MACHINES, machine, [Upsert(document(machine, "d2")), operation])
    assert await read(documents, machine, "d2") is None


async def test_a_batch_of_more_than_a_hundred_operations_is_refused(
    documents: Documents, machine: str
) -> None:
    await documents.commit(MACHINES, machine, [Upsert(document(machine, f"d{n}")) for n in range(100)])
    with pytest.raises(Refused):
        await documents.commit(MACHINES, machine, [Upsert(document(machine, f"e{n}")) for n in range(101)])


@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")  # aiohttp's advice
async def test_a_batch_of_more_than_1_2_mb_is_refused(documents: Documents, machine: str) -> None:
    half = "x" * 650_000
    with pytest.raises(Refused):
        await documents.commit(
            MACHINES, machine, [Upsert(document(machine, id, body=half)) for id in ("d1", "d2")]
        )


async def test_a_query_sees_its_partition_in_order(documents: Documents, machine: str) -> None:
    for n in (3, 1, 2):
        await documents.upsert(MACHINES, machine, document(machine, f"d{n}", number=n))
    await documents.upsert(MACHINES, f"{machine}-b", document(f"{machine}-b", number=0))
    sql = "SELECT * FROM c WHERE c.type = 'thing' AND c.number >= @from ORDER BY c.number"
    found = [one["number"] async for one in documents.query(MACHINES, sql, {"@from": 2}, partition=machine)]
    assert found == [2, 3]


async def test_a_query_across_partitions_sees_them_all(documents: Documents, machine: str) -> None:
    partitions = [f"{machine}-{n}" for n in range(7)]
    for n, partition in enumerate(partitions):
        await documents.upsert(MACHINES, partition, document(partition, siteId=machine, number=-n))
    sql = "SELECT * FROM c WHERE c.siteId = @site"
    found = [one["machineId"] async for one in documents.query(MACHINES, sql, {"@site": machine})]
    assert sorted(found) == partitions
    ordered = [
        one["number"]
        async for one in documents.query(MACHINES, f"{sql} ORDER BY c.number", {"@site": machine})
    ]
    assert ordered == sorted(ordered)
    assert len(ordered) == 7


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("ordered", ["", " ORDER BY c.number", " ORDER BY c.number DESC"])
async def test_pages_follow_each_other_without_gap_or_repetition(
    documents: Documents, machine: str, across: bool, ordered: str
) -> None:
    for n in range(11):
        partition = f"{machine}-{n}" if across else machine
        await documents.upsert(MACHINES, partition, document(partition, f"d{n}", siteId=machine, number=n))
    found: list[int] = []
    cursor = None
    while True:
        page, cursor = await documents.page(
            MACHINES,
            f"SELECT * FROM c WHERE c.siteId = @site{ordered}",
            {"@site": machine},
            partition=None if across else machine,
            limit=4,
            cursor=cursor,
        )
        assert len(page) <= 4
        found += [one["number"] for one in page]
        if cursor is None:
            break
    assert sorted(found) == list(range(11))
    if ordered:
        assert found == sorted(found, reverse="DESC" in ordered)


@pytest.mark.parametrize("ordered", ["", " ORDER BY c.number"])
@pytest.mark.parametrize("cursor", ["nonsense", "", "-1", "é"])
async def test_a_cursor_that_nobody_gave_is_refused(documents: Documents, ordered: str, cursor: str) -> None:
    sql = f"SELECT * FROM c WHERE c.type = 'thing'{ordered}"
    with pytest.raises(Refused):
        await documents.page(MACHINES, sql, {}, limit=2, cursor=cursor)


def connect(process: ServiceProcess, database: str = "millwright", key: str | None = None) -> CosmosDocuments:
    key = key or process.endpoints["cosmosKey"]
    return CosmosDocuments(cosmos_client(process.endpoints["cosmos"], key), database)


async def test_a_store_that_is_away_is_unavailable(services: dict[str, ServiceProcess]) -> None:
    process = services["cosmos"]
    async with connect(process) as documents:
        await documents.upsert(MACHINES, "M-0", document("M-0"))
        process.kill()
        with pytest.raises(Unavailable):
            await documents.get(MACHINES, "M-0", "d1")
        with pytest.raises(Unavailable):
            await documents.commit(MACHINES, "M-0", [Upsert(document("M-0"))])
        with pytest.raises(Unavailable):
            await documents.page(MACHINES, "SELECT * FROM c", {}, limit=1)
        process.start()
        assert await read(documents, "M-0") == document("M-0")


async def test_a_store_without_containers_says_what_is_missing(
    services: dict[str, ServiceProcess],
) -> None:
    with pytest.raises(Unavailable, match="container machines of database nowhere does not exist"):
        async with connect(services["cosmos"], "nowhere"):
            pass


async def test_a_wrong_key_is_unavailable_not_a_verdict_on_the_document(
    services: dict[str, ServiceProcess],
) -> None:
    with pytest.raises(Unavailable, match="401"):
        async with connect(services["cosmos"], key="d3Jvbmc="):
            pass
