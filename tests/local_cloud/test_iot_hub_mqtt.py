"""IoT Hub on the MQTT wire: return codes, the rules for topics, and bytes that no SDK would send."""

import os
import struct
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.local_cloud.iot_hub_clients import (
    Plant,
    RawClient,
    connect_packet,
    key_of,
    packet,
    publish_packet,
    sas,
    text,
)

ACCEPTED = b"\x20\x02\x00\x00"
RESUMED = b"\x20\x02\x01\x00"
CLOSED = b""
SELF = "devices/raw-1/messages/events/"


@pytest.fixture(scope="module")
def plant(launch: Callable[..., Any]) -> Plant:
    """Without an Event Hub: messages stay in the hub's own backlog."""
    return Plant(launch("iot-hub"), None)


@pytest.fixture
def token(plant: Plant) -> str:
    return sas("localhost/devices/raw-1", key_of(plant.create("raw-1")["raw-1"]))


@pytest.fixture
def device(plant: Plant, token: str) -> RawClient:
    """A connected device."""
    client = RawClient(plant).send(connect_packet("raw-1", token))
    assert client.read() == ACCEPTED
    yield client
    client.socket.close()


def answer_to(plant: Plant, data: bytes) -> bytes:
    with RawClient(plant) as client:
        return client.send(data).read()


@pytest.mark.parametrize(
    ("code", "change"),
    [
        (1, {"level": 3}),
        (1, {"level": 5}),
        (1, {"protocol": "MQIsdp"}),
        (2, {"device_id": "raw-2"}),
        (4, {"username": "raw-1"}),
        (2, {"username": "localhost/raw-1/module-1/?api-version=2021-04-12"}),
        (4, {"username": "contoso.azure-devices.net/raw-1/?api-version=2021-04-12"}),
        (5, {"password": "secret"}),
        (5, {"password": "SharedAccessSignature sr=x&sig=%%%&se=soon"}),
        (5, {"will": ("devices/other/messages/events/", b"bye")}),
    ],
)
def test_a_connect_is_refused_with_the_return_code_of_the_service(
    plant: Plant, token: str, code: int, change: dict[str, Any]
) -> None:
    wanted = {"device_id": "raw-1", "password": token} | {
        "username": "localhost/raw-1/?api-version=2021-04-12"
    }
    with RawClient(plant) as client:
        client.send(connect_packet(**(wanted | change)))
        assert client.read() == bytes((0x20, 2, 0, code))
        assert client.read() == CLOSED


@pytest.mark.parametrize(
    ("resource", "expires_at", "policy"),
    [
        ("localhost/devices/raw-1", 1_700_000_000.0, None),
        ("localhost/devices/raw-2", None, None),
        ("localhost/devices/raw", None, None),
        ("localhost/devices/raw-1", None, "iothubowner"),
        ("contoso.azure-devices.net/devices/raw-1", None, None),
    ],
)
def test_a_token_that_does_not_fit_is_not_authorized(
    plant: Plant, resource: str, expires_at: float | None, policy: str | None
) -> None:
    key = key_of(plant.create("raw-1")["raw-1"])
    password = sas(resource, key, expires_at=expires_at, policy=policy)
    assert answer_to(plant, connect_packet("raw-1", password)) == b"\x20\x02\x00\x05"


def test_the_connection_ends_when_its_token_does(plant: Plant) -> None:
    key = key_of(plant.create("brief-1")["brief-1"])
    password = sas("localhost/devices/brief-1", key, expires_at=time.time() + 2)
    with RawClient(plant) as client:
        assert client.send(connect_packet("brief-1", password)).read() == ACCEPTED
        assert client.read() == CLOSED


def test_a_silent_connection_ends_after_one_and_a_half_times_its_keep_alive(plant: Plant, token: str) -> None:
    with RawClient(plant) as client:
        assert client.send(connect_packet("raw-1", token, keep_alive_s=1)).read() == ACCEPTED
        began = time.monotonic()
        assert client.read() == CLOSED
        assert 1.4 < time.monotonic() - began < 30


def test_pings_keep_a_connection(device: RawClient) -> None:
    assert device.send(b"\xc0\x00").read() == b"\xd0\x00"


def test_qos_1_is_acknowledged_and_qos_0_is_not(device: RawClient) -> None:
    device.send(publish_packet(SELF, b"0", qos=0))
    device.send(publish_packet(SELF, b"1", packet_id=7))
    assert device.read() == b"\x40\x02\x00\x07"


@pytest.mark.parametrize(
    "data",
    [
        publish_packet(SELF, b"x", qos=2),
        publish_packet("devices/raw-2/messages/events/", b"x"),
        publish_packet("devices/raw-1/messages/eventsX", b"x"),
        publish_packet("factory/raw-1", b"x"),
        publish_packet(SELF + "$.unknown=1", b"x"),
        publish_packet(SELF + "$.ct=%C3%A9", b"x"),
        publish_packet(SELF, b"x" * (256 * 1024 + 1)),
        publish_packet(SELF + "k=" + "v" * 1000, b"x" * (256 * 1024 - 1000)),
        connect_packet("raw-1", "again"),
    ],
    ids=["qos 2", "another device", "no topic of it", "own topics only", "$.unknown", "content type",
         "body too large", "body and properties too large", "second connect"],
)  # fmt: skip
def test_the_service_closes_the_connection_of_a_device_that_breaks_its_rules(
    device: RawClient, data: bytes
) -> None:
    device.send(data)
    assert device.read() == CLOSED


def test_a_message_of_256_kb_is_taken(device: RawClient) -> None:
    device.send(publish_packet(SELF, b"x" * (256 * 1024), packet_id=3))
    assert device.read() == b"\x40\x02\x00\x03"


def test_only_the_devices_own_topics_can_be_subscribed(device: RawClient) -> None:
    filters = [
        ("devices/raw-1/messages/devicebound/#", 2),
        ("$iothub/methods/POST/#", 0),
        ("$iothub/twin/res/#", 1),
        ("devices/raw-2/messages/devicebound/#", 0),
        ("#", 0),
    ]
    body = struct.pack(">H", 9) + b"".join(text(name) + bytes((qos,)) for name, qos in filters)
    assert device.send(packet(0x82, body)).read() == b"\x90\x07\x00\x09\x01\x00\x01\x80\x80"
    body = struct.pack(">H", 10) + text("$iothub/twin/res/#")
    assert device.send(packet(0xA2, body)).read() == b"\xb0\x02\x00\x0a"


def test_a_session_that_is_not_clean_goes_on_even_after_a_kill(launch: Callable[..., Any]) -> None:
    hub = launch("iot-hub")
    plant = Plant(hub, None)
    token = sas("localhost/devices/raw-1", key_of(plant.create("raw-1")["raw-1"]))
    lasting = connect_packet("raw-1", token, clean_session=False)
    subscribe = packet(0x82, b"\x00\x01" + text("$iothub/twin/res/#") + b"\x00")
    ask = publish_packet("$iothub/twin/GET/?$rid=1", b"", qos=0)
    with RawClient(plant) as client:
        assert client.send(lasting).read() == ACCEPTED
        assert client.send(subscribe).read() == b"\x90\x03\x00\x01\x00"
    hub.kill()
    hub.start()
    with RawClient(plant) as client:
        assert client.send(lasting).read() == RESUMED
        assert b"$iothub/twin/res/200/?$rid=1" in client.send(ask).read()
    with RawClient(plant) as client:
        assert client.send(connect_packet("raw-1", token)).read() == ACCEPTED
    with RawClient(plant) as client:
        assert client.send(lasting).read() == ACCEPTED


MALFORMED = {
    "no packet at all": b"\x00\x00",
    "http": b"GET / HTTP/1.1\r\n\r\n",
    "endless length": b"\x10\xff\xff\xff\xff\x7f",
    "256 MB announced": b"\x30\xff\xff\xff\x7f",
    "empty connect": b"\x10\x00",
    "connect cut off": packet(0x10, text("MQTT") + b"\x04\xc2\x00\x3c" + text("raw-1")),
    "string beyond its packet": packet(0x10, b"\xff\xffMQTT"),
    "not utf-8": packet(0x10, text("MQTT") + b"\x04\x02\x00\x3c\x00\x02\xff\xfe"),
    "reserved connect flag": packet(0x10, text("MQTT") + b"\x04\x03\x00\x3c" + text("raw-1")),
    "publish before connect": publish_packet(SELF, b"x"),
    "ping before connect": b"\xc0\x00",
    "random": os.urandom(200),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_bytes_that_are_no_mqtt_close_the_connection(plant: Plant, data: bytes) -> None:
    assert answer_to(plant, data) == CLOSED


AFTER_CONNECT = {
    "subscribe without filters": packet(0x82, b"\x00\x01"),
    "subscribe with wrong flags": packet(0x80, b"\x00\x01" + text("a") + b"\x00"),
    "subscribe at qos 3": packet(0x82, b"\x00\x01" + text("a") + b"\x03"),
    "unsubscribe without filters": packet(0xA2, b"\x00\x01"),
    "packet id 0": publish_packet(SELF, b"x", packet_id=0),
    "qos 3": packet(0x36, text(SELF) + b"\x00\x01x"),
    "null in topic": publish_packet(SELF + "\0", b"x"),
    "a server's packet": b"\x20\x02\x00\x00",
    "puback of three bytes": packet(0x40, b"\x00\x01\x02"),
    "ping with a body": packet(0xC0, b"x"),
}


@pytest.mark.parametrize("data", AFTER_CONNECT.values(), ids=AFTER_CONNECT.keys())
def test_malformed_packets_close_the_connection(device: RawClient, data: bytes) -> None:
    assert device.send(data).read() == CLOSED


def test_a_packet_may_come_byte_by_byte(plant: Plant, token: str) -> None:
    with RawClient(plant) as client:
        for byte in connect_packet("raw-1", token) + publish_packet(SELF, b"x", packet_id=5):
            client.send(bytes((byte,)))
        answer = client.read(4)
        answer += client.read(4)
        assert answer == ACCEPTED + b"\x40\x02\x00\x05"


def test_the_hub_lives_on_after_clients_without_tls_and_half_a_handshake(plant: Plant, token: str) -> None:
    with RawClient(plant, tls=False) as plain, RawClient(plant, tls=False) as half:
        plain.send(connect_packet("raw-1", token))
        half.send(b"\x16\x03\x01")
        while plain.read() != CLOSED:
            pass
        assert answer_to(plant, connect_packet("raw-1", token)) == ACCEPTED


def test_a_fast_publisher_cannot_grow_the_hubs_memory(plant: Plant, token: str) -> None:
    """100 MB at once, no acknowledgement read until all is sent."""
    with RawClient(plant) as client:
        client.send(connect_packet("raw-1", token)).read()
        for packet_id in range(1, 401):
            client.send(publish_packet(SELF, b"x" * 250_000, packet_id=packet_id))
        answers = b""
        while len(answers) < 400 * 4:
            answers += client.read()
        assert answers[-2:] == struct.pack(">H", 400)
        assert resident_mb(plant.hub.pid) < 200


def resident_mb(pid: int) -> float:
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
