"""The life cycle of ISA-18.2, state by state and event by event, through the inputs that cause them."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from shared.domain.alarms.inputs import (
    Acknowledge,
    Comment,
    Reset,
    ReturnToService,
    Shelve,
    TakeOutOfService,
    Unshelve,
)
from shared.domain.alarms.life_cycle import ACTIVE, TRANSITIONS, Event, State
from shared.domain.alarms.rules import Limit, Rule
from shared.domain.effects import AlarmChanged, CommandDone
from shared.domain.inputs import Position, SpecChanged
from shared.domain.packml import PackMLState
from tests.machine import Machine, of
from tests.plants import HOUR, MINUTE, MONDAY, SECOND, SPEC, reading

START = MONDAY + 9 * HOUR
RULE = Rule(
    "strain",
    Limit("high", "torque_nm", 80.0, 8.0),
    "high",
    realarm_ms=HOUR,
    states=(PackMLState.EXECUTE,),
    shelve_max_ms=8 * HOUR,
)


class Operated(Machine):
    """A machine with one rule: torque above 80 N·m while it executes, back at 72, at once."""

    def __init__(self, rule: Rule = RULE) -> None:
        super().__init__(replace(SPEC, rules=(rule,), silence_ms=10 * HOUR))
        self.count = 0
        self.now = START

    def reads(self, torque: float | None = None, state: PackMLState | None = None) -> None:
        self.count += 1
        self.now += SECOND
        signals = {} if torque is None else {"torque_nm": torque}
        self.fold(reading(self.count, self.now, state=state, **signals))

    @property
    def key(self) -> str:
        self.count += 1
        return f"key-{self.count}"

    @property
    def alarm_state(self) -> str:
        alarm = self.state.alarms.get("strain")
        return State.NORMAL if alarm is None else alarm.state

    @property
    def alarm_id(self) -> str:
        alarm = self.state.alarms.get("strain")
        return "" if alarm is None else alarm.alarm_id

    def outcome(self, *inputs: object) -> str:
        return of(CommandDone, self.fold(*inputs))[-1].outcome  # type: ignore[arg-type]

    def trip(self) -> None:
        self.reads(90.0, PackMLState.EXECUTE if self.alarm_state != State.SUPPRESSED else None)

    def clear(self) -> None:
        self.reads(10.0)

    def acknowledge(self) -> str:
        return self.outcome(Acknowledge(self.key, self.alarm_id, "Ada", self.now))

    def reset(self) -> str:
        return self.outcome(Reset(self.key, self.alarm_id, "Ada", self.now))

    def reannunciate(self) -> None:
        self.now += HOUR
        self.tick(self.now)

    def shelve(self) -> str:
        return self.outcome(Shelve(self.key, "strain", "Ada", self.now, "loose sensor", self.now + 8 * HOUR))

    def unshelve(self) -> str:
        return self.outcome(Unshelve(self.key, "strain", "Ada", self.now))

    def suppress(self) -> None:
        self.reads(state=PackMLState.HELD)

    def unsuppress(self) -> None:
        self.reads(state=PackMLState.EXECUTE)

    def take_out(self) -> str:
        return self.outcome(TakeOutOfService(self.key, "strain", "Ada", self.now, "calibration"))

    def put_back(self) -> str:
        return self.outcome(ReturnToService(self.key, "strain", "Ada", self.now))

    def drop(self) -> None:
        self.fold(SpecChanged(Position("apply/SITE-1", 2), replace(self.spec, version=2, rules=()), self.now))


WAYS: dict[State, tuple[str, ...]] = {
    State.NORMAL: ("unsuppress",),
    State.UNACKNOWLEDGED: ("trip",),
    State.ACKNOWLEDGED: ("trip", "acknowledge"),
    State.RETURNED: ("trip", "clear"),
    State.LATCHED_UNACKNOWLEDGED: ("trip", "clear"),
    State.LATCHED_ACKNOWLEDGED: ("trip", "clear", "acknowledge"),
    State.SHELVED: ("trip", "shelve"),
    State.SUPPRESSED: ("trip", "suppress"),
    State.OUT_OF_SERVICE: ("trip", "take_out"),
}
LATCHING = {State.LATCHED_UNACKNOWLEDGED, State.LATCHED_ACKNOWLEDGED}
CAUSES: dict[Event, Callable[[Operated], str | None]] = {
    Event.TRIP: Operated.trip,
    Event.RETURN: Operated.clear,
    Event.LATCH: Operated.clear,
    Event.ACKNOWLEDGE: Operated.acknowledge,
    Event.RESET: Operated.reset,
    Event.REANNUNCIATE: Operated.reannunciate,
    Event.SHELVE: Operated.shelve,
    Event.UNSHELVE: Operated.unshelve,
    Event.SUPPRESS: Operated.suppress,
    Event.UNSUPPRESS: Operated.unsuppress,
    Event.TAKE_OUT: Operated.take_out,
    Event.PUT_BACK: Operated.put_back,
    Event.DROP: Operated.drop,
}


def brought_to(state: State, *, latching: bool = False) -> Operated:
    machine = Operated(replace(RULE, latching=latching))
    for way in WAYS[state]:
        getattr(machine, way)()
    assert machine.alarm_state == state
    return machine


@pytest.mark.parametrize("event", list(Event))
@pytest.mark.parametrize("state", list(State))
def test_an_event_leads_where_the_table_says_or_nowhere(state: State, event: Event) -> None:
    latching = state in LATCHING or (event is Event.LATCH and state in ACTIVE)
    machine = brought_to(state, latching=latching)
    before = machine.state.alarms.get("strain")
    outcome = CAUSES[event](machine)
    after = TRANSITIONS.get((state, event))
    told = [changed for changed in machine.of(AlarmChanged) if changed.n > (before.version if before else 0)]
    if after is None:
        assert machine.alarm_state == state
        assert told == []
        assert outcome is None or outcome != "done"
    else:
        assert machine.alarm_state == after
        assert (told[-1].event, told[-1].before, told[-1].alarm.state) == (event, state, after)
        assert outcome in (None, "done")


def test_every_state_can_be_reached_and_left() -> None:
    assert set(TRANSITIONS.values()) == set(State)
    assert {before for before, _ in TRANSITIONS} == set(State)


@pytest.mark.parametrize("state", [state for state in State if state is not State.NORMAL])
def test_a_refused_command_names_the_current_state_and_changes_nothing(state: State) -> None:
    machine = brought_to(state, latching=state in LATCHING)
    command = machine.unshelve if state is not State.SHELVED else machine.put_back
    before = machine.state.alarms
    assert str(state) in command()
    assert machine.state.alarms == before


def test_a_shelved_alarm_comes_back_by_itself_and_is_raised_with_its_whole_delay() -> None:
    machine = Operated(replace(RULE, on_delay_ms=2 * SECOND))
    machine.shelve()
    machine.reads(90.0, PackMLState.EXECUTE)
    machine.reads(90.0)
    assert machine.alarm_state == State.SHELVED
    until = machine.state.alarms["strain"].until
    assert until is not None
    assert machine.due_at is not None
    assert machine.due_at <= until
    machine.now = until
    machine.tick(until)
    assert machine.alarm_state == State.NORMAL
    machine.reads(90.0)
    machine.reads(90.0)
    assert machine.alarm_id == ""
    machine.reads(90.0)
    assert machine.alarm_state == State.UNACKNOWLEDGED
    assert machine.of(AlarmChanged)[1].why == "its time was over"


def test_shelving_is_bounded_and_not_into_the_past() -> None:
    machine = brought_to(State.UNACKNOWLEDGED)
    for until in (machine.now, machine.now - 1, machine.now + 8 * HOUR + 1):
        refused = machine.outcome(Shelve(machine.key, "strain", "Ada", machine.now, "why", until))
        assert refused == "strain may be shelved for 480 min at most, and not into the past"
    assert machine.alarm_state == State.UNACKNOWLEDGED


def test_a_machine_out_of_service_says_nothing_until_it_is_back() -> None:
    machine = brought_to(State.ACKNOWLEDGED)
    out = TakeOutOfService(machine.key, "", "Bo", machine.now, "new spindle", "WO-1")
    assert machine.outcome(out) == "done"
    assert machine.alarm_state == State.OUT_OF_SERVICE
    assert "already: Bo, new spindle" in machine.outcome(replace(out, command_id=machine.key))
    machine.trip()
    assert machine.put_back() == "the machine is out of service as a whole"
    wrong = ReturnToService(machine.key, "", "Bo", machine.now, "", "WO-2")
    assert machine.outcome(wrong) == "the machine is out of service for another work order, WO-1"
    assert machine.outcome(replace(wrong, command_id=machine.key, work_order="WO-1")) == "done"
    assert machine.alarm_state == State.NORMAL
    machine.trip()
    assert machine.alarm_state == State.UNACKNOWLEDGED


def test_a_rule_that_was_out_of_service_before_its_machine_stays_so_when_the_machine_is_back() -> None:
    machine = brought_to(State.OUT_OF_SERVICE)
    machine.fold(TakeOutOfService(machine.key, "", "Bo", machine.now, "new spindle"))
    machine.fold(ReturnToService(machine.key, "", "Bo", machine.now))
    assert machine.alarm_state == State.OUT_OF_SERVICE


def test_a_stopped_machine_raises_no_alarm_of_a_rule_for_running_ones() -> None:
    machine = Operated()
    machine.suppress()
    machine.reads(90.0)
    assert machine.state.alarms == {}
    machine.unsuppress()
    machine.reads(90.0)
    assert machine.alarm_state == State.UNACKNOWLEDGED


def test_a_command_that_expects_another_version_is_refused_with_the_present_one() -> None:
    machine = brought_to(State.UNACKNOWLEDGED)
    seen = machine.state.alarms["strain"].version
    machine.fold(Comment(machine.key, machine.alarm_id, "Bo", machine.now, "coming"))
    late = Acknowledge(machine.key, machine.alarm_id, "Ada", machine.now, expected=seen)
    now = machine.state.alarms["strain"].version
    assert machine.outcome(late) == (
        f"it has changed meanwhile, it is unacknowledged (version {now}, not {seen})"
    )
    assert machine.outcome(replace(late, command_id=machine.key, expected=now)) == "done"


def test_three_times_in_a_minute_is_chattering_and_is_told_once() -> None:
    machine = Operated()
    for _ in range(5):
        machine.trip()
        machine.clear()
    told = [changed.event for changed in machine.of(AlarmChanged)]
    assert told.count("raised") == 5
    assert told.count("chattering") == 1
    assert machine.state.alarms["strain"].nuisance == "chattering"


def test_ten_times_in_an_hour_is_repeating() -> None:
    machine = Operated()
    for _ in range(10):
        machine.trip()
        machine.clear()
        machine.now += 5 * MINUTE
    told = [changed.event for changed in machine.of(AlarmChanged)]
    assert (told.count("repeating"), told.count("chattering")) == (1, 0)


def test_every_change_says_who_when_and_why() -> None:
    machine = brought_to(State.UNACKNOWLEDGED)
    machine.shelve()
    raised, shelved = machine.of(AlarmChanged)
    assert (raised.who, raised.at) == (None, START + SECOND)
    assert (shelved.who, shelved.why, shelved.at) == ("Ada", "loose sensor", machine.now)
