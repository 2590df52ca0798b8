"""Escalation: further people hear of an alarm, step by step, until somebody acknowledges it.

Whether it still needs somebody is read from the alarm's document when a step is due: the committed
documents are the truth, so neither the order of events nor a lost one matters. Times run on the clock of
the notifications, since the first message: an alarm that arrives late still gives people their minutes.
"""

from collections.abc import Callable

from shared.contracts.reactions import Notification
from shared.contracts.spec_documents import SiteDocument
from shared.domain.alarms.life_cycle import AWAITING, State
from shared.instants import instant, iso
from shared.notify.deliveries import DELIVERIES, Sites
from shared.notify.notice import Notice, told_of
from shared.notify.telling import Telling
from shared.ports import AlreadyDone, Conflict, Create, Document, Documents, Events, Replace

KEPT_S = 180 * 86_400
_MINUTE_MS = 60_000
_DUE = "SELECT * FROM c WHERE c.type = 'escalation' AND c.dueAt <= @now"
_ON_MACHINES = "machines"


class Escalations:
    def __init__(
        self,
        documents: Documents,
        sites: Sites,
        telling: Telling,
        events: Events,
        *,
        clock: Callable[[], int],
    ) -> None:
        self._documents = documents
        self._sites = sites
        self._telling = telling
        self._events = events
        self._clock = clock

    async def start(self, notice: Notice, site: SiteDocument, policy: Notification) -> None:
        """From now on the steps are due; starting again changes nothing."""
        if told_of(notice.event) not in ("raised", "reannunciated"):
            return
        now = self._clock()
        due = due_at(policy, now, told_step=0, reminders=0)
        if due is None:
            return
        document: Document = {
            "id": f"escalation:{notice.event['id']}:{policy.id}",
            "alarmId": notice.about,
            "type": "escalation",
            "siteId": site.site_id,
            "machineId": notice.event["data"]["machineId"],
            "policy": policy.id,
            "step": 0,
            "reminderCount": 0,
            "outcome": "open",
            "startedAt": iso(now),
            "dueAt": iso(due),
            "event": notice.event,
            "ttl": KEPT_S,
        }
        try:
            await self._documents.commit(DELIVERIES, notice.about, [Create(document)])
        except AlreadyDone:
            return

    async def continue_due(self) -> int:
        """Take every step that is due; returns how many escalations were looked at.

        1. end it if nobody is needed any more
        2. tell, and publish that it was escalated: both recognise repetitions
        3. remember the step; a crash before that repeats 2 under the same ids
        """
        found = self._documents.query(DELIVERIES, _DUE, {"@now": iso(self._clock())})
        due = [document async for document in found]
        for document in due:
            await self._continue(document)
        return len(due)

    async def _continue(self, document: Document) -> None:
        site = await self._sites.current_site(document["siteId"])
        policy = next(
            (one for one in (site.notifications if site else ()) if one.id == document["policy"]), None
        )
        after = {name: value for name, value in document.items() if not name.startswith("_")}
        alarm = await self._documents.get(_ON_MACHINES, document["machineId"], f"alarm:{document['alarmId']}")
        over = ended(document, alarm) if policy is not None else "policyGone"
        del after["dueAt"]
        if over is not None or site is None or policy is None:
            await self._keep(document, after | {"outcome": over, "endedAt": iso(self._clock())})  # 1
            return
        started = instant(document["startedAt"])
        remind = document["step"] >= len(policy.escalate)
        after["step"] = document["step"] + (0 if remind else 1)
        after["reminderCount"] = document["reminderCount"] + (1 if remind else 0)
        notice = Notice(
            document["event"],
            after["step"],
            after["reminderCount"],
            minutes=(self._clock() - started) // _MINUTE_MS,
        )
        await self._telling.tell(notice, site, policy)  # 2
        if not remind:
            await self._events.publish([_escalated(document, alarm or {}, policy, notice, self._clock())])
        due = due_at(policy, started, told_step=after["step"], reminders=after["reminderCount"])
        if due is None:
            after |= {"outcome": "exhausted", "endedAt": iso(self._clock())}
        else:
            after["dueAt"] = iso(due)
        await self._keep(document, after)  # 3

    async def _keep(self, before: Document, after: Document) -> None:
        try:
            await self._documents.commit(DELIVERIES, before["alarmId"], [Replace(after, before["_etag"])])
        except Conflict:
            return  # another worker took the same step


def due_at(policy: Notification, started: int, *, told_step: int, reminders: int) -> int | None:
    """When the next step or reminder is due, ms; None: there is none."""
    if told_step < len(policy.escalate):
        return started + round(policy.escalate[told_step].after_min * _MINUTE_MS)
    if policy.remind_every_min is None or reminders >= policy.remind_at_most:
        return None
    last = policy.escalate[-1].after_min if policy.escalate else 0.0
    return started + round((last + policy.remind_every_min * (reminders + 1)) * _MINUTE_MS)


def ended(escalation: Document, alarm: Document | None) -> str | None:
    """Why nobody is needed any more; None: somebody is.

    An alarm whose condition returned needs nobody in a hurry, unless it latched. One that was raised
    again has an escalation of its own.
    """
    event = escalation["event"]
    if alarm is None:
        return "alarmGone"
    if alarm["occurrenceCount"] != event["data"]["occurrenceCount"]:
        return "raisedAgain"
    state = State(alarm["state"])
    if state in AWAITING and state is not State.RETURNED:
        return None
    return "acknowledged" if state in (State.ACKNOWLEDGED, State.LATCHED_ACKNOWLEDGED) else str(state)


def _escalated(
    escalation: Document, alarm: Document, policy: Notification, notice: Notice, now: int
) -> Document:
    event = escalation["event"]
    return {
        "specversion": "1.0",
        "id": f"escalated:{event['id']}:{policy.id}:{notice.step}",
        "source": event["source"],
        "type": "millwright.alarm.escalated.v1",
        "subject": event["subject"],
        "time": iso(now),
        "datacontenttype": "application/json",
        "data": {
            **{name: event["data"][name] for name in ("machineId", "lineId", "siteId", "alarmId", "ruleId")},
            "priority": event["data"]["priority"],
            "state": alarm["state"],
            "policy": policy.id,
            "step": notice.step,
            "told": list(policy.escalate[notice.step - 1].notify),
        },
    }
