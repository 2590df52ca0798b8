"""Who gets told what: events that matter -> people and programs, each delivery written down.

At least once: what is told and to whom is recorded before it is sent; whatever is not known to have
arrived is sent again, under the same id. A channel that is down delays no other: each delivery is tried,
and tried again, on its own.
"""

from collections.abc import Callable
from typing import Protocol

from shared.contracts.spec_documents import MachinePart, SiteDocument
from shared.notify.channels import Channels, Mail, Webhook
from shared.notify.deliveries import DELIVERIES, Deliveries
from shared.notify.escalations import Escalations
from shared.notify.notice import EVENT_TYPES, Notice, told_of
from shared.notify.policies import wanted
from shared.notify.telling import Telling
from shared.ports import Document, Documents, Events

__all__ = ["DELIVERIES", "EVENT_TYPES", "Mail", "Notifier", "Webhook"]


class Plans(Protocol):
    async def current_site(self, site_id: str) -> SiteDocument | None: ...

    async def machine_of(self, site_id: str, line_id: str, machine_id: str) -> MachinePart | None: ...


class Notifier:
    """`setting` looks up addresses and keys, which are secrets: the factory file names only the setting."""

    def __init__(
        self,
        documents: Documents,
        plans: Plans,
        webhook: Webhook,
        mail: Mail,
        events: Events,
        *,
        setting: Callable[[str], str | None],
        clock: Callable[[], int],
    ) -> None:
        channels = Channels(webhook, mail, setting=setting, clock=clock)
        self._plans = plans
        self._clock = clock
        self._deliveries = Deliveries(documents, plans, channels, events, clock=clock)
        self._telling = Telling(documents, plans, self._deliveries, clock=clock)
        self._escalations = Escalations(documents, plans, self._telling, events, clock=clock)

    async def __call__(self, event: Document) -> None:
        """Tell of one CloudEvent. Unavailable while the store is: bring the event again."""
        if told_of(event) is None:
            return
        notice, data = Notice(event), event["data"]
        site = await self._plans.current_site(data["siteId"])
        if site is None or not site.notifications:
            return
        machine = None
        if "machineId" in data:
            machine = await self._plans.machine_of(data["siteId"], data["lineId"], data["machineId"])
        kind = None if machine is None else machine.machine_class
        for policy in wanted(notice, site, machine_class=kind, at=self._clock()):
            await self._telling.tell(notice, site, policy)
            await self._escalations.start(notice, site, policy)

    async def on_time(self) -> None:
        """What is due because time passed: floods, escalations, deliveries that failed."""
        await self._telling.flush_due()
        await self._escalations.continue_due()
        await self._deliveries.retry_due()
