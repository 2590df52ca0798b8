"""Deliveries: one message to one address, written down before it is sent and after, tried until it is over.

1. create the delivery, claimed for a minute: whoever else has the same notice leaves it alone
2. send, always under the same id
3. write the outcome down; what failed is due again, ever later, for a day

A crash between 2 and 3 leaves a claim that runs out: the timer sends again. So messages are sent at least
once, and receivers recognise repetitions by the id.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from shared.contracts.reactions import Notification
from shared.contracts.spec_documents import SiteDocument
from shared.instants import instant, iso
from shared.notify.channels import Channels
from shared.notify.message import Message
from shared.notify.notice import UNDELIVERED
from shared.notify.policies import Address, address
from shared.observability import continued, metrics
from shared.ports import (
    AlreadyDone,
    Conflict,
    Create,
    Document,
    Documents,
    Events,
    Refused,
    Replace,
    Unavailable,
)

DELIVERIES = "deliveries"
KEPT_S = 180 * 86_400
CLAIM_MS = 60_000
"""Longer than any attempt takes."""

BACK_OFF_S = (10, 30, 60, 300, 900, 1_800)
THEN_S = 3_600
GIVEN_UP_AFTER_MS = 24 * 3_600_000
_PER_ADDRESS = 50
"""So many deliveries to one address are tried again at a time: a dead one cannot fill a run."""

_DUE = "SELECT * FROM c WHERE c.type = 'delivery' AND c.dueAt <= @now"


class Sites(Protocol):
    async def current_site(self, site_id: str) -> SiteDocument | None: ...


class Deliveries:
    def __init__(
        self,
        documents: Documents,
        sites: Sites,
        channels: Channels,
        events: Events,
        *,
        clock: Callable[[], int],
    ) -> None:
        self._documents = documents
        self._sites = sites
        self._channels = channels
        self._events = events
        self._clock = clock

    def claimed(
        self,
        about: str,
        notice_id: str,
        event: Document,
        *,
        site_id: str,
        policy: Notification,
        to: Address,
        message: Message,
    ) -> Document:
        """A new delivery, about to be tried for the first time."""
        now = self._clock()
        return {
            "id": f"{notice_id}:{policy.id}:{to.id}",
            "alarmId": about,
            "type": "delivery",
            "siteId": site_id,
            "eventId": event["id"],
            "policy": policy.id,
            "channel": to.id,
            "kind": to.kind,
            "text": message.headline,
            "outcome": "sending",
            "detail": None,
            "attemptCount": 1,
            "firstAt": iso(now),
            "at": iso(now),
            "dueAt": iso(now + CLAIM_MS),
            "message": asdict(message),
            "event": event,
            "ttl": KEPT_S,
        }

    async def post(self, new: Sequence[tuple[Document, Address]]) -> None:
        """Create and send side by side: none waits for another. What exists is somebody else's."""
        await _all(self._post(document, to) for document, to in new)

    async def send_created(self, created: Sequence[tuple[Document, Address, str]]) -> None:
        """Send what was created, claimed, in a batch: (delivery, address, ETag)."""
        await _all(self._attempt(document, to, etag) for document, to, etag in created)

    async def retry_due(self) -> int:
        """Try what is due, at most 50 of an address; returns how many were tried."""
        queues: dict[tuple[str, str], list[Document]] = {}
        async for document in self._documents.query(DELIVERIES, _DUE, {"@now": iso(self._clock())}):
            queue = queues.setdefault((document["siteId"], document["channel"]), [])
            if len(queue) < _PER_ADDRESS:
                queue.append(document)
        await _all(map(self._retry, queues.values()))
        return sum(map(len, queues.values()))

    async def _post(self, document: Document, to: Address) -> None:
        try:
            [etag] = await self._documents.commit(DELIVERIES, document["alarmId"], [Create(document)])  # 1
        except AlreadyDone:
            return
        await self._attempt(document, to, etag)

    async def _retry(self, queue: list[Document]) -> None:
        """The deliveries of one address, one behind the other; the first failure leaves the rest due."""
        for due in queue:
            now = self._clock()
            claimed = {name: value for name, value in due.items() if not name.startswith("_")}
            claimed |= {"attemptCount": due["attemptCount"] + 1, "dueAt": iso(now + CLAIM_MS), "at": iso(now)}
            try:
                [etag] = await self._documents.commit(
                    DELIVERIES, due["alarmId"], [Replace(claimed, due["_etag"])]
                )
            except Conflict:
                continue  # another worker has it
            site = await self._sites.current_site(due["siteId"])
            to = None if site is None else address(site, due["policy"], due["channel"])
            if not await self._attempt(claimed, to, etag):
                return

    async def _attempt(self, document: Document, to: Address | None, etag: str) -> bool:
        """Steps 2 and 3. Whether the address may be used again at once."""
        message = Message(**_as_tuples(document["message"]))
        outcome, detail = "delivered", None
        try:
            if to is None:
                raise Refused("no description has this recipient any more")
            event = document["event"]
            with continued("notify", [event.get("traceparent")], {"millwright.event": event["id"]}):
                await self._channels.send(to, message, event, message_id=document["id"])  # 2
        except Unavailable as exc:
            outcome, detail = "failed", str(exc)
        except Refused as exc:
            outcome, detail = "refused", str(exc)
        now = self._clock()
        done = document | {"outcome": outcome, "detail": detail, "at": iso(now)}
        if outcome == "failed":
            due = now + 1000 * _back_off_s(document["attemptCount"])
            if due - instant(document["firstAt"]) > GIVEN_UP_AFTER_MS:
                done["outcome"] = "expired"
            else:
                done["dueAt"] = iso(due)
        if done["outcome"] != "failed":
            del done["dueAt"]
            if outcome == "delivered":
                del done["message"], done["event"]
            else:
                await self._dead_letter(done)
        metrics().notifications.add(1, {"outcome": done["outcome"]})
        try:
            await self._documents.commit(DELIVERIES, document["alarmId"], [Replace(done, etag)])  # 3
        except Conflict:
            return True  # the claim ran out: whoever took it over writes the outcome
        return outcome != "failed"

    async def _dead_letter(self, document: Document) -> None:
        """Tell that a message did not get through, but not of messages that tell just that."""
        if document["event"]["type"] == UNDELIVERED:
            return
        data = document["event"]["data"]
        place = {name: data[name] for name in ("machineId", "lineId") if name in data}
        event = {
            "specversion": "1.0",
            "id": f"deadlettered:{document['id']}",
            "source": f"/millwright/{document['siteId']}",
            "type": UNDELIVERED,
            "subject": document["event"]["subject"],
            "time": document["at"],
            "datacontenttype": "application/json",
            "data": {
                "siteId": document["siteId"],
                **place,
                "aboutId": document["alarmId"],
                "deliveryId": document["id"],
                "policy": document["policy"],
                "channel": document["channel"],
                "outcome": document["outcome"],
                "detail": document["detail"],
                "text": document["text"],
            },
        }
        await self._events.publish([event])


def _back_off_s(attempt_count: int) -> int:
    return BACK_OFF_S[attempt_count - 1] if attempt_count <= len(BACK_OFF_S) else THEN_S


def _as_tuples(message: Mapping[str, Any]) -> dict[str, Any]:
    facts = tuple((name, value) for name, value in message["facts"])
    return {**message, "facts": facts, "lines": tuple(message["lines"])}


async def _all(attempts: Any) -> None:
    """All side by side, each to its end; then the first error, if there was one."""
    for outcome in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
