"""A message's sections (part 3, section 3.2): finding them in bytes, and encoding a small message."""

from collections.abc import Iterator, Mapping

from local.event_hubs.amqp import types as t
from local.event_hubs.amqp.decoding import decode, skip_plain
from local.event_hubs.amqp.encoding import encode
from local.event_hubs.amqp.errors import decode_error

HEADER, DELIVERY_ANNOTATIONS, MESSAGE_ANNOTATIONS, PROPERTIES = range(0x70, 0x74)
APPLICATION_PROPERTIES, DATA, SEQUENCE, VALUE, FOOTER = range(0x74, 0x79)


def sections(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """Each section's code, where it begins, where its value begins, and where it ends.

    Only the frame of the section is checked, not what is inside. AmqpError amqp:decode-error for
    bytes that are no section.
    """
    at, stop = start, len(data) if end is None else end
    while at < stop:
        code, value_at = _descriptor(data, at, stop)
        after = skip_plain(data, value_at, stop)
        yield code, at, value_at, after
        at = after


def _descriptor(data: bytes, at: int, stop: int) -> tuple[int, int]:
    if data[at : at + 2] == b"\x00\x53" and at + 2 < stop:
        code, value_at = data[at + 2], at + 3
    elif data[at : at + 2] == b"\x00\x80" and at + 10 <= stop:
        code, value_at = int.from_bytes(data[at + 2 : at + 10]), at + 10
    else:
        raise decode_error("The message has a section without a descriptor.")
    if not HEADER <= code <= FOOTER:
        raise decode_error(f"{code:#x} is no section of a message.")
    return code, value_at


def section(code: int, value: bytes) -> bytes:
    """A section around an encoded value."""
    return b"\x00\x53" + bytes((code,)) + value


def parse(data: bytes) -> dict[int, t.Value]:
    """All sections decoded, by code; of several data sections the last. For requests, not for events."""
    return {code: decode(data, value_at, stop)[0] for code, _, value_at, stop in sections(data)}


def encode_request_reply(
    *, correlation_id: t.Value, application_properties: Mapping[str, t.Value], value: t.Value
) -> bytes:
    """A reply as $cbs and $management send it; properties at full length."""
    properties: list[t.Value] = [None] * 13
    properties[5] = correlation_id
    named: dict[t.Value, t.Value] = {**application_properties}
    return (
        section(PROPERTIES, encode(properties))
        + section(APPLICATION_PROPERTIES, encode(named))
        + section(VALUE, encode(value))
    )
