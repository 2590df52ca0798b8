"""The Cosmos DB trigger against the local Cosmos DB: leases, positions, retries, take-over."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient

from tests.local_cloud.functions_record import Record, host_environment, until


@pytest.fixture(scope="module")
def account(launch: Callable):
    return launch("cosmos")


@pytest.fixture
async def machines(account) -> AsyncIterator[ContainerProxy]:
    async with CosmosClient(account.endpoints["cosmos"], account.endpoints["cosmosKey"]) as client:
        database = await client.create_database_if_not_exists("factory")
        yield await database.create_container_if_not_exists("machines", PartitionKey("/machineId"))
        await client.delete_database("factory")


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path / "record.jsonl")


@pytest.fixture
def host(launch: Callable, account, record: Record, tmp_path: Path):
    connection = f"AccountEndpoint={account.endpoints['cosmos']};AccountKey={account.endpoints['cosmosKey']};"

    def start():
        environment = host_environment(record.path, only=("feed", "other_feed"), Cosmos=connection)
        return launch("functions", folder=tmp_path / "home", environment=environment)

    return start


def ids(record: Record, kind: str = "feed") -> list[str]:
    return [document for line in record.lines(kind) for document in line["ids"]]


async def write(machines: ContainerProxy, *names: str) -> None:
    for name in names:
        await machines.upsert_item({"id": name, "machineId": name})


async def test_changes_are_delivered_in_pages_and_each_function_keeps_its_own_position(
    machines: ContainerProxy, record: Record, host
) -> None:
    await write(machines, *(f"m{i}" for i in range(25)))
    first = host()
    await until(lambda: len(ids(record)) == 25 and len(ids(record, "other_feed")) == 25, "25 documents each")
    assert max(len(line["ids"]) for line in record.lines("feed")) <= 10
    await write(machines, "poison")
    await until(lambda: ids(record).count("poison") == 2, "the first run and its one retry")
    await write(machines, "after")
    await until(lambda: "after" in ids(record), "the feed moves on when retries are spent")
    assert [line["retry_count"] for line in record.lines("feed") if "poison" in line["ids"]] == [0, 1]
    assert ids(record, "other_feed").count("poison") == 1

    second = host()
    first.kill()
    await write(machines, "on the second host")
    await until(lambda: "on the second host" in ids(record), "take-over of the lease from the killed host")
    assert [line["pid"] for line in record.lines("feed")][-1] == second.pid
    second.stop()
    await write(machines, "while nobody ran")
    third = host()
    await until(
        lambda: all("while nobody ran" in ids(record, kind) for kind in ("feed", "other_feed")),
        "the change made while no host ran",
    )
    third.kill()
    assert ids(record).count("m0") == 1
    assert set(ids(record)) == set(ids(record, "other_feed"))
