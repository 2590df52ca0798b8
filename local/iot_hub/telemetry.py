"""A device's message as the Event Hub gets it: one AMQP message with the service's annotations."""

import math
from datetime import UTC, datetime
from typing import Any

import orjson

from local.event_hubs.messages import encode_message
from local.iot_hub.errors import Forbidden
from local.iot_hub.properties import PropertyBag, parse
from local.iot_hub.rules import MESSAGE_LIMIT, Admitted, property_bag

BLOCK = 4096
"""Bytes that are billed as one message."""


def message(
    device: Admitted, topic: str, payload: bytes, *, retain: bool, will: bool, now: float
) -> tuple[bytes, int]:
    """The encoded AMQP message, and the size in bytes that counts.

    Raises Forbidden beyond 256 KB and for system properties a device may not set.
    """
    bag = parse(property_bag(topic))
    size = len(payload) + bag.size()
    if size > MESSAGE_LIMIT:
        raise Forbidden(f"a message of {size} bytes: at most {MESSAGE_LIMIT} are taken")
    if retain:
        bag.application["mqtt-retain"] = "true"
    if will:
        bag.application["iothub-MessageType"] = "Will"
    encoded = encode_message(
        payload,
        annotations=_annotations(device, bag, now),
        application_properties=bag.application,
        properties={"to": f"/devices/{device.device_id}/messages/events"} | bag.system,
    )
    return encoded, size


def blocks(size: int) -> int:
    """Messages billed for one of `size` bytes.

    >>> blocks(0), blocks(4096), blocks(4097)
    (1, 1, 2)
    """
    return max(1, math.ceil(size / BLOCK))


def _annotations(device: Admitted, bag: PropertyBag, now: float) -> dict[str, Any]:
    method = {"scope": device.scope, "type": "sas", "issuer": "iothub", "acceptingIpFilterRule": None}
    annotations: dict[str, Any] = {
        "iothub-connection-device-id": device.device_id,
        "iothub-connection-auth-method": orjson.dumps(method).decode(),
        "iothub-connection-auth-generation-id": device.generation_id,
        "iothub-enqueuedtime": datetime.fromtimestamp(int(now * 1000) / 1000, UTC),
        "iothub-message-source": "Telemetry",
    }
    if device.model_id:
        annotations["dt-dataschema"] = device.model_id
    return annotations | bag.annotations
