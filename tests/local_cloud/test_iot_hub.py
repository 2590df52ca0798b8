"""Devices on IoT Hub through azure-iot-device, their messages read through azure-eventhub."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.iot.device import IoTHubDeviceClient as SyncDeviceClient
from azure.iot.device import Message
from azure.iot.device.aio import IoTHubDeviceClient
from azure.iot.device.exceptions import CredentialError

from local.iot_hub.device_port import device_port
from tests.local_cloud.iot_hub_clients import (
    EVENTS,
    Plant,
    RawClient,
    connect_packet,
    key_of,
    make_hub,
    publish_packet,
    sas,
)

pytestmark = [
    # azure-iot-device 2.14.0 asks for TLS 1.2 by a constant that Python 3.13 calls deprecated.
    pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLSv1_2:DeprecationWarning"),
    # Its MQTT library leaves a pair of sockets to the garbage collector when it connects again.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.fixture(scope="module")
def plant(launch: Callable[..., Any]) -> Iterator[Plant]:
    event_hubs = launch("event-hubs")
    hub = launch("iot-hub", environment={EVENTS: make_hub(event_hubs, "telemetry", 4)})
    with device_port(hub.ports["mqtt"]), Plant(hub, event_hubs) as plant:
        yield plant


async def test_a_message_arrives_with_its_properties_and_the_services_annotations(plant: Plant) -> None:
    client = plant.client(plant.create("press-1")["press-1"])
    message = Message(json.dumps({"bar": 4.2}), "m-1", "utf-8", "application/json")
    message.correlation_id = "c-1"
    message.custom_properties["line"] = "3 & 4 = é+"
    message.custom_properties["iothub-creation-time-utc"] = "2026-11-21T10:00:00.000Z"
    before_ms = time.time() * 1000
    await client.connect()
    await client.send_message(message)
    await client.shutdown()

    events = plant.received(lambda events: any(e.partition_key == b"press-1" for e in events))
    (event,) = [event for event in events if event.partition_key == b"press-1"]
    system = event.system_properties
    assert event.body_as_json() == {"bar": 4.2}
    assert event.properties == {
        b"line": "3 & 4 = é+".encode(),
        b"iothub-creation-time-utc": b"2026-11-21T10:00:00.000Z",
    }
    assert system[b"iothub-connection-device-id"] == b"press-1"
    assert json.loads(system[b"iothub-connection-auth-method"]) == {
        "scope": "device",
        "type": "sas",
        "issuer": "iothub",
        "acceptingIpFilterRule": None,
    }
    device = plant.registry().get_device("press-1")
    assert system[b"iothub-connection-auth-generation-id"] == device.generation_id.encode()
    assert system[b"iothub-message-source"] == b"Telemetry"
    assert before_ms - 1000 <= system[b"iothub-enqueuedtime"] <= time.time() * 1000 + 1000
    assert system[b"message-id"] == b"m-1"
    assert system[b"correlation-id"] == b"c-1"
    assert system[b"content-type"] == b"application/json"
    assert system[b"content-encoding"] == b"utf-8"
    assert b"dt-dataschema" not in system


async def test_a_plug_and_play_device_names_its_model(plant: Plant) -> None:
    model = "dtmi:millwright:Press;1"
    client = plant.client(plant.create("pnp-1")["pnp-1"], product_info=model)
    message = Message("{}")
    await client.connect()
    await client.send_message(message)
    await client.shutdown()
    events = plant.received(lambda events: any(e.partition_key == b"pnp-1" for e in events))
    (event,) = [event for event in events if event.partition_key == b"pnp-1"]
    assert event.system_properties[b"dt-dataschema"] == model.encode()


async def test_the_messages_of_each_device_keep_their_order(plant: Plant) -> None:
    names = [f"order-{number}" for number in range(5)]
    clients = {name: plant.client(string) for name, string in plant.create(*names).items()}

    async def send(client: IoTHubDeviceClient) -> None:
        await client.connect()
        for number in range(40):
            await client.send_message(str(number))
        await client.shutdown()

    await asyncio.gather(*map(send, clients.values()))

    def ours(events: list[Any]) -> list[Any]:
        return [event for event in events if event.partition_key.startswith(b"order-")]

    events = ours(plant.received(lambda events: len(ours(events)) >= 200))
    for name in names:
        bodies = [int(event.body_as_str()) for event in events if event.partition_key == name.encode()]
        assert bodies == list(range(40))


def test_the_synchronous_client_works_too(plant: Plant) -> None:
    client = SyncDeviceClient.create_from_connection_string(
        plant.create("sync-1")["sync-1"], server_verification_cert=plant.ca.read_text()
    )
    client.connect()
    client.send_message("hello")
    assert client.connected
    client.shutdown()


async def test_a_wrong_key_is_not_authorized(plant: Plant) -> None:
    strings = plant.create("key-1", "key-2")
    wrong = strings["key-1"].replace(key_of(strings["key-1"]), key_of(strings["key-2"]))
    client = plant.client(wrong)
    with pytest.raises(CredentialError):
        await client.connect()
    await client.shutdown()


async def test_an_unknown_device_is_not_authorized(plant: Plant) -> None:
    string = plant.create("known-1")["known-1"].replace("known-1", "unknown-1")
    client = plant.client(string)
    with pytest.raises(CredentialError):
        await client.connect()
    await client.shutdown()


async def test_a_disabled_device_is_not_authorized_and_loses_its_connection(plant: Plant) -> None:
    client = plant.client(plant.create("off-1")["off-1"], connection_retry=False)
    await client.connect()
    lost = asyncio.Event()
    loop = asyncio.get_running_loop()
    client.on_connection_state_change = lambda: loop.call_soon_threadsafe(lost.set)
    manager = plant.registry()
    device = manager.get_device("off-1")
    keys = device.authentication.symmetric_key
    manager.update_device_with_sas("off-1", device.etag, keys.primary_key, keys.secondary_key, "disabled")
    async with asyncio.timeout(60):
        await lost.wait()
    with pytest.raises(CredentialError):
        await client.connect()
    await client.shutdown()


async def test_a_second_connection_of_a_device_takes_over(plant: Plant) -> None:
    string = plant.create("twice-1")["twice-1"]
    first = plant.client(string, connection_retry=False, auto_connect=False)
    await first.connect()
    lost = asyncio.Event()
    loop = asyncio.get_running_loop()
    first.on_connection_state_change = lambda: loop.call_soon_threadsafe(lost.set)
    second = plant.client(string)
    await second.connect()
    async with asyncio.timeout(60):
        await lost.wait()
    await second.send_message("still here")
    assert not first.connected
    assert second.connected
    await first.shutdown()
    await second.shutdown()


async def test_the_registry_tells_who_is_connected(plant: Plant) -> None:
    client, manager = plant.client(plant.create("state-1")["state-1"]), plant.registry()
    assert manager.get_device("state-1").connection_state == "Disconnected"
    await client.connect()
    assert manager.get_device("state-1").connection_state == "Connected"
    assert manager.get_service_statistics().connected_device_count >= 1
    await client.shutdown()
    deadline = time.monotonic() + 60
    while manager.get_device("state-1").connection_state != "Disconnected":
        assert time.monotonic() < deadline


async def test_a_device_may_use_a_token_signed_with_the_hubs_key(plant: Plant) -> None:
    plant.create("token-1")
    key = key_of(plant.hub.endpoints["iotHub"])
    token = sas("localhost/devices/token-1", key, policy="iothubowner")
    client = IoTHubDeviceClient.create_from_sastoken(token, server_verification_cert=plant.ca.read_text())
    await client.connect()
    await client.send_message("signed by the hub")
    await client.shutdown()
    events = plant.received(lambda events: any(e.partition_key == b"token-1" for e in events))
    (event,) = [event for event in events if event.partition_key == b"token-1"]
    method = json.loads(event.system_properties[b"iothub-connection-auth-method"])
    assert method["scope"] == "hub"


async def test_messages_are_billed_in_blocks_of_4_kb(plant: Plant) -> None:
    client = plant.client(plant.create("bill-1")["bill-1"])
    await client.connect()
    before = plant.meter()
    await client.send_message(Message("x" * 4096))
    await client.send_message(Message("x" * 4097))
    after = plant.meter()
    await client.shutdown()
    assert after["messages"] - before["messages"] == 2
    assert after["messages_4kb"] - before["messages_4kb"] == 3


def test_a_will_and_a_retained_message_are_marked(plant: Plant) -> None:
    """With a raw client, because azure-iot-device sends neither."""
    token = sas("localhost/devices/will-1", key_of(plant.create("will-1")["will-1"]))
    topic = "devices/will-1/messages/events/"
    with RawClient(plant) as client:
        client.send(connect_packet("will-1", token, will=(f"{topic}a=b", b"gone"))).read()
        client.send(publish_packet(topic, b"kept", retain=True)).read()

    def ours(events: list[Any]) -> list[Any]:
        return [event for event in events if event.partition_key == b"will-1"]

    retained, will = ours(plant.received(lambda events: len(ours(events)) == 2))
    assert (retained.body_as_str(), retained.properties) == ("kept", {b"mqtt-retain": b"true"})
    assert will.body_as_str() == "gone"
    assert will.properties == {b"a": b"b", b"iothub-MessageType": b"Will"}
