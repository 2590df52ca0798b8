"""Twins: azure-iot-device on one side, azure-iot-hub on the other, and what the route hears of them."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.iot.device.exceptions import ClientError
from azure.iot.hub.models import QuerySpecification, Twin, TwinProperties
from msrest.exceptions import HttpOperationError

from local.iot_hub.device_port import device_port
from tests.local_cloud.iot_hub_clients import EVENTS, Plant, make_hub

pytestmark = [
    # azure-iot-device 2.14.0 asks for TLS 1.2 by a constant that Python 3.13 calls deprecated.
    pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLSv1_2:DeprecationWarning"),
    # Its MQTT client leaves the pair of sockets that wakes it to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
ROUTES = "TwinChangeEvents,DeviceLifecycleEvents,DeviceConnectionStateEvents"


@pytest.fixture(scope="module")
def plant(launch: Callable[..., Any]) -> Iterator[Plant]:
    event_hubs = launch("event-hubs")
    url = make_hub(event_hubs, "telemetry", 1)
    hub = launch("iot-hub", environment={EVENTS: url, "MILLWRIGHT_IOT_HUB_ROUTES": ROUTES})
    with device_port(hub.ports["mqtt"]), Plant(hub, event_hubs) as plant:
        yield plant


def desire(plant: Plant, device_id: str, properties: dict[str, Any], etag: str | None = None) -> Any:
    wanted = Twin(properties=TwinProperties(desired=properties))
    return plant.registry().update_twin(device_id, wanted, etag)


async def test_both_sides_see_one_twin(plant: Plant) -> None:
    client = plant.client(plant.create("twin-1")["twin-1"])
    await client.connect()
    assert await client.get_twin() == {"desired": {"$version": 1}, "reported": {"$version": 1}}
    desire(plant, "twin-1", {"pace": {"rpm": 900, "ramp": "soft"}})
    await client.patch_twin_reported_properties({"pace": {"rpm": 899}, "firmware": "1.2"})
    seen = await client.get_twin()
    await client.shutdown()
    twin = plant.registry().get_twin("twin-1")
    assert seen["desired"] == {"pace": {"rpm": 900, "ramp": "soft"}, "$version": 2}
    assert seen["reported"] == {"pace": {"rpm": 899}, "firmware": "1.2", "$version": 2}
    metadata = twin.properties.desired.pop("$metadata")
    assert twin.properties.desired == seen["desired"]
    assert metadata["$lastUpdatedVersion"] == metadata["pace"]["rpm"]["$lastUpdatedVersion"] == 2
    assert "$lastUpdated" in twin.properties.reported["$metadata"]["firmware"]
    assert twin.version == 4


async def test_a_device_is_told_what_has_changed_and_only_that(plant: Plant) -> None:
    client = plant.client(plant.create("told-1")["told-1"])
    patches: asyncio.Queue[Any] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    client.on_twin_desired_properties_patch_received = lambda patch: loop.call_soon_threadsafe(
        patches.put_nowait, patch
    )
    await client.connect()
    await client.get_twin()
    desire(plant, "told-1", {"a": 1, "b": {"c": 2}})
    desire(plant, "told-1", {"b": {"c": None, "d": 3}})
    manager = plant.registry()
    manager.replace_twin("told-1", Twin(tags={"line": 3}, properties=TwinProperties(desired={"b": {"d": 4}})))
    async with asyncio.timeout(60):
        told = [await patches.get() for _ in range(3)]
    await client.shutdown()
    assert told == [
        {"a": 1, "b": {"c": 2}, "$version": 2},
        {"b": {"c": None, "d": 3}, "$version": 3},
        {"b": {"d": 4}, "a": None, "$version": 4},
    ]
    twin = manager.get_twin("told-1")
    assert (twin.tags, twin.properties.desired["b"]) == ({"line": 3}, {"d": 4})


async def test_reported_properties_that_the_service_refuses_change_nothing(plant: Plant) -> None:
    client = plant.client(plant.create("odd-1")["odd-1"])
    await client.connect()
    too_deep: dict[str, Any] = {}
    for _ in range(12):
        too_deep = {"a": too_deep}
    for patch in ({"a.b": 1}, {"$x": 1}, {"a": "x" * 4097}, {"a": 2**53}, too_deep):
        with pytest.raises(ClientError) as caught:
            await client.patch_twin_reported_properties(patch)
        assert "400" in str(caught.value.__cause__)
    with pytest.raises(ClientError) as caught:
        await client.patch_twin_reported_properties({f"p{n}": "x" * 4000 for n in range(9)})
    assert "413" in str(caught.value.__cause__)
    assert (await client.get_twin())["reported"] == {"$version": 1}
    await client.shutdown()


def test_an_update_with_an_old_etag_is_refused(plant: Plant) -> None:
    plant.create("etag-1")
    first = plant.registry().get_twin("etag-1").etag
    second = desire(plant, "etag-1", {"a": 1}, first).etag
    assert first != second
    with pytest.raises(HttpOperationError) as caught:
        desire(plant, "etag-1", {"a": 2}, first)
    assert caught.value.response.status_code == 412
    assert desire(plant, "etag-1", {"a": 2}, second).properties.desired["a"] == 2


def test_twins_are_queried_in_pages(plant: Plant) -> None:
    names = [f"page-{number}" for number in range(7)]
    plant.create(*names)
    manager = plant.registry()
    for number, name in enumerate(names):
        manager.update_twin(name, Twin(tags={"hall": "A" if number < 5 else "B", "place": number}))
    asked = QuerySpecification(query="SELECT * FROM devices WHERE tags.hall = 'A' AND tags.place >= 1")
    found: list[str] = []
    token = None
    while True:
        page = manager.query_iot_hub(asked, token, 3)
        found += [twin.device_id for twin in page.items]
        token = page.continuation_token
        if token is None:
            break
    assert (found, page.type) == (["page-1", "page-2", "page-3", "page-4"], "twin")
    text = (
        "SELECT tags.hall AS hall, COUNT() AS n FROM devices WHERE is_defined(tags.hall) GROUP BY tags.hall"
    )
    rows = manager.query_iot_hub(QuerySpecification(query=text)).items
    assert {row.additional_properties["hall"]: row.additional_properties["n"] for row in rows} == {
        "A": 5,
        "B": 2,
    }
    with pytest.raises(HttpOperationError) as caught:
        manager.query_iot_hub(QuerySpecification(query="SELECT * FROM devices WHERE tags.hall ="))
    assert "it ends too early" in caught.value.response.json()["Message"]


async def test_the_route_hears_of_identities_connections_and_twins(plant: Plant) -> None:
    client = plant.client(plant.create("heard-1")["heard-1"])
    await client.connect()
    await client.patch_twin_reported_properties({"a": 1})
    await client.shutdown()
    desire(plant, "heard-1", {"b": 2})
    plant.registry().delete_device("heard-1")

    def ours(events: list[Any]) -> list[Any]:
        return [event for event in events if event.partition_key == b"heard-1"]

    events = ours(plant.received(lambda events: len(ours(events)) >= 6))
    heard = {
        (
            event.system_properties[b"iothub-message-source"].decode(),
            event.properties[b"opType"].decode(),
        ): event
        for event in events
    }
    assert set(heard) == {
        ("deviceLifecycleEvents", "createDeviceIdentity"),
        ("deviceConnectionStateEvents", "deviceConnected"),
        ("twinChangeEvents", "updateTwin"),
        ("deviceConnectionStateEvents", "deviceDisconnected"),
        ("deviceLifecycleEvents", "deleteDeviceIdentity"),
    }
    changes = [
        e.body_as_json()
        for e in events
        if e.properties[b"iothub-message-schema"] == b"twinChangeNotification"
    ]
    assert [sorted(change["properties"]) for change in changes] in (
        [["reported"], ["desired"]],
        [["desired"], ["reported"]],
    )
    (reported,) = [c["properties"]["reported"] for c in changes if "reported" in c["properties"]]
    assert (reported["a"], reported["$version"]) == (1, 2)
    assert events[0].properties[b"hubName"] == b"millwright"
    assert events[0].system_properties[b"content-type"] == b"application/json"


def test_twins_outlive_a_kill(launch: Callable[..., Any]) -> None:
    process = launch("iot-hub")
    plant = Plant(process, None)
    plant.create("kept-1")
    before = desire(plant, "kept-1", {"a": {"b": [1, "x", None, True]}}).as_dict()
    process.kill()
    process.start()
    assert plant.registry().get_twin("kept-1").as_dict() == before
    assert json.dumps(before["properties"]["desired"]["a"]) == '{"b": [1, "x", null, true]}'
