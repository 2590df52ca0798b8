"""For the platform's other services: encoding messages, and framing them for POST /hubs/NAME/messages."""

import struct
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from local.event_hubs.amqp import message as m
from local.event_hubs.amqp import types as t
from local.event_hubs.amqp.encoding import encode

_RECORD = struct.Struct(">HI")

PROPERTY_NAMES = (
    "message-id", "user-id", "to", "subject", "reply-to", "correlation-id", "content-type",
    "content-encoding", "absolute-expiry-time", "creation-time", "group-id", "group-sequence",
    "reply-to-group-id",
)  # fmt: skip
"""The fields of AMQP's properties section, in its order."""

_SYMBOL_PROPERTIES = {"content-type", "content-encoding"}


class Record(NamedTuple):
    """One routed message; an empty partition key lets the hub choose a partition."""

    partition_key: str
    message: bytes


def encode_message(
    body: bytes,
    *,
    annotations: Mapping[str, object] | None = None,
    application_properties: Mapping[str, object] | None = None,
    properties: Mapping[str, object] | None = None,
) -> bytes:
    """A complete AMQP message with one data section.

    `properties` by their AMQP names (PROPERTY_NAMES). Values: None, bool, int, float, str, bytes, UUID,
    aware datetime (a timestamp), or any type of `local.event_hubs.amqp.types`. Annotation names become
    symbols. KeyError for an unknown property, TypeError for a value that AMQP has no type for.
    """
    return (
        annotations_section(annotations) + properties_sections(properties, application_properties)
        + data_section(body)
    )  # fmt: skip


def annotations_section(annotations: Mapping[str, object] | None) -> bytes:
    """In the given order; nothing without any."""
    if not annotations:
        return b""
    return _section(m.MESSAGE_ANNOTATIONS, {t.Symbol(k): _value(v) for k, v in annotations.items()})


def properties_sections(
    properties: Mapping[str, object] | None, application_properties: Mapping[str, object] | None
) -> bytes:
    """The sections between the annotations and the body, those that are needed."""
    parts: list[bytes] = []
    if properties:
        fields: list[t.Value] = [None] * len(PROPERTY_NAMES)
        for name, value in properties.items():
            if name not in PROPERTY_NAMES:
                raise KeyError(f"{name!r} is no AMQP property: {', '.join(PROPERTY_NAMES)}")
            fields[PROPERTY_NAMES.index(name)] = _property(name, value)
        parts.append(_section(m.PROPERTIES, fields))
    if application_properties:
        parts.append(
            _section(m.APPLICATION_PROPERTIES, {k: _value(v) for k, v in application_properties.items()})
        )
    return b"".join(parts)


def data_section(body: bytes) -> bytes:
    return _section(m.DATA, body)


def _section(code: int, value: t.Value) -> bytes:
    return m.section(code, encode(value))


def _property(name: str, value: object) -> t.Value:
    if name in _SYMBOL_PROPERTIES and isinstance(value, str):
        return t.Symbol(value)
    if name == "user-id" and isinstance(value, str):
        return value.encode()
    if name == "group-sequence" and isinstance(value, int):
        return t.UInt(value)
    if name.endswith("-time") and isinstance(value, int):
        return t.Timestamp(value)
    return _value(value)


def _value(value: object) -> t.Value:
    if isinstance(value, datetime):
        return t.Timestamp(round(value.timestamp() * 1000))
    if value is None or isinstance(value, bool | int | float | str | bytes | UUID | t.Described | t.Array):
        return value
    raise TypeError(f"{type(value).__name__} is no AMQP type")


def frame_records(records: Iterable[Record]) -> bytes:
    """The body of POST /hubs/NAME/messages: per record `>HI` key length and message length, key, message."""
    parts: list[bytes] = []
    for key, message in records:
        encoded = key.encode()
        parts += (_RECORD.pack(len(encoded), len(message)), encoded, message)
    return b"".join(parts)


def read_records(data: bytes) -> Iterator[Record]:
    """The records in such a body. ValueError if it is cut off or a key is not UTF-8."""
    at = 0
    while at < len(data):
        if at + _RECORD.size > len(data):
            raise ValueError("the last record's lengths are cut off")
        key_length, message_length = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        after = at + key_length + message_length
        if after > len(data):
            raise ValueError("the last record is cut off")
        yield Record(data[at : at + key_length].decode(), data[at + key_length : after])
        at = after
