"""What a client sends, cut into events; and an event stamped with its place, ready to be delivered.

The hot path: an event's bytes are sliced, never decoded. Only the message annotations section is rewritten.
"""

import struct
from typing import NamedTuple

from local.event_hubs.amqp import message as m
from local.event_hubs.amqp import types as t
from local.event_hubs.amqp.decoding import decode, skip
from local.event_hubs.amqp.encoding import encode
from local.event_hubs.amqp.errors import AmqpError, decode_error

BATCH_FORMAT = 0x80013700
"""Message format of a batch: each data section holds one encoded message."""

SEQUENCE_NUMBER = "x-opt-sequence-number"
OFFSET = "x-opt-offset"
ENQUEUED_TIME = "x-opt-enqueued-time"
PARTITION_KEY = "x-opt-partition-key"

MAX_PARTITION_KEY = 128
"""Characters, as the service's documentation states."""

_SEQUENCE_KEY = encode(t.Symbol(SEQUENCE_NUMBER)) + b"\x81"
_OFFSET_KEY = encode(t.Symbol(OFFSET)) + b"\xa1"
_TIME_KEY = encode(t.Symbol(ENQUEUED_TIME)) + b"\x83"
_PARTITION_KEY_KEY = encode(t.Symbol(PARTITION_KEY))
_OWN_KEYS = {encode(t.Symbol(name)) for name in (SEQUENCE_NUMBER, OFFSET, ENQUEUED_TIME, PARTITION_KEY)}
_LONG = struct.Struct(">q")
_MAP32 = struct.Struct(">4sII")
_ANNOTATIONS_HEAD = b"\x00\x53\x72\xd1"


class Event(NamedTuple):
    """One message as it came, in slices around its annotations."""

    head: bytes
    """The header section, if any."""
    annotations: bytes
    """The sender's annotations: encoded keys and values, without the service's own."""
    annotation_count: int
    rest: bytes
    """Properties, application properties, body, footer: byte for byte."""


class Batch(NamedTuple):
    """What one delivery or record holds."""

    partition_key: str | None
    events: list[Event]


def split_delivery(body: bytes, message_format: int) -> Batch:
    """The events of one delivery: several for a batch, else the message itself.

    AmqpError amqp:decode-error when the bytes are no message, or no batch.
    """
    if message_format != BATCH_FORMAT:
        event, key = split_message(body, 0, len(body))
        return Batch(key, [event])
    key: str | None = None
    events: list[Event] = []
    for code, _, value_at, stop in m.sections(body):
        if code == m.DATA:
            start = _binary_start(body, value_at)
            event, own_key = split_message(body, start, stop)
            events.append(event)
            key = key or own_key
        elif code == m.MESSAGE_ANNOTATIONS:
            _, _, key = _annotations(body, value_at, stop)
    if not events:
        raise decode_error("The batch has no events.")
    return Batch(key, events)


def split_message(data: bytes, start: int, end: int) -> tuple[Event, str | None]:
    """One message and its partition key. Every section's frame is checked, so a stored event can be read."""
    head, kept, count, key = b"", b"", 0, None
    rest_at = end
    if start == end:
        raise decode_error("The message is empty.")
    for code, at, value_at, stop in m.sections(data, start, end):
        if code >= m.PROPERTIES:
            rest_at = min(rest_at, at)
        elif rest_at < end:
            # Delivery annotations after the body are what azure-eventhub sends; nothing else may be late.
            if code != m.DELIVERY_ANNOTATIONS:
                raise decode_error("The message's sections are out of order.")
        elif code == m.HEADER:
            head = data[at:stop]
        elif code == m.MESSAGE_ANNOTATIONS:
            kept, count, key = _annotations(data, value_at, stop)
    return Event(head, kept, count, data[rest_at:end]), key


def _binary_start(data: bytes, value_at: int) -> int:
    if data[value_at] == 0xB0:
        return value_at + 5
    if data[value_at] == 0xA0:
        return value_at + 2
    raise decode_error("A data section is not binary.")


def _annotations(data: bytes, start: int, stop: int) -> tuple[bytes, int, str | None]:
    """The sender's annotations without the service's own, how many keys and values, and the partition key."""
    code = data[start]
    if code == 0xC1:
        at, count = start + 3, data[start + 2] if start + 3 <= stop else -1
    elif code == 0xD1:
        at, count = start + 9, int.from_bytes(data[start + 5 : start + 9]) if start + 9 <= stop else -1
    elif code == 0x40:
        return b"", 0, None
    else:
        raise decode_error("Message annotations are not a map.")
    if count % 2 or count > stop - at:
        raise decode_error("Message annotations are no valid map.")
    kept: list[bytes] = []
    key: str | None = None
    for _ in range(count // 2):
        value_at = skip(data, at, stop)
        after = skip(data, value_at, stop)
        name = data[at:value_at]
        if name not in _OWN_KEYS:
            kept.append(data[at:after])
        elif name == _PARTITION_KEY_KEY:
            key = checked_key(decode(data, value_at, after)[0])
        at = after
    return b"".join(kept), 2 * len(kept), key


def checked_key(value: t.Value) -> str | None:
    """A partition key, None for none. AmqpError for what can be no key."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise AmqpError("com.microsoft:argument-error", "The partition key is not a string.")
    if len(value) > MAX_PARTITION_KEY:
        raise AmqpError(
            "com.microsoft:argument-error", f"The partition key exceeds {MAX_PARTITION_KEY} characters."
        )
    return value or None


def stamp(
    events: list[Event], *, partition_key: str | None, sequence: int, offset: int, enqueued_ms: int
) -> list[bytes]:
    """The events as they will be delivered: annotations rewritten, everything else untouched.

    Sequence numbers count up from `sequence`; an event's offset is where it begins, in bytes.
    """
    fixed = _TIME_KEY + _LONG.pack(enqueued_ms)
    own_count = 6
    if partition_key is not None:
        fixed += _PARTITION_KEY_KEY + encode(partition_key)
        own_count = 8
    out: list[bytes] = []
    for event in events:
        digits = b"%d" % offset
        body = b"%b%b%b%c%b%b%b" % (
            _SEQUENCE_KEY, _LONG.pack(sequence), _OFFSET_KEY, len(digits), digits, fixed, event.annotations,
        )  # fmt: skip
        size = _MAP32.pack(_ANNOTATIONS_HEAD, len(body) + 4, own_count + event.annotation_count)
        whole = event.head + size + body + event.rest
        out.append(whole)
        sequence += 1
        offset += len(whole)
    return out
