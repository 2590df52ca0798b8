"""Direct methods and cloud-to-device messages: azure-iot-hub calls and sends, azure-iot-device answers."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.iot.device import MethodResponse
from azure.iot.hub.models import CloudToDeviceMethod
from msrest.exceptions import HttpOperationError

from local.iot_hub.device_port import back_end_port, device_port
from shared.adapters.iot_hub import IoTHubDevices
from shared.ports import Refused
from tests.local_cloud.iot_hub_clients import Plant, RawClient, connect_packet, key_of, packet, sas, text

pytestmark = [
    # azure-iot-device 2.14.0 asks for TLS 1.2 by a constant that Python 3.13 calls deprecated.
    pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLSv1_2:DeprecationWarning"),
    # Its MQTT library leaves a pair of sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.fixture(scope="module")
def plant(launch: Callable[..., Any]) -> Iterator[Plant]:
    hub = launch("iot-hub")
    plant = Plant(hub, None)
    with device_port(hub.ports["mqtt"]), back_end_port(hub.ports["amqps"], plant.ca):
        yield plant


async def answering(plant: Plant, device_id: str, status: int, payload: Any) -> Any:
    """A connected device that answers every call with what it was asked and this payload."""
    client = plant.client(plant.create(device_id)[device_id])

    async def answer(request: Any) -> None:
        body = {"name": request.name, "asked": request.payload, "payload": payload}
        await client.send_method_response(MethodResponse.create_from_method_request(request, status, body))

    client.on_method_request_received = answer
    await client.connect()
    return client


def invoke(plant: Plant, device_id: str, name: str, payload: Any = None, **options: Any) -> Any:
    call = CloudToDeviceMethod(method_name=name, payload=payload, **options)
    return plant.registry().invoke_device_method(device_id, call)


async def test_a_device_answers_a_method(plant: Plant) -> None:
    client = await answering(plant, "calls-1", 299, {"ok": True})
    result = await asyncio.to_thread(invoke, plant, "calls-1", "stop now/ä", {"at": 1.5})
    assert result.status == 299
    assert result.payload == {"name": "stop now/ä", "asked": {"at": 1.5}, "payload": {"ok": True}}
    await client.shutdown()


async def test_the_backends_automation_calls_a_device(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(plant.ca))
    methods = IoTHubDevices(plant.hub.endpoints["iotHub"])
    client = await answering(plant, "auto-1", 200, "slowed")
    answer = await methods.call("auto-1", "slow-down", {"toRpm": 900})
    assert answer == {
        "status": 200,
        "payload": {"name": "slow-down", "asked": {"toRpm": 900}, "payload": "slowed"},
    }
    await client.shutdown()
    client = await answering(plant, "auto-2", 500, None)
    with pytest.raises(Refused, match="the device answered 500"):
        await methods.call("auto-2", "slow-down", {})
    await client.shutdown()
    with pytest.raises(Refused, match="404"):
        await methods.call("nobody", "slow-down", {})


def test_a_device_that_is_not_there_is_404(plant: Plant) -> None:
    plant.create("away-1")
    with pytest.raises(HttpOperationError) as caught:
        invoke(plant, "away-1", "stop", connect_timeout_in_seconds=0)
    response: Any = caught.value.response
    assert response.status_code == 404
    code, _, detail = response.json()["Message"].partition(";")
    assert code == "ErrorCode:DeviceNotOnline"
    assert json.loads(detail)["errorCode"] == 404103
    assert json.loads(detail)["message"] == "Timed out waiting for device to connect."


async def test_a_call_waits_for_a_device_to_connect(plant: Plant) -> None:
    plant.create("late-1")
    call = asyncio.create_task(
        asyncio.to_thread(invoke, plant, "late-1", "stop", connect_timeout_in_seconds=60)
    )
    client = await answering(plant, "late-1", 200, None)
    assert (await call).status == 200
    await client.shutdown()


def test_a_device_that_listens_and_does_not_answer_is_504(plant: Plant) -> None:
    token = sas("localhost/devices/mute-1", key_of(plant.create("mute-1")["mute-1"]))
    with RawClient(plant) as client:
        client.send(connect_packet("mute-1", token)).read()
        client.send(packet(0x82, b"\x00\x01" + text("$iothub/methods/POST/#") + b"\x00")).read()
        with pytest.raises(HttpOperationError) as caught:
            invoke(plant, "mute-1", "stop", response_timeout_in_seconds=5)
    assert caught.value.response.status_code == 504
    assert "504101" in caught.value.response.json()["Message"]


@pytest.mark.parametrize("options", [{"response_timeout_in_seconds": 4}, {"connect_timeout_in_seconds": 301}])
def test_time_outs_have_bounds(plant: Plant, options: dict[str, int]) -> None:
    plant.create("bounds-1")
    with pytest.raises(HttpOperationError) as caught:
        invoke(plant, "bounds-1", "stop", **options)
    assert caught.value.response.status_code == 400


async def test_a_message_waits_for_its_device_and_its_sender_hears_of_it(plant: Plant) -> None:
    string = plant.create("c2d-1")["c2d-1"]
    manager = plant.registry()
    sent = {
        "messageId": "m-1",
        "correlationId": "c-1",
        "contentType": "text/plain",
        "iothub-ack": "full",
        "line": "3 & 4",
    }
    await asyncio.to_thread(send, plant, "c2d-1", ("slow down", sent))
    assert manager.get_device("c2d-1").cloud_to_device_message_count == 1
    client = plant.client(string)
    came: asyncio.Queue[Any] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    client.on_message_received = lambda message: loop.call_soon_threadsafe(came.put_nowait, message)
    await client.connect()
    async with asyncio.timeout(60):
        message = await came.get()
    assert (message.data, message.message_id, message.correlation_id) == (b"slow down", "m-1", "c-1")
    assert (message.content_type, message.ack, message.custom_properties) == (
        "text/plain",
        "full",
        {"line": "3 & 4"},
    )
    (record,) = feedback(plant, 1)
    assert (record["originalMessageId"], record["statusCode"], record["deviceId"]) == (
        "m-1",
        "Success",
        "c2d-1",
    )
    assert manager.get_device("c2d-1").cloud_to_device_message_count == 0
    await client.shutdown()


async def test_messages_expire_and_can_be_purged(plant: Plant) -> None:
    plant.create("old-1")
    manager = plant.registry()
    soon = int((time.time() + 1) * 1000)
    for number, expiry in ((1, soon), (2, None)):
        properties: dict[str, Any] = {"messageId": f"old-{number}", "iothub-ack": "negative"}
        if expiry:
            properties["expiryTimeUtc"] = expiry
        await asyncio.to_thread(send, plant, "old-1", ("x", properties))
    (expired,) = feedback(plant, 1)
    assert (expired["originalMessageId"], expired["statusCode"]) == ("old-1", "Expired")
    manager.protocol.cloud_to_device_messages.purge_cloud_to_device_message_queue("old-1")
    (purged,) = feedback(plant, 1)
    assert (purged["originalMessageId"], purged["statusCode"]) == ("old-2", "Purged")


async def test_a_queue_holds_50_messages(plant: Plant) -> None:
    plant.create("full-1")
    await asyncio.to_thread(send, plant, "full-1", *[(str(number), {}) for number in range(50)])
    for device_id in ("full-1", "nobody"):
        with pytest.raises(Exception, match="C2D message send failure"):
            await asyncio.to_thread(send, plant, device_id, ("one more", {}))
    assert plant.registry().get_device("full-1").cloud_to_device_message_count == 50


def send(plant: Plant, device_id: str, *messages: tuple[str, dict[str, Any]]) -> None:
    """Send to a device. The AMQP library waits for ever for a hub that has gone: so it is closed here."""
    manager = plant.registry()
    try:
        for body, properties in messages:
            manager.send_c2d_message(device_id, body, properties)
    finally:
        manager.amqp_svc_client.disconnect_sync()


def feedback(plant: Plant, count: int) -> list[dict[str, Any]]:
    """Feedback records over HTTPS, completed, as soon as there are enough."""
    records: list[dict[str, Any]] = []
    deadline = time.monotonic() + 60
    while len(records) < count:
        assert time.monotonic() < deadline, records
        status, body, lock = request(plant, "GET", "/messages/serviceBound/feedback")
        if status == 204:
            time.sleep(0.05)
            continue
        records += json.loads(body)
        assert request(plant, "DELETE", f"/messages/serviceBound/feedback/{lock}")[0] == 204
    return records


def request(plant: Plant, method: str, path: str) -> tuple[int, bytes, str]:
    token = sas("localhost", key_of(plant.hub.endpoints["iotHub"]), policy="iothubowner")
    url = f"https://localhost:{plant.hub.ports['https']}{path}"
    asked = urllib.request.Request(url, method=method, headers={"Authorization": token})
    with urllib.request.urlopen(asked, context=plant.client_tls()) as answer:
        return answer.status, answer.read(), (answer.headers.get("ETag") or "").strip('"')
