"""Who gets told what: events that matter -> webhooks, each attempt written down."""

from collections.abc import Callable, Sequence
from typing import Protocol

from shared.contracts.factory import Notification
from shared.contracts.spec_documents import SiteDocument
from shared.domain.alarms.life_cycle import PRIORITIES
from shared.instants import iso
from shared.ports import Document, Documents, Refused, Unavailable

DELIVERIES = "deliveries"

_FIXED_PRIORITY = {
    "millwright.machine.blocked.v1": "critical",
    "millwright.prediction.thresholdcrossed.v1": "high",
}


class Webhook(Protocol):
    async def post(self, url: str, body: Document) -> None:
        """Unavailable when it may work later, Refused when the receiver will never take it."""
        ...


class Sites(Protocol):
    async def current_site(self, site_id: str) -> SiteDocument | None: ...


class Notifier:
    """Sends an event to every channel whose policy asks for it.

    `setting` looks up a policy's address: addresses are secrets, the factory file names only the
    setting. At least once: a delivery that was recorded as done is not repeated, one whose
    record was lost in a crash is.
    """

    def __init__(
        self,
        documents: Documents,
        sites: Sites,
        webhook: Webhook,
        *,
        setting: Callable[[str], str | None],
        clock: Callable[[], int],
    ) -> None:
        self._documents = documents
        self._sites = sites
        self._webhook = webhook
        self._setting = setting
        self._clock = clock

    async def __call__(self, event: Document) -> None:
        """Deliver one CloudEvent. Unavailable when a channel failed: the others are not repeated."""
        if priority_of(event) is None:
            return
        site_id = event["data"]["siteId"]
        site = await self._sites.current_site(site_id)
        failed: list[str] = []
        for policy in wanted(event, site.notifications if site is not None else ()):
            if not await self._deliver(event, policy):
                failed.append(policy.id)
        if failed:
            raise Unavailable(f"{event['id']} could not be delivered to {', '.join(failed)}")

    async def _deliver(self, event: Document, policy: Notification) -> bool:
        """Whether the channel needs no further attempt."""
        alarm_id = event["data"].get("alarmId", event["id"])
        delivery_id = f"{event['id']}:{policy.id}"
        before = await self._documents.get(DELIVERIES, alarm_id, delivery_id)
        if before is not None and before["outcome"] != "failed":
            return True
        url = self._setting(policy.webhook_setting)
        outcome, detail = "delivered", None
        if url is None:
            outcome, detail = "refused", f"setting {policy.webhook_setting} is not set"
        else:
            try:
                await self._webhook.post(url, message(event))
            except Unavailable as exc:
                outcome, detail = "failed", str(exc)
            except Refused as exc:
                outcome, detail = "refused", str(exc)
        await self._documents.upsert(
            DELIVERIES,
            alarm_id,
            {
                "id": delivery_id,
                "alarmId": alarm_id,
                "eventId": event["id"],
                "channel": policy.id,
                "outcome": outcome,
                "detail": detail,
                "attemptCount": (before["attemptCount"] if before else 0) + 1,
                "at": iso(self._clock()),
            },
        )
        return outcome != "failed"


def wanted(event: Document, policies: Sequence[Notification]) -> list[Notification]:
    """The policies that ask for this event, by its priority and site."""
    priority = priority_of(event)
    if priority is None:
        return []
    rank = PRIORITIES.index(priority)
    return [
        policy
        for policy in policies
        if rank >= PRIORITIES.index(policy.min_priority)
        and (not policy.sites or event["data"]["siteId"] in policy.sites)
    ]


def priority_of(event: Document) -> str | None:
    """How urgent an event is for people; None: not for people."""
    kind, data = event["type"], event["data"]
    if kind == "millwright.alarm.raised.v1":
        return data["priority"]
    if kind == "millwright.prediction.thresholdcrossed.v1" and not data["warning"]:
        return None
    return _FIXED_PRIORITY.get(kind)


def message(event: Document) -> Document:
    """What a webhook gets: one line for people, and the event for machines."""
    data = event["data"]
    match event["type"]:
        case "millwright.alarm.raised.v1":
            text = f"{data['priority'].upper()} {event['subject']}: {data.get('text', data['ruleId'])}"
        case "millwright.prediction.thresholdcrossed.v1":
            text = (
                f"{event['subject']}: {data['model']} gives a failure probability of "
                f"{data['probability']:.0%}, beyond {data['threshold']:.0%}"
            )
        case _:
            text = f"{event['subject']}: blocked, its readings queue: {data['reason']}"
    return {"text": text, "event": event}
