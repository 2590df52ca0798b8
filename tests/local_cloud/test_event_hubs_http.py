"""Making hubs and appending routed messages over HTTP; what comes out is read by azure-eventhub."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from local.event_hubs.messages import Record, encode_message, frame_records
from tests.local_cloud.event_hubs_driver import Namespace, areceive, closing

in_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def consumers_close_at_the_end() -> AsyncIterator[None]:
    yield
    await closing.wait()


@pytest.fixture(scope="module")
def namespace(launch: Callable[..., object]) -> Namespace:
    return Namespace(launch("event-hubs"))


def test_making_a_hub_again_is_fine_unless_it_differs(namespace: Namespace):
    name = namespace.make(partitions=3)
    assert namespace.http("POST", "", json.dumps({"name": name, "partitionCount": 3}).encode())[0] == 200
    status, body = namespace.http(
        "POST", "", json.dumps({"name": name.upper(), "partitionCount": 4}).encode()
    )
    assert (status, b"3 partitions" in body) == (409, True)
    listed = json.loads(namespace.http("GET", "")[1])
    assert [hub["partitionCount"] for hub in listed if hub["name"] == name] == [3]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"name": "a/b", "partitionCount": 1}', b'{"name": "a", "partitionCount": 0}',
     b'{"name": "a", "partitionCount": 33}', b'{"name": "a", "partitionCount": true}', b"\xff",
     b'{"name": "a", "partitionCount": 1, "consumerGroups": [5]}'],
)  # fmt: skip
def test_a_bad_request_for_a_hub_is_refused(namespace: Namespace, body: bytes):
    assert namespace.http("POST", "", body)[0] == 400


def test_deleting_an_unknown_hub_is_not_found(namespace: Namespace):
    assert namespace.http("DELETE", "/nowhere")[0] == 404


@in_loop
async def test_appended_messages_arrive_with_annotations_key_and_properties(namespace: Namespace):
    hub = namespace.make(partitions=4)
    at = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    message = encode_message(
        b'{"t": 1}',
        annotations={"iothub-connection-device-id": "press-1", "iothub-enqueuedtime": at},
        application_properties={"level": "warn"},
        properties={"message-id": "m-1", "content-type": "application/json"},
    )
    body = frame_records(
        [Record("press-1", message), Record("press-1", message), Record("", encode_message(b"x"))]
    )
    assert namespace.http("POST", f"/{hub}/messages", body)[0] == 204
    events = await areceive(namespace.connection, hub, 3)
    routed = [event for event in events if event.partition_key == b"press-1"]
    assert [event.sequence_number for event in routed] == [0, 1]
    event = routed[0]
    assert event.body_as_json() == {"t": 1}
    assert event.system_properties[b"iothub-connection-device-id"] == b"press-1"
    assert event.raw_amqp_message.annotations[b"iothub-enqueuedtime"] == int(at.timestamp() * 1000)
    assert (event.message_id, event.content_type) == ("m-1", "application/json")
    assert event.properties == {b"level": b"warn"}


def test_broken_appends_change_nothing(namespace: Namespace):
    hub = namespace.make()
    good = Record("k", encode_message(b"x"))
    before = namespace.meter().get("ingress_events_64kb", 0)
    for body in (
        frame_records([good]) + b"\x00",
        frame_records([good])[:-1],
        frame_records([good, Record("k", b"no message")]),
        frame_records([good, Record("k" * 129, encode_message(b"x"))]),
        frame_records([Record("k", encode_message(b"x" * 1_048_577))]),
        b"\x00\x01\x00\x00\x00\x00\xff",
    ):
        assert namespace.http("POST", f"/{hub}/messages", body)[0] == 400
    assert namespace.http("POST", "/nowhere/messages", frame_records([good]))[0] == 404
    assert namespace.meter().get("ingress_events_64kb", 0) == before
    assert namespace.http("POST", f"/{hub}/messages", frame_records([good]))[0] == 204
    assert namespace.meter()["ingress_events_64kb"] == before + 1
