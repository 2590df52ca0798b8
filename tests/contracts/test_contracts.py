"""What is written and published is what the contracts say, and nothing else."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from typer.testing import CliRunner

from functions.api import ROUTES
from millwright.__main__ import app
from millwright.openapi import openapi
from millwright.published import published
from shared.commit import Loaded, decide
from shared.contracts.documents.kinds import DOCUMENTS
from shared.contracts.documents.machine import Aggregate
from shared.contracts.events import EVENTS, envelope
from shared.devices import tell
from shared.documents import Rendered, render
from shared.domain.advance import initial
from shared.domain.alarms.inputs import (
    Acknowledge,
    ChangeSetPoint,
    Comment,
    Reset,
    ReturnToService,
    Shelve,
    TakeOutOfService,
    Unshelve,
)
from shared.domain.alarms.rules import Limit, Rule
from shared.domain.effects import CommandDone, PageClosed, StopEnded, StopStarted
from shared.domain.elements import LedgerPage
from shared.domain.inputs import (
    Blocked,
    Input,
    Position,
    Resumed,
    Scored,
    SpecChanged,
    Suspended,
    Tick,
)
from shared.domain.maintenance.inputs import Maintained, MoveOrder, OpenOrder
from shared.domain.maintenance.records import Task
from shared.domain.packml import PackMLState
from shared.domain.stop_commands import Classify, Known, StopCommand
from shared.domain.stop_records import Stop
from shared.ports import Create, Document, SetFields, Upsert
from shared.quarantine import refused_document
from shared.relay.scopes import ScopeRelay
from shared.relay.undelivered import record
from shared.state_document import to_document
from tests.indexed import FUNCTIONS
from tests.machine import Machine
from tests.memory import MemoryDocuments
from tests.plants import DAY, HOUR, MINUTE, MONDAY, SECOND, SPEC, ArithmeticScorer, deliveries, reading

ROOT = Path(__file__).parents[2]
EXECUTE, HELD = PackMLState.EXECUTE, PackMLState.HELD
AGGREGATE: TypeAdapter[Any] = TypeAdapter(Aggregate)
ENVELOPES = {kind: envelope(kind) for kind in EVENTS}


def holds(document: Document, kind: str | None = None) -> None:
    """The document is of its contract, service-made properties aside."""
    made = {name: value for name, value in document.items() if name[0] != "_"}
    DOCUMENTS[kind or document["type"]].model_validate(made, strict=False)
    for event in document.get("events", ()):
        ENVELOPES[event["type"]].model_validate(event)


@st.composite
def lives(draw: st.DrawFn) -> list[Input]:
    """A machine's life: its description, readings, and everything else that may happen to it."""
    inputs: list[Input] = [SpecChanged(Position("apply", 1), SPEC, 0)]
    n = 0
    for one in draw(deliveries()):
        inputs.append(one)
        for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
            n += 1
            now = one.arrived_at + n
            alarm = f"{SPEC.machine_id}:{draw(st.integers(1, 40))}"
            choices: list[Input] = [
                Acknowledge(f"key-{n}", alarm, "ann", now, draw(st.sampled_from(["", "seen"]))),
                Tick(Position("timer/due", now), now + draw(st.sampled_from([0, DAY, 3 * DAY]))),
                Blocked("ValueError: a bug", now),
                Resumed(now),
                Maintained(f"done-{n}", "spindle", now, "ann"),
            ]
            inputs.append(draw(st.sampled_from(choices)))
    return inputs


def write(life: list[Input]) -> Rendered:
    """What a life writes, each document and event held to its contract."""
    [advanced] = decide([(Loaded(SPEC, initial(SPEC), None), life)], ArithmeticScorer())
    rendered = render(advanced.spec, advanced.state, advanced.effects)
    holds(to_document(advanced.spec, advanced.state))
    for operation in rendered.operations:
        match operation:
            case Create(document) | Upsert(document):
                holds(document)
            case SetFields(_, fields):
                for path, row in fields.items():
                    assert re.fullmatch(r"/rows/\d+", path)
                    for aggregate in row:
                        AGGREGATE.validate_python(aggregate)
            case _:
                raise AssertionError(operation)
    for document in rendered.late:
        holds(document)
    for refused, reason in rendered.refused:
        holds(refused_document(SPEC.machine_id, refused, reason), "quarantine")
    return rendered


@settings(max_examples=150, deadline=None)
@given(life=lives())
def test_everything_that_any_history_writes_is_of_its_contract(life: list[Input]) -> None:
    write(life)


def test_every_kind_of_event_of_a_machine_has_been_held_to_its_contract() -> None:
    """One life that has everything, so that no contract goes untested."""
    torques = [90.0, 400.0, 400.0, 400.0, 10.0, 10.0, 10.0, 10.0]
    readings = [
        reading(n, MONDAY + 8 * HOUR + n * MINUTE, torque_nm=torque, state=state, good=n)
        for n, (torque, state) in enumerate(zip(torques, [EXECUTE, HELD, EXECUTE, EXECUTE] * 2, strict=True))
    ]
    end = readings[-1].at
    late = replace(reading(8, readings[1].at + 1, torque_nm=95.0, arrived_at=end + 1), key="late")
    future = reading(9, end + DAY, arrived_at=end + 2)
    queued = reading(10, end + SECOND)
    long_after = [reading(n, end + 60 * DAY + n * MINUTE, torque_nm=10.0) for n in range(11, 14)]
    restating = reading(20, readings[2].at + 1, arrived_at=long_after[-1].arrived_at)
    numbers = [Acknowledge(f"key-{n}", f"{SPEC.machine_id}:{n}", "ann", end, "seen") for n in range(1, 8)]
    rendered = write(
        [
            SpecChanged(Position("apply", 1), SPEC, 0),
            readings[0],
            *numbers,
            *readings[1:],
            late,
            future,
            Tick(Position("timer/due", end + HOUR), end + HOUR),
            Blocked("ValueError: a bug", end + HOUR),
            queued,
            Resumed(end + HOUR),
            *long_after,
            restating,
        ]
    )
    written = [o.document for o in rendered.operations if isinstance(o, Create | Upsert)]
    kinds = {document["type"] for document in written}
    events = {event["type"] for document in written for event in document.get("events", ())}
    elsewhere = {
        "state",
        "late",
        "quarantine",
        "delivery",
        "gathered",
        "pace",
        "escalation",
        "action",
        "actions",
        "undelivered",
        "reconcile",
        "conflict",
        "scope-oee",
        "scope-status",
        "scope-membership",
    }
    operated = [*operated_alarms(), *cared_for(), *classified()]
    kinds |= {document["type"] for document in operated}
    events |= {event["type"] for document in operated for event in document.get("events", ())}
    assert kinds == set(DOCUMENTS) - elsewhere
    assert rendered.late
    assert rendered.refused
    made_elsewhere = (
        "millwright.device.",
        "millwright.twin.",
        "millwright.message.",
        "millwright.notification.",
        "millwright.action.",
        "millwright.alarm.escalated.",
    )
    assert events == {kind for kind in EVENTS if not kind.startswith(made_elsewhere)}


def classified() -> list[Document]:
    """What is written when an operator says why a machine stands, before and after its hour was closed."""
    machine = Machine()
    at = MONDAY + 9 * HOUR
    machine.fold(*(reading(n, at + n * MINUTE, state=[EXECUTE, HELD][n > 1]) for n in range(4)))
    [begun] = machine.of(StopStarted)
    stop = Stop(begun.stop_id, begun.at, None, begun.category, begun.reason, version=begun.n)
    machine.fold(reading(9, at + 2 * HOUR), reading(10, at + 2 * HOUR + MINUTE))
    [late] = machine.of(StopEnded)
    pages = tuple(LedgerPage(one.elements, one.intervals) for one in machine.of(PageClosed))
    ended = replace(stop, ended_at=late.at, version=late.n)
    known = Known(ended, None, pages, ())
    machine.fold(
        StopCommand("key-1", stop.stop_id, Classify("E-STOP"), "ann", at + 3 * HOUR, "jam", known=known)
    )
    rendered = render(machine.spec, machine.state, machine.effects)
    written = [o.document for o in rendered.operations if isinstance(o, Create | Upsert)]
    assert any("recorded" in document for document in written)
    for document in written:
        holds(document)
    return written


def operated_alarms() -> list[Document]:
    """What is written when everything happens to alarms that may."""
    rules = (
        Rule("strain", Limit("high", "torque_nm", 80.0, 8.0), "high", latching=True, adjustable=(50, 95)),
        Rule("hot", Limit("high", "temperature_c", 85.0), "low", realarm_ms=HOUR, states=(EXECUTE,)),
    )
    machine = Machine()
    start = MONDAY + 9 * HOUR
    machine.fold(SpecChanged(Position("apply", 2), replace(SPEC, version=2, rules=rules), start))
    for n, torque in enumerate([90.0, 10.0, 90.0, 10.0, 90.0, 10.0]):
        machine.fold(reading(n, start + n * SECOND, torque_nm=torque))
    strain = machine.state.alarms["strain"].alarm_id
    now = start + MINUTE
    machine.fold(reading(10, now, temperature_c=90.0))
    hot = machine.state.alarms["hot"].alarm_id
    machine.fold(
        Acknowledge("1", strain, "ann", now, "seen"),
        Comment("2", strain, "ann", now, "waiting for a part"),
        Reset("3", strain, "ann", now),
        Shelve("4", "strain", "ann", now, "sensor is loose", now + HOUR),
        Unshelve("5", "strain", "ann", now),
        ChangeSetPoint("6", "strain", "ann", now, 60.0, "new tool"),
        Acknowledge("7", hot, "ann", now),
        Tick(Position("timer/due", now + HOUR), now + HOUR),
        reading(11, now + HOUR, state=HELD),
        reading(12, now + HOUR + SECOND),
        TakeOutOfService("8", "strain", "ann", now, "calibration"),
        ReturnToService("9", "strain", "ann", now),
        TakeOutOfService("10", "", "ann", now, "bearing", "WO-7"),
        ReturnToService("11", "", "ann", now, "done", "WO-7"),
    )
    assert {done.outcome for done in machine.of(CommandDone)} == {"done"}
    rendered = render(machine.spec, machine.state, machine.effects)
    written = [o.document for o in rendered.operations if isinstance(o, Create | Upsert)]
    for document in written:
        holds(document)
    return written


def cared_for() -> list[Document]:
    """What is written when models warn, are judged, rest and return, and work is ordered, begun and done."""
    tool = Task("change-tool", "tool", "Change the tool", HOUR, ("wear",), rules=("strain",))
    spec = replace(SPEC, tasks=(tool,))
    machine = Machine(spec)
    start = MONDAY + 9 * HOUR

    def says(minute: int, probability: float | None, reason: str = "") -> Scored:
        moved = (("torque", 0.7),) if probability else ()
        return Scored("wear", "1", start + minute * MINUTE, probability, reason, moved)

    machine.fold(reading(0, start), says(0, 0.9))
    (order,) = machine.state.care.orders.values()
    machine.fold(
        MoveOrder("1", order.order_id, "inProgress", "ann", start),
        Maintained("2", "tool", start + HOUR, "ann", "fault", order.order_id, "blunt"),
        Maintained("3", "tool", start + 2 * HOUR, "ann", "failed"),
        OpenOrder("4", "belt", "Tighten the belt", start + DAY, "ann", start),
    )
    (order,) = machine.state.care.orders.values()
    machine.fold(
        MoveOrder("5", order.order_id, "cancelled", "ann", start),
        says(1, None, "data too sparse"),
        Suspended("wear", "1", start + 2 * MINUTE, "suspended: too slow"),
        says(2 * 60, 0.2),
    )
    assert {done.outcome for done in machine.of(CommandDone)} == {"done"}
    rendered = render(machine.spec, machine.state, machine.effects)
    documents = [o.document for o in rendered.operations if isinstance(o, Create | Upsert)]
    for document in documents:
        holds(document)
    return documents


def test_other_kinds_of_models_are_of_the_contract_too() -> None:
    life = replace(SPEC.models[0], model="life", kind="remaining-life", threshold=30.0, unit="cycles")
    machine = Machine(replace(SPEC, models=(life,)))
    start = MONDAY + 9 * HOUR
    machine.fold(reading(0, start), Scored("life", "1", start, None, amount=12.5, low=8.0, high=17.0))
    rendered = render(machine.spec, machine.state, machine.effects)
    documents = {o.document["type"]: o.document for o in rendered.operations if isinstance(o, Upsert)}
    for document in documents.values():
        holds(document)
    made = documents["prediction"]
    assert (made["probability"], made["score"], made["abstained"]) == (None, None, False)
    assert (made["amount"], made["low"], made["high"], made["unit"]) == (12.5, 8.0, 17.0, "cycles")


class Nowhere:
    """The directory before anything is applied."""

    async def current_site(self, site_id: str) -> None:
        return None

    async def device(self, device_id: str) -> None:
        return None


class Published(list[Document]):
    async def publish(self, events: list[Document]) -> None:
        self.extend(events)


@settings(max_examples=25, deadline=None)
@given(life=lives())
async def test_roll_ups_are_of_their_contract(life: list[Input]) -> None:
    [advanced] = decide([(Loaded(SPEC, initial(SPEC), None), life)], ArithmeticScorer())
    rendered = render(advanced.spec, advanced.state, advanced.effects)
    documents = MemoryDocuments()
    relay = ScopeRelay(documents, Nowhere(), clock=lambda: 0.0, sleep=_at_once)
    await relay([o.document for o in rendered.operations if isinstance(o, Upsert)])
    written = documents.all("scopes")
    assert {document.get("level") for document in written} == {"line", "site", "enterprise", None}
    for document in written:
        holds(document, f"scope-{document['type']}")


async def _at_once(seconds: float) -> None:
    return None


@pytest.mark.parametrize("kind", ["Created", "Deleted", "Connected", "Disconnected"])
async def test_events_of_devices_are_of_their_contract(kind: str) -> None:
    events = Published()
    await tell(
        Nowhere(),
        events,
        event_id="1",
        kind=f"Microsoft.Devices.Device{kind}",
        time="2026-03-09T06:00:00Z",
        data={"deviceId": "GATEWAY-1"},
    )
    [event] = events
    ENVELOPES[event["type"]].model_validate(event)


async def test_what_a_sink_refuses_is_recorded_as_its_contract_says() -> None:
    documents = MemoryDocuments()
    for event in (None, {"id": "M:1"}):
        await record(documents, "eventGrid", subject="M:1", item="M:1", detail="too large", event=event)
        [document] = documents.all("deliveries")
        holds(document)


def test_the_published_files_are_in_step_with_the_code() -> None:
    assert CliRunner().invoke(app, ["contracts", "check"]).exit_code == 0


def test_every_kind_of_document_and_event_is_published() -> None:
    files = set(published())
    assert {f"documents/{kind}.schema.json" for kind in DOCUMENTS} <= files
    assert {f"events/{kind.removeprefix('millwright.')}.schema.json" for kind in EVENTS} <= files


def test_openapi_has_every_route_of_the_function_app_and_no_other() -> None:
    served: set[tuple[str, str]] = set()
    for function in FUNCTIONS:
        trigger = function.get_trigger()
        assert trigger is not None
        if trigger.type == "httpTrigger":
            binding = trigger.get_dict_repr()
            served |= {(f"/api/{binding['route']}", str(method).lower()) for method in binding["methods"]}
    described = {(path, method) for path, methods in openapi()["paths"].items() for method in methods}
    assert {(path, method.rpartition(".")[2]) for path, method in served} == described
    assert len(described) == len(ROUTES)


def test_every_reference_of_openapi_and_asyncapi_leads_somewhere() -> None:
    for name in ("openapi.json", "asyncapi.json"):
        text = published()[name]
        document = TypeAdapter(dict[str, Any]).validate_json(text)
        for reference in re.findall(r'"\$ref": "#/([^"]+)"', text):
            place: Any = document
            for part in reference.split("/"):
                place = place[part]


def test_readers_may_meet_properties_that_are_not_declared_and_writers_may_not() -> None:
    """Cosmos DB adds its own, and a new property is no breaking change; a request is checked strictly."""
    schemas = openapi()["components"]["schemas"]
    assert "additionalProperties" not in schemas["Machine"]
    assert schemas["Acknowledgement"]["additionalProperties"] is False
