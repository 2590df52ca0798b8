"""Machines are told what to do when an alarm is raised: at most once, held back by interlocks, confirmed."""

from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from shared.automate import CLAIM_MS, Automator
from shared.contracts.events import envelope
from shared.contracts.reactions import Action, Allowed, Automation, Confirmation, Pace, Parameter
from shared.contracts.spec_documents import MachinePart, ReasonPart, SiteDocument
from shared.domain.alarms.inputs import TakeOutOfService
from shared.domain.packml import TimeCategory
from shared.ports import Document, Refused, Unavailable
from tests.backend import MACHINES, Plant, body, message
from tests.contracts.test_contracts import holds
from tests.plants import MONDAY, SECOND
from tests.shell.test_notifications import GRAZ

MACHINE = MACHINES[0]
SLOW = Action(
    rule="strain",
    method="slow",
    payload={"ratio": 0.5},
    confirm=Confirmation(within_s=60, signal="torque_nm", below=50.0),
)
RATIO = Parameter(kind="number", min=0.1, max=1.0)
ALLOW = {"CncMachine": Allowed(methods={"slow": {"ratio": RATIO}}, properties={"feedRatio": RATIO})}


class Topic:
    def __init__(self) -> None:
        self.events: list[Document] = []
        self.broken = False

    async def publish(self, events: Sequence[Document]) -> None:
        if self.broken:
            raise Unavailable("the topic is away")
        for event in events:
            envelope(event["type"]).model_validate(event)
        self.events += events


class World:
    """A machine under strain, its alarm folded from readings; a device that answers as it is told to."""

    def __init__(self) -> None:
        self.plant = Plant()
        self.documents = self.plant.documents
        self.topic = Topic()
        self.now = MONDAY + 2 * SECOND
        self.sequence = 0
        self.calls: list[tuple[str, str, Document]] = []
        self.desired: list[Document] = []
        self.twin: Document = {}
        self.failure: Exception | None = None
        self.automation = Automation(enabled=True, allow=ALLOW, actions=[SLOW])
        self.automate = Automator(self.documents, self, self, self.topic, clock=lambda: self.now)

    async def current_site(self, site_id: str) -> SiteDocument | None:
        reasons = {"SERVICE": ReasonPart(category=TimeCategory.PLANNED_STOP, texts={})}
        return GRAZ.model_copy(update={"site_id": site_id, "automation": self.automation, "reasons": reasons})

    async def machine_of(self, site_id: str, line_id: str, machine_id: str) -> MachinePart | None:
        return MachinePart(name=machine_id, machine_class="CncMachine", devices=("GATEWAY-1",))

    async def call(self, device_id: str, method: str, payload: Document) -> Document:
        self.calls.append((device_id, method, payload))
        if self.failure is not None:
            raise self.failure
        return {"status": 200, "payload": None}

    async def set_desired(self, device_id: str, desired: Document) -> None:
        self.desired.append(desired)
        if self.failure is not None:
            raise self.failure

    async def reported(self, device_id: str) -> Document:
        return self.twin

    async def read(self, at: int, **fields: Any) -> None:
        self.sequence += 1
        await self.plant.ingest([message(self.sequence, body(MACHINE, at, **fields), at=at)])

    async def raised(self) -> Document:
        """The event of the machine's last alarm, as the pipeline committed it."""
        await self.read(MONDAY + SECOND, signals={"torque_nm": 95.0})
        kind = "millwright.alarm.raised.v1"
        return [event for d in self.plant.of("outbox") for event in d["events"] if event["type"] == kind][-1]

    async def later(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)
        await self.automate.on_time()

    def attempts(self) -> list[Document]:
        found = [d for d in self.documents.all("deliveries") if d["type"] == "action"]
        for document in self.documents.all("deliveries"):
            holds(document)
        return found

    @property
    def outcome(self) -> str:
        [attempt] = self.attempts()
        return attempt["outcome"]

    def failures(self) -> list[str]:
        return [event["data"]["outcome"] for event in self.topic.events]


@pytest.fixture
async def world() -> World:
    world = World()
    await world.plant.describe()
    return world


async def test_a_machine_is_told_once_and_its_readings_confirm_it(world: World) -> None:
    event = await world.raised()
    for _ in range(3):
        await world.automate(event)
    [(device, method, payload)] = world.calls
    assert (device, method) == ("GATEWAY-1", "slow")
    assert payload == {"ratio": 0.5, "machineId": MACHINE, "actionId": world.attempts()[0]["id"]}
    assert world.outcome == "answered"
    await world.later(10)
    assert world.outcome == "answered"
    await world.read(world.now, signals={"torque_nm": 40.0})
    await world.later(10)
    assert world.outcome == "done"
    assert world.failures() == []
    assert len(world.calls) == 1


async def test_a_reading_of_before_the_call_confirms_nothing(world: World) -> None:
    event = await world.raised()
    world.automation = world.automation.model_copy(
        update={
            "actions": [
                SLOW.model_copy(update={"confirm": Confirmation(within_s=60, signal="torque_nm", above=90)})
            ]
        }
    )
    await world.automate(event)
    await world.later(61)
    assert world.outcome == "unconfirmed"
    assert world.failures() == ["unconfirmed"]
    await world.later(3600)
    assert world.failures() == ["unconfirmed"]


async def test_desired_properties_are_confirmed_by_what_the_device_reports(world: World) -> None:
    action = Action(rule="strain", desired={"feedRatio": 0.5})
    world.automation = world.automation.model_copy(update={"actions": [action]})
    await world.automate(await world.raised())
    assert world.desired == [{"machines": {MACHINE: {"feedRatio": 0.5}}}]
    await world.later(10)
    assert world.outcome == "answered"
    world.twin = {"machines": {MACHINE: {"feedRatio": {"value": 0.5, "ac": 200, "av": 2}}}}
    await world.later(10)
    assert world.outcome == "done"


async def test_a_device_that_refuses_a_desired_property_has_failed(world: World) -> None:
    action = Action(rule="strain", desired={"feedRatio": 0.5})
    world.automation = world.automation.model_copy(update={"actions": [action]})
    await world.automate(await world.raised())
    world.twin = {"machines": {MACHINE: {"feedRatio": {"value": 1.0, "ac": 400, "av": 2}}}}
    await world.later(10)
    assert (world.outcome, world.failures()) == ("failed", ["failed"])


@pytest.mark.parametrize(
    ("failure", "outcome"), [(Refused("the device answered 409"), "failed"), (Unavailable("504"), "unknown")]
)
async def test_what_fails_or_ends_unknown_is_told_and_never_tried_again(
    world: World, failure: Exception, outcome: str
) -> None:
    event = await world.raised()
    world.failure = failure
    await world.automate(event)
    world.failure = None
    await world.automate(event)
    await world.later(3600)
    assert len(world.calls) == 1
    assert (world.outcome, world.failures()) == (outcome, [outcome])


async def test_a_crash_during_the_call_leaves_unknown_which_the_timer_tells(world: World) -> None:
    event = await world.raised()
    world.failure = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        await world.automate(event)
    world.failure = None
    await world.automate(event)
    assert (world.outcome, world.failures()) == ("unknown", [])
    await world.later(CLAIM_MS / 1000)
    await world.later(CLAIM_MS / 1000)
    assert len(world.calls) == 1
    assert (world.outcome, world.failures()) == ("unknown", ["unknown"])


async def test_a_failure_is_told_once_events_can_go_out_again(world: World) -> None:
    event = await world.raised()
    world.failure = Refused("409")
    world.topic.broken = True
    await world.automate(event)
    await world.later(10)
    world.topic.broken = False
    await world.later(10)
    await world.later(10)
    assert (world.outcome, world.failures()) == ("failed", ["failed"])


async def test_nothing_is_told_while_automation_is_off(world: World) -> None:
    event = await world.raised()
    world.automation = Automation(allow=ALLOW, actions=[SLOW])
    await world.automate(event)
    assert world.attempts() == world.calls == []


async def test_a_dry_run_checks_everything_and_sends_nothing(world: World) -> None:
    event = await world.raised()
    world.automation = world.automation.model_copy(update={"dry_run": True})
    await world.automate(event)
    assert (world.outcome, world.calls, world.failures()) == ("dryRun", [], [])


@pytest.mark.parametrize("allow", [{}, {"Robot": ALLOW["CncMachine"]}, {"CncMachine": Allowed()}])
async def test_what_the_class_does_not_allow_is_refused(world: World, allow: dict[str, Allowed]) -> None:
    event = await world.raised()
    world.automation = world.automation.model_copy(update={"allow": allow})
    await world.automate(event)
    assert (world.outcome, world.calls, world.failures()) == ("refused", [], ["refused"])


async def test_a_parameter_outside_its_bounds_is_refused(world: World) -> None:
    event = await world.raised()
    action = SLOW.model_copy(update={"payload": {"ratio": 0.0}})
    world.automation = world.automation.model_copy(update={"actions": [action]})
    await world.automate(event)
    [attempt] = world.attempts()
    assert (attempt["outcome"], world.calls) == ("refused", [])
    assert "0.0 is not a number from 0.1 to 1" in attempt["detail"]


async def test_a_machine_in_maintenance_is_told_nothing(world: World) -> None:
    event = await world.raised()
    await world.read(MONDAY + 2 * SECOND, state="Stopped", reason="SERVICE", signals={"torque_nm": 95.0})
    await world.automate(event)
    assert (world.outcome, world.calls, world.failures()) == ("interlocked", [], [])
    assert "SERVICE" in world.attempts()[0]["detail"]


async def test_a_machine_out_of_service_is_told_nothing(world: World) -> None:
    event = await world.raised()
    out = TakeOutOfService("key-1", None, "ann", world.now, "new spindle", "WO-7")
    await world.plant.machines.change(MACHINE, [out])
    await world.automate(event)
    assert (world.outcome, world.calls) == ("interlocked", [])
    assert "new spindle" in world.attempts()[0]["detail"]


async def test_an_alarm_that_is_over_moves_no_machine(world: World) -> None:
    event = await world.raised()
    await world.read(MONDAY + 20 * SECOND, signals={"torque_nm": 20.0})
    await world.automate(event)
    assert (world.outcome, world.calls) == ("interlocked", [])


async def test_a_machine_is_told_only_so_often(world: World) -> None:
    event = await world.raised()
    rare = SLOW.model_copy(update={"rate": Pace(at_most=1, within_s=600)})
    world.automation = world.automation.model_copy(
        update={"actions": [rare, rare.model_copy(update={"id": "other"})]}
    )
    await world.automate(event)
    assert len(world.calls) == 2, "each action has a pace of its own"
    again = event | {"data": event["data"] | {"occurrenceCount": 2}}
    await world.automate(again)
    assert len(world.calls) == 2
    assert world.failures() == ["rateLimited", "rateLimited"]
    world.now += 601 * SECOND
    await world.automate(event | {"data": event["data"] | {"occurrenceCount": 3}})
    assert len(world.calls) == 4


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "give a method or desired properties"),
        ({"method": "a", "desired": {"b": 1.0}}, "not both"),
        ({"desired": {"b": 1.0}, "payload": {"c": True}}, "a payload goes with a method"),
        ({"method": "a", "confirm": {"within_s": 60.0}}, "give state, or signal"),
        ({"method": "a", "confirm": {"within_s": 60.0, "signal": "x"}}, "with above or below"),
    ],
)
def test_an_action_that_makes_no_sense_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Action.model_validate({"rule": "strain", **fields})
