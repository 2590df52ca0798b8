"""What was committed to `machines` and `quarantine` -> Event Grid, in the order of the feed."""

import logging
from collections.abc import Sequence

from shared.observability import continued
from shared.ports import Document, Documents, Events, Refused
from shared.relay.undelivered import record

log = logging.getLogger(__name__)

CHANNEL = "event-grid"
_AT_ONCE = 1_000
"""Events handed over together; the adapter cuts them to the service's size."""


class EventRelay:
    """Publishes every event at least once, with the id that it was committed with.

    An event that is refused is narrowed down, recorded and passed. Unavailable goes to the host,
    which brings the batch again: consumers recognise repetitions by their id.
    """

    def __init__(self, events: Events, documents: Documents) -> None:
        self._events = events
        self._documents = documents
        self.refused_count = 0

    async def __call__(self, documents: Sequence[Document]) -> int:
        """Publish the events of a batch of changed documents; returns how many there were."""
        items = [event for document in documents for event in events_of(document)]
        if items:
            with continued("publish", origins(documents), {"millwright.events": len(items)}):
                for start in range(0, len(items), _AT_ONCE):
                    await self._publish(items[start : start + _AT_ONCE])
        return len(items)

    async def _publish(self, items: list[Document]) -> None:
        try:
            await self._events.publish(items)
        except Refused as exc:
            if len(items) > 1:
                middle = len(items) // 2
                await self._publish(items[:middle])
                await self._publish(items[middle:])
            else:
                await self._refuse(items[0], str(exc))

    async def _refuse(self, event: Document, detail: str) -> None:
        self.refused_count += 1
        log.warning("event %s: %s", event["id"], detail)
        subject = event["data"].get("alarmId", event["id"])
        await record(self._documents, CHANNEL, subject=subject, item=event["id"], detail=detail, event=event)


def events_of(document: Document) -> list[Document]:
    """The events that a document tells of: an outbox holds them, a quarantined message is one.

    Events carry the trace of their commit (CloudEvents' extension Distributed Tracing): taken from
    the outbox, it is the same however often they are published.
    """
    if document.get("type") == "outbox":
        if "traceparent" in document:
            return [{**event, "traceparent": document["traceparent"]} for event in document["events"]]
        return document["events"]
    return [quarantined_event(document)] if "deviceDay" in document else []


def origins(documents: Sequence[Document]) -> list[str]:
    """The traces of the commits that the outboxes among changed documents are of."""
    return [document["traceparent"] for document in documents if "traceparent" in document]


def quarantined_event(document: Document) -> Document:
    """`message.quarantined`; a message that is rejected again for another reason is another event."""
    device = document["device"]
    return {
        "specversion": "1.0",
        "id": f"quarantine:{document['id']}:{document['reason']}",
        "source": "/millwright/quarantine",
        "type": "millwright.message.quarantined.v1",
        "subject": f"quarantine/devices/{device}",
        "time": document["arrivedAt"],
        "datacontenttype": "application/json",
        "data": {
            "quarantineId": document["id"],
            "deviceDay": document["deviceDay"],
            "deviceId": device,
            "machineId": document["machineId"],
            "reason": document["reason"],
            "detail": document["detail"],
        },
    }
