"""What the device SDK's own quick end-to-end tests ask of a hub, by each of its clients: synchronous and
asynchronous, MQTT and web sockets, shared access key and certificate. local/iot_hub/README.md compares.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.iot.device import Message, MethodResponse
from azure.iot.device.common import transport_exceptions
from azure.iot.device.exceptions import ClientError, NoConnectionError
from azure.iot.hub.models import CloudToDeviceMethod, Twin, TwinProperties

from tests.local_cloud.iot_hub_clients import Plant, plant_with_web_sockets
from tests.local_cloud.iot_hub_sdk_clients import VARIANTS, Client, connected

pytestmark = [
    # azure-iot-device 2.14.0 asks for TLS 1.2 by a constant that Python 3.13 calls deprecated.
    pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLSv1_2:DeprecationWarning"),
    # Its MQTT library leaves a pair of sockets to the garbage collector when it connects again.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
]
WITHIN_S = 60


@pytest.fixture(scope="module")
def plant(launch: Callable[..., Any]) -> Iterator[Plant]:
    with plant_with_web_sockets(launch) as plant:
        yield plant


@pytest.fixture(params=VARIANTS)
async def client(plant: Plant, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Client]:
    async with connected(plant, request.param, tmp_path) as client:
        yield client


async def test_connects_and_disconnects_and_says_so(client: Client) -> None:
    changes = client.on("on_connection_state_change")
    assert client.sdk.connected
    await client.do("disconnect")
    assert not client.sdk.connected
    await client.do("connect")
    async with asyncio.timeout(WITHIN_S):
        await changes.get()
    assert client.plant.registry().get_device(client.name).connection_state == "Connected"


async def test_sends_a_message_and_connects_for_it_if_it_must(client: Client) -> None:
    message = Message(json.dumps({"n": 1}), "m-1", "utf-8", "application/json")
    message.custom_properties["line"] = "3 & 4"
    await client.do("send_message", message)
    await client.do("disconnect")
    await client.do("send_message", "a bare text")
    assert client.sdk.connected
    first, second = await asyncio.to_thread(client.arrived, 2)
    assert first.system_properties[b"message-id"] == b"m-1"
    assert first.system_properties[b"content-type"] == b"application/json"
    assert first.properties == {b"line": b"3 & 4"}
    assert (first.body_as_json(), second.body_as_str()) == ({"n": 1}, "a bare text")


async def test_what_can_not_be_serialised_is_not_sent(client: Client) -> None:
    for method in ("send_message", "patch_twin_reported_properties"):
        with pytest.raises(ClientError) as caught:
            await client.do(method, lambda: None)
        assert isinstance(caught.value.__cause__, TypeError)


async def test_reports_properties_and_takes_them_back(client: Client) -> None:
    await client.do("patch_twin_reported_properties", {"content": {"a": [1, 2.5]}})
    seen, twin = await client.do("get_twin"), await asyncio.to_thread(client.twin)
    assert seen["reported"]["content"] == twin.properties.reported["content"] == {"a": [1, 2.5]}
    assert seen["desired"]["$version"] == twin.properties.desired["$version"]
    assert seen["reported"]["$version"] == twin.properties.reported["$version"]
    await client.do("patch_twin_reported_properties", {"content": None})
    assert "content" not in (await client.do("get_twin"))["reported"]


@pytest.mark.parametrize("variant", VARIANTS)
async def test_a_twin_needs_a_connection_and_its_subscriptions_outlive_one(
    plant: Plant, variant: str, tmp_path: Path
) -> None:
    """The SDK subscribes once and counts on the hub to remember it: its sessions are not clean."""
    async with connected(plant, variant, tmp_path, auto_connect=False) as client:
        patches = client.on("on_twin_desired_properties_patch_received")
        await client.do("get_twin")
        await client.do("disconnect")
        # The synchronous client lets the error of its transport through.
        with pytest.raises((NoConnectionError, transport_exceptions.NoConnectionError)):
            await client.do("get_twin")
        await client.do("connect")
        await client.do("patch_twin_reported_properties", {"content": "again"})
        assert (await client.do("get_twin"))["reported"]["content"] == "again"
        twin = Twin(properties=TwinProperties(desired={"speed": 4}))
        await asyncio.to_thread(plant.registry().update_twin, client.name, twin, "*")
        async with asyncio.timeout(WITHIN_S):
            while (await patches.get())[0].get("speed") != 4:
                pass


async def test_desired_properties_arrive_as_patches(client: Client) -> None:
    patches = client.on("on_twin_desired_properties_patch_received")
    await client.do("get_twin")
    registry = client.plant.registry()
    async with asyncio.timeout(WITHIN_S):
        for wanted in ({"speed": 3}, {"speed": None, "mode": "slow"}):
            twin = Twin(properties=TwinProperties(desired=wanted))
            await asyncio.to_thread(registry.update_twin, client.name, twin, "*")
            (patch,) = await patches.get()
            assert {name: value for name, value in patch.items() if name != "$version"} == wanted
    desired = (await client.do("get_twin"))["desired"]
    assert desired == {"mode": "slow", "$version": patch["$version"]}


async def test_answers_methods_with_and_without_payloads(client: Client) -> None:
    calls = client.on("on_method_request_received")
    await client.do("get_twin")  # handlers are set up in the background, in order
    registry = client.plant.registry()
    for asked, answered in (({"a": 1}, {"b": 2}), ({"a": 1}, None), (None, {"b": 2}), (None, None)):
        call = CloudToDeviceMethod(
            method_name="do-it", payload=asked, connect_timeout_in_seconds=30, response_timeout_in_seconds=60
        )
        calling = asyncio.create_task(asyncio.to_thread(registry.invoke_device_method, client.name, call))
        async with asyncio.timeout(WITHIN_S):
            (request,) = await calls.get()
        assert (request.name, request.payload or None) == ("do-it", asked)
        response = MethodResponse.create_from_method_request(request, 299, answered)
        await client.do("send_method_response", response)
        result = await calling
        assert (result.status, result.payload) == (299, answered)


async def test_receives_a_message_from_the_cloud(client: Client) -> None:
    messages = client.on("on_message_received")
    send = client.plant.registry().send_c2d_message
    properties = {"contentType": "application/json", "contentEncoding": "utf-8", "tone": "kind & ä"}
    await asyncio.to_thread(send, client.name, '{"down": 1}', properties)
    async with asyncio.timeout(WITHIN_S):
        (message,) = await messages.get()
    assert json.loads(message.data) == {"down": 1}
    assert (message.content_type, message.content_encoding) == ("application/json", "utf-8")
    assert message.custom_properties["tone"] == "kind & ä"
