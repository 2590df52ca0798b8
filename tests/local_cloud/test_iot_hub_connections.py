"""Connections of the device SDK that drop, are refused, fall silent or outlive their token."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.iot.device.exceptions import OperationCancelled

from local.iot_hub.device_port import device_port
from tests.local_cloud.event_hubs_driver import eventually
from tests.local_cloud.iot_hub_clients import EVENTS, Plant, make_hub
from tests.local_cloud.iot_hub_sdk_clients import Client, connected
from tests.local_cloud.network import Network

pytestmark = [
    # azure-iot-device 2.14.0 asks for TLS 1.2 by a constant that Python 3.13 calls deprecated.
    pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLSv1_2:DeprecationWarning"),
    # Its MQTT library leaves a pair of sockets to the garbage collector when it connects again.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
]
KEEP_ALIVE_S = 3
"""Two of these pass before the client knows that nobody answers."""
WITHIN_S = 60


@pytest.fixture(scope="module")
def plant(launch: Callable[..., Any]) -> Iterator[Plant]:
    event_hubs = launch("event-hubs")
    hub = launch("iot-hub", environment={EVENTS: make_hub(event_hubs, "telemetry", 1)})
    with Plant(hub, event_hubs) as plant:
        yield plant


async def lost(client: Client) -> None:
    await eventually(lambda: not client.sdk.connected, "the client to know that it is not connected")


async def test_what_is_sent_into_silence_arrives_when_the_connection_is_back(
    plant: Plant, tmp_path: Path
) -> None:
    options = {"keep_alive": KEEP_ALIVE_S, "connection_retry_interval": 1}
    async with Network(plant.hub.ports["mqtt"]) as network:
        with device_port(network.port):
            async with connected(plant, "aio-mqtt", tmp_path, **options) as client:
                await client.do("get_twin")
                network.silence()
                work = [
                    asyncio.create_task(client.do("send_message", "into silence")),
                    asyncio.create_task(client.do("patch_twin_reported_properties", {"content": "kept"})),
                ]
                await lost(client)
                assert not any(task.done() for task in work)
                network.restore()
                async with asyncio.timeout(WITHIN_S):
                    await asyncio.gather(*work)
                assert (await client.do("get_twin"))["reported"]["content"] == "kept"
                events = await asyncio.to_thread(client.arrived)
                assert {event.body_as_str() for event in events} == {"into silence"}


async def test_a_client_whose_connection_is_reset_tries_until_it_is_let_in(
    plant: Plant, tmp_path: Path
) -> None:
    async with Network(plant.hub.ports["https"]) as network:
        with device_port(plant.hub.ports["mqtt"], network.port):
            async with connected(plant, "sync-websockets", tmp_path, connection_retry_interval=1) as client:
                network.refuse()
                await lost(client)
                sending = asyncio.create_task(client.do("send_message", "refused"))
                network.restore()
                async with asyncio.timeout(WITHIN_S):
                    await sending
                assert (await asyncio.to_thread(client.arrived))[0].body_as_str() == "refused"


async def test_without_retry_what_is_under_way_is_cancelled_and_the_next_message_connects(
    plant: Plant, tmp_path: Path
) -> None:
    options = {"keep_alive": KEEP_ALIVE_S, "connection_retry": False}
    async with Network(plant.hub.ports["mqtt"]) as network:
        with device_port(network.port):
            async with connected(plant, "aio-mqtt", tmp_path, **options) as client:
                network.silence()
                with pytest.raises(OperationCancelled):
                    await client.do("send_message", "cancelled")
                await lost(client)
                network.restore()
                await client.do("send_message", "next")
                events = await asyncio.to_thread(
                    plant.received, lambda events: any(event.body_as_str() == "next" for event in events)
                )
                assert events[-1].partition_key == client.name.encode()


async def test_a_short_silence_delays_and_disconnects_nobody(plant: Plant, tmp_path: Path) -> None:
    async with Network(plant.hub.ports["mqtt"]) as network:
        with device_port(network.port):
            async with connected(plant, "aio-mqtt", tmp_path) as client:
                changes = client.on("on_connection_state_change")
                network.silence()
                sending = asyncio.create_task(client.do("send_message", "late"))
                done, _ = await asyncio.wait([sending], timeout=0.5)
                assert not done
                network.restore()
                async with asyncio.timeout(WITHIN_S):
                    await sending
                assert client.sdk.connected
                assert changes.empty()


async def test_a_token_is_renewed_before_it_expires(plant: Plant, tmp_path: Path) -> None:
    """The SDK renews 120 s before the end, by connecting again with a new token."""
    before = plant.meter().get("connections", 0)
    with device_port(plant.hub.ports["mqtt"]):
        async with connected(plant, "aio-mqtt", tmp_path, sastoken_ttl=122) as client:
            await eventually(lambda: plant.meter().get("connections", 0) >= before + 2, "a renewal")
            await client.do("send_message", "renewed")
            assert (await asyncio.to_thread(client.arrived))[0].body_as_str() == "renewed"
