"""A policy tells its recipients of a notice, now or, beyond its pace, with others in one message.

The policy's own document in `deliveries` remembers what went when and what waits; its ETag makes
workers take turns. A flood's message is created in the batch that empties the queue: each notice is
in one message, whoever crashes.
"""

from collections.abc import Callable
from typing import Any

from shared.contracts.reactions import Notification
from shared.contracts.spec_documents import SiteDocument
from shared.domain.alarms.life_cycle import PRIORITIES
from shared.instants import iso
from shared.notify.deliveries import DELIVERIES, Deliveries, Sites
from shared.notify.message import LISTED_MAX, grouped, line, message
from shared.notify.notice import Notice
from shared.notify.pace import goes_at, recent
from shared.notify.policies import Address, addresses, told_at
from shared.ports import (
    AlreadyDone,
    Conflict,
    Create,
    Document,
    Documents,
    Operation,
    Replace,
    Unavailable,
)

KEPT_S = 30 * 86_400
_ATTEMPTS = 8
_DUE = "SELECT * FROM c WHERE c.type = 'pace' AND c.dueAt <= @now"
_WAITING = {"outcome": "grouped", "detail": "told with others in one message"}


class Telling:
    def __init__(
        self, documents: Documents, sites: Sites, deliveries: Deliveries, *, clock: Callable[[], int]
    ) -> None:
        self._documents = documents
        self._sites = sites
        self._deliveries = deliveries
        self._clock = clock

    async def tell(self, notice: Notice, site: SiteDocument, policy: Notification) -> None:
        """Send to every address, or queue. Unavailable while the store is; then bring the notice again."""
        mark_id = f"{notice.id}:{policy.id}"
        if await self._documents.get(DELIVERIES, notice.about, mark_id) is not None:
            return  # it waits, or has gone with others
        if not await self._goes_now(notice, site, policy):
            await self._documents.upsert(
                DELIVERIES, notice.about, _mark(mark_id, notice, site, policy, self._clock())
            )
            return
        names = told_at(policy, notice.step, notice.reminder)
        recipients, zone = site.recipients, site.calendar.zone
        new: list[tuple[Document, Address]] = []
        for to in addresses(site, policy, names, at=self._clock()):
            written = message(notice, to.language, zone=zone, link=recipients.link)
            delivery = self._deliveries.claimed(
                notice.about,
                notice.id,
                notice.event,
                site_id=site.site_id,
                policy=policy,
                to=to,
                message=written,
            )
            new.append((delivery, to))
        await self._deliveries.post(new)

    async def flush_due(self) -> int:
        """Send the floods whose time has come, each as one message; returns how many."""
        found = self._documents.query(DELIVERIES, _DUE, {"@now": iso(self._clock())})
        due = [document async for document in found]
        for document in due:
            await self._flush(document)
        return len(due)

    async def _goes_now(self, notice: Notice, site: SiteDocument, policy: Notification) -> bool:
        place = _place(site.site_id, policy.id, notice.step)
        for _ in range(_ATTEMPTS):
            now = self._clock()
            before = await self._documents.get(DELIVERIES, place, "pace")
            pace = _fresh(place, site.site_id, policy.id, notice.step) if before is None else dict(before)
            if notice.id in pace["sent"]:
                return True
            if any(one["notice"] == notice.id for one in pace["waiting"]):
                return False
            pace["sent"] = recent(pace["sent"], policy, now)
            at = goes_at(sorted(pace["sent"].values()), policy, notice.priority)
            goes = at <= now
            if goes:
                pace["sent"] = pace["sent"] | {notice.id: now}
            else:
                _wait(pace, notice, at)
            if await self._keep(place, pace, before):
                return goes
        raise Unavailable(f"the pace of {place} keeps changing; bring {notice.id} again")

    async def _keep(self, place: str, pace: Document, before: Document | None) -> bool:
        written = {name: value for name, value in pace.items() if not name.startswith("_")}
        operation = Create(written) if before is None else Replace(written, before["_etag"])
        try:
            await self._documents.commit(DELIVERIES, place, [operation])
        except (Conflict, AlreadyDone):
            return False
        return True

    async def _flush(self, pace: Document) -> None:
        site = await self._sites.current_site(pace["siteId"])
        policy = next((one for one in (site.notifications if site else ()) if one.id == pace["policy"]), None)
        now = self._clock()
        after = {name: value for name, value in pace.items() if not name.startswith("_") and name != "dueAt"}
        after |= {"waiting": [], "moreCount": 0, "groupCount": pace["groupCount"] + 1}
        created: list[tuple[Document, Address]] = []
        if site is not None and policy is not None and pace["step"] <= len(policy.escalate):
            group_id = f"group:{pace['alarmId']}:{pace['groupCount']}"
            after["sent"] = {**recent(pace["sent"], policy, now), group_id: now}
            created = self._group(pace, site, policy, group_id, now)
        operations: list[Operation] = [Replace(after, pace["_etag"])]
        operations += [Create(document) for document, _ in created]
        try:
            [_, *etags] = await self._documents.commit(DELIVERIES, pace["alarmId"], operations)
        except Conflict:
            return  # somebody queued more: due again at once
        await self._deliveries.send_created(
            [(document, to, etag) for (document, to), etag in zip(created, etags, strict=True)]
        )

    def _group(
        self, pace: Document, site: SiteDocument, policy: Notification, group_id: str, now: int
    ) -> list[tuple[Document, Address]]:
        place = site.site_id
        priority = max((one["priority"] for one in pace["waiting"]), key=PRIORITIES.index)
        event: Document = {
            "specversion": "1.0",
            "id": group_id,
            "source": f"/millwright/{site.site_id}",
            "type": "millwright.notification.grouped.v1",
            "subject": place,
            "time": iso(now),
            "datacontenttype": "application/json",
            "data": {
                "siteId": site.site_id,
                "policy": policy.id,
                "priority": priority,
                "count": len(pace["waiting"]) + pace["moreCount"],
                "notices": [one["notice"] for one in pace["waiting"]],
            },
        }
        names = told_at(policy, pace["step"], 0)
        return [
            (
                self._deliveries.claimed(
                    pace["alarmId"],
                    group_id,
                    event,
                    site_id=site.site_id,
                    policy=policy,
                    to=to,
                    message=grouped(
                        pace["waiting"], pace["moreCount"], to.language, place=place, priority=priority
                    ),
                ),
                to,
            )
            for to in addresses(site, policy, names, at=now)
        ]


def _place(site_id: str, policy_id: str, step: int) -> str:
    return f"pace:{site_id}:{policy_id}:{step}"


def _fresh(place: str, site_id: str, policy_id: str, step: int) -> Document:
    return {
        "id": "pace",
        "alarmId": place,
        "type": "pace",
        "siteId": site_id,
        "policy": policy_id,
        "step": step,
        "sent": {},
        "waiting": [],
        "moreCount": 0,
        "groupCount": 0,
        "ttl": KEPT_S,
    }


def _wait(pace: Document, notice: Notice, at: int) -> None:
    """Queue a notice; the flood goes when its most urgent one may."""
    due = iso(at)
    pace["dueAt"] = min(due, pace.get("dueAt", due))
    if len(pace["waiting"]) < LISTED_MAX:
        pace["waiting"] = [*pace["waiting"], line(notice)]
    else:
        pace["moreCount"] += 1


def _mark(mark_id: str, notice: Notice, site: SiteDocument, policy: Notification, now: int) -> dict[str, Any]:
    return {
        "id": mark_id,
        "alarmId": notice.about,
        "type": "gathered",
        "siteId": site.site_id,
        "eventId": notice.event["id"],
        "policy": policy.id,
        **_WAITING,
        "at": iso(now),
        "ttl": KEPT_S,
    }
