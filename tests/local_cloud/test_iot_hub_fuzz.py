"""Bytes, topics, twins, queries and bodies that nobody would send: taken or refused, never an accident."""

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.iot_hub import packets, properties, query, rules, twins
from local.iot_hub.errors import Forbidden, HubError
from local.iot_hub.packets import Malformed, Publish
from tests.local_cloud.iot_hub_clients import Plant, key_of, packet, publish_packet, sas

# A busy machine is no fault of a value's.
calm = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
names = st.text(alphabet="abcxyz", min_size=1, max_size=3)
values = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: st.dictionaries(names, inner, max_size=4),
    max_leaves=10,
)
documents = st.dictionaries(names, values, max_size=4)
patches = st.dictionaries(names, st.none() | values, max_size=4)


def read_all(data: bytes) -> list[packets.Packet]:
    """Every whole packet in these bytes. Raises Malformed."""
    found: list[packets.Packet] = []
    buffer, at = bytearray(data), 0
    while at < len(buffer) and (place := packets.frame(buffer, at, 1 << 20)) is not None:
        with memoryview(buffer) as whole, whole[place[0] : place[1]] as body:
            found.append(packets.read(buffer[at], body))
        at = place[1]
    return found


@calm
@given(st.binary(max_size=80))
def test_any_bytes_are_packets_or_malformed(data: bytes) -> None:
    with suppress(Malformed):
        read_all(data)


@calm
@given(st.integers(0, 255), st.binary(max_size=60))
def test_any_body_is_a_packet_or_malformed(first: int, body: bytes) -> None:
    with suppress(Malformed):
        assert len(read_all(packet(first, body))) == 1


@calm
@given(
    st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
    st.binary(max_size=200),
    st.integers(1, 65535),
)
def test_a_message_comes_back_as_it_was_sent(topic: str, payload: bytes, packet_id: int) -> None:
    for packet_id_ in (0, packet_id):
        (again,) = read_all(packets.publish(topic, payload, packet_id_))
        assert again == Publish(topic, payload, int(packet_id_ > 0), False, packet_id_)
    assert read_all(publish_packet(topic, payload, packet_id=packet_id))


@calm
@given(st.text(max_size=60))
def test_any_topic_is_a_request_or_forbidden(topic: str) -> None:
    for candidate in (
        topic,
        f"$iothub/twin/GET/?{topic}",
        f"$iothub/methods/res/{topic}",
        f"$iothub/twin/{topic}",
    ):
        with suppress(Forbidden):
            rules.request(Publish(candidate, b"", 0, False, 0))
    with suppress(Forbidden):
        properties.parse(topic)


WORDS = [
    *(
        "SELECT",
        "TOP",
        "2",
        "*",
        "FROM",
        "devices",
        "WHERE",
        "NOT",
        "(",
        ")",
        "a.b",
        "=",
        "'x'",
        "IN",
        "[",
        "1",
    ),
    *(",", "]", "AND", "OR", "COUNT()", "GROUP", "BY", "AS", "is_defined(a)"),
]


@calm
@given(st.text(max_size=40) | st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join))
def test_any_query_is_answered_or_refused(words: str) -> None:
    with suppress(HubError):
        query.parse(words).rows([{"a": {"b": "x"}}, {"a": 1}, {}])


@calm
@given(documents, patches)
def test_a_patch_and_the_difference_are_each_others_inverse(
    old: dict[str, Any], patch: dict[str, Any]
) -> None:
    new = twins.merged(old, patch)
    assert twins.merged(old, twins.difference(old, new)) == new
    assert twins.merged(new, patch) == new
    assert twins.difference(new, new) == {}


@calm
@given(anything)
def test_a_twins_update_is_taken_whole_or_not_at_all(wanted: Any) -> None:
    twin = twins.Twin.new("now")
    before = json.dumps(twin.document())
    try:
        twins.report(twin, wanted, "later")
    except HubError:
        assert json.dumps(twin.document()) == before


@pytest.fixture(scope="module")
def plant(launch: Callable[..., Any]) -> Plant:
    plant = Plant(launch("iot-hub"), None)
    plant.create("fuzz-1")
    return plant


BODIES = [
    ("PUT", "/devices/fuzz-2", {"deviceId": "fuzz-2"}),
    ("POST", "/devices", None),
    ("PATCH", "/twins/fuzz-1", {}),
    ("PUT", "/twins/fuzz-1", {}),
    ("POST", "/twins/fuzz-1/methods", {"methodName": "stop"}),
    ("POST", "/devices/query", {}),
    ("PUT", "/enrollments/fuzz-1", {"attestation": {"type": "symmetricKey"}}),
]
KEYS = st.sampled_from(
    [
        *("authentication", "type", "symmetricKey", "primaryKey", "x509Thumbprint", "status", "capabilities"),
        *("id", "importMode", "tags", "properties", "desired", "reported", "payload", "query", "attestation"),
        *("initialTwin", "reprovisionPolicy", "responseTimeoutInSeconds"),
    ]
)


@pytest.fixture(scope="module")
def connection(plant: Plant) -> Iterator[http.client.HTTPSConnection]:
    made = http.client.HTTPSConnection(
        "localhost", plant.hub.ports["https"], context=plant.client_tls(), timeout=60
    )
    yield made
    made.close()


@calm
@given(body=anything | st.dictionaries(KEYS, anything, max_size=4))
def test_any_body_is_answered_or_refused(
    plant: Plant, connection: http.client.HTTPSConnection, body: Any
) -> None:
    hub = sas("localhost", key_of(plant.hub.endpoints["iotHub"]), policy="iothubowner")
    dps = sas("localhost", key_of(plant.hub.endpoints["dps"]), policy="provisioningserviceowner")
    for method, path, frame in BODIES:
        whole = frame | body if isinstance(frame, dict) and isinstance(body, dict) else body
        if path == "/devices":
            whole = [{"id": "fuzz-3", **whole}] if isinstance(whole, dict) else whole
        headers = {"Authorization": dps if "enrollments" in path else hub, "Content-Type": "application/json"}
        connection.request(method, path, json.dumps(whole), headers)
        with connection.getresponse() as answer:
            said = answer.read()
            assert answer.status < 500 or answer.status in (501,), (method, path, whole, said)


def test_the_hub_is_alive_after_all_that(plant: Plant) -> None:
    assert plant.registry().get_device("fuzz-1").device_id == "fuzz-1"
