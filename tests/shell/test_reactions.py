"""What follows an event: people are notified, machines are told, each attempt is written down."""

from typing import Any

import pytest

from shared.automate import Automator
from shared.contracts.factory import Action, Automation, Notification
from shared.contracts.spec_documents import SiteDocument
from shared.notify import Notifier
from shared.ports import Document, Refused, Unavailable
from tests.memory import MemoryDocuments

PEOPLE = (
    Notification(id="everyone", min_priority="low", webhook_setting="EVERYONE_URL"),
    Notification(id="on-call", min_priority="critical", webhook_setting="ON_CALL_URL"),
)
URLS = {"EVERYONE_URL": "https://all.example", "ON_CALL_URL": "https://call.example"}


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
    """The one site: its notifications, its automation, and the devices of its machine."""

    def __init__(self) -> None:
        self.actions = (Action(rule="hot", method="cool", payload={"percent": 50.0}),)
        self.automation = Automation(enabled=True, actions=list(self.actions))
        self.devices: tuple[str, ...] = ("GATEWAY-1",)

    async def current_site(self, site_id: str) -> SiteDocument | None:
        return SiteDocument.model_construct(notifications=PEOPLE, automation=self.automation)

    async def devices_of(self, site_id: str, line_id: str, machine_id: str) -> tuple[str, ...]:
        return self.devices


class Outside:
    """Webhooks and devices; `answer` is raised instead of taking a call."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, str]] = []
        self.called: list[tuple[str, str, Document]] = []
        self.answer: dict[str, Exception] = {}

    async def post(self, url: str, body: Document) -> None:
        if url in self.answer:
            raise self.answer[url]
        self.posted.append((url, body["text"]))

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
        self.urls = dict(URLS)
        self.notify = Notifier(
            self.documents, self.site, self.outside, setting=self.urls.get, clock=lambda: 0
        )
        self.automate = Automator(self.documents, self.site, self.outside, clock=lambda: 0)

    @property
    def outcomes(self) -> dict[str, str]:
        return {d["id"]: d["outcome"] for d in self.documents.all("deliveries")}


async def test_those_hear_of_an_alarm_who_asked_for_its_priority() -> None:
    reactions = Reactions()
    await reactions.notify(raised("high"))
    await reactions.notify(raised("critical"))
    text = "SITE-1/LINE-1/M-1: temperature_c 91.5 °C above 85 °C"
    assert reactions.outside.posted == [
        ("https://all.example", f"HIGH {text}"),
        ("https://call.example", f"CRITICAL {text}"),
    ]


async def test_a_channel_that_fails_is_tried_again_and_the_others_are_not() -> None:
    reactions = Reactions()
    reactions.outside.answer["https://call.example"] = Unavailable("503")
    with pytest.raises(Unavailable, match="on-call"):
        await reactions.notify(raised("critical"))
    assert reactions.outcomes == {"M-1:7:everyone": "delivered", "M-1:7:on-call": "failed"}
    reactions.outside.answer.clear()
    await reactions.notify(raised("critical"))
    assert [url for url, _ in reactions.outside.posted] == ["https://all.example", "https://call.example"]
    assert reactions.outcomes["M-1:7:on-call"] == "delivered"


async def test_a_receiver_that_refuses_and_a_missing_address_are_recorded_and_passed() -> None:
    reactions = Reactions()
    del reactions.urls["ON_CALL_URL"]
    reactions.outside.answer["https://all.example"] = Refused("410")
    await reactions.notify(raised("critical"))
    assert reactions.outcomes == {"M-1:7:everyone": "refused", "M-1:7:on-call": "refused"}


async def test_an_event_that_is_not_for_people_is_passed_whatever_it_holds() -> None:
    reactions = Reactions()
    await reactions.notify({"id": "device:1", "type": "millwright.device.connected.v1", "data": {}})
    assert reactions.outcomes == {}


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
