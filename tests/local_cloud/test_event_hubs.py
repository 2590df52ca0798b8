"""Event Hubs through azure-eventhub: sending, receiving, properties, partitions, positions, management."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from azure.eventhub import EventData, EventHubProducerClient, TransportType
from azure.eventhub.aio import EventHubProducerClient as AsyncProducerClient
from azure.eventhub.amqp import AmqpAnnotatedMessage, AmqpMessageHeader, AmqpMessageProperties
from azure.eventhub.exceptions import ConnectError, EventDataSendError, EventHubError

from tests.local_cloud.event_hubs_driver import (
    BRISK,
    QUICK,
    Namespace,
    areceive,
    areceive_places,
    closing,
    consumer,
    eventually,
    receive,
    receive_error,
)

in_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def consumers_close_at_the_end() -> AsyncIterator[None]:
    yield
    await closing.wait()


@pytest.fixture(scope="module")
def namespace(launch: Callable[..., object]) -> Namespace:
    return Namespace(launch("event-hubs"))


def producer(namespace: Namespace, hub: str, **options: object) -> EventHubProducerClient:
    return EventHubProducerClient.from_connection_string(
        namespace.connection, eventhub_name=hub, **{**BRISK, **options}
    )


def aproducer(namespace: Namespace, hub: str) -> AsyncProducerClient:
    return AsyncProducerClient.from_connection_string(namespace.connection, eventhub_name=hub, **BRISK)


async def send(namespace: Namespace, hub: str, events: list[EventData], **how: str) -> None:
    client = aproducer(namespace, hub)
    async with client:
        await client.send_batch(events, **how)


def test_the_synchronous_clients_send_and_receive(namespace: Namespace):
    hub = namespace.make(partitions=2)
    with producer(namespace, hub) as client:
        batch = client.create_batch(partition_id="1")
        batch.add(EventData("one"))
        batch.add(EventData("two"))
        client.send_batch(batch)
        client.send_event(EventData("three"), partition_id="1")
    events = receive(namespace.connection, hub, 3)
    assert [e.body_as_str() for e in events] == ["one", "two", "three"]
    assert [e.sequence_number for e in events] == [0, 1, 2]
    assert all(datetime.now(UTC) - e.enqueued_time < timedelta(minutes=1) for e in events)


@in_loop
async def test_properties_and_annotations_arrive_as_they_were_sent(namespace: Namespace):
    hub = namespace.make()
    sent = AmqpAnnotatedMessage(
        data_body=[b"\x00\xff", b"second section"],
        header=AmqpMessageHeader(durable=True, priority=7, time_to_live=5000),
        properties=AmqpMessageProperties(
            message_id="m1", user_id=b"u", subject="s", content_type="application/json",
            content_encoding="utf-8", correlation_id="c", group_id="g", group_sequence=3,
        ),
        annotations={"iothub-connection-device-id": "press-1", "x-opt-mine": 5},
        application_properties={"level": "warn", "n": -5, "x": 1.5, "flag": True, "none": None, "b": b"\x01"},
    )  # fmt: skip
    client = aproducer(namespace, hub)
    async with client:
        await client.send_event(sent, partition_key="key")
    (event,) = await areceive(namespace.connection, hub, 1)
    message = event.raw_amqp_message
    assert list(message.body) == [b"\x00\xff", b"second section"]
    assert event.properties == {
        b"level": b"warn",
        b"n": -5,
        b"x": 1.5,
        b"flag": True,
        b"none": None,
        b"b": b"\x01",
    }
    assert message.annotations[b"iothub-connection-device-id"] == b"press-1"
    assert message.annotations[b"x-opt-mine"] == 5
    assert event.partition_key == b"key"
    assert (message.properties.message_id, message.properties.user_id) == (b"m1", b"u")
    assert (message.properties.group_id, message.properties.group_sequence) == (b"g", 3)
    assert (event.content_type, event.correlation_id) == ("application/json", "c")
    assert message.header is not None


@in_loop
async def test_value_and_sequence_bodies_survive(namespace: Namespace):
    hub = namespace.make()
    client = aproducer(namespace, hub)
    async with client:
        await client.send_event(AmqpAnnotatedMessage(value_body={b"k": [1, 2]}))
        await client.send_event(AmqpAnnotatedMessage(sequence_body=[[1, b"two"]]))
    value, sequence = await areceive(namespace.connection, hub, 2)
    assert value.raw_amqp_message.body == {b"k": [1, 2]}
    assert list(sequence.raw_amqp_message.body) == [[1, b"two"]]


@in_loop
async def test_events_of_one_key_stay_in_one_partition_in_order(namespace: Namespace):
    hub = namespace.make(partitions=4)
    keys = [f"machine-{n}" for n in range(8)]
    async with aproducer(namespace, hub) as client:
        for turn in range(3):
            for key in keys:
                await client.send_batch([EventData(f"{turn}")], partition_key=key)
    seen: dict[tuple[bytes, str], list[str]] = {}
    for partition, event in await areceive_places(namespace.connection, hub, 24):
        seen.setdefault((event.partition_key, partition), []).append(event.body_as_str())
    assert sorted(key.decode() for key, _ in seen) == keys
    assert all(turns == ["0", "1", "2"] for turns in seen.values())


@in_loop
async def test_events_without_a_key_go_around_the_partitions(namespace: Namespace):
    hub = namespace.make(partitions=4)
    async with aproducer(namespace, hub) as client:
        for _ in range(8):
            await client.send_batch([EventData("x")])
    places = await areceive_places(namespace.connection, hub, 8)
    assert sorted(partition for partition, _ in places) == ["0", "0", "1", "1", "2", "2", "3", "3"]


@in_loop
async def test_every_start_position_begins_where_it_says(namespace: Namespace):
    hub = namespace.make()
    await send(namespace, hub, [EventData(str(n)) for n in range(5)])
    early = await areceive(namespace.connection, hub, 5)
    between = datetime.now(UTC)
    await asyncio.sleep(0.01)
    await send(namespace, hub, [EventData(str(n)) for n in range(5, 8)])

    async def first(position: object, inclusive: bool, wanted: int) -> list[int]:
        events = await areceive(
            namespace.connection,
            hub,
            wanted,
            starting_position=position,
            starting_position_inclusive=inclusive,
        )
        return [event.sequence_number for event in events]

    found = await asyncio.gather(
        first(2, False, 5),
        first(2, True, 6),
        first(early[3].offset, False, 4),
        first(early[3].offset, True, 5),
        first(between, False, 3),
        first(early[0].enqueued_time, True, 8),
    )
    assert [numbers[0] for numbers in found] == [3, 2, 4, 3, 5, 0]
    assert all(numbers == list(range(numbers[0], 8)) for numbers in found)


@in_loop
async def test_latest_skips_what_is_there(namespace: Namespace):
    hub = namespace.make()
    await send(namespace, hub, [EventData("before")])
    task = asyncio.create_task(areceive(namespace.connection, hub, 1, starting_position="@latest"))
    while not task.done():
        await send(namespace, hub, [EventData("after")])
    assert {event.body_as_str() for event in await task} == {"after"}


@in_loop
async def test_a_position_beyond_the_end_is_refused(namespace: Namespace):
    hub = namespace.make()
    await send(namespace, hub, [EventData("x")])
    error = await asyncio.to_thread(receive_error, namespace.connection, hub, starting_position=99)
    assert (
        "The supplied sequence number '99' is invalid. The last sequence number in the system is '0'"
        in str(error)
    )


@in_loop
async def test_management_tells_of_hub_and_partition(namespace: Namespace):
    hub = namespace.make(partitions=3)
    client = aproducer(namespace, hub)
    async with client:
        about = await client.get_eventhub_properties()
        empty = await client.get_partition_properties("2")
        await client.send_batch([EventData("a"), EventData("b")], partition_id="2")
        filled = await client.get_partition_properties("2")
    events = await areceive(namespace.connection, hub, 2)
    assert about["eventhub_name"] == hub
    assert about["partition_ids"] == ["0", "1", "2"]
    assert abs(datetime.now(UTC) - about["created_at"]) < timedelta(minutes=1)
    assert (empty["is_empty"], empty["last_enqueued_sequence_number"], empty["last_enqueued_offset"]) == (
        True,
        -1,
        "-1",
    )
    assert (filled["is_empty"], filled["beginning_sequence_number"]) == (False, 0)
    assert filled["last_enqueued_sequence_number"] == 1
    assert filled["last_enqueued_offset"] == events[-1].offset
    assert filled["last_enqueued_time_utc"] == events[-1].enqueued_time


@in_loop
async def test_a_recreated_hub_starts_over_and_is_younger(namespace: Namespace):
    hub = namespace.make()
    client = aproducer(namespace, hub)
    async with client:
        await client.send_batch([EventData("old")])
        before = await client.get_eventhub_properties()
    assert namespace.http("DELETE", f"/{hub}")[0] == 204
    namespace.make(name=hub)
    client = aproducer(namespace, hub)
    async with client:
        after = await client.get_eventhub_properties()
        await client.send_batch([EventData("new")])
    (event,) = await areceive(namespace.connection, hub, 1)
    assert after["created_at"] > before["created_at"]
    assert (event.sequence_number, event.body_as_str()) == (0, "new")


@in_loop
async def test_a_sender_to_a_deleted_hub_is_cut_off(namespace: Namespace):
    hub = namespace.make()
    client = AsyncProducerClient.from_connection_string(namespace.connection, eventhub_name=hub, **QUICK)
    async with client:
        await client.send_batch([EventData("x")], partition_id="0")
        assert namespace.http("DELETE", f"/{hub}")[0] == 204
        with pytest.raises(EventHubError):
            await client.send_batch([EventData("y")], partition_id="0")


def test_a_message_over_1_mb_is_refused_and_the_link_lives_on(namespace: Namespace):
    hub = namespace.make()
    with producer(namespace, hub, **QUICK) as client:
        with pytest.raises(EventDataSendError, match=r"exceeds the limit \(1048576 bytes\)"):
            client.send_event(EventData(b"x" * 1_100_000))
        client.send_event(EventData(b"y" * 1_040_000))
    (event,) = receive(namespace.connection, hub, 1)
    assert len(event.body_as_str()) == 1_040_000


def test_an_unknown_hub_is_not_found(namespace: Namespace):
    with (
        producer(namespace, "nowhere", **QUICK) as client,
        pytest.raises(ConnectError, match="Status code: 404"),
    ):
        client.get_eventhub_properties()
    with producer(namespace, "nowhere", **QUICK) as client, pytest.raises(EventHubError):
        client.send_event(EventData("x"))


def test_a_partition_that_is_not_there_is_out_of_range(namespace: Namespace):
    hub = namespace.make(partitions=2)
    with (
        producer(namespace, hub, **QUICK) as client,
        pytest.raises(EventHubError, match="Invalid partition 2"),
    ):
        client.send_event(EventData("x"), partition_id="2")


@in_loop
async def test_tracked_runtime_metrics_come_with_each_event(namespace: Namespace):
    hub = namespace.make()
    await send(namespace, hub, [EventData("a"), EventData("b")])
    contexts: list[dict[str, object]] = []

    async def keep(context, event) -> None:
        if event:
            contexts.append(context.last_enqueued_event_properties)

    client = consumer(namespace.connection, hub)
    task = asyncio.create_task(
        client.receive(keep, starting_position="-1", track_last_enqueued_event_properties=True)
    )
    await eventually(lambda: len(contexts) == 2, "two events")
    closing.later(client, task)
    assert contexts[-1]["sequence_number"] == 1
    assert contexts[-1]["enqueued_time"] is not None


def test_tls_works_on_its_port_with_the_local_ca(namespace: Namespace):
    hub = namespace.make()
    home = namespace.process.folder
    port = namespace.process.ports["amqps"]
    client = EventHubProducerClient.from_connection_string(
        namespace.process.endpoints["eventHubsTls"],
        eventhub_name=hub,
        connection_verify=str(home / "ca.pem"),
        custom_endpoint_address=f"sb://localhost:{port}",
        transport_type=TransportType.Amqp,
    )
    with client:
        client.send_event(EventData("safe"))
    (event,) = receive(namespace.connection, hub, 1)
    assert event.body_as_str() == "safe"


def test_consumer_groups_read_the_same_events_independently(namespace: Namespace):
    hub = namespace.make(groups=["audit"])
    with producer(namespace, hub) as client:
        client.send_event(EventData("x"))
    assert len(receive(namespace.connection, hub, 1)) == 1
    assert len(receive(namespace.connection, hub, 1, group="audit")) == 1


def test_large_and_small_events_mix_over_several_frames(namespace: Namespace):
    hub = namespace.make()
    sizes = [10, 200_000, 10, 500_000, 65_536, 65_000, 1]
    with producer(namespace, hub) as client:
        for size in sizes:
            client.send_event(EventData(b"z" * size))
    assert [len(e.body_as_str()) for e in receive(namespace.connection, hub, len(sizes))] == sizes
