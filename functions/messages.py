"""What the Event Hubs trigger hands over -> messages with their place, device and arrival time."""

from collections.abc import Sequence
from typing import Any

import azure.functions as func
import orjson

from shared.generation import Generation
from shared.ingest import Message
from shared.instants import instant

DEVICE = "iothub-connection-device-id"
ENQUEUED = "iothub-enqueuedtime"
SOURCE = "iothub-message-source"
TRACEPARENT = "traceparent"
"""Application property by which a device may name its trace."""


async def unpack(events: Sequence[func.EventHubEvent], generation: Generation) -> list[Message]:
    """The device messages of a batch, all of one partition, in their order.

    The properties of the whole batch hang on every event: they are read once, by position, since
    the worker's own accessor drops some of them and parses them anew for each event. Messages
    that IoT Hub itself writes (twin changes, life-cycle events) are not telemetry.
    """
    metadata: dict[str, Any] = dict(events[0].metadata or {})
    properties: list[dict[str, Any]] = json_of(metadata["SystemPropertiesArray"])
    partition = str(json_of(metadata["PartitionContext"])["PartitionId"])
    traceparents = _traceparents(metadata.get("PropertiesArray"), len(properties))
    first = properties[0]
    source = await generation.source(
        partition,
        sequence=int(first["SequenceNumber"]),
        enqueued_at=_instant(first["EnqueuedTimeUtc"]),
    )
    return [
        Message(
            device_id=str(mine.get(DEVICE, "")),
            source=source,
            sequence=int(mine["SequenceNumber"]),
            arrived_at=_instant(mine.get(ENQUEUED) or mine["EnqueuedTimeUtc"]),
            body=event.get_body(),
            traceparent=traceparent,
        )
        for event, mine, traceparent in zip(events, properties, traceparents, strict=True)
        if mine.get(SOURCE, "Telemetry") == "Telemetry"
    ]


def _traceparents(value: Any, count: int) -> list[str | None]:
    """The devices' own traces. Few name one: the text is only parsed where it holds the name."""
    if value is None or (isinstance(value, str) and TRACEPARENT not in value):
        return [None] * count
    found = [mine.get(TRACEPARENT) for mine in json_of(value)]
    return [one if isinstance(one, str) else None for one in found]


def json_of(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str | bytes) else value


def _instant(text: str) -> int:
    """The platform writes UTC, in some places without saying so."""
    return instant(text if text.endswith("Z") or "+" in text else text + "Z")
