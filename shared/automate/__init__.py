"""What machines are told to do when an alarm is raised. Off unless the factory description says so.

At most once for one occurrence of an alarm:

1. create the attempt, its outcome `unknown`: whoever brings the alarm again finds it and leaves
2. check: allow list, interlocks, pace; a dry run ends here
3. call the device's method, or set its desired properties
4. write its answer down
5. on the timer: wait until the device and the machine's readings confirm it, or give up

A crash or a lost answer between 1 and 4 leaves `unknown`. That is never repeated; the timer finds it
and says so. Every end but a good one, a dry run or an interlock is published: people are told of it.
"""

from collections.abc import Callable
from typing import Any, Protocol

from shared.automate.answers import acknowledged, failed, twin_key
from shared.automate.interlocks import interlock, shown
from shared.contracts.reactions import Action, Confirmation
from shared.contracts.spec_documents import MachinePart, SiteDocument
from shared.domain.state import MachineState
from shared.instants import instant, iso
from shared.notify.deliveries import DELIVERIES
from shared.notify.pace import allowed_at
from shared.observability import continued
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
from shared.state_document import STATE_ID, from_document

CLAIM_MS = 120_000
"""Longer than any call takes; then an attempt without an outcome is one that died."""

LOOK_AGAIN_MS = 10_000
REPORT_WITHIN_S = 60.0
_ATTEMPTS = 8
_PACE_KEPT_S = 30 * 86_400
_BAD = frozenset({"unknown", "failed", "refused", "rateLimited", "unconfirmed"})
_DUE = "SELECT * FROM c WHERE c.type = 'action' AND c.dueAt <= @now"


class Devices(Protocol):
    """Unavailable when nobody knows whether it happened, Refused when it did not."""

    async def call(self, device_id: str, method: str, payload: Document) -> Document:
        """The device's answer to a direct method."""
        ...

    async def set_desired(self, device_id: str, desired: Document) -> None: ...

    async def reported(self, device_id: str) -> Document: ...


class Plans(Protocol):
    async def current_site(self, site_id: str) -> SiteDocument | None: ...

    async def machine_of(self, site_id: str, line_id: str, machine_id: str) -> MachinePart | None: ...


class Automator:
    def __init__(
        self,
        documents: Documents,
        plans: Plans,
        devices: Devices,
        events: Events,
        *,
        clock: Callable[[], int],
    ) -> None:
        self._documents = documents
        self._plans = plans
        self._devices = devices
        self._events = events
        self._clock = clock

    async def __call__(self, event: Document) -> None:
        if event["type"] != "millwright.alarm.raised.v1":
            return
        data = event["data"]
        site = await self._plans.current_site(data["siteId"])
        if site is None or not site.automation.enabled:
            return
        machine = await self._plans.machine_of(data["siteId"], data["lineId"], data["machineId"])
        for action in site.automation.actions:
            kind = None if machine is None else machine.machine_class
            if action.rule == data["ruleId"] and (not action.classes or kind in action.classes):
                with continued("automate", [event.get("traceparent")], {"millwright.event": event["id"]}):
                    await self._act(event, site, machine, action)

    async def on_time(self) -> int:
        """Look at the attempts that are due (step 5); returns how many there were."""
        found = self._documents.query(DELIVERIES, _DUE, {"@now": iso(self._clock())})
        due = [document async for document in found]
        for document in due:
            await self._settle(document)
        return len(due)

    async def _act(
        self, event: Document, site: SiteDocument, machine: MachinePart | None, action: Action
    ) -> None:
        data, now = event["data"], self._clock()
        attempt: Document = {
            "id": f"{data['alarmId']}:{data['occurrenceCount']}:{action.name}",
            "alarmId": data["alarmId"],
            "type": "action",
            **{name: data[name] for name in ("siteId", "lineId", "machineId", "ruleId")},
            "eventId": event["id"],
            "subject": event["subject"],
            "action": action.name,
            "deviceId": machine.devices[0] if machine is not None and machine.devices else None,
            "method": action.method,
            "payload": dict(action.payload),
            "desired": dict(action.desired),
            "confirm": None if action.confirm is None else action.confirm.model_dump(exclude_none=True),
            "outcome": "unknown",
            "detail": None,
            "answer": None,
            "at": iso(now),
            "dueAt": iso(now + CLAIM_MS),
        }
        try:
            [etag] = await self._documents.commit(DELIVERIES, data["alarmId"], [Create(attempt)])  # 1
        except AlreadyDone:
            return
        outcome, detail = await self._checked(attempt, site, machine, action)  # 2
        if outcome is None:
            outcome, detail = await self._told(attempt)  # 3
        await self._write(attempt, etag, outcome, detail)  # 4

    async def _checked(
        self, attempt: Document, site: SiteDocument, machine: MachinePart | None, action: Action
    ) -> tuple[str | None, Any]:
        """(how it ends here, why), or None: the device may be told."""
        if machine is None or attempt["deviceId"] is None:
            return "refused", "no device reports this machine any more"
        mistake = action.mistake(site.automation.allow.get(machine.machine_class))
        if mistake is not None:
            return "refused", f"{machine.machine_class}: {mistake}"
        state = await self._state(attempt["machineId"])
        held = interlock(state, site, rule_id=attempt["ruleId"], alarm_id=attempt["alarmId"])
        if held is not None:
            return "interlocked", held
        if site.automation.dry_run:
            return "dryRun", "nothing was sent"
        if not await self._keeps_pace(attempt, action):
            return "rateLimited", f"more than {action.rate.at_most} in {action.rate.within_s:g} s"
        return None, None

    async def _told(self, attempt: Document) -> tuple[str, Any]:
        """Tell the device. What nobody knows the end of stays unknown."""
        device, machine_id = attempt["deviceId"], attempt["machineId"]
        try:
            if attempt["method"] is not None:
                payload = {**attempt["payload"], "machineId": machine_id, "actionId": attempt["id"]}
                attempt["answer"] = await self._devices.call(device, attempt["method"], payload)
            else:
                await self._devices.set_desired(
                    device, {"machines": {twin_key(machine_id): attempt["desired"]}}
                )
        except Unavailable as exc:
            return "unknown", str(exc)
        except Refused as exc:
            return "failed", str(exc)
        return ("answered" if attempt["confirm"] or attempt["desired"] else "done"), None

    async def _settle(self, found: Document) -> None:
        attempt = {name: value for name, value in found.items() if not name.startswith("_")}
        if attempt["outcome"] in _BAD:
            detail = attempt["detail"] or "it died on its way; whether the machine was told is not known"
            await self._write(attempt, found["_etag"], attempt["outcome"], detail)
            return
        called = instant(attempt["at"])
        confirm = None if attempt["confirm"] is None else Confirmation.model_validate(attempt["confirm"])
        missing, wrong = await self._missing(attempt, confirm, called)
        within_s = confirm.within_s if confirm is not None else REPORT_WITHIN_S
        if wrong:
            await self._write(attempt, found["_etag"], "failed", missing)
        elif missing is None:
            await self._write(attempt, found["_etag"], "done", None)
        elif self._clock() - called >= within_s * 1000:
            await self._write(attempt, found["_etag"], "unconfirmed", missing)
        else:
            later = attempt | {"dueAt": iso(self._clock() + LOOK_AGAIN_MS)}
            await self._keep(later, found["_etag"])

    async def _missing(
        self, attempt: Document, confirm: Confirmation | None, called: int
    ) -> tuple[str | None, bool]:
        """(what does not confirm it yet, whether that is final)."""
        if attempt["desired"]:
            try:
                twin = await self._devices.reported(attempt["deviceId"])
            except (Unavailable, Refused) as exc:
                return str(exc), False
            mine = twin.get("machines", {}).get(twin_key(attempt["machineId"]), {})
            for name, value in attempt["desired"].items():
                reported, status = acknowledged(mine.get(name))
                if status is not None and not 200 <= status < 300:
                    return f"the device answered {name} with {status}", True
                if reported != value:
                    return f"the device reports {name} as {reported!r}", False
        if confirm is not None and not shown(await self._state(attempt["machineId"]), confirm, since=called):
            return "no reading shows it", False
        return None, False

    async def _keeps_pace(self, attempt: Document, action: Action) -> bool:
        place = f"automation:{attempt['machineId']}:{action.name}"
        for _ in range(_ATTEMPTS):
            now = self._clock()
            before = await self._documents.get(DELIVERIES, place, "actions")
            earlier: list[int] = [] if before is None else before["sent"]
            sent = [at for at in earlier if now - at < action.rate.within_s * 1000]
            if allowed_at(sent, action.rate) > now:
                return False
            document: Document = {
                "id": "actions",
                "alarmId": place,
                "type": "actions",
                "siteId": attempt["siteId"],
                "machineId": attempt["machineId"],
                "action": action.name,
                "sent": [*sent, now],
                "ttl": _PACE_KEPT_S,
            }
            operation = Create(document) if before is None else Replace(document, before["_etag"])
            try:
                await self._documents.commit(DELIVERIES, place, [operation])
            except (Conflict, AlreadyDone):
                continue
            return True
        return False

    async def _state(self, machine_id: str) -> MachineState | None:
        document = await self._documents.get("machines", machine_id, STATE_ID)
        return None if document is None else from_document(document)

    async def _write(self, attempt: Document, etag: str, outcome: str, detail: Any) -> None:
        """Tell people of a bad end and write it down.

        Again, under the same id, after a crash between; while events cannot go out it stays due.
        """
        ended = {name: value for name, value in attempt.items() if name != "dueAt"}
        ended |= {"outcome": outcome, "detail": detail, "endedAt": iso(self._clock())}
        if outcome == "answered":
            del ended["endedAt"]
            ended |= {"at": iso(self._clock()), "dueAt": iso(self._clock() + LOOK_AGAIN_MS)}
        if outcome in _BAD:
            try:
                await self._events.publish([failed(ended)])
            except Unavailable:
                ended["dueAt"] = iso(self._clock() + LOOK_AGAIN_MS)
        await self._keep(ended, etag)

    async def _keep(self, attempt: Document, etag: str) -> None:
        try:
            await self._documents.commit(DELIVERIES, attempt["alarmId"], [Replace(attempt, etag)])
        except Conflict:
            return  # another worker has settled it
