"""Publishing to Event Grid through azure-eventgrid: what it takes, what it refuses and how."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.credentials import AzureKeyCredential, AzureSasCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent, EventGridPublisherClient, generate_sas
from azure.eventgrid.aio import EventGridPublisherClient as AsyncPublisherClient

from tests.local_cloud.event_grid_webhook import Webhook, call, subscription

EVENT = {"id": "1", "source": "/press-1", "type": "t", "specversion": "1.0"}
GRID_EVENT = {
    "id": "1",
    "subject": "s",
    "eventType": "t",
    "eventTime": "2026-11-21T10:00:00Z",
    "data": {},
    "dataVersion": "1",
}


@pytest.fixture(scope="module")
def grid(launch: Callable[..., Any]) -> Any:
    return launch("event-grid", environment={"MILLWRIGHT_EVENT_GRID_RETRY_FACTOR": "0.002"})


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    async with Webhook() as running:
        yield running


def base(grid: Any) -> str:
    return f"http://127.0.0.1:{grid.ports['http']}"


def endpoint(grid: Any, topic: str = "millwright") -> str:
    return f"{base(grid)}/topics/{topic}/api/events"


def key(grid: Any) -> AzureKeyCredential:
    return AzureKeyCredential(grid.endpoints["eventGridKey"])


async def subscribe(
    grid: Any, webhook: Webhook, name: str, topic: str = "millwright", **properties: Any
) -> None:
    url = f"{base(grid)}/topics/{topic}/eventSubscriptions/{name}"
    status, answer = await call("PUT", url, subscription(webhook.url, **properties))
    assert status == 201, answer


async def post(
    grid: Any, body: Any, content_type: str, topic: str = "millwright", **headers: str
) -> tuple[int, Any]:
    sent = {"Content-Type": content_type, "aeg-sas-key": grid.endpoints["eventGridKey"]} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return await call("POST", endpoint(grid, topic), body, sent)


async def test_a_cloud_event_reaches_the_webhook_as_it_was_published(grid: Any, webhook: Webhook) -> None:
    await subscribe(grid, webhook, "as-published")
    event = CloudEvent(
        source="/plant/press-1",
        type="millwright.alarm.raised.v1",
        subject="plant/line-1/press-1",
        data={"severity": 3},
        time=datetime(2026, 11, 21, 10, tzinfo=UTC),
        extensions={"traceparent": "00-1"},
    )
    async with AsyncPublisherClient(grid.endpoints["eventGrid"], key(grid)) as client:
        await client.send(event)
    await webhook.until(lambda hook: len(hook.bodies) == 1)
    assert webhook.bodies[0] == {
        "id": event.id,
        "source": "/plant/press-1",
        "type": "millwright.alarm.raised.v1",
        "subject": "plant/line-1/press-1",
        "data": {"severity": 3},
        "time": "2026-11-21T10:00:00.000Z",
        "specversion": "1.0",
        "traceparent": "00-1",
    }
    headers = webhook.headers[0]
    assert headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert headers["aeg-event-type"] == "Notification"
    assert headers["aeg-subscription-name"] == "AS-PUBLISHED"
    assert headers["aeg-delivery-count"] == "0"


async def test_the_synchronous_client_publishes_batches_and_bytes(grid: Any, webhook: Webhook) -> None:
    await subscribe(grid, webhook, "sync-batch", filter={"subjectBeginsWith": "sync/"})
    events = [CloudEvent(source="/s", type="t", subject=f"sync/{n}", data=b"\0\1") for n in range(3)]
    with EventGridPublisherClient(grid.endpoints["eventGrid"], key(grid)) as client:
        client.send(events)
    await webhook.until(lambda hook: len(hook.bodies) == 3)
    assert {body["subject"] for body in webhook.bodies} == {"sync/0", "sync/1", "sync/2"}
    assert {body["data_base64"] for body in webhook.bodies} == {base64.b64encode(b"\0\1").decode()}


async def test_the_system_topic_takes_event_grid_events(grid: Any, webhook: Webhook) -> None:
    await subscribe(grid, webhook, "grid-schema", "iot-hub")
    event = EventGridEvent(
        "devices/press-1", "Microsoft.Devices.DeviceConnected", {"deviceId": "press-1"}, "1"
    )
    async with AsyncPublisherClient(endpoint(grid, "iot-hub"), key(grid)) as client:
        await client.send(event)
    await webhook.until(lambda hook: len(hook.bodies) == 1)
    ((body,),) = webhook.bodies
    assert (body["id"], body["subject"], body["eventType"]) == (
        str(event.id),
        event.subject,
        event.event_type,
    )
    assert body["data"] == {"deviceId": "press-1"}
    assert body["metadataVersion"] == "1"
    assert body["topic"].endswith("/providers/Microsoft.EventGrid/topics/iot-hub")
    assert webhook.headers[0]["aeg-data-version"] == "1"


async def test_event_grid_events_can_be_delivered_as_cloud_events(grid: Any, webhook: Webhook) -> None:
    await subscribe(grid, webhook, "as-cloud", "iot-hub", eventDeliverySchema="CloudEventSchemaV1_0")
    async with AsyncPublisherClient(endpoint(grid, "iot-hub"), key(grid)) as client:
        await client.send(EventGridEvent("devices/a", "t.cloud", {"a": 1}, "2"))
    await webhook.until(lambda hook: len(hook.bodies) == 1)
    (body,) = webhook.bodies
    assert (body["type"], body["subject"], body["specversion"]) == ("t.cloud", "devices/a", "1.0")
    assert body["data"] == {"a": 1}
    assert body["source"].endswith("/topics/iot-hub")


async def test_a_topic_of_ones_own(grid: Any, webhook: Webhook) -> None:
    status, document = await call("PUT", f"{base(grid)}/topics/my-topic", {"properties": {}})
    assert (status, document["properties"]["inputSchema"]) == (201, "EventGridSchema")
    await subscribe(grid, webhook, "mine-only", "my-topic")
    with EventGridPublisherClient(document["properties"]["endpoint"], key(grid)) as client:
        client.send(EventGridEvent("s", "t", {}, "1"))
    await webhook.until(lambda hook: len(hook.bodies) == 1)
    assert (await call("DELETE", f"{base(grid)}/topics/my-topic"))[0] == 200
    with (
        pytest.raises(ResourceNotFoundError),
        EventGridPublisherClient(document["properties"]["endpoint"], key(grid)) as client,
    ):
        client.send(EventGridEvent("s", "t", {}, "1"))


@pytest.mark.parametrize(
    ("content_type", "headers", "body", "data"),
    [
        ("application/json", {}, b'{"a": 1}', {"data": {"a": 1}}),
        ("application/json; charset=utf-8", {}, b"[1]", {"data": [1]}),
        ("text/plain", {}, b"hello", {"data": "hello"}),
        ("application/octet-stream", {}, b"\0\1", {"data_base64": "AAE="}),
        ("", {"ce_line": "a%20b"}, b"", {"line": "a b"}),
    ],
)
async def test_binary_mode_carries_attributes_in_headers(
    grid: Any, webhook: Webhook, content_type: str, headers: dict[str, str], body: bytes, data: dict[str, Any]
) -> None:
    await subscribe(grid, webhook, "binary-mode", filter={"includedEventTypes": ["t.binary"]})
    attributes = {"ce_id": "1", "ce_source": "/s", "ce_type": "t.binary", "ce_specversion": "1.0"} | headers
    sent = {"content_type": content_type, **attributes}
    status, _ = await post(grid, body, sent.pop("content_type"), **sent)
    assert status == 200
    await webhook.until(lambda hook: len(hook.bodies) == 1)
    (event,) = webhook.bodies
    assert event.items() >= {"id": "1", "source": "/s", "type": "t.binary"}.items()
    assert event.items() >= data.items()


async def test_a_single_structured_event_is_taken(grid: Any) -> None:
    assert (await post(grid, EVENT, "application/cloudevents+json; charset=utf-8"))[0] == 200


async def test_another_key_is_not_authorized(grid: Any) -> None:
    other = AzureKeyCredential(base64.b64encode(b"0" * 32).decode())
    async with AsyncPublisherClient(grid.endpoints["eventGrid"], other) as client:
        with pytest.raises(ClientAuthenticationError) as caught:
            await client.send(CloudEvent(source="/s", type="t"))
    assert "The request authorization key is not authorized for" in caught.value.message


async def test_no_key_is_not_authorized(grid: Any) -> None:
    headers = {"Content-Type": "application/cloudevents+json"}
    status, answer = await call("POST", endpoint(grid), EVENT, headers)
    assert (status, answer["error"]["code"]) == (401, "Unauthorized")
    assert answer["error"]["message"].startswith(
        "Request must contain one of the following authorization signature: aeg-sas-token, aeg-sas-key."
    )


async def test_a_signature_is_as_good_as_the_key_until_it_expires(grid: Any) -> None:
    now = datetime.now(UTC)
    shared = grid.endpoints["eventGridKey"]

    async def send(signed_for: str, expires: datetime) -> None:
        token = generate_sas(signed_for, shared, expires)
        async with AsyncPublisherClient(endpoint(grid), AzureSasCredential(token)) as client:
            await client.send(CloudEvent(source="/s", type="t"))

    await send(endpoint(grid), now + timedelta(hours=1))
    for signed_for, expires in [
        (endpoint(grid), now - timedelta(seconds=1)),
        (endpoint(grid, "iot-hub"), now + timedelta(hours=1)),
    ]:
        with pytest.raises(ClientAuthenticationError):
            await send(signed_for, expires)
    forged = generate_sas(endpoint(grid), base64.b64encode(b"0" * 32).decode(), now + timedelta(hours=1))
    async with AsyncPublisherClient(endpoint(grid), AzureSasCredential(forged)) as client:
        with pytest.raises(ClientAuthenticationError):
            await client.send(CloudEvent(source="/s", type="t"))


async def test_events_of_the_other_schema_are_refused(grid: Any) -> None:
    async with AsyncPublisherClient(endpoint(grid), key(grid)) as client:
        with pytest.raises(HttpResponseError) as caught:
            await client.send(EventGridEvent("s", "t", {}, "1"))
    assert caught.value.status_code == 400
    async with AsyncPublisherClient(endpoint(grid, "iot-hub"), key(grid)) as client:
        with pytest.raises(HttpResponseError) as caught:
            await client.send(CloudEvent(source="/s", type="t"))
    assert caught.value.status_code == 400
    assert "This resource is configured for 'EventGridEvent' schema." in caught.value.message


BATCH, SINGLE, PLAIN = (
    "application/cloudevents-batch+json",
    "application/cloudevents+json",
    "application/json",
)


@pytest.mark.parametrize(
    ("topic", "content_type", "body"),
    [
        ("millwright", BATCH, b"["),
        ("millwright", BATCH, b""),
        ("millwright", BATCH, EVENT),
        ("millwright", BATCH, []),
        ("millwright", BATCH, [EVENT, 5]),
        ("millwright", SINGLE, [EVENT]),
        ("millwright", SINGLE, b'"text"'),
        ("millwright", SINGLE, EVENT | {"specversion": "0.3"}),
        ("millwright", SINGLE, EVENT | {"id": ""}),
        ("millwright", SINGLE, EVENT | {"source": 5}),
        ("millwright", SINGLE, EVENT | {"subject": {}}),
        ("millwright", SINGLE, EVENT | {"time": "yesterday"}),
        ("millwright", SINGLE, EVENT | {"Upper-Case": "x"}),
        ("millwright", SINGLE, EVENT | {"data": 1, "data_base64": "AA=="}),
        ("millwright", SINGLE, {name: value for name, value in EVENT.items() if name != "type"}),
        ("millwright", BATCH, [EVENT] * 5001),
        ("millwright", PLAIN, [EVENT]),
        ("iot-hub", PLAIN, GRID_EVENT),
        ("iot-hub", PLAIN, [GRID_EVENT | {"extra": 1}]),
        ("iot-hub", PLAIN, [GRID_EVENT | {"eventTime": "yesterday"}]),
        ("iot-hub", PLAIN, [GRID_EVENT | {"metadataVersion": "2"}]),
        ("iot-hub", PLAIN, [{name: value for name, value in GRID_EVENT.items() if name != "subject"}]),
    ],
)
async def test_malformed_events_are_refused_in_the_services_words(
    grid: Any, topic: str, content_type: str, body: Any
) -> None:
    status, answer = await post(grid, body, content_type, topic)
    assert (status, answer["error"]["code"]) == (400, "BadRequest")
    (detail,) = answer["error"]["details"]
    assert detail["code"] == "InputJsonInvalid"
    assert detail["message"].startswith("This resource is configured ")
    assert "' to our forums for assistance or raise a support ticket." in detail["message"]


async def test_a_batch_is_taken_whole_or_not_at_all(grid: Any, webhook: Webhook) -> None:
    await subscribe(grid, webhook, "whole-batch", filter={"includedEventTypes": ["t.whole"]})
    good = EVENT | {"type": "t.whole"}
    assert (await post(grid, [good, good | {"id": 5}], BATCH))[0] == 400
    assert (await post(grid, [good | {"id": "last"}], BATCH))[0] == 200
    await webhook.until(lambda hook: len(hook.bodies) == 1)
    assert [body["id"] for body in webhook.bodies] == ["last"]


def test_a_request_may_have_1_mb(grid: Any) -> None:
    with EventGridPublisherClient(endpoint(grid), key(grid)) as client:
        client.send(CloudEvent(source="/s", type="t", data="x" * ((1 << 20) - 1000)))
        with pytest.raises(HttpResponseError) as caught:
            client.send(CloudEvent(source="/s", type="t", data="x" * (1 << 20)))
    assert caught.value.status_code == 413


async def test_operations_are_billed_in_blocks_of_64_kb(grid: Any) -> None:
    status, before = await call("GET", f"{base(grid)}/_local/meter")
    assert status == 200
    big = CloudEvent(source="/s", type="t.bill", data="x" * 64 * 1024)
    async with AsyncPublisherClient(endpoint(grid), key(grid)) as client:
        await client.send([big, CloudEvent(source="/s", type="t.bill")])
    _, after = await call("GET", f"{base(grid)}/_local/meter")
    assert after["published"] - before["published"] == 2
    assert after["operations"] - before["operations"] >= 3


async def test_unknown_operations_and_topics_say_so(grid: Any) -> None:
    status, answer = await call("PATCH", f"{base(grid)}/topics/millwright", {})
    assert (status, answer["error"]["code"]) == (501, "NotImplemented")
    assert "PATCH /topics/millwright" in answer["error"]["message"]
    status, answer = await post(grid, EVENT, SINGLE, "no-such-topic")
    assert (status, answer["error"]["code"]) == (404, "ResourceNotFound")
    assert json.dumps(answer)


@pytest.mark.parametrize("header", ["aeg-sas-key", "aeg-sas-token", "Authorization", "ce-id", "Content-Type"])
async def test_a_header_that_is_no_text_is_refused(grid: Any, header: str) -> None:
    """Bytes, because no client library sends such a thing."""
    lines = {
        "Content-Type": b"application/octet-stream",
        "aeg-sas-key": grid.endpoints["eventGridKey"].encode(),
        "ce-id": b"1",
        "ce-specversion": b"1.0",
    }
    if header in ("aeg-sas-token", "Authorization"):
        del lines["aeg-sas-key"]
    lines[header] = b"SharedAccessSignature r=1&e=\xff\xfe&s=\xff"
    head = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in lines.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", grid.ports["http"])
    path = b"/topics/millwright/api/events"
    writer.write(b"POST " + path + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n" + head + b"\r\n")
    status = (await reader.readline()).split()[1]
    assert status in (b"400", b"401")
    writer.close()
    await writer.wait_closed()
