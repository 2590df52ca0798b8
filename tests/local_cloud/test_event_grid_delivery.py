"""Event Grid's subscriptions and deliveries: handshakes, filters, retries, dead letters, crashes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.messaging import CloudEvent
from azure.eventgrid.aio import EventGridPublisherClient

from local.event_grid.app import EventGrid
from local.event_grid.retry import Again, verdict
from local.home import Home
from tests.local_cloud.event_grid_webhook import Webhook, call, subscription

FAST = {"MILLWRIGHT_EVENT_GRID_RETRY_FACTOR": "0.002"}


@pytest.fixture(scope="module")
def grid(launch: Callable[..., Any]) -> Any:
    return launch("event-grid", environment=FAST)


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    async with Webhook() as running:
        yield running


def address(ports: dict[str, int], name: str, topic: str = "millwright") -> str:
    return f"http://127.0.0.1:{ports['http']}/topics/{topic}/eventSubscriptions/{name}"


async def subscribe(grid: Any, webhook: Webhook, name: str, **properties: Any) -> tuple[int, Any]:
    """To events whose subject begins with the subscription's name, unless a filter says otherwise."""
    properties = {"filter": {"subjectBeginsWith": f"{name}/"}} | properties
    return await call("PUT", address(grid.ports, name), subscription(webhook.url, **properties))


async def publish(endpoints: dict[str, str], *subjects: str, event_type: str = "t") -> list[str]:
    """Returns the events' ids."""
    events = [CloudEvent(source="/s", type=event_type, subject=subject) for subject in subjects]
    credential = AzureKeyCredential(endpoints["eventGridKey"])
    async with EventGridPublisherClient(endpoints["eventGrid"], credential) as client:
        await client.send(events)
    return [event.id for event in events]


def first_letter(folder: Path) -> Any:
    """The event of the first dead letter below a folder, as soon as there is one."""
    deadline = time.monotonic() + 60
    while not (letters := list(folder.rglob("*.json"))):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (letter,) = json.loads(letters[0].read_text())
    return letter


async def test_a_cloud_events_webhook_is_asked_by_options(grid: Any, webhook: Webhook) -> None:
    status, document = await subscribe(grid, webhook, "options")
    assert (status, document["properties"]["provisioningState"]) == (201, "Succeeded")
    (headers,) = webhook.invitations
    assert headers["WebHook-Request-Origin"] == "eventgrid.azure.net"


async def test_an_event_grid_webhook_echoes_the_validation_code(grid: Any, webhook: Webhook) -> None:
    url = address(grid.ports, "echo", "iot-hub")
    status, document = await call("PUT", url, subscription(webhook.url))
    assert (status, document["properties"]["eventDeliverySchema"]) == (201, "EventGridSchema")
    ((event,),) = webhook.invitations
    assert event["eventType"] == "Microsoft.EventGrid.SubscriptionValidationEvent"
    await call("DELETE", url)


async def test_a_webhook_may_agree_later_by_the_url_it_was_sent(grid: Any, webhook: Webhook) -> None:
    webhook.agrees = False
    status, document = await subscribe(grid, webhook, "later")
    assert (status, document["properties"]["provisioningState"]) == (201, "AwaitingManualAction")
    callback = webhook.invitations[0]["WebHook-Request-Callback"]
    await publish(grid.endpoints, "later/lost")
    assert (await call("GET", callback))[0] == 200
    assert (await call("GET", callback))[0] == 400
    await publish(grid.endpoints, "later/got")
    await webhook.until(lambda hook: len(hook.bodies) == 1)
    assert webhook.bodies[0]["subject"] == "later/got"
    _, document = await call("GET", address(grid.ports, "later"))
    assert document["properties"]["provisioningState"] == "Succeeded"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/hook", "{}/elsewhere"])
async def test_a_webhook_that_does_not_agree_gets_no_subscription(
    grid: Any, webhook: Webhook, url: str
) -> None:
    where = address(grid.ports, "refused")
    url = url.format(webhook.url.partition("/hook")[0])
    status, answer = await call("PUT", where, subscription(url))
    assert (status, answer["error"]["code"]) == (400, "Url validation")
    assert answer["error"]["message"].startswith(f"Webhook validation handshake failed for {url}.")
    assert (await call("GET", where))[0] == 404


async def test_a_subscription_is_read_replaced_listed_and_deleted(grid: Any, webhook: Webhook) -> None:
    where = address(grid.ports, "managed")
    await subscribe(grid, webhook, "managed", labels=["one"])
    _, document = await call("GET", where)
    assert document["properties"]["destination"]["properties"]["endpointBaseUrl"] == webhook.url[:-12]
    assert document["properties"]["labels"] == ["one"]
    assert (await call("POST", f"{where}/getFullUrl"))[1] == {"endpointUrl": webhook.url}
    await subscribe(grid, webhook, "managed", labels=["two"])
    _, listed = await call("GET", where.rpartition("/")[0])
    labels = [one["properties"]["labels"] for one in listed["value"] if one["name"] == "managed"]
    assert labels == [["two"]]
    assert (await call("DELETE", where))[0] == 200
    assert (await call("DELETE", where))[0] == 204
    assert (await call("GET", where))[1]["error"]["code"] == "ResourceNotFound"


@pytest.mark.parametrize(
    ("status", "change"),
    [
        (501, {"destination": {"endpointType": "EventHub"}}),
        (400, {"filter": {"advancedFilters": [{"operatorType": "Like", "key": "data"}]}}),
        (400, {"filter": {"advancedFilters": [{"operatorType": "IsNotNull"}]}}),
        (
            400,
            {"filter": {"advancedFilters": [{"operatorType": "NumberIn", "key": "data.a", "values": ["x"]}]}},
        ),
        (400, {"filter": {"advancedFilters": [{"operatorType": "IsNotNull", "key": "data"}] * 26}}),
        (
            400,
            {
                "filter": {
                    "advancedFilters": [{"operatorType": "StringIn", "key": "id", "values": ["x"] * 26}]
                }
            },
        ),
        (400, {"eventDeliverySchema": "CustomInputSchema"}),
        (400, {"eventDeliverySchema": "EventGridSchema"}),
        (400, {"destination": {"endpointType": "WebHook", "properties": {"endpointUrl": "nowhere"}}}),
        (400, {"retryPolicy": {"maxDeliveryAttempts": 31}}),
        (400, {"retryPolicy": {"eventTimeToLiveInMinutes": 0}}),
        (400, {"filter": []}),
        (400, {"destination": {"endpointType": "WebHook", "properties": {"endpointUrl": "http://a:99999"}}}),
        (400, {"deadLetterDestination": {"properties": {"blobContainerName": "../.."}}}),
    ],
)
async def test_a_subscription_that_cannot_be_is_refused(
    grid: Any, webhook: Webhook, status: int, change: dict[str, Any]
) -> None:
    assert (await subscribe(grid, webhook, "impossible", **change))[0] == status


@pytest.mark.parametrize(
    ("wanted", "filters"),
    [
        ({"Line-1/a", "Line-1/b", "line-1/a"}, {"subjectBeginsWith": "line-1/"}),
        ({"line-1/a"}, {"subjectBeginsWith": "line-1/", "isSubjectCaseSensitive": True}),
        ({"Line-1/b", "line-2/b"}, {"subjectEndsWith": "/b"}),
        ({"Line-1/b"}, {"subjectEndsWith": "/b", "subjectBeginsWith": "line-1"}),
        ({"Line-1/a", "Line-1/b", "line-1/a", "line-2/b"}, {"includedEventTypes": ["one", "two"]}),
        ({"Line-1/a", "Line-1/b", "line-1/a", "line-2/b"}, {"includedEventTypes": None}),
    ],
)
async def test_a_subscription_gets_what_its_filter_lets_pass(
    grid: Any, webhook: Webhook, wanted: set[str], filters: dict[str, Any]
) -> None:
    await subscribe(grid, webhook, "filtered", filter=filters)
    await publish(grid.endpoints, "Line-1/a", "Line-1/b", "line-1/a", "line-2/b", event_type="two")
    await webhook.until(lambda hook: len(hook.bodies) >= len(wanted))
    assert {body["subject"] for body in webhook.bodies} == wanted
    await call("DELETE", address(grid.ports, "filtered"))


async def test_a_failed_delivery_is_tried_again_until_it_succeeds(grid: Any, webhook: Webhook) -> None:
    webhook.statuses = [500, 404, 503, 302]
    await subscribe(grid, webhook, "tried")
    (number,) = await publish(grid.endpoints, "tried/a")
    await webhook.until(lambda hook: len(hook.bodies) == 5)
    assert [body["id"] for body in webhook.bodies] == [number] * 5
    assert [headers["aeg-delivery-count"] for headers in webhook.headers] == ["0", "1", "2", "3", "4"]


async def test_a_dead_webhook_delays_nobody_else(grid: Any, webhook: Webhook) -> None:
    async with Webhook() as dead:
        dead.silent = True
        await subscribe(grid, dead, "dead", filter={"subjectBeginsWith": "shared/"})
        await subscribe(grid, webhook, "alive", filter={"subjectBeginsWith": "shared/"})
        began = time.monotonic()
        await publish(grid.endpoints, *(f"shared/{number}" for number in range(100)))
        await webhook.until(lambda hook: len(hook.bodies) == 100)
        assert time.monotonic() - began < 25
        await call("DELETE", address(grid.ports, "dead"))


@pytest.mark.parametrize(
    ("status", "attempts", "reason", "outcome"),
    [
        (400, 1, "UndeliverableDueToHttpBadRequest", "BadRequest"),
        (413, 1, "UndeliverableDueToHttpRequestEntityTooLarge", "RequestEntityTooLarge"),
        (404, 3, "MaxDeliveryAttemptsExceeded", "NotFound"),
    ],
)
async def test_an_event_that_cannot_be_delivered_becomes_a_dead_letter(
    grid: Any, webhook: Webhook, status: int, attempts: int, reason: str, outcome: str
) -> None:
    webhook.then = status
    await subscribe(
        grid,
        webhook,
        f"buried-{status}",
        retryPolicy={"maxDeliveryAttempts": 3},
        deadLetterDestination={
            "endpointType": "StorageBlob",
            "properties": {"blobContainerName": "dead"},
        },
    )
    (number,) = await publish(grid.endpoints, f"buried-{status}/a")
    await webhook.until(lambda hook: len(hook.bodies) == attempts)
    folder = Path(grid.folder) / "dead-letters" / "dead" / "MILLWRIGHT" / f"BURIED-{status}"
    letter = await asyncio.to_thread(first_letter, folder)
    assert (letter["id"], letter["deadletterreason"]) == (number, reason)
    assert (letter["deliveryattempts"], letter["lastdeliveryoutcome"]) == (attempts, outcome)
    assert len(webhook.bodies) == attempts


async def test_nothing_published_is_lost_when_event_grid_is_killed(
    launch: Callable[..., Any], webhook: Webhook
) -> None:
    process = launch("event-grid", environment=FAST)
    await subscribe(process, webhook, "killed")
    wanted: set[str] = set()
    for round_number in range(3):
        webhook.statuses = [500] * 20
        for batch in range(10):
            subjects = [f"killed/{round_number}/{batch}/{number}" for number in range(20)]
            wanted.update(await publish(process.endpoints, *subjects))
        process.kill()
        process.start()
    await webhook.until(lambda hook: wanted <= {body["id"] for body in hook.bodies})
    status, document = await call("GET", address(process.ports, "killed"))
    assert (status, document["properties"]["provisioningState"]) == (200, "Succeeded")


async def test_an_event_lives_as_long_as_its_subscription_says(tmp_path: Path, webhook: Webhook) -> None:
    now = [1_800_000_000.0]
    service = EventGrid(Home.at(tmp_path), {"http": 0, "https": 0}, lambda: now[0])
    endpoints = await service.start()
    webhook.then = 500
    body = subscription(
        webhook.url,
        retryPolicy={"eventTimeToLiveInMinutes": 1},
        deadLetterDestination={"properties": {"blobContainerName": "dead"}},
    )
    await call("PUT", address(service.actual_ports(), "brief"), body)
    await publish(endpoints, "a")
    for attempt, later_s in enumerate((0, 12, 34), start=1):
        now[0] += later_s
        await publish(endpoints, "wake")
        await webhook.until(
            lambda hook, attempt=attempt: sum(b["subject"] == "a" for b in hook.bodies) == attempt
        )
    letter = await asyncio.to_thread(first_letter, tmp_path / "dead-letters")
    assert letter["deadletterreason"] == "TimeToLiveExceeded"
    await service.stop()


def test_delays_follow_the_services_schedule() -> None:
    delays: list[float] = []
    for attempts in range(1, 12):
        judged = verdict(500, attempts=attempts, most=30, expires_at=9e9, now=0.0, factor=1.0)
        assert isinstance(judged, Again)
        delays.append(judged.at)
    floors = [10, 30, 60, 300, 600, 1800, 3600, 10800, 21600, 43200, 43200]
    assert all(floor <= delay <= 1.1 * floor for floor, delay in zip(floors, delays, strict=True))
    busy = verdict(503, attempts=1, most=30, expires_at=9e9, now=0.0, factor=1.0)
    assert isinstance(busy, Again)
    assert busy.at >= 30
