"""Conversations that no AMQP client would hold: the service answers or closes, and never fails."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.event_hubs.amqp import performatives as p
from local.event_hubs.amqp import types as t
from local.event_hubs.amqp.connection import Connection, Limits
from local.event_hubs.amqp.encoding import performative
from local.event_hubs.amqp.framing import AMQP_HEADER, SASL_FRAME, SASL_HEADER, frame
from local.event_hubs.authorization import Authority
from local.event_hubs.client import MECHANISMS, Client
from local.event_hubs.messages import encode_message, read_records
from local.event_hubs.store import Store
from local.event_hubs.throughput import Throughput
from local.meter import Meter

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
KEY_NAME, KEY = "RootManageSharedAccessKey", "secret"

addresses = st.sampled_from(
    [
        "hub", "hub/Partitions/0", "hub/Partitions/9", "hub/ConsumerGroups/$Default/Partitions/0",
        "HUB/consumergroups/$default/partitions/1", "$cbs", "$management", "", "sb://[/hub", "sb://localhost/hub/",
        "hub/%ff", "nowhere", "reply",
    ]
)  # fmt: skip
small = st.integers(0, 3).map(t.UInt)
filters = st.dictionaries(
    st.sampled_from(["apache.org:selector-filter:string", "com.microsoft:x"]).map(t.Symbol),
    st.sampled_from(
        [
            "amqp.annotation.x-opt-offset > '-1'", "amqp.annotation.x-opt-sequence-number >= '0'",
            "amqp.annotation.x-opt-enqueued-time > '9e99'", "amqp.annotation.x-opt-offset > '@latest'", "x",
        ]
    ).map(lambda text: t.Described(t.Symbol("apache.org:selector-filter:string"), text)),
    max_size=1,
)  # fmt: skip
termini = st.builds(
    lambda code, fields: t.Described(code, fields),
    st.sampled_from([p.SOURCE, p.TARGET, t.ULong(0x30)]),
    st.tuples(
        addresses, st.none() | small, st.none(), st.none(), st.booleans(), st.none(), st.none(), filters
    ).map(list),
)
anything: st.SearchStrategy[t.Value] = st.one_of(
    st.none(), st.booleans(), small, st.sampled_from([0, -1, 2**31, 2**63 - 1]).map(t.Long),
    st.sampled_from([2**32 - 1, 2**31]).map(t.UInt), addresses, st.binary(max_size=4), termini,
    st.just(p.ACCEPTED), st.lists(st.integers(0, 3), max_size=2),
    st.dictionaries(st.sampled_from(["com.microsoft:epoch", "x"]).map(t.Symbol), st.integers(-2, 2)),
)  # fmt: skip

links = st.tuples(
    addresses, small, st.booleans(), st.none() | small, st.none() | small, termini, termini,
    st.none() | filters, st.booleans(), small, st.none() | small, st.none(), st.none(),
    st.dictionaries(st.just(t.Symbol("com.microsoft:epoch")), st.integers(-1, 2).map(t.Long), max_size=1),
).map(lambda fields: (p.ATTACH, list(fields)))  # fmt: skip
flows = st.tuples(small, small, small, small, st.none() | small, small, small, st.none(), st.booleans()).map(
    lambda fields: (p.FLOW, list(fields))
)
transfers = st.tuples(
    small, small, st.binary(max_size=3), st.sampled_from([t.UInt(0), t.UInt(0x80013700), None]),
    st.booleans(), st.booleans(),
).map(lambda fields: (p.TRANSFER, list(fields)))  # fmt: skip
scrambled = st.tuples(st.sampled_from(range(p.OPEN, p.CLOSE + 1)), st.lists(anything, max_size=12))
said = st.one_of(links, flows, transfers, scrambled)

PUT_TOKEN = encode_message(
    b"token",
    properties={"message-id": "1", "reply-to": "reply"},
    application_properties={"operation": "put-token"},
)
payloads = st.sampled_from(
    [b"", PUT_TOKEN, encode_message(b"event"), b"\x00\x53\x77\xa1\x03sas", b"\x00\x53\x75\xa0\x01x\x00"]
) | st.binary(max_size=12)
frames = st.tuples(st.sampled_from([0, 0, 0, 0, 1, 300]), said, payloads)


class Wire(asyncio.Transport):
    """A socket's stand-in that takes everything."""

    def write(self, data: bytes | bytearray | memoryview) -> None: ...
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


def greeting() -> bytes:
    """In by the key, opened, with a session on channel 0 and a link that may send."""
    plain = f"\0{KEY_NAME}\0{KEY}".encode()
    parts = [
        SASL_HEADER,
        frame(0, performative(p.SASL_INIT, [t.Symbol("PLAIN"), plain]), SASL_FRAME),
        AMQP_HEADER,
        frame(0, performative(p.OPEN, ["fuzz", "localhost", t.UInt(65536), t.UShort(10)])),
        frame(0, performative(p.BEGIN, [None, t.UInt(0), t.UInt(100), t.UInt(100)])),
    ]
    return b"".join(parts)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("fuzz") / "event-hubs.sqlite", time.time, Meter())
    store.create("hub", 2, [])
    yield store
    asyncio.run(store.close())


def hold(store: Store, pieces: list[bytes]) -> None:
    """A conversation on a connection that the key has opened. Whatever the service raises comes out here."""

    async def talk() -> None:
        authority, throughput = Authority(KEY_NAME, KEY), Throughput(None, time.monotonic)
        connection = Connection(
            Limits("fuzz"),
            MECHANISMS,
            lambda made: Client(made, store, authority, throughput=throughput, meter=Meter()),
            set(),
        )
        connection.connection_made(Wire())
        for piece in [greeting(), *pieces]:
            connection.data_received(piece)
            await asyncio.sleep(0)
        connection.tick(time.monotonic())
        connection.connection_lost(None)

    asyncio.run(talk())


@calm
@given(st.lists(frames, max_size=8))
def test_any_conversation_is_answered_or_closed(
    store: Store, conversation: list[tuple[int, tuple[int, list[t.Value]], bytes]]
) -> None:
    hold(
        store,
        [
            frame(channel, performative(code, fields) + payload)
            for channel, (code, fields), payload in conversation
        ],
    )


@calm
@given(st.lists(said, min_size=1, max_size=3), st.data())
def test_damaged_frames_are_answered_or_closed(
    store: Store, spoken: list[tuple[int, list[t.Value]]], data: st.DataObject
) -> None:
    whole = bytearray(b"".join(frame(0, performative(code, fields)) for code, fields in spoken))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    step = data.draw(st.integers(1, 40))
    hold(store, [bytes(whole[place : place + step]) for place in range(0, len(whole), step)])


@calm
@given(st.binary(max_size=60))
def test_any_bytes_are_records_or_refused(data: bytes) -> None:
    with suppress(ValueError):
        list(read_records(data))
