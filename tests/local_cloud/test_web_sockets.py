"""AMQP and MQTT over web sockets: by Microsoft's clients, and by a bare one for what those never do."""

import asyncio
import contextlib
import importlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
import pytest
from azure.eventhub import EventData, TransportType
from azure.eventhub.aio import EventHubProducerClient
from azure.iot.hub import IoTHubRegistryManager

from tests.local_cloud.event_hubs_driver import BRISK, Namespace, consumer, eventually
from tests.local_cloud.iot_hub_clients import Plant, connect_packet, key_of, plant_with_web_sockets, sas

pytestmark = [
    pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLSv1_2:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
    # An attempt to connect that an SDK gives up may be left to the garbage collector.
    pytest.mark.filterwarnings("ignore:Unclosed c:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),
]
LARGE = "x" * 300_000
"""Several AMQP frames."""
ENDS = {
    aiohttp.WSMsgType.CLOSE,
    aiohttp.WSMsgType.CLOSING,
    aiohttp.WSMsgType.CLOSED,
    aiohttp.WSMsgType.ERROR,
}
"""How a client may hear that the conversation is over, by how far the closing has come."""


@pytest.fixture(scope="module")
def plant(launch: Callable[..., Any]) -> Iterator[Plant]:
    with plant_with_web_sockets(launch) as plant:
        yield plant


async def test_events_are_sent_and_received_over_web_sockets(plant: Plant) -> None:
    hub = Namespace(plant.event_hubs).make()
    options: dict[str, Any] = {
        "transport_type": TransportType.AmqpOverWebsocket,
        "custom_endpoint_address": plant.event_hubs.endpoints["eventHubsWebSockets"],
        "connection_verify": str(plant.event_hubs.folder / "ca.pem"),
    }
    string = plant.event_hubs.endpoints["eventHubsTls"]
    async with EventHubProducerClient.from_connection_string(
        string, eventhub_name=hub, **BRISK, **options
    ) as producer:
        await producer.send_batch([EventData(LARGE), EventData(LARGE)])
        await producer.send_event(EventData("last"))

    got: list[str] = []

    async def keep(_: Any, events: list[EventData]) -> None:
        got.extend(event.body_as_str() for event in events)

    client = consumer(string, hub, **options)
    reading = asyncio.create_task(client.receive_batch(keep, starting_position="-1", max_wait_time=0.2))
    await eventually(lambda: len(got) == 3, "3 events")
    await client.close()
    await reading
    assert got == [LARGE, LARGE, "last"]


async def test_a_device_lives_on_web_sockets(plant: Plant) -> None:
    client = plant.client(plant.create("wss-1")["wss-1"], websockets=True)
    down, called = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def take(message: Any) -> None:
        assert message.data == b"down"
        loop.call_soon_threadsafe(down.set)

    await client.connect()
    await client.send_message(LARGE[:200_000])
    await client.patch_twin_reported_properties({"speed": 7})
    assert (await client.get_twin())["reported"]["speed"] == 7
    client.on_message_received = take

    def send() -> None:
        transport = importlib.import_module("uamqp").TransportType.AmqpOverWebsocket
        registry: Any = IoTHubRegistryManager(plant.hub.endpoints["iotHub"], transport_type=transport)
        registry.send_c2d_message("wss-1", "down")
        called.set()

    await asyncio.to_thread(send)
    async with asyncio.timeout(60):
        await down.wait()
    await client.shutdown()
    events = plant.received(lambda events: any(event.partition_key == b"wss-1" for event in events))
    assert [len(event.body_as_str()) for event in events] == [200_000]


@contextlib.asynccontextmanager
async def conversation(plant: Plant, protocol: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    url = f"wss://localhost:{plant.hub.ports['https']}/$iothub/websocket"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=[protocol], ssl=plant.client_tls()) as socket,
    ):
        yield socket


async def test_a_web_socket_needs_a_protocol_that_is_spoken_there(plant: Plant) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with conversation(plant, "chat"):
            pass
    assert refused.value.status == 400


async def test_packets_may_be_cut_anywhere(plant: Plant) -> None:
    string = plant.create("wss-2")["wss-2"]
    packet = connect_packet("wss-2", sas("localhost/devices/wss-2", key_of(string)))
    async with conversation(plant, "mqtt") as socket:
        for place in range(0, len(packet), 7):
            await socket.send_bytes(packet[place : place + 7])
        assert (await socket.receive_bytes(timeout=60))[0] == 0x20


@pytest.mark.parametrize("protocol", ["mqtt", "AMQPWSB10"])
async def test_a_text_message_ends_the_conversation(plant: Plant, protocol: str) -> None:
    async with conversation(plant, protocol) as socket:
        await socket.send_str("hello")
        assert (await socket.receive(timeout=60)).type in ENDS


async def test_the_hub_ends_the_conversation_of_a_device_that_is_deleted(plant: Plant) -> None:
    string = plant.create("wss-3")["wss-3"]
    async with conversation(plant, "mqtt") as socket:
        await socket.send_bytes(connect_packet("wss-3", sas("localhost/devices/wss-3", key_of(string))))
        assert await socket.receive_bytes(timeout=60) == b"\x20\x02\0\0"
        await asyncio.to_thread(plant.registry().delete_device, "wss-3")
        assert (await socket.receive(timeout=60)).type in ENDS


async def test_a_hub_with_open_conversations_stops(launch: Callable[..., Any]) -> None:
    hub = launch("iot-hub")
    plant = Plant(hub, None)
    string = plant.create("wss-4")["wss-4"]
    stopping = threading.Thread(target=hub.stop)
    async with conversation(plant, "mqtt") as device, conversation(plant, "AMQPWSB10") as back_end:
        await device.send_bytes(connect_packet("wss-4", sas("localhost/devices/wss-4", key_of(string))))
        assert await device.receive_bytes(timeout=60) == b"\x20\x02\0\0"
        stopping.start()
        for socket in (device, back_end):
            assert (await socket.receive(timeout=60)).type in ENDS
    await asyncio.to_thread(stopping.join, 60)
    assert hub.meter["connections"] == 1
