"""Owner levels, receiver limits, slow receivers, shared partitions with checkpoints."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from azure.eventhub import CheckpointStore, EventData
from azure.eventhub._eventprocessor.in_memory_checkpoint_store import InMemoryCheckpointStore
from azure.eventhub.aio import EventHubProducerClient
from azure.eventhub.exceptions import ConnectionLostError

from tests.local_cloud.event_hubs_driver import (
    BRISK,
    Namespace,
    closing,
    consumer,
    eventually,
    receive_error,
)

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # A consumer that loses a partition while it connects leaves the connection to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <StreamWriter:ResourceWarning"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def consumers_close_at_the_end() -> AsyncIterator[None]:
    yield
    await closing.wait()


@pytest.fixture(scope="module")
def namespace(launch: Callable[..., object]) -> Namespace:
    return Namespace(launch("event-hubs"))


class Owner:
    """A receiver of partition 0 with an owner level, at work until it is stopped."""

    def __init__(self, namespace: Namespace, hub: str, level: int | None) -> None:
        self.events: list[EventData] = []
        self.errors: list[Exception] = []
        self._client = consumer(namespace.connection, hub)
        self._task = asyncio.create_task(
            self._client.receive_batch(
                self._keep, on_error=self._failed, partition_id="0", owner_level=level, starting_position="-1"
            )
        )

    async def _keep(self, _: object, events: list[EventData]) -> None:
        self.events.extend(events)

    async def _failed(self, _: object, error: Exception) -> None:
        self.errors.append(error)

    def stop(self) -> None:
        closing.later(self._client, self._task)


async def send(namespace: Namespace, hub: str, *bodies: str) -> None:
    client = EventHubProducerClient.from_connection_string(namespace.connection, eventhub_name=hub, **BRISK)
    async with client:
        await client.send_batch([EventData(body) for body in bodies])


async def test_a_higher_owner_level_takes_the_partition(namespace: Namespace):
    hub = namespace.make()
    await send(namespace, hub, "a")
    low = Owner(namespace, hub, 1)
    await eventually(lambda: bool(low.events), "the first owner's event")
    high = Owner(namespace, hub, 2)
    await eventually(lambda: bool(low.errors), "the first owner's loss")
    await eventually(lambda: bool(high.events), "the second owner's event")
    assert type(low.errors[0]) is ConnectionLostError
    assert "New receiver 'nil' with higher epoch of '2' is created" in str(low.errors[0])
    low.stop()
    refused = await asyncio.to_thread(receive_error, namespace.connection, hub, owner_level=1)
    assert "a higher epoch '2' already exists" in str(refused)
    unowned = await asyncio.to_thread(receive_error, namespace.connection, hub)
    assert "created with epoch of '2', and so non-epoch receiver is not allowed" in str(unowned)
    high.stop()


async def test_five_unowned_receivers_share_a_partition_and_a_sixth_is_refused(namespace: Namespace):
    hub = namespace.make()
    await send(namespace, hub, "a")
    owners = [Owner(namespace, hub, None) for _ in range(5)]
    await eventually(lambda: all(owner.events for owner in owners), "five receivers at work")
    refused = await asyncio.to_thread(receive_error, namespace.connection, hub)
    assert "allowed receivers per partition in a consumer group which is 5" in str(refused)
    for owner in owners:
        owner.stop()


async def test_two_consumers_share_partitions_and_go_on_from_checkpoints(namespace: Namespace):
    hub = namespace.make(partitions=4)
    store = InMemoryCheckpointStore()
    assert isinstance(store, CheckpointStore)
    seen: list[tuple[str, int]] = []

    async def note(context, events: list[EventData]) -> None:
        seen.extend((context.partition_id, event.sequence_number) for event in events)
        if events:
            await context.update_checkpoint(events[-1])

    async def run(wanted: int) -> None:
        client = consumer(namespace.connection, hub, checkpoint_store=Asynchronous(store))
        task = asyncio.create_task(client.receive_batch(note, starting_position="-1", max_wait_time=1))
        await eventually(lambda: len(seen) >= wanted, f"{wanted} events")
        await client.close()
        await task

    async with EventHubProducerClient.from_connection_string(
        namespace.connection, eventhub_name=hub, **BRISK
    ) as client:
        for number in range(4):
            await client.send_batch([EventData("x")] * 10, partition_id=str(number))
        await run(40)
        for number in range(4):
            await client.send_batch([EventData("y")] * 5, partition_id=str(number))
        await asyncio.gather(run(60), run(60))
    assert sorted(set(seen)) == [(str(p), n) for p in range(4) for n in range(15)]


class Asynchronous:
    """The SDK's in-memory store behind the asynchronous interface."""

    def __init__(self, store: InMemoryCheckpointStore) -> None:
        self._store = store

    async def list_ownership(self, *names: str, **_: object):
        return self._store.list_ownership(*names)

    async def claim_ownership(self, ownership_list, **_: object):
        return self._store.claim_ownership(ownership_list)

    async def update_checkpoint(self, checkpoint, **_: object) -> None:
        self._store.update_checkpoint(checkpoint)

    async def list_checkpoints(self, *names: str, **_: object):
        return self._store.list_checkpoints(*names)
