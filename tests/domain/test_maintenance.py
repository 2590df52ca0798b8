"""Predictions become calls and work orders; what maintenance finds judges them."""

from dataclasses import replace

import pytest

from shared.commit import Loaded, decide
from shared.domain.advance import advance, initial
from shared.domain.alarms.rules import Rule, Score
from shared.domain.effects import (
    AlarmChanged,
    CallChanged,
    CommandDone,
    ModelResumed,
    ModelSuspended,
    PredictionMade,
    ScoreRequested,
    WorkOrderChanged,
)
from shared.domain.inputs import Answered, Position, Reading, Scored, SpecChanged, Suspended
from shared.domain.maintenance.inputs import Maintained, MoveOrder, OpenOrder
from shared.domain.maintenance.records import ORDERS_MAX, Call, Finding, Task, WorkOrder
from shared.domain.maintenance.resting import REST_MS
from tests.machine import Machine
from tests.plants import DAY, HOUR, MINUTE, MODEL, MONDAY, SECOND, SPEC, reading

START = MONDAY + 8 * HOUR
TOOL = Task("change-tool", "tool", "Change the tool", 8 * HOUR, ("wear",), ("torque_nm",), ("strain",))
SENSOR = Task("change-sensor", "torque-sensor", "Change the sensor", DAY, renews=("torque_nm",))
CARED = replace(SPEC, tasks=(TOOL, SENSOR), models=(replace(MODEL, horizon_ms=6 * HOUR),))


def says(minute: int, probability: float | None, *moved: tuple[str, float], reason: str = "") -> Scored:
    return Scored("wear", "1", START + minute * MINUTE, probability, reason, moved)


def warned() -> Machine:
    """A machine whose model warned at minute 1, because of its torque."""
    machine = Machine(CARED)
    machine.fold(reading(0, START), says(0, 0.1), says(1, 0.9, ("torque", 0.7)))
    return machine


def last_call(machine: Machine) -> Call:
    return machine.of(CallChanged)[-1].call


def last_order(machine: Machine) -> WorkOrder:
    return machine.of(WorkOrderChanged)[-1].order


def maintained(machine: Machine, hours: float, finding: Finding | None, component: str = "tool") -> str:
    at = START + round(hours * HOUR)
    machine.fold(Maintained(f"m{at}", component, at, "ann", finding))
    return machine.of(CommandDone)[-1].outcome


def test_a_warning_recommends_what_the_catalogue_has_for_the_signal_that_moved_it() -> None:
    made = warned().of(PredictionMade)[-1]
    assert made.task == TOOL
    assert made.contributions == (("torque_nm", 0.7),)
    assert made.call_id is not None


def test_a_warning_that_no_task_is_about_recommends_nothing_and_still_is_a_call() -> None:
    machine = Machine(CARED)
    machine.fold(reading(0, START), says(1, 0.9, ("temperature_c", 0.5)))
    assert machine.of(PredictionMade)[-1].task is None
    assert (last_call(machine).outcome, last_call(machine).component) == ("open", "")
    assert machine.of(WorkOrderChanged) == []


def test_a_warning_orders_the_work_once() -> None:
    machine = warned()
    machine.fold(says(2, 0.95, ("torque", 0.7)), says(3, 0.2), says(4, 0.9, ("torque", 0.7)))
    (ordered,) = machine.of(WorkOrderChanged)
    assert ordered.order.component == "tool"
    assert (ordered.order.state, ordered.order.cause) == ("open", "prediction")
    assert ordered.order.due_at == START + MINUTE + 8 * HOUR
    assert last_call(machine).order_id == ordered.order.order_id


def test_an_alarm_orders_its_work_and_its_occurrence_is_the_cause() -> None:
    machine = Machine(CARED)
    machine.fold(reading(0, START, torque_nm=90.0))
    order = last_order(machine)
    assert (order.cause, order.task_id) == ("alarm", "change-tool")
    assert order.cause_id == machine.of(AlarmChanged)[0].alarm.alarm_id


def test_a_component_has_one_open_order_whatever_asks_for_it() -> None:
    machine = warned()
    machine.fold(reading(1, START + MINUTE, torque_nm=90.0))
    assert len(machine.of(WorkOrderChanged)) == 1
    machine.fold(OpenOrder("k", "tool", "look at it", START + DAY, "ann", START))
    assert machine.of(CommandDone)[-1].outcome.endswith("is open for tool")


def test_a_fault_found_confirms_the_call_with_its_lead_time_and_completes_the_order() -> None:
    machine = warned()
    assert maintained(machine, 3.0, "fault") == "done"
    call = last_call(machine)
    assert (call.outcome, call.lead_ms) == ("confirmed", 3 * HOUR - MINUTE)
    order = last_order(machine)
    assert (order.state, order.finding, order.who) == ("done", "fault", "ann")
    assert machine.state.care.calls == {}
    assert machine.state.care.orders == {}


@pytest.mark.parametrize(("finding", "outcome"), [("nothing", "falseCall"), (None, "unknown")])
def test_a_call_is_false_when_nothing_was_found_and_undecided_when_nobody_said(
    finding: Finding | None, outcome: str
) -> None:
    machine = warned()
    maintained(machine, 3.0, finding)
    assert last_call(machine).outcome == outcome


def test_a_call_that_ended_and_was_followed_by_nothing_was_false_and_a_lasting_one_waits() -> None:
    machine = warned()
    machine.fold(says(20 * 60, 0.9))
    assert last_call(machine).outcome == "open"
    machine.fold(says(20 * 60 + 1, 0.1), says(26 * 60 + 1, 0.1))
    assert last_call(machine).outcome == "open"
    machine.fold(says(26 * 60 + 2, 0.1))
    assert (last_call(machine).outcome, last_call(machine).judged_at) == (
        "falseCall",
        START + (26 * 60 + 2) * MINUTE,
    )


def test_a_warning_that_returns_within_the_horizon_is_the_same_call() -> None:
    machine = warned()
    machine.fold(says(2, 0.1), says(3, 0.9), says(4, None, reason="torque_nm is old"))
    assert len({changed.call.call_id for changed in machine.of(CallChanged)}) == 1
    assert last_call(machine).ended_at is None


def test_a_failure_without_a_call_was_missed_and_says_if_the_model_had_abstained() -> None:
    machine = Machine(CARED)
    machine.fold(reading(0, START), says(0, None, reason="baseline immature: 3 of 60 panes"))
    maintained(machine, 1.0, "failed")
    call = last_call(machine)
    assert (call.outcome, call.called_at, call.component) == ("missed", None, "tool")
    assert call.why == "tool: failed; the model abstained: baseline immature: 3 of 60 panes"


def test_a_failure_before_the_call_was_not_announced_by_it() -> None:
    machine = warned()
    machine.fold(Maintained("m", "tool", START - HOUR, "ann", "failed"))
    assert last_call(machine).outcome == "missed"
    assert machine.state.care.calls["wear"].outcome == "open"


def test_what_is_found_on_a_component_that_no_model_looks_after_judges_nobody() -> None:
    machine = warned()
    maintained(machine, 1.0, "failed", component="torque-sensor")
    assert last_call(machine).outcome == "open"


def test_a_replaced_sensor_takes_its_baseline_with_it() -> None:
    machine = Machine(CARED)
    for minute in range(8):
        machine.fold(reading(minute, START + minute * MINUTE, torque_nm=10.0 + minute % 3))
    asked = machine.of(ScoreRequested)[-1]
    assert "torque.z1" not in dict(asked.gaps)
    maintained(machine, 0.2, None, component="torque-sensor")
    machine.fold(*(reading(m, START + m * MINUTE, torque_nm=10.0) for m in range(8, 11)))
    asked = machine.of(ScoreRequested)[-1]
    assert dict(asked.gaps)["torque.z1"] == "baseline immature: 3 of 4 panes"


def test_history_shorter_than_the_warm_up_says_so_and_an_old_signal_says_how_old() -> None:
    machine = Machine(CARED)
    machine.fold(reading(0, START, torque_nm=10.0), reading(1, START + MINUTE, torque_nm=11.0))
    machine.fold(reading(2, START + MINUTE + 11 * SECOND, torque_nm=11.0))
    first = machine.of(ScoreRequested)[0]
    assert dict(first.gaps)["torque.mean0"] == "warming up: 1 of 2 panes"
    for minute in range(3, 20):
        machine.fold(reading(minute, START + minute * MINUTE, temperature_c=20.0))
    late = machine.of(ScoreRequested)[-1]
    assert dict(late.gaps)["torque.last"] == f"torque is {late.data_age_ms // MINUTE} min old"
    assert late.data_age_ms > 10 * MINUTE


def test_orders_are_begun_cancelled_and_refused_with_the_reason() -> None:
    machine = warned()
    order_id = last_order(machine).order_id
    for number, (to, outcome) in enumerate(
        [
            ("inProgress", "done"),
            ("inProgress", "the work order is inProgress already"),
            ("cancelled", "done"),
            ("cancelled", "the work order is not open"),
        ]
    ):
        machine.fold(MoveOrder(f"k{number}", order_id, to, "ann", START + HOUR))  # type: ignore[arg-type]
        assert machine.of(CommandDone)[-1].outcome == outcome
    machine.fold(says(9, 0.9, ("torque", 0.7)))
    assert last_order(machine).state == "cancelled"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (OpenOrder("k", "belt", "", START, "ann", START), "it says neither what work nor which task"),
        (
            OpenOrder("k", "belt", "x", START, "ann", START, "oil"),
            "the machine's class has no task oil; there is change-tool, change-sensor",
        ),
        (OpenOrder("k", "belt", "x", START, "ann", START, "change-tool"), "task change-tool is about tool"),
        (OpenOrder("k", "belt", "x", START - 1, "ann", START), "it would be due in the past"),
        (
            Maintained("k", "belt", START, "ann", order_id="LINE-1-CNC-1:7"),
            "LINE-1-CNC-1:7 is no open work order for belt",
        ),
    ],
)
def test_commands_that_make_no_sense_are_refused_and_change_nothing(
    command: OpenOrder | Maintained, why: str
) -> None:
    machine = Machine(CARED)
    (done,) = machine.fold(command)
    assert isinstance(done, CommandDone)
    assert done.outcome == why
    assert machine.state.care.orders == {}
    assert machine.state.maintained_at == {}


def test_open_orders_are_bounded() -> None:
    machine = Machine(CARED)
    for number in range(ORDERS_MAX):
        machine.fold(OpenOrder(f"k{number}", f"part {number}", "look", START + DAY, "ann", START))
    machine.fold(OpenOrder("one more", "tool", "look", START + DAY, "ann", START))
    assert machine.of(CommandDone)[-1].outcome.startswith("16 work orders of the machine are open")
    machine.fold(reading(0, START), says(1, 0.9, ("torque", 0.7)))
    assert last_call(machine).order_id is None
    assert len(machine.state.care.orders) == ORDERS_MAX


# Models that rest


def stopped(minute: int, reason: str = "suspended: too slow") -> Suspended:
    return Suspended("wear", "1", START + minute * MINUTE, reason)


def test_a_suspended_model_abstains_once_rests_and_resumes_with_its_next_answer() -> None:
    machine = Machine(CARED)
    machine.fold(reading(0, START), says(0, 0.9), stopped(1), stopped(2), says(3, 0.1), stopped(70))
    assert [one.reason for one in machine.of(ModelSuspended)] == ["suspended: too slow"]
    assert machine.state.health["wear"].warning
    assert machine.state.health["wear"].reason == "suspended: too slow"
    machine.fold(says(140, 0.1))
    assert [one.at for one in machine.of(ModelResumed)] == [START + 140 * MINUTE]
    assert not machine.state.health["wear"].warning
    assert machine.state.care.suspended == {}


def test_a_resting_model_is_not_asked_and_alarms_and_minutes_go_on() -> None:
    machine = Machine(CARED)
    machine.fold(reading(0, START, torque_nm=10.0), stopped(0))
    for minute in range(1, 70):
        machine.fold(reading(minute, START + minute * MINUTE, torque_nm=90.0))
    assert [one.at for one in machine.of(ScoreRequested)] == [
        START + minute * MINUTE for minute in range(REST_MS // MINUTE, 68)
    ]
    assert machine.of(AlarmChanged)


def test_a_new_version_of_a_resting_model_is_asked_at_once() -> None:
    machine = Machine(CARED)
    machine.fold(reading(0, START), stopped(0))
    newer = replace(CARED, version=2, models=(replace(MODEL, version="2"),))
    machine.fold(SpecChanged(Position("apply", 2), newer, START))
    assert machine.state.care.suspended == {}


class Stopping:
    """Answers until it is stopped; then says so to everybody, as a worker does."""

    def __init__(self, answers: int) -> None:
        self._answers = answers

    def score(self, requests: list[ScoreRequested]) -> list[Answered]:
        given: list[Answered] = []
        for request in requests:
            slow = request.at - START >= self._answers * MINUTE
            answer = Scored(request.model, request.version, request.at, 0.9 if request.at % 7 else 0.1)
            given.append(
                Suspended(request.model, request.version, request.at, "suspended") if slow else answer
            )
        return given


@pytest.mark.parametrize("size", [1, 3, 7, 200])
def test_however_a_suspension_falls_into_batches_the_machine_comes_out_the_same(size: int) -> None:
    readings: list[Reading] = [
        reading(n, START + n * 30 * SECOND, torque_nm=10.0 + n % 5) for n in range(200)
    ]
    spec, state = CARED, initial(CARED)
    for start in range(0, len(readings), size):
        loaded = Loaded(spec, state, None)
        (advanced,) = decide([(loaded, readings[start : start + size])], Stopping(20))
        state = advanced.state
    (whole,) = decide([(Loaded(CARED, initial(CARED), None), readings)], Stopping(20))
    assert state == whole.state
    assert len([one for one in whole.effects if isinstance(one, ModelSuspended)]) == 1


# Other kinds of models


def test_a_remaining_life_warns_downwards_and_an_anomaly_upwards() -> None:
    life = replace(MODEL, model="life", kind="remaining-life", threshold=30.0, unit="cycles")
    odd = replace(MODEL, model="odd", kind="anomaly", threshold=4.0)
    machine = Machine(replace(CARED, models=(life, odd)))
    machine.fold(reading(0, START))
    machine.fold(Scored("life", "1", START, None, amount=31.0, low=20.0, high=40.0))
    machine.fold(Scored("odd", "1", START, None, amount=3.9))
    assert [health.warning for health in machine.state.health.values()] == [False, False]
    machine.fold(Scored("life", "1", START + MINUTE, None, amount=30.0, low=19.0, high=39.0))
    machine.fold(Scored("odd", "1", START + MINUTE, None, amount=4.0))
    assert [health.warning for health in machine.state.health.values()] == [True, True]
    assert {one.call.model for one in machine.of(CallChanged)} == {"life", "odd"}


def test_a_score_alarm_has_hysteresis_and_an_abstention_neither_raises_nor_clears_it() -> None:
    rule = Rule("predicted", Score("score", "wear", 0.5, deadband=0.2), "high")
    machine = Machine(replace(CARED, rules=(rule,)))
    machine.fold(reading(0, START), says(1, 0.6), says(2, 0.4), says(3, None), says(4, 0.3))
    assert [(one.event, one.at) for one in machine.of(AlarmChanged)] == [
        ("raised", START + MINUTE),
        ("cleared", START + 4 * MINUTE),
    ]


def test_a_score_alarm_on_a_remaining_life_is_raised_below_its_limit() -> None:
    life = replace(MODEL, model="life", kind="remaining-life", threshold=30.0)
    rule = Rule("worn-out", Score("score", "life", 20.0, deadband=5.0, direction="below"), "high")
    machine = Machine(replace(CARED, rules=(rule,), models=(life,)))
    machine.fold(reading(0, START))
    for minute, amount in enumerate([25.0, 19.0, 22.0, 26.0]):
        machine.fold(Scored("life", "1", START + minute * MINUTE, None, amount=amount))
    assert [one.event for one in machine.of(AlarmChanged)] == ["raised", "cleared"]


def test_the_catalogue_costs_nothing_where_it_orders_nothing_for_alarms() -> None:
    silent = replace(CARED, tasks=(SENSOR,))
    assert not silent.orders_for_alarms
    advanced = advance(silent, initial(silent), [reading(0, START, torque_nm=90.0)])
    assert not [one for one in advanced.effects if isinstance(one, WorkOrderChanged)]
