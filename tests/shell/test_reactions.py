"""Machines are told what to do when an alarm is raised, each attempt is written down."""

from typing import Any

from shared.automate import Automator
from shared.contracts.reactions import Action, Automation
from shared.contracts.spec_documents import SiteDocument
from shared.ports import Document, Unavailable
from tests.memory import MemoryDocuments


def raised(priority: str = "high", **data: Any) -> Document:
    return {
        "id": "M-1:7",
        "type": "millwright.alarm.raised.v1",
        "subject": "SITE-1/LINE-1/M-1",
        "data": {
            "siteId": "SITE-1",
            "lineId": "LINE-1",
            "machineId": "M-1",
            "alarmId": "M-1:7",
            "ruleId": "hot",
            "occurrenceCount": 1,
            "priority": priority,
            "kind": "high",
            "signal": "temperature_c",
            "value": 91.5,
            "unit": "°C",
            "limit": 85.0,
            "text": "temperature_c 91.5 °C above 85 °C",
            **data,
        },
    }


class Site:
    """The one site: its automation and the devices of its machine."""

    def __init__(self) -> None:
        self.actions = (Action(rule="hot", method="cool", payload={"percent": 50.0}),)
        self.automation = Automation(enabled=True, actions=list(self.actions))
        self.devices: tuple[str, ...] = ("GATEWAY-1",)

    async def current_site(self, site_id: str) -> SiteDocument | None:
        return SiteDocument.model_construct(automation=self.automation)

    async def devices_of(self, site_id: str, line_id: str, machine_id: str) -> tuple[str, ...]:
        return self.devices


class Outside:
    """Devices; `answer` is raised instead of taking a call."""

    def __init__(self) -> None:
        self.called: list[tuple[str, str, Document]] = []
        self.answer: dict[str, Exception] = {}

    async def call(self, device_id: str, method: str, payload: Document) -> Document:
        self.called.append((device_id, method, payload))
        if device_id in self.answer:
            raise self.answer[device_id]
        return {"status": 200}


class Reactions:
    def __init__(self) -> None:
        self.documents = MemoryDocuments()
        self.site = Site()
        self.outside = Outside()
        self.automate = Automator(self.documents, self.site, self.outside, clock=lambda: 0)

    @property
    def outcomes(self) -> dict[str, str]:
        return {d["id"]: d["outcome"] for d in self.documents.all("deliveries")}


async def test_a_machine_is_told_at_most_once_for_one_occurrence() -> None:
    reactions = Reactions()
    await reactions.automate(raised())
    await reactions.automate(raised())
    assert reactions.outside.called == [("GATEWAY-1", "cool", {"percent": 50.0})]
    await reactions.automate(raised(occurrenceCount=2))
    assert len(reactions.outside.called) == 2
    assert set(reactions.outcomes.values()) == {"done"}


async def test_a_call_that_fails_stays_failed_and_readable() -> None:
    reactions = Reactions()
    reactions.outside.answer["GATEWAY-1"] = Unavailable("the device is away")
    await reactions.automate(raised())
    await reactions.automate(raised())
    assert len(reactions.outside.called) == 1
    assert reactions.outcomes == {"M-1:7:1:cool": "failed"}


async def test_an_action_for_a_machine_that_no_device_reports_any_more_is_recorded_as_failed() -> None:
    reactions = Reactions()
    reactions.site.devices = ()
    await reactions.automate(raised())
    assert reactions.outcomes == {"M-1:7:1:cool": "failed"}


async def test_nothing_is_told_while_automation_is_off() -> None:
    reactions = Reactions()
    reactions.site.automation = Automation(actions=list(reactions.site.actions))
    await reactions.automate(raised())
    assert reactions.outside.called == []
