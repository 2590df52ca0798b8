"""People are told: policies, escalation, floods, retries and dead letters, to a real web and mail server."""

import asyncio
import base64
import hashlib
import hmac
import json
import socket
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import ValidationError

from local.inbox import Inbox
from millwright.documents import site_versions
from millwright.factory_file import load
from millwright.model_cards import read_cards
from shared.adapters.smtp import SmtpMail
from shared.adapters.webhook import HttpWebhook
from shared.contracts.events import EVENTS, envelope
from shared.contracts.reactions import Channel, Email, Notification, Pace, Person, Recipients, Step, Team
from shared.contracts.spec_documents import MachinePart, SiteDocument
from shared.instants import instant, iso
from shared.notify import Notifier
from shared.notify.message import message
from shared.notify.notice import Notice
from shared.notify.texts import TEXTS
from shared.ports import Document
from tests.contracts.test_contracts import holds
from tests.memory import MemoryDocuments

ROOT = Path(__file__).parents[2]
MINUTE = 60_000
NOON = instant("2026-03-09T12:00:00+01:00")
"""A Monday, in the early shift of Graz; the late one starts at 14:00."""

_CARDS = read_cards(ROOT / "models")
[_VERSION] = site_versions(load(ROOT / "factories" / "smart-factory.yaml", _CARDS).factory, _CARDS)
GRAZ = _VERSION.site

RECIPIENTS = Recipients(
    channels={
        "screen": Channel(
            kind="webhook", url_setting="NOTIFY_WEBHOOK_URL", secret_setting="NOTIFY_WEBHOOK_SECRET"
        ),
        "room": Channel(kind="teams", url_setting="NOTIFY_TEAMS_URL"),
        "dead": Channel(kind="webhook", url_setting="DEAD_URL"),
        "unset": Channel(kind="webhook", url_setting="NOBODY_SET_THIS"),
    },
    people={
        "lena": Person(name="Lena", email="lena@example.com"),
        "jorge": Person(name="Jorge", email="jorge@example.com", language="es", channels=["room"]),
    },
    teams={"leads": Team(by_shift={"early": ["lena"], "late": ["jorge"]}, otherwise=["room"])},
    email=Email(url_setting="NOTIFY_SMTP_URL", sender="millwright@example.com"),
    link="https://plant.example/{machine}/alarms/{alarm}",
)


def raised(n: int = 7, *, at: int = NOON, **data: Any) -> Document:
    """An alarm as the pipeline tells of it."""
    fields = {
        "machineId": "LINE-1-CNC-1",
        "lineId": "LINE-1",
        "siteId": "GRAZ",
        "alarmId": f"LINE-1-CNC-1:{n}",
        "ruleId": "temperature-high",
        "version": 1,
        "signal": "temperature_c",
        "kind": "high",
        "priority": "high",
        "alarmClass": None,
        "state": "unacknowledged",
        "active": True,
        "acknowledged": False,
        "text": "temperature_c 91.5 °C above 85 °C",
        "limit": 85.0,
        "unit": "°C",
        "value": 91.5,
        "violatedAt": iso(at - 30_000),
        "raisedAt": iso(at),
        "clearedAt": None,
        "acknowledgedAt": None,
        "acknowledgedBy": None,
        "comment": None,
        "shelvedUntil": None,
        "nuisance": None,
        "occurrenceCount": 1,
        "consequence": "Thermal growth",
        "response": "Reduce the feed",
        "respondWithinS": 600.0,
        "event": "raised",
        "from": "normal",
        "who": None,
        "why": None,
    }
    return {
        "specversion": "1.0",
        "id": f"LINE-1-CNC-1:{n}",
        "source": "/millwright/GRAZ",
        "type": "millwright.alarm.raised.v1",
        "subject": "GRAZ/LINE-1/LINE-1-CNC-1",
        "time": iso(at),
        "datacontenttype": "application/json",
        "data": fields | data,
    }


class Topic:
    """What was published; each is held to its contract."""

    def __init__(self) -> None:
        self.events: list[Document] = []

    async def publish(self, events: Sequence[Document]) -> None:
        for event in events:
            envelope(event["type"]).model_validate(event)
        self.events += events

    def of(self, kind: str) -> list[Document]:
        return [event for event in self.events if event["type"] == f"millwright.{kind}.v1"]


class World:
    """A site with policies, an inbox, and a clock that stands until it is moved."""

    def __init__(self, inbox: Inbox, web: HttpWebhook) -> None:
        self.now = NOON
        self.inbox = inbox
        self.web = web
        self.topic = Topic()
        self.documents = MemoryDocuments()
        self.settings = dict(inbox.environment)
        self.policies: tuple[Notification, ...] = ()
        self.worker()

    def worker(self) -> None:
        """A process that starts anew: nothing is remembered but what was written down."""
        self.notify = Notifier(
            self.documents,
            self,
            self.web,
            SmtpMail(),
            self.topic,
            setting=lambda name: self.settings.get(name),
            clock=lambda: self.now,
        )

    async def current_site(self, site_id: str) -> SiteDocument | None:
        return GRAZ.model_copy(update={"notifications": self.policies, "recipients": RECIPIENTS})

    async def machine_of(self, site_id: str, line_id: str, machine_id: str) -> MachinePart | None:
        return MachinePart(name=machine_id, machine_class="CncMachine", devices=("LINE-1-GATEWAY",))

    async def later(self, minutes: float) -> None:
        self.now += round(minutes * MINUTE)
        await self.notify.on_time()

    def alarm(self, event: Document, **changes: Any) -> None:
        """The alarm's document as the pipeline has it now."""
        data = event["data"] | changes
        document = {"id": f"alarm:{data['alarmId']}", "type": "alarm", **data}
        self.documents.partition("machines", data["machineId"])[document["id"]] = document

    def told(self) -> list[tuple[str, str]]:
        """(kind, headline) of all that arrived, and forget them."""
        found = [(one.kind, one.text) for one in self.inbox.notifications]
        self.inbox.notifications.clear()
        return sorted(found)

    def deliveries(self) -> dict[str, Document]:
        found = {d["id"]: d for d in self.documents.all("deliveries") if d["type"] == "delivery"}
        for document in self.documents.all("deliveries"):
            holds(document)
        return found


@pytest_asyncio.fixture
async def world() -> AsyncGenerator[World]:
    async with Inbox() as inbox, HttpWebhook(timeout_s=150) as web:
        yield World(inbox, web)


def policy(**fields: Any) -> Notification:
    return Notification.model_validate({"id": "p", "notify": ["screen"], **fields})


TEXT = "HIGH GRAZ/LINE-1/LINE-1-CNC-1: temperature_c 91.5 °C, above 85 °C"


async def test_every_kind_of_channel_brings_the_alarm(world: World) -> None:
    world.policies = (policy(notify=["screen", "room", "lena"]),)
    await world.notify(raised())
    found = {one.kind: one for one in world.inbox.notifications}
    assert {kind: one.text for kind, one in found.items()} == dict.fromkeys(
        ("webhook", "teams", "email"), TEXT
    )
    mail = found["email"].body
    assert mail["to"] == "lena@example.com"
    for words in ("Thermal growth", "Reduce the feed", "2026-03-09 11:59:30", "10 min", "91.5 °C", "85 °C"):
        assert words in mail["text"]
    assert "https://plant.example/LINE-1-CNC-1/alarms/LINE-1-CNC-1:7" in mail["text"]
    assert {one["outcome"] for one in world.deliveries().values()} == {"delivered"}


async def test_teams_gets_an_adaptive_card_in_a_message(world: World) -> None:
    world.policies = (policy(notify=["room"]),)
    await world.notify(raised())
    [one] = world.inbox.notifications
    [attachment] = one.body["attachments"]
    card = attachment["content"]
    assert one.body["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    facts = {fact["title"]: fact["value"] for fact in card["body"][1]["facts"]}
    assert facts["Value"] == "91.5 °C"
    assert facts["What to do"] == "Reduce the feed"
    [action] = card["actions"]
    assert (action["type"], action["url"]) == (
        "Action.OpenUrl",
        "https://plant.example/LINE-1-CNC-1/alarms/LINE-1-CNC-1:7",
    )
    assert len(json.dumps(one.body)) < 28_000


async def test_a_webhook_is_a_cloud_event_that_the_receiver_can_verify(world: World) -> None:
    world.policies = (policy(),)
    await world.notify(raised())
    [one] = world.inbox.notifications
    headers = {name.lower(): value for name, value in one.headers.items()}
    assert headers["content-type"] == "application/cloudevents+json"
    text = one.body.pop("text")
    assert text == TEXT
    assert one.body == raised()
    body = json.dumps(raised() | {"text": text}, ensure_ascii=False, separators=(",", ":")).encode()
    key = base64.b64decode(world.inbox.secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-timestamp"] == str(NOON // 1000)
    assert headers["webhook-id"] == "LINE-1-CNC-1:7:p:screen"


async def test_a_team_is_whoever_has_the_shift_and_reads_in_their_language(world: World) -> None:
    world.policies = (policy(notify=["leads"]),)
    await world.notify(raised(1))
    assert [kind for kind, _ in world.told()] == ["email"]
    world.now += 3 * 60 * MINUTE
    await world.notify(raised(2))
    assert world.told() == [
        ("email", "ALTA GRAZ/LINE-1/LINE-1-CNC-1: temperature_c 91.5 °C, por encima de 85 °C"),
        ("teams", "HIGH GRAZ/LINE-1/LINE-1-CNC-1: temperature_c 91.5 °C, above 85 °C"),
    ]
    world.now += 8 * 60 * MINUTE
    await world.notify(raised(3))
    assert [kind for kind, _ in world.told()] == ["teams"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"min_priority": "critical"}, False),
        ({"min_priority": "high"}, True),
        ({"sites": ["GRAZ"], "lines": ["LINE-1"], "classes": ["CncMachine"]}, True),
        ({"lines": ["LINE-2"]}, False),
        ({"classes": ["Robot"]}, False),
        ({"rules": ["temperature-high"]}, True),
        ({"rules": ["power-high"]}, False),
        ({"shifts": ["early"]}, True),
        ({"shifts": ["late", "night"]}, False),
        ({"of": ["cleared"]}, False),
    ],
)
async def test_a_policy_says_what_it_wants(world: World, fields: dict[str, Any], told: bool) -> None:
    world.policies = (policy(**fields),)
    await world.notify(raised())
    assert bool(world.told()) == told


async def test_an_event_that_comes_again_is_told_once(world: World) -> None:
    world.policies = (policy(notify=["screen", "lena"], escalate=[Step(after_min=5, notify=["room"])]),)
    for _ in range(3):
        await world.notify(raised())
        world.worker()
    assert len(world.told()) == 2


async def test_nobody_acknowledges_and_more_people_hear_of_it_step_by_step(world: World) -> None:
    steps = [Step(after_min=5, notify=["room"]), Step(after_min=15, notify=["lena"])]
    world.policies = (policy(escalate=steps, remind_every_min=30, remind_at_most=2),)
    world.alarm(raised())
    await world.notify(raised())
    assert world.told() == [("webhook", TEXT)]
    await world.later(4)
    assert world.told() == []
    await world.later(1)
    assert world.told() == [("teams", f"nobody has acknowledged for 5 min: {TEXT}")]
    world.worker()
    await world.later(10)
    assert world.told() == [("email", f"nobody has acknowledged for 15 min: {TEXT}")]
    await world.later(30)
    reminder = f"reminder, not acknowledged for 45 min: {TEXT}"
    assert world.told() == [("email", reminder), ("teams", reminder), ("webhook", reminder)]
    await world.later(30)
    assert len(world.told()) == 3
    await world.later(300)
    assert world.told() == []
    steps_told = [event["data"]["told"] for event in world.topic.of("alarm.escalated")]
    assert steps_told == [["room"], ["lena"]]
    [escalation] = [d for d in world.documents.all("deliveries") if d["type"] == "escalation"]
    assert escalation["outcome"] == "exhausted"
    world.deliveries()


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"state": "acknowledged", "acknowledgedAt": iso(NOON + 1)}, "acknowledged"),
        ({"state": "latchedAcknowledged"}, "acknowledged"),
        ({"state": "returnedUnacknowledged"}, "returnedUnacknowledged"),
        ({"state": "shelved"}, "shelved"),
        ({"state": "outOfService"}, "outOfService"),
        ({"occurrenceCount": 2}, "raisedAgain"),
        ({"state": "latchedUnacknowledged"}, None),
    ],
)
async def test_an_alarm_that_needs_nobody_any_more_escalates_no_further(
    world: World, changes: dict[str, Any], outcome: str | None
) -> None:
    world.policies = (policy(escalate=[Step(after_min=5, notify=["room"])]),)
    await world.notify(raised())
    world.alarm(raised(), **changes)
    world.told()
    await world.later(6)
    assert bool(world.told()) == (outcome is None)
    [escalation] = [d for d in world.documents.all("deliveries") if d["type"] == "escalation"]
    assert escalation["outcome"] == (outcome or "exhausted")


async def test_a_flood_is_one_message_and_every_alarm_is_in_it(world: World) -> None:
    world.policies = (policy(notify=["screen", "lena"], flood=Pace(at_most=3, within_s=60)),)
    for n in range(1, 151):
        await world.notify(raised(n))
        await world.notify(raised(n))
    assert len(world.told()) == 6
    world.worker()
    await world.later(1)
    headlines = {one.kind: one for one in world.inbox.notifications}
    assert {one.text for one in headlines.values()} == {
        "HIGH GRAZ: 147 alarms and notices within a short time"
    }
    assert "and 47 more" in headlines["email"].body["text"]
    assert headlines["webhook"].body["data"]["notices"][0] == "LINE-1-CNC-1:4"
    envelope("millwright.notification.grouped.v1").model_validate(
        {name: value for name, value in headlines["webhook"].body.items() if name != "text"}
    )
    world.told()
    await world.later(1)
    assert world.told() == []
    gathered = [d for d in world.documents.all("deliveries") if d["type"] == "gathered"]
    assert len(gathered) == 147
    world.deliveries()


async def test_the_rate_limit_holds_back_all_but_critical_alarms(world: World) -> None:
    world.policies = (policy(rate=Pace(at_most=2, within_s=3600)),)
    for n in range(1, 5):
        await world.notify(raised(n))
    await world.notify(raised(5, priority="critical"))
    assert len(world.told()) == 3
    await world.later(59)
    assert world.told() == []
    await world.later(1)
    assert world.told() == [("webhook", "HIGH GRAZ: 2 alarms and notices within a short time")]


async def test_a_dead_channel_is_tried_ever_later_and_delays_no_other(world: World) -> None:
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen()  # takes connections and never answers
        world.settings["DEAD_URL"] = f"http://127.0.0.1:{hole.getsockname()[1]}/"
        world.policies = (policy(notify=["dead", "screen"]),)
        telling = asyncio.create_task(world.notify(raised()))
        async with asyncio.timeout(60):
            # Until it is written down, too: what is cancelled before would be sent again.
            screen = "LINE-1-CNC-1:7:p:screen"
            while world.deliveries().get(screen, {}).get("outcome") != "delivered":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert not telling.done()
        assert world.deliveries()["LINE-1-CNC-1:7:p:dead"]["outcome"] == "sending"
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
    assert world.told() == [("webhook", TEXT)]
    world.worker()
    await world.later(1)  # the hole is closed: refused connections
    dead = world.deliveries()["LINE-1-CNC-1:7:p:dead"]
    assert (dead["outcome"], dead["attemptCount"]) == ("failed", 2)
    assert instant(dead["dueAt"]) - world.now == 30_000
    world.settings["DEAD_URL"] = world.inbox.url
    await world.later(0.4)
    assert world.told() == []
    await world.later(0.1)
    assert world.told() == [("webhook", TEXT)]
    assert world.deliveries()["LINE-1-CNC-1:7:p:dead"]["outcome"] == "delivered"


async def test_what_cannot_be_delivered_is_kept_and_told_over_the_other_channels(world: World) -> None:
    world.policies = (policy(notify=["unset"]), policy(id="ops", notify=["screen", "unset"], of=["failed"]))
    await world.notify(raised())
    [event] = world.topic.of("notification.deadlettered")
    assert event["data"]["detail"] == "setting NOBODY_SET_THIS is not set"
    lost = world.deliveries()["LINE-1-CNC-1:7:p:unset"]
    assert (lost["outcome"], lost["event"]) == ("refused", raised())
    await world.notify(event)
    assert world.told() == [
        (
            "webhook",
            "HIGH GRAZ/LINE-1/LINE-1-CNC-1: a message of policy p did not reach unset: "
            "setting NOBODY_SET_THIS is not set",
        )
    ]
    assert len(world.topic.events) == 1, "a dead letter about a dead letter would never end"


async def test_a_day_of_failures_is_a_dead_letter(world: World) -> None:
    world.settings["DEAD_URL"] = "http://127.0.0.1:9/"
    world.policies = (policy(notify=["dead"]),)
    await world.notify(raised())
    for _ in range(40):
        await world.later(61)
    [delivery] = world.deliveries().values()
    assert delivery["outcome"] == "expired"
    assert 20 < delivery["attemptCount"] < 40
    assert len(world.topic.of("notification.deadlettered")) == 1


async def test_a_crash_between_sending_and_writing_down_sends_again_under_the_same_id(world: World) -> None:
    world.policies = (policy(),)
    world.documents.fail_after_commits = {2}  # 1 is the pace; 2 creates the delivery, its answer is lost
    with pytest.raises(Exception, match="the answer was lost"):
        await world.notify(raised())
    assert world.told() == []
    world.worker()
    await world.notify(raised())  # brought again: claimed by the one that died
    assert world.told() == []
    sent: list[str] = []

    async def dies(url: str, body: bytes, headers: dict[str, str]) -> None:
        await HttpWebhook.post(world.web, url, body, headers)
        sent.append(headers["webhook-id"])
        world.documents.broken = True

    dying = HttpWebhook()
    dying.post = dies
    world.web, web = dying, world.web
    world.worker()
    world.web = web
    with pytest.raises(Exception, match="the store is down"):
        await world.later(1)
    world.documents.broken = False
    world.worker()
    await world.later(1)
    ids = [one.headers["webhook-id"] for one in world.inbox.notifications]
    assert ids == [*sent, *sent] == ["LINE-1-CNC-1:7:p:screen"] * 2
    assert [one["outcome"] for one in world.deliveries().values()] == ["delivered"]


async def test_two_workers_with_one_event_tell_once(world: World) -> None:
    world.policies = (policy(notify=["screen", "room"]),)
    first = world.notify
    world.worker()
    await asyncio.gather(first(raised()), world.notify(raised()))
    assert len(world.told()) == 2


def test_every_kind_of_alarm_has_words_in_every_language() -> None:
    kinds = {"highHigh", "high", "low", "lowLow", "deviation", "rateOfChange", "counterRate", "state"}
    kinds |= {"silence", "frozen", "score", "oee", "expression"}
    for language, texts in TEXTS.items():
        assert set(texts.alarms) == kinds
        for kind in kinds:
            notice = Notice(raised(kind=kind, value=None, signal=""))
            headline = message(notice, language, zone="Europe/Vienna", link=None).headline
            assert "{" not in headline
            assert "None" not in headline
    assert EVENTS.keys() >= {"millwright.notification.grouped.v1"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"notify": []}, "nobody is told"),
        ({"escalate": [{"after_min": 5, "notify": ["a"]}, {"after_min": 5, "notify": ["b"]}]}, "later than"),
        ({"flood": {"at_most": 0, "within_s": 60}}, "greater than 0"),
        ({"of": ["everything"]}, "raised"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        policy(**fields)
