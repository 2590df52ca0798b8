"""Twins, events and the telemetry hub through Microsoft's SDKs, and in memory where a twin exists."""

import itertools
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.digitaltwins.core.aio import DigitalTwinsClient

from shared.adapters import event_hub
from shared.adapters.credentials import LocalToken
from shared.adapters.digital_twins import AzureTwins
from shared.adapters.event_grid import EventGridEvents
from shared.ports import Refused, Twins, Unavailable
from shared.relay.twin_patch import owned, projection
from shared.relay.twins import TwinRelay
from tests.contracts.conftest import ServiceProcess
from tests.local_cloud.event_grid_webhook import Webhook, call, subscription
from tests.memory import MemoryDocuments
from tests.projected import alarms, outbox, signal, twin
from tests.sinks import MemoryTwins

type Launch = Callable[..., ServiceProcess]

_numbers = itertools.count(1)
CNC = "dtmi:millwright:CncMachine;1"


@pytest.fixture(scope="module")
def twin_service(launch: Launch) -> ServiceProcess:
    return launch("digital-twins")


def azure_twins(service: ServiceProcess) -> AzureTwins:
    ca = str(service.folder / "ca.pem")
    return AzureTwins(service.endpoints["digitalTwins"], LocalToken("local"), connection_verify=ca)


async def make_twin(service: ServiceProcess, twin_id: str) -> None:
    """A CNC machine's twin as `millwright factory apply` makes it, models included."""
    folder = Path(__file__).parents[2] / "dtdl"
    components = {name: {"$metadata": {}} for name in ("oee", "health", "alarmSummary")}
    async with DigitalTwinsClient(
        service.endpoints["digitalTwins"],
        LocalToken("local"),
        connection_verify=str(service.folder / "ca.pem"),
    ) as client:
        if not [model async for model in client.list_models()]:
            await client.create_models([json.loads(p.read_text()) for p in sorted(folder.glob("*.json"))])
        body = {"$metadata": {"$model": CNC}, "name": twin_id, **components}
        await client.upsert_digital_twin(twin_id, body)


@pytest.fixture(params=["memory", "digital twins"])
async def twins(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Twins, str]]:
    """A store of twins and the id of a machine's twin in it that no other test uses."""
    twin_id = f"M-{next(_numbers)}"
    if request.param == "memory":
        memory = MemoryTwins(twin_id)
        memory.unknown = {"/nonsense"}
        yield memory, twin_id
        return
    process = request.getfixturevalue("twin_service")
    await make_twin(process, twin_id)
    async with azure_twins(process) as service:
        yield service, twin_id


async def test_a_patch_changes_what_it_names(twins: tuple[Twins, str]) -> None:
    store, twin_id = twins
    at = "2026-03-09T06:00:00.000Z"
    await store.patch(
        twin_id,
        [
            {"op": "add", "path": "/temperatureC", "value": 20.5},
            {"op": "add", "path": "/$metadata/temperatureC/sourceTime", "value": at},
            {"op": "add", "path": "/oee/availability", "value": 0.5},
        ],
    )
    await store.patch(twin_id, [{"op": "remove", "path": "/oee/availability"}])
    found = await store.get(twin_id)
    assert found is not None
    assert found["temperatureC"] == 20.5
    assert found["$metadata"]["temperatureC"]["sourceTime"] == at
    assert "availability" not in found["oee"]


async def test_a_twin_that_does_not_exist_is_none_and_takes_no_patch(twins: tuple[Twins, str]) -> None:
    store, _ = twins
    assert await store.get("nobody") is None
    with pytest.raises(Refused, match="nobody"):
        await store.patch("nobody", [{"op": "add", "path": "/state", "value": "Held"}])


async def test_an_unknown_property_is_refused_and_the_whole_patch_with_it(twins: tuple[Twins, str]) -> None:
    store, twin_id = twins
    with pytest.raises(Refused, match="nonsense"):
        await store.patch(
            twin_id,
            [
                {"op": "add", "path": "/state", "value": "Held"},
                {"op": "add", "path": "/nonsense", "value": 1},
            ],
        )
    found = await store.get(twin_id)
    assert found is not None
    assert "state" not in found


async def test_removing_what_is_not_set_is_refused(twins: tuple[Twins, str]) -> None:
    store, twin_id = twins
    with pytest.raises(Refused):
        await store.patch(twin_id, [{"op": "remove", "path": "/orderId"}])


async def test_the_relay_makes_a_machine_s_twin_equal_to_its_document(twin_service: ServiceProcess) -> None:
    twin_id = f"M-{next(_numbers)}"
    await make_twin(twin_service, twin_id)
    health = {
        "model": "wear",
        "modelVersion": "1",
        "probability": 0.25,
        "score": 0.75,
        "abstained": False,
        "reason": "within the trained range",
        "warning": False,
        "assessedAt": "2026-03-09T06:00:00.000Z",
    }
    ratios = {"availability": 0.9, "band": "grey", "shiftId": "2026-03-09.early", "final": False}
    document = twin(
        twin_id,
        order="O-7",
        product="P-100",
        signals={"temperature_c": signal(20), "vibration_mm_s": signal(1.5), "tool_wear_min": signal(7.25)},
        oee=ratios,
        health=health,
        alarms=alarms(2, 1, "critical"),
    )
    documents = MemoryDocuments()
    async with azure_twins(twin_service) as store:
        relay = TwinRelay(store, documents)
        await relay([document])
        projected = projection(document)
        shown = await store.get(twin_id)
        assert shown is not None
        assert projected is not None
        assert owned(shown, projected.optional | projected.wanted.keys()) == projected.wanted
        for version in range(2, 25):
            await relay([{**document, "version": version, "signals": {"temperature_c": signal(version)}}])
        shown = await store.get(twin_id)
        assert shown is not None
        assert shown["temperatureC"] == 24
        assert "toolWearMin" not in shown
    assert documents.all("deliveries") == [], "nothing was refused, and nothing throttled"


async def test_twins_that_are_away_are_unavailable(twin_service: ServiceProcess) -> None:
    async with azure_twins(twin_service) as store:
        twin_service.kill()
        with pytest.raises(Unavailable):
            await store.get("nobody")
        with pytest.raises(Unavailable):
            await store.patch("nobody", [{"op": "add", "path": "/state", "value": "Held"}])
        twin_service.start()
        assert await store.get("nobody") is None


@pytest.fixture(scope="module")
def grid(launch: Launch) -> ServiceProcess:
    return launch("event-grid", environment={"MILLWRIGHT_EVENT_GRID_RETRY_FACTOR": "0.002"})


def topic(grid: ServiceProcess, key: str | None = None) -> EventGridEvents:
    key = key or grid.endpoints["eventGridKey"]
    return EventGridEvents(grid.endpoints["eventGrid"], AzureKeyCredential(key))


async def test_published_events_arrive_whole_with_their_ids(grid: ServiceProcess) -> None:
    [sent] = outbox("M-1", 1)["events"]
    sent["data"]["note"] = "Größe 中"
    async with Webhook() as webhook, topic(grid) as events:
        base = grid.endpoints["eventGrid"].partition("/api/events")[0]
        await call("PUT", f"{base}/eventSubscriptions/test", subscription(webhook.url))
        await events.publish([sent])
        await webhook.until(lambda hook: bool(hook.bodies))
        await call("DELETE", f"{base}/eventSubscriptions/test")
    [received] = webhook.bodies[0] if isinstance(webhook.bodies[0], list) else [webhook.bodies[0]]
    assert received == sent


async def test_more_than_a_request_may_hold_goes_out_in_several(grid: ServiceProcess) -> None:
    events = outbox("M-1", 1, 6)["events"]
    for event in events:
        event["data"]["filler"] = "x" * 300_000
    async with topic(grid) as service:
        await service.publish(events)


@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")  # aiohttp's advice
async def test_an_event_beyond_the_limit_is_refused(grid: ServiceProcess) -> None:
    [event] = outbox("M-1", 1)["events"]
    event["data"]["filler"] = "x" * 1_100_000
    async with topic(grid) as service:
        with pytest.raises(Refused, match="413"):
            await service.publish([event])


async def test_an_event_that_is_none_is_refused(grid: ServiceProcess) -> None:
    [event] = outbox("M-1", 1)["events"]
    async with topic(grid) as service:
        with pytest.raises(Refused, match="400"):
            await service.publish([{**event, "Not-An-Attribute": 1}])


async def test_a_wrong_key_may_yet_be_mended(grid: ServiceProcess) -> None:
    async with topic(grid, "d3Jvbmc=") as service:
        with pytest.raises(Unavailable, match="401"):
            await service.publish(outbox("M-1", 1)["events"])


async def test_a_topic_that_is_away_is_unavailable(grid: ServiceProcess) -> None:
    async with topic(grid) as events:
        grid.kill()
        with pytest.raises(Unavailable):
            await events.publish(outbox("M-1", 1)["events"])
        grid.start()
        await events.publish(outbox("M-1", 1)["events"])


async def test_a_hub_made_anew_says_so_by_its_creation_time(launch: Launch) -> None:
    hubs = launch("event-hubs")
    url = hubs.endpoints["eventHubsCreate"]

    async def asked() -> int:
        return await event_hub.created_at(
            event_hub.by_connection_string(hubs.endpoints["eventHubs"], "telemetry")
        )

    with pytest.raises(Unavailable, match="telemetry"):
        await asked()
    body = {"name": "telemetry", "partitionCount": 1}
    _, first = await call("POST", url, body)
    assert await asked() == first["createdAtMs"]
    await call("DELETE", f"{url}/telemetry")
    _, second = await call("POST", url, body)
    assert await asked() == second["createdAtMs"] > first["createdAtMs"]
