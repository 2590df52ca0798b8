"""A running service with one and with three partition key ranges, and fresh containers in it."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from azure.cosmos import ContainerProxy, CosmosClient, DatabaseProxy, PartitionKey
from azure.cosmos import aio as cosmos_aio

RANGES = "MILLWRIGHT_COSMOS_PARTITION_KEY_RANGES"
_numbers = itertools.count(1)


@pytest.fixture(scope="session", params=["1", "3"], ids=["one-range", "three-ranges"])
def service(request: pytest.FixtureRequest, launch: Callable[..., Any]) -> Any:
    """The service's process."""
    return launch("cosmos", environment={RANGES: request.param})


@pytest.fixture(scope="session")
def client(service: Any) -> Iterator[CosmosClient]:
    with CosmosClient(service.endpoints["cosmos"], service.endpoints["cosmosKey"]) as client:
        yield client


@pytest.fixture(scope="session")
def database(client: CosmosClient) -> DatabaseProxy:
    return client.create_database("tests")


@pytest.fixture
def make_container(database: DatabaseProxy) -> Callable[..., ContainerProxy]:
    """make_container(key="/pk", **definition) creates a container of a new name."""

    def make(key: str | list[str] = "/pk", **definition: Any) -> ContainerProxy:
        kind = "Hash" if isinstance(key, str) else "MultiHash"
        partition_key = PartitionKey(path=key, kind=kind)  # pyright: ignore[reportCallIssue, reportArgumentType]
        return database.create_container(f"c{next(_numbers)}", partition_key, **definition)

    return make


@pytest.fixture
def container(make_container: Callable[..., ContainerProxy]) -> ContainerProxy:
    return make_container()


@pytest.fixture
async def aio_container(service: Any, container: ContainerProxy) -> AsyncIterator[cosmos_aio.ContainerProxy]:
    """The same container through the asynchronous client."""
    address, key = service.endpoints["cosmos"], service.endpoints["cosmosKey"]
    async with cosmos_aio.CosmosClient(address, key) as client:
        yield client.get_database_client("tests").get_container_client(container.id)
