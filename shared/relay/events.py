"""Committed `outbox` documents -> Event Grid, in the order of the feed."""

import logging
from collections.abc import Sequence

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
        items: list[Document] = [
            event for document in documents if document["type"] == "outbox" for event in document["events"]
        ]
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
