"""What machines are told to do when an alarm is raised. Off unless the factory description says so."""

from collections.abc import Callable
from typing import Protocol

from shared.contracts.spec_documents import SiteDocument
from shared.instants import iso
from shared.notify import DELIVERIES
from shared.observability import continued
from shared.ports import AlreadyDone, Create, Document, Documents, Refused, Unavailable, Upsert


class Methods(Protocol):
    async def call(self, device_id: str, method: str, payload: Document) -> Document:
        """The device's answer. Unavailable or Refused when there is none."""
        ...


class Plans(Protocol):
    async def current_site(self, site_id: str) -> SiteDocument | None: ...

    async def devices_of(self, site_id: str, line_id: str, machine_id: str) -> tuple[str, ...]: ...


class Automator:
    """Calls a machine's device when one of its alarms is raised and automation is on.

    At most once an occurrence of an alarm: the attempt is recorded before the call, so a crash
    or a lost answer never repeats it. A failed attempt stays failed and readable.
    """

    def __init__(
        self, documents: Documents, plans: Plans, methods: Methods, *, clock: Callable[[], int]
    ) -> None:
        self._documents = documents
        self._plans = plans
        self._methods = methods
        self._clock = clock

    async def __call__(self, event: Document) -> None:
        if event["type"] != "millwright.alarm.raised.v1":
            return
        data = event["data"]
        site = await self._plans.current_site(data["siteId"])
        if site is None or not site.automation.enabled:
            return
        for action in site.automation.actions:
            if action.rule == data["ruleId"] and action.method is not None:
                with continued("automate", [event.get("traceparent")], {"millwright.event": event["id"]}):
                    await self._act(event, action.method, dict(action.payload))

    async def _act(self, event: Document, method: str, payload: Document) -> None:
        data = event["data"]
        alarm_id = data["alarmId"]
        record: Document = {
            "id": f"{alarm_id}:{data['occurrenceCount']}:{method}",
            "alarmId": alarm_id,
            "eventId": event["id"],
            "method": method,
            "payload": payload,
            "outcome": "unknown",
            "detail": None,
            "at": iso(self._clock()),
        }
        try:
            await self._documents.commit(DELIVERIES, alarm_id, [Create(record)])
        except AlreadyDone:
            return
        devices = await self._plans.devices_of(data["siteId"], data["lineId"], data["machineId"])
        try:
            if not devices:
                raise Refused("no device reports this machine any more")
            answer = await self._methods.call(devices[0], method, payload)
            record |= {"outcome": "done", "detail": answer}
        except (Unavailable, Refused) as exc:
            record |= {"outcome": "failed", "detail": str(exc)}
        await self._documents.commit(DELIVERIES, alarm_id, [Upsert(record)])
