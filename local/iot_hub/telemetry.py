"""What the Event Hub gets, as AMQP messages with the service's annotations.

Messages of devices, and the hub's own on changes of twins, identities and connections.
"""

import math
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from local.event_hubs.amqp import types as t
from local.event_hubs.messages import (
    annotations_section,
    data_section,
    encode_message,
    properties_sections,
)
from local.iot_hub.devices import Json, stamp
from local.iot_hub.errors import Forbidden
from local.iot_hub.properties import PropertyBag, parse
from local.iot_hub.rules import MESSAGE_LIMIT, Admitted, property_bag

BLOCK = 4096
"""Bytes that are billed as one message."""

HUB_NAME = "millwright"
TIME_BYTES = 8
"""An AMQP timestamp, behind its constructor."""
ENVELOPES = 4096


@dataclass(frozen=True, slots=True)
class _Envelope:
    """A message without what differs from the device's last one on the same topic: the time and the body."""

    before: bytes
    """Ends where the eight bytes of the enqueued time belong."""
    after: bytes
    size: int
    """Of names and values of the properties."""


def message(
    device: Admitted, topic: str, payload: bytes, *, retain: bool, will: bool, now: float
) -> tuple[bytes, int]:
    """The encoded AMQP message of a device, and the size in bytes that counts.

    Raises Forbidden beyond 256 KB and for system properties a device may not set.
    """
    envelope = _envelope(device, topic, retain, will)
    size = len(payload) + envelope.size
    if size > MESSAGE_LIMIT:
        raise Forbidden(f"a message of {size} bytes: at most {MESSAGE_LIMIT} are taken")
    enqueued = int(now * 1000).to_bytes(TIME_BYTES)
    return b"".join((envelope.before, enqueued, envelope.after, data_section(payload))), size


@lru_cache(maxsize=ENVELOPES)
def _envelope(device: Admitted, topic: str, retain: bool, will: bool) -> _Envelope:
    """Encoding it takes most of a message's time, and devices use few topics."""
    bag = parse(property_bag(topic, device.address))
    size = bag.size()
    if retain:
        bag.application["mqtt-retain"] = "true"
    if will:
        bag.application["iothub-MessageType"] = "Will"
    time_last = _annotations(device, bag) | {"iothub-enqueuedtime": t.Timestamp(0)}
    properties = {"to": f"/{device.address}/messages/events"} | bag.system
    return _Envelope(
        annotations_section(time_last)[:-TIME_BYTES], properties_sections(properties, bag.application), size
    )


def blocks(size: int) -> int:
    """Messages billed for one of `size` bytes.

    >>> blocks(0), blocks(4096), blocks(4097)
    (1, 1, 2)
    """
    return max(1, math.ceil(size / BLOCK))


def _annotations(device: Admitted, bag: PropertyBag) -> dict[str, Any]:
    method = {
        "scope": device.scope,
        "type": "x509Certificate" if device.with_certificate else "sas",
        "issuer": "external" if device.with_certificate else "iothub",
        "acceptingIpFilterRule": None,
    }
    annotations: dict[str, Any] = {
        "iothub-connection-device-id": device.device_id,
        "iothub-connection-auth-method": orjson.dumps(method).decode(),
        "iothub-connection-auth-generation-id": device.generation_id,
        "iothub-message-source": "Telemetry",
    }
    if device.module_id is not None:
        annotations["iothub-connection-module-id"] = device.module_id
    if device.model_id:
        annotations["dt-dataschema"] = device.model_id
    return annotations | bag.annotations


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of the hub's own messages, by the name that routes use."""

    route: str
    annotation: str
    schema: str


TWIN_CHANGES = Source("TwinChangeEvents", "twinChangeEvents", "twinChangeNotification")
LIFECYCLE = Source("DeviceLifecycleEvents", "deviceLifecycleEvents", "deviceLifecycleNotification")
CONNECTION_STATE = Source(
    "DeviceConnectionStateEvents", "deviceConnectionStateEvents", "deviceConnectionStateNotification"
)
OWN_SOURCES = (TWIN_CHANGES, LIFECYCLE, CONNECTION_STATE)


def notice(
    source: Source, operation: str, *, device_id: str, module_id: str | None, body: Json, now: float
) -> bytes:
    """A message of the hub's own ("Non-telemetry event schemas", IoT Hub documentation)."""
    annotations: dict[str, object] = {
        "iothub-connection-device-id": device_id,
        "iothub-enqueuedtime": _enqueued(now),
        "iothub-message-source": source.annotation,
    }
    application: dict[str, object] = {
        "deviceId": device_id,
        "hubName": HUB_NAME,
        "operationTimestamp": stamp(now),
        "iothub-message-schema": source.schema,
        "opType": operation,
    }
    if module_id is not None:
        annotations["iothub-connection-module-id"] = module_id
        application["moduleId"] = module_id
    return encode_message(
        orjson.dumps(body),
        annotations=annotations,
        application_properties=application,
        properties={
            "user-id": HUB_NAME,
            "correlation-id": secrets.token_hex(16),
            "content-type": "application/json",
            "content-encoding": "utf-8",
        },
    )


def _enqueued(now: float) -> datetime:
    return datetime.fromtimestamp(int(now * 1000) / 1000, UTC)
