"""Received events as the worker wants them: bodies and trigger metadata, in Azure's names and shapes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import cast

import orjson
from azure.eventhub import EventData
from azure.eventhub.amqp import AmqpMessageBodyType

from local.functions.worker import Datum, as_json, text

_RENAMED = {
    "x-opt-sequence-number": "SequenceNumber",
    "x-opt-offset": "Offset",
    "x-opt-enqueued-time": "EnqueuedTimeUtc",
    "x-opt-partition-key": "PartitionKey",
}
# AMQP timestamps, which the SDK hands over as bare numbers; in Azure the host writes them as text.
_INSTANTS = frozenset({"x-opt-enqueued-time", "iothub-enqueuedtime"})
# Those that IoT Hub and the Event Hubs SDKs set (AMQP 1.0, section 3.2.4).
_MESSAGE_PROPERTIES = tuple(
    (name, name.replace("-", "_"))
    for name in (
        "message-id",
        "user-id",
        "to",
        "subject",
        "reply-to",
        "correlation-id",
        "content-type",
        "content-encoding",
        "absolute-expiry-time",
        "creation-time",
        "group-id",
        "group-sequence",
        "reply-to-group-id",
    )
)


def body_of(event: EventData) -> bytes:
    """The data sections as one value; the text of a body that is an AMQP value or sequence."""
    if event.body_type != AmqpMessageBodyType.DATA:
        return event.body_as_str().encode()
    body = event.body
    return body if isinstance(body, bytes) else b"".join(cast(Sequence[bytes], body))


def system_properties(event: EventData) -> dict[str, object]:
    """The service's annotations and the message's own properties, as one element of SystemPropertiesArray.

    The four of Event Hubs appear under their .NET names too; values are text, numbers or ISO 8601.
    """
    found: dict[str, object] = {"PartitionKey": None}
    message = event.raw_amqp_message
    for key, value in cast(Mapping[object, object], message.annotations).items():
        name, plain = _text(key), _plain(value)
        if name in _INSTANTS and isinstance(plain, int):
            plain = _iso(plain)
        found[name] = plain
        if name in _RENAMED:
            found[_RENAMED[name]] = plain
    if (properties := message.properties) is not None:
        for name, attribute in _MESSAGE_PROPERTIES:
            if (value := getattr(properties, attribute)) is not None:
                found[name] = _plain(value)
    return found


def application_properties(event: EventData) -> dict[str, object]:
    return {_text(key): _plain(value) for key, value in (event.properties or {}).items()}


def many(
    events: Sequence[EventData], *, binary: bool, context: Mapping[str, str]
) -> tuple[Datum, dict[str, Datum]]:
    """A batch for a function with cardinality many.

    Without data_type binary the host decodes bodies as UTF-8, as Azure does: bytes that are
    no UTF-8 become U+FFFD.
    """
    system = [system_properties(event) for event in events]
    bodies = [body_of(event) for event in events]
    datum = (
        Datum(bodies, "collection_bytes")
        if binary
        else Datum([body.decode(errors="replace") for body in bodies], "collection_string")
    )
    metadata = {
        "SystemPropertiesArray": as_json(orjson.dumps(system)),
        "PropertiesArray": as_json(orjson.dumps([application_properties(event) for event in events])),
        "PartitionContext": as_json(orjson.dumps(context)),
    }
    for name in _RENAMED.values():
        metadata[f"{name}Array"] = as_json(orjson.dumps([properties.get(name) for properties in system]))
    return datum, metadata


def one(event: EventData, *, binary: bool, context: Mapping[str, str]) -> tuple[Datum, dict[str, Datum]]:
    """One event for a function with cardinality one."""
    system = system_properties(event)
    body = body_of(event)
    metadata = {
        "SystemProperties": as_json(orjson.dumps(system)),
        "Properties": as_json(orjson.dumps(application_properties(event))),
        "PartitionContext": as_json(orjson.dumps(context)),
        "SequenceNumber": as_json(str(system.get("SequenceNumber"))),
        "Offset": text(str(system.get("Offset"))),
        "EnqueuedTimeUtc": text(str(system.get("EnqueuedTimeUtc"))),
    }
    if (key := system["PartitionKey"]) is not None:
        metadata["PartitionKey"] = text(str(key))
    return (Datum(body, "bytes") if binary else text(body.decode(errors="replace"))), metadata


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)


@lru_cache(maxsize=4096)
def _iso(unix_ms: int) -> str:
    moment = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{unix_ms % 1000:03d}Z"
