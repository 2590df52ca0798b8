"""The AMQP codec under generated values and bytes, and the partition hash against the SDK's own."""

import math
from contextlib import suppress
from uuid import UUID

import pytest
from azure.eventhub._buffered_producer._partition_resolver import PartitionResolver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.event_hubs.amqp import types as t
from local.event_hubs.amqp.decoding import MAX_DEPTH, decode
from local.event_hubs.amqp.encoding import encode
from local.event_hubs.amqp.errors import AmqpError
from local.event_hubs.amqp.framing import FrameReader, frame
from local.event_hubs.events import BATCH_FORMAT, split_delivery, stamp
from local.event_hubs.messages import Record, encode_message, frame_records, read_records
from local.event_hubs.partitioning import partition_of

# A busy machine is no fault of a value's.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def number(kind: type[int], low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high).map(kind)


simple = st.one_of(
    st.none(), st.booleans(), st.text(), st.binary(max_size=400), st.uuids(), st.floats(allow_nan=False),
    number(t.UByte, 0, 2**8 - 1), number(t.UShort, 0, 2**16 - 1), number(t.UInt, 0, 2**32 - 1),
    number(t.ULong, 0, 2**64 - 1), number(t.Byte, -(2**7), 2**7 - 1), number(t.Short, -(2**15), 2**15 - 1),
    number(t.Int, -(2**31), 2**31 - 1), number(t.Long, -(2**63), 2**63 - 1),
    number(t.Timestamp, -(2**63), 2**63 - 1),
    st.text(alphabet=st.characters(max_codepoint=127)).map(t.Symbol),
    st.floats(width=32, allow_nan=False).map(t.Float), st.binary(min_size=16, max_size=16).map(t.Decimal),
)  # fmt: skip
values = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.lists(inner, max_size=20),
        st.dictionaries(st.text(max_size=5), inner, max_size=5),
        st.builds(t.Described, number(t.ULong, 0, 2**64 - 1), inner),
    ),
    max_leaves=20,
)


@calm
@given(values)
def test_every_value_comes_back_with_its_type(value: t.Value):
    decoded, end = decode(encode(value))
    assert decoded == value
    assert type(decoded) is (t.Long if type(value) is int else type(value))
    assert end == len(encode(value))


@calm
@given(st.binary(max_size=60))
def test_any_bytes_decode_or_are_refused(data: bytes):
    with suppress(AmqpError):
        decode(data)


@calm
@given(values, st.data())
def test_damaged_values_decode_or_are_refused(value: t.Value, data: st.DataObject):
    damaged = bytearray(encode(value))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(AmqpError):
        decode(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))


@calm
@given(st.binary(max_size=80), st.sampled_from([0, BATCH_FORMAT]))
def test_any_bytes_are_events_or_are_refused(data: bytes, message_format: int):
    with suppress(AmqpError):
        batch = split_delivery(b"\x00\x53\x75" + data, message_format)
        assert stamp(batch.events, partition_key=None, sequence=0, offset=0, enqueued_ms=0)


@pytest.mark.parametrize("opening", [b"\x00", b"\xc0\xff\xff", b"\xd0\x00\x00\xff\xff\x00\x00\x00\x01"])
def test_deep_nesting_is_refused(opening: bytes):
    with pytest.raises(AmqpError):
        decode(opening * (MAX_DEPTH + 100))


def test_a_list_of_a_billion_nothings_builds_nothing():
    with pytest.raises(AmqpError, match="more elements than bytes"):
        decode(b"\xf0\x00\x00\x00\x05\x3b\x9a\xca\x00\x40")


def test_arrays_of_each_width_come_back():
    for array in (
        t.symbols("a", "b" * 300),
        t.Array(0x70, [t.UInt(0), t.UInt(2**31)]),
        t.Array(0xB1, ["x", "y"]),
    ):
        assert decode(encode(array))[0] == array


def test_numbers_out_of_range_are_programming_errors():
    with pytest.raises(OverflowError):
        encode(t.UInt(2**32))
    with pytest.raises(OverflowError):
        encode(2**63)


def test_nan_survives():
    decoded, _ = decode(encode(math.nan))
    assert isinstance(decoded, float)
    assert math.isnan(decoded)


@calm
@given(st.lists(st.binary(max_size=300), max_size=6), st.integers(1, 50))
def test_frames_come_out_however_the_bytes_arrive(bodies: list[bytes], step: int):
    stream = b"".join(frame(number, body) for number, body in enumerate(bodies))
    reader = FrameReader(4096)
    out: list[tuple[int, bytes]] = []
    for start in range(0, len(stream), step):
        reader.feed(stream[start : start + step])
        while (found := reader.frame()) is not None:
            out.append((found.channel, found.data[found.start : found.end]))
    assert out == list(enumerate(bodies))


@calm
@given(st.text(min_size=1, max_size=60, alphabet=st.characters(min_codepoint=1, max_codepoint=127)))
def test_a_key_goes_where_the_buffered_producer_of_the_sdk_would_send_it(key: str):
    for partitions in (2, 4, 7, 32):
        resolver = PartitionResolver([str(n) for n in range(partitions)])
        assert str(partition_of(key, partitions)) == resolver.get_partition_id_by_partition_key(key)


@calm
@given(st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=300))))
def test_framed_records_come_back(records: list[tuple[str, bytes]]):
    assert list(read_records(frame_records(Record(*r) for r in records))) == records


def test_a_message_refuses_what_amqp_does_not_have():
    with pytest.raises(KeyError):
        encode_message(b"", properties={"colour": "red"})
    with pytest.raises(TypeError):
        encode_message(b"", application_properties={"a": object()})
    assert encode_message(b"", properties={"message-id": UUID(int=1), "creation-time": 5})
