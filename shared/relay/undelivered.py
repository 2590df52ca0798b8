"""What a sink will never take: written down beside the other deliveries, so that it can be seen."""

import logging

from shared.observability import metrics
from shared.ports import Document, Documents, Refused

log = logging.getLogger(__name__)

DELIVERIES = "deliveries"
KEPT_S = 30 * 86_400


async def record(
    documents: Documents,
    channel: str,
    *,
    subject: str,
    item: str,
    detail: str,
    event: Document | None = None,
) -> None:
    """Keep one refusal, under `subject`; a later one of the same item replaces it.

    `subject` fills the container's partition key, an alarm's id where there is one, else what
    the item is about.
    """
    metrics().undelivered.add(1, {"channel": channel})
    document: Document = {
        "id": f"{item}:{channel}",
        "alarmId": subject,
        "type": "undelivered",
        "channel": channel,
        "outcome": "refused",
        "detail": detail[:2_000],
        "ttl": KEPT_S,
    }
    try:
        await documents.upsert(DELIVERIES, subject, document | ({"event": event} if event else {}))
    except Refused as exc:
        log.warning("%s of %s cannot be kept whole: %s", item, subject, exc)
        await documents.upsert(DELIVERIES, subject, document)
