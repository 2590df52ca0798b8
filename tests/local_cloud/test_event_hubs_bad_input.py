"""Malformed, oversized, silent: what raw sockets get, and that the service lives on unharmed."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from azure.eventhub import EventData, EventHubProducerClient

from local.event_hubs.amqp import performatives as p
from local.event_hubs.amqp import types as t
from local.event_hubs.amqp.encoding import performative
from local.event_hubs.amqp.framing import AMQP_HEADER, SASL_HEADER, FrameReader, frame
from tests.local_cloud.event_hubs_driver import BRISK, Namespace, receive

IDLE_S = 1.5


@pytest.fixture(scope="module")
def namespace(launch: Callable[..., object]) -> Namespace:
    return Namespace(launch("event-hubs", environment={"MILLWRIGHT_EVENT_HUBS_IDLE_TIMEOUT_S": str(IDLE_S)}))


class RawClient:
    """An AMQP client that says whatever a test wants it to."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._reader = FrameReader(1 << 20)

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)

    def header(self) -> bytes:
        while (header := self._reader.header()) is None:
            self._reader.feed(self._more())
        return header

    def hear(self) -> tuple[int, p.Fields]:
        """The next performative; heartbeats come as code 0. ConnectionError when the service hung up."""
        while (found := self._reader.frame()) is None:
            self._reader.feed(self._more())
        if found.start == found.end:
            return 0, p.Fields("heartbeat", [])
        code, fields, _ = p.parse(found.data, found.start, found.end)
        return code, fields

    def hear_of(self, wanted: int) -> p.Fields:
        while True:
            code, fields = self.hear()
            if code == wanted:
                return fields

    def _more(self) -> bytes:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("hung up")
        return data

    def hung_up(self) -> bool:
        """Whether the service ends the connection, now or after what it still has to say."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def open(self, idle_ms: int | None = None) -> None:
        self.say(AMQP_HEADER)
        assert self.header() == AMQP_HEADER
        fields: list[t.Value] = ["raw", "localhost", t.UInt(65536), t.UShort(10)]
        self.say(frame(0, performative(p.OPEN, [*fields, None if idle_ms is None else t.UInt(idle_ms)])))
        self.hear_of(p.OPEN)

    def begin(self) -> None:
        self.say(frame(0, performative(p.BEGIN, [None, t.UInt(0), t.UInt(100), t.UInt(100)])))
        self.hear_of(p.BEGIN)

    def attach_sender(self, address: str, handle: int = 0) -> None:
        target = t.Described(p.TARGET, [address])
        fields: list[t.Value] = [
            "link",
            t.UInt(handle),
            False,
            None,
            None,
            t.Described(p.SOURCE, [address]),
            target,
        ]
        self.say(frame(0, performative(p.ATTACH, [*fields, None, None, t.UInt(0)])))


@pytest.fixture
def raw(namespace: Namespace) -> Iterator[RawClient]:
    client = RawClient(namespace.process.ports["amqp"])
    yield client
    client.socket.close()


@pytest.fixture(autouse=True)
def the_service_lives_on(namespace: Namespace) -> Iterator[None]:
    yield
    assert namespace.http("GET", "")[0] == 200


def reason(fields: p.Fields) -> str:
    error = fields[0]
    assert isinstance(error, t.Described)
    assert isinstance(error.value, list)
    return str(error.value[0])


@pytest.mark.parametrize(
    "greeting", [b"GET / HTTP/1.1\r\n\r\n", b"AMQP\x02\x01\x00\x00", b"\x00" * 8, b"AMQP\x00\x00\x09\x01"]
)
def test_a_foreign_protocol_is_answered_with_ours_and_hung_up(raw: RawClient, greeting: bytes):
    raw.say(greeting)
    assert raw.header() == SASL_HEADER
    assert raw.hung_up()


@pytest.mark.parametrize(
    ("bad", "condition"),
    [
        (struct.pack(">IBBH", 70_000, 2, 0, 0), "amqp:connection:framing-error"),
        (struct.pack(">IBBH", 0xFFFFFFFF, 2, 0, 0), "amqp:connection:framing-error"),
        (struct.pack(">IBBH", 7, 2, 0, 0), "amqp:connection:framing-error"),
        (struct.pack(">IBBH", 8, 1, 0, 0), "amqp:connection:framing-error"),
        (frame(0, b"\x00\x53\x11\x45", kind=9), "amqp:connection:framing-error"),
        (frame(0, b"\xff\xff\xff"), "amqp:decode-error"),
        (frame(0, b"\x00\x53\x12\xd0\x00\x00\xff\xff\x00\x00\x00\x01"), "amqp:decode-error"),
        (frame(0, b"\x00" * 2000), "amqp:decode-error"),
        (frame(0, b"\xc0\xff\xff" * 400), "amqp:decode-error"),
        (frame(0, b"\x40"), "amqp:decode-error"),
        (frame(0, performative(p.BEGIN, [None, "zero", t.UInt(1), t.UInt(1)])), "amqp:invalid-field"),
        (frame(0, performative(p.ATTACH, ["l", t.UInt(0), False])), "amqp:not-allowed"),
        (frame(9999, performative(p.BEGIN, [None, t.UInt(0), t.UInt(1), t.UInt(1)])), "amqp:not-allowed"),
        (frame(0, performative(p.OPEN, ["again"])), "amqp:illegal-state"),
    ],
)  # fmt: skip
def test_a_bad_frame_closes_the_connection_with_its_reason(raw: RawClient, bad: bytes, condition: str):
    raw.open()
    raw.say(bad)
    assert reason(raw.hear_of(p.CLOSE)) == condition
    assert raw.hung_up()


def test_frames_before_open_are_refused(raw: RawClient):
    raw.say(AMQP_HEADER + frame(0, performative(p.BEGIN, [None, t.UInt(0), t.UInt(1), t.UInt(1)])))
    raw.header()
    assert reason(raw.hear_of(p.CLOSE)) == "amqp:illegal-state"


def test_a_link_without_a_token_is_unauthorized(namespace: Namespace, raw: RawClient):
    hub = namespace.make()
    raw.open()
    raw.begin()
    raw.attach_sender(hub)
    raw.hear_of(p.ATTACH)
    detach = raw.hear_of(p.DETACH)
    assert reason(p.Fields("detach", [detach[2]])) == "amqp:unauthorized-access"


def test_sasl_plain_with_the_key_opens_and_with_another_does_not(namespace: Namespace):
    key = dict(part.split("=", 1) for part in namespace.connection.rstrip(";").split(";"))["SharedAccessKey"]
    for password, outcome in ((key, 0), ("wrong", 1)):
        raw = RawClient(namespace.process.ports["amqp"])
        raw.say(SASL_HEADER)
        raw.header()
        raw.hear_of(p.SASL_MECHANISMS)
        response = b"\0RootManageSharedAccessKey\0" + password.encode()
        raw.say(frame(0, performative(p.SASL_INIT, [t.Symbol("PLAIN"), response]), kind=1))
        assert raw.hear_of(p.SASL_OUTCOME)[0] == outcome
        if outcome == 0:
            hub = namespace.make()
            raw.open()
            raw.begin()
            raw.attach_sender(hub)
            raw.hear_of(p.FLOW)
            for body in (b"\xff\xff", b"", b"\x00\x53\x75\xb0\xff\xff\xff\xff", b"\x00\x53\x01\x40"):
                fields: list[t.Value] = [t.UInt(0), t.UInt(0), b"t", t.UInt(0), False, False]
                raw.say(frame(0, performative(p.TRANSFER, fields) + body))
                verdict = raw.hear_of(p.DISPOSITION)[4]
                assert isinstance(verdict, t.Described)
                assert verdict.descriptor == 0x25
            raw.say(frame(0, performative(p.TRANSFER, [t.UInt(77), t.UInt(0), b"t"])))
            assert reason(raw.hear_of(p.END)) == "amqp:session:unattached-handle"
        raw.socket.close()


@pytest.mark.parametrize("said", [b"", b"AMQP", SASL_HEADER, AMQP_HEADER])
def test_a_half_open_connection_times_out(raw: RawClient, said: bytes):
    began = time.monotonic()
    raw.say(said)
    assert raw.hung_up()
    assert time.monotonic() - began < IDLE_S + 30


def test_a_silent_peer_is_dropped_and_told_why(raw: RawClient):
    raw.open()
    assert reason(raw.hear_of(p.CLOSE)) == "amqp:connection:forced"


def test_heartbeats_keep_a_connection_that_asked_for_them(raw: RawClient):
    raw.open(idle_ms=800)
    end = time.monotonic() + 2 * IDLE_S
    heard = 0
    while time.monotonic() < end:
        code, _ = raw.hear()
        assert code == 0
        heard += 1
        raw.say(struct.pack(">IBBH", 8, 2, 0, 0))
    assert heard >= 4


def test_a_client_that_never_reads_costs_no_memory(namespace: Namespace):
    """Asks for 40 MB and reads nothing of it; the service may buffer a little and no more."""
    hub = namespace.make()
    with EventHubProducerClient.from_connection_string(
        namespace.connection, eventhub_name=hub, **BRISK
    ) as client:
        for _ in range(40):
            client.send_batch([EventData(b"x" * 1_000_000)])
    before = resident_bytes(namespace.process.pid)
    key = dict(part.split("=", 1) for part in namespace.connection.rstrip(";").split(";"))["SharedAccessKey"]
    raws = [RawClient(namespace.process.ports["amqp"]) for _ in range(5)]
    for number, raw in enumerate(raws):
        raw.say(SASL_HEADER)
        raw.header()
        response = b"\0RootManageSharedAccessKey\0" + key.encode()
        raw.say(frame(0, performative(p.SASL_INIT, [t.Symbol("PLAIN"), response]), kind=1))
        raw.hear_of(p.SASL_OUTCOME)
        raw.open()
        raw.say(frame(0, performative(p.BEGIN, [None, t.UInt(0), t.UInt(100_000), t.UInt(1)])))
        source = t.Described(p.SOURCE, [f"{hub}/ConsumerGroups/$Default/Partitions/0"])
        raw.say(frame(0, performative(p.ATTACH, [f"l{number}", t.UInt(0), True, None, None, source])))
        flow: list[t.Value] = [
            t.UInt(0),
            t.UInt(100_000),
            t.UInt(0),
            t.UInt(1),
            t.UInt(0),
            t.UInt(0),
            t.UInt(10_000),
        ]
        raw.say(frame(0, performative(p.FLOW, flow)))
    assert len(receive(namespace.connection, hub, 5, group="$Default", partition_id="0", prefetch=5)) >= 5
    grown = resident_bytes(namespace.process.pid) - before
    for raw in raws:
        raw.socket.close()
    assert grown < 40_000_000


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def test_many_garbage_clients_at_once_do_not_stop_an_honest_one(namespace: Namespace):
    hub = namespace.make()
    stop = threading.Event()

    def annoy() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with socket.create_connection(("127.0.0.1", namespace.process.ports["amqp"]), timeout=60) as sock:
                sock.sendall(AMQP_HEADER + bytes((number * n) & 0xFF for n in range(200)))
                sock.recv(100)

    threads = [threading.Thread(target=annoy) for _ in range(3)]
    for thread in threads:
        thread.start()
    with EventHubProducerClient.from_connection_string(
        namespace.connection, eventhub_name=hub, **BRISK
    ) as client:
        for _ in range(5):
            client.send_batch([EventData("x")] * 10)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(receive(namespace.connection, hub, 50)) == 50
