"""Alarms against slow and obvious accounts of the same: rules over wild data, the life cycle over wild people."""
# ruff: noqa: E501  tables are read line by line

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shared.commit import MAX_OPERATIONS
from shared.documents import render
from shared.domain.alarms.inputs import Comment, ReturnToService, TakeOutOfService
from shared.domain.alarms.life_cycle import ACTIVE, HIDDEN, TRANSITIONS, Event, State
from shared.domain.alarms.rules import RULES_MAX, Deviation, InState, Limit, RateOfChange, Rule
from shared.domain.effects import AlarmChanged
from shared.domain.inputs import Reading
from shared.domain.packml import PackMLState
from shared.state_document import to_document
from tests.domain.test_alarm_life_cycle import RULE, Operated
from tests.domain.test_alarm_rules import expression
from tests.machine import Machine, of
from tests.plants import HOUR, MINUTE, MONDAY, SECOND, SPEC, reading

START = MONDAY + 9 * HOUR
ON, OFF = 7 * SECOND, 4 * SECOND
EXECUTE, HELD = PackMLState.EXECUTE, PackMLState.HELD

type Snapshot = tuple[int, float | None]
"""When, and 1 where the condition holds, -1 where it has returned, 0 in between, None while unknown."""


@dataclass(frozen=True)
class Past:
    """What had arrived by some moment, and nothing derived from it."""

    arrived: Sequence[Reading]

    def samples(self, name: str) -> list[tuple[int, int, float]]:
        """(at, sequence, value) of each good value that was the newest when it arrived."""
        signal = next(signal for signal in SPEC.signals if signal.name == name)
        newest: list[tuple[int, int, float]] = []
        for one in self.arrived:
            value = one.signals.get(name)
            good = value is not None and signal.low <= value <= signal.high
            if good and (not newest or (one.at, one.sequence) >= newest[-1][:2]):
                newest.append((one.at, one.sequence, value))
        return newest

    @property
    def at(self) -> int:
        return max(one.at for one in self.arrived)

    @property
    def state(self) -> PackMLState | None:
        told = [(one.at, one.sequence, one.state) for one in self.arrived if one.state is not None]
        return max(told)[2] if told else None

    def fresh(self, name: str) -> float | None:
        samples = self.samples(name)
        return samples[-1][2] if samples and self.at - samples[-1][0] <= SPEC.silence_ms else None


def of_signal(name: str, judge: Callable[[float], float]) -> Callable[[Past], list[Snapshot]]:
    return lambda past: [(at, judge(value)) for at, _, value in past.samples(name)]


def of_readings(judge: Callable[[Past], float | None]) -> Callable[[Past], list[Snapshot]]:
    def snapshots(past: Past) -> list[Snapshot]:
        pasts = [Past(past.arrived[:count]) for count in range(1, len(past.arrived) + 1)]
        return [(one.at, judge(one)) for one in pasts]

    return snapshots


def within(x: float, *, trip: float, clear: float) -> float:
    return 1 if x > trip else -1 if x <= clear else 0


def away(past: Past) -> float | None:
    value, target = past.fresh("temperature_c"), past.fresh("torque_nm")
    if value is None or target is None:
        return None
    return within(abs(value - target), trip=10, clear=8)


def hot_or_not_strained_while_running(past: Past) -> float | None:
    """`temperature_c > 85 or not torque_nm > 75, and Execute`, by three values."""
    if past.state is not EXECUTE:
        return -1
    heat, torque = past.fresh("temperature_c"), past.fresh("torque_nm")
    if (heat is not None and heat > 85) or (torque is not None and torque <= 75):
        return 1
    return None if heat is None or torque is None else -1


CASES: list[tuple[Rule, Callable[[Past], list[Snapshot]]]] = [
    (Rule("high", Limit("high", "temperature_c", 85, 5), "low", ON, OFF), of_signal("temperature_c", lambda x: within(x, trip=85, clear=80))),
    (Rule("low", Limit("lowLow", "temperature_c", 20, 4), "low", 0, OFF), of_signal("temperature_c", lambda x: within(-x, trip=-20, clear=-24))),
    (Rule("deviation", Deviation("deviation", "temperature_c", 10, 2, target=80), "low", ON), of_signal("temperature_c", lambda x: within(abs(x - 80), trip=10, clear=8))),
    (Rule("strain", Limit("highHigh", "torque_nm", 80), "low", ON, OFF), of_signal("torque_nm", lambda x: within(x, trip=80, clear=80))),
    (Rule("away", Deviation("deviation", "temperature_c", 10, 2, target_signal="torque_nm"), "low", ON, OFF), of_readings(away)),
    (Rule("held", InState("state", (HELD,)), "low", ON, OFF), of_readings(lambda past: 1 if past.state is HELD else -1)),
    (Rule("both", expression("(temperature_c > 85 °C or not torque_nm > 75 N·m) and state == Execute"), "low", ON, OFF), of_readings(hot_or_not_strained_while_running)),
]  # fmt: skip


def is_up(rule: Rule, snapshots: Sequence[Snapshot]) -> bool:
    """By the definition: up or down changes once all there is of the last so many seconds says so, without a gap."""
    up = False
    for last, (at, _) in enumerate(snapshots):
        wanted, delay_ms = (-1, rule.off_delay_ms) if up else (1, rule.on_delay_ms)
        for first in range(last, -1, -1):
            if snapshots[first][1] != wanted:
                break
            if at - snapshots[first][0] >= delay_ms:
                up = not up
                break
            if first and snapshots[first][0] - snapshots[first - 1][0] > SPEC.silence_ms:
                break
    return up


@st.composite
def wild(draw: st.DrawFn) -> list[Reading]:
    """Readings with jitter and gaps, that come out of order, twice, with bad values or without."""
    at, arrivals = START, list[tuple[int, Reading]]()
    for number in range(1, draw(st.integers(1, 30)) + 1):
        at += draw(
            st.sampled_from(
                [0, 900, SECOND, 1100, 2 * SECOND, 4 * SECOND, 7 * SECOND, 60 * SECOND, 61 * SECOND]
            )
        )
        signals = {
            "temperature_c": draw(st.sampled_from([None, 10.0, 22.0, 70.0, 82.0, 90.0, 90.0, 91.0, 999.0])),
            "torque_nm": draw(st.sampled_from([None, 60.0, 75.0, 80.0, 81.0, 95.0, float("nan")])),
        }
        known = {name: value for name, value in signals.items() if value is not None}
        one = reading(number, at, state=draw(st.sampled_from([None, EXECUTE, EXECUTE, HELD])), **known)
        for delay in draw(st.sampled_from([(0,), (0,), (0,), (3000,), (8000,), (0, 2000), (1000, 100_000)])):
            arrivals.append((at + delay, replace(one, arrived_at=at + delay)))
    arrivals.sort(key=lambda arrival: arrival[0])
    return [
        replace(one, position=replace(one.position, sequence=place)) for place, (_, one) in enumerate(arrivals)
    ]  # fmt: skip


@given(wild())
@settings(max_examples=100)
def test_rules_judge_wild_data_as_their_definitions_do(readings: list[Reading]) -> None:
    machine = Machine(replace(SPEC, rules=tuple(rule for rule, _ in CASES), models=()))
    arrived: list[Reading] = []
    for one in readings:
        machine.fold(one)
        if one.key not in {other.key for other in arrived}:
            arrived.append(one)
        for described, snapshots in CASES:
            alarm = machine.state.alarms.get(described.rule_id)
            found = alarm is not None and alarm.state in ACTIVE
            assert found == is_up(described, snapshots(Past(arrived))), (described.rule_id, alarm)


class Operators(RuleBasedStateMachine):
    """Whatever operators, maintenance, the clock and the machine do: the alarm is where a plain account says."""

    @initialize(latching=st.booleans())
    def begin(self, latching: bool) -> None:
        self.machine = Operated(replace(RULE, latching=latching))
        self.latching = latching
        self.expected = State.NORMAL
        self.mode = PackMLState.UNDEFINED
        self.outage = self.taken = False
        self.until = self.acknowledged_at = 0
        self.seen = 0

    @rule(
        torque=st.sampled_from([10.0, 76.0, 90.0, 90.0]),
        state=st.sampled_from([None, EXECUTE, EXECUTE, HELD]),
    )
    def reads(self, torque: float, state: PackMLState | None) -> None:
        self.machine.reads(torque, state)
        self.mode = state or self.mode
        applies = self.mode is EXECUTE and not self.outage
        if self.expected in (State.SHELVED, State.OUT_OF_SERVICE):
            return
        if self.expected is State.SUPPRESSED:
            self.expected = State.NORMAL if applies else State.SUPPRESSED
        elif not applies:
            self.expected = State.NORMAL if self.expected is State.NORMAL else State.SUPPRESSED
        elif torque > 80:
            self.expected = self.expected if self.expected in ACTIVE else State.UNACKNOWLEDGED
        elif torque <= 72 and self.expected in ACTIVE:
            unseen = self.expected is State.UNACKNOWLEDGED
            if self.latching:
                self.expected = State.LATCHED_UNACKNOWLEDGED if unseen else State.LATCHED_ACKNOWLEDGED
            else:
                self.expected = State.RETURNED if unseen else State.NORMAL

    def command(self, event: Event, outcome: str, *, refused: bool = False) -> None:
        after = TRANSITIONS.get((self.expected, event))
        assert (outcome == "done") == (after is not None and not refused), outcome
        if outcome == "done" and after is not None:
            self.expected = after

    @rule()
    def acknowledge(self) -> None:
        self.command(Event.ACKNOWLEDGE, self.machine.acknowledge())
        self.acknowledged_at = self.machine.now

    @rule()
    def reset(self) -> None:
        self.command(Event.RESET, self.machine.reset())

    @rule()
    def shelve(self) -> None:
        before = self.expected
        self.command(Event.SHELVE, self.machine.shelve(), refused=self.outage)
        if before is not self.expected:
            self.until = self.machine.now + 8 * HOUR

    @rule()
    def unshelve(self) -> None:
        self.command(Event.UNSHELVE, self.machine.unshelve())

    @rule()
    def take_out(self) -> None:
        self.command(Event.TAKE_OUT, self.machine.take_out(), refused=self.outage)

    @rule()
    def put_back(self) -> None:
        self.command(Event.PUT_BACK, self.machine.put_back(), refused=self.outage)

    @rule()
    def comment(self) -> None:
        machine = self.machine
        outcome = machine.outcome(Comment(machine.key, machine.alarm_id, "Bo", machine.now, "looking"))
        assert (outcome == "done") == (self.expected is not State.NORMAL)

    @rule()
    def work_begins(self) -> None:
        machine = self.machine
        out = TakeOutOfService(machine.key, "", "Bo", machine.now, "new spindle")
        assert (machine.outcome(out) == "done") == (not self.outage)
        if not self.outage:
            self.outage, self.taken = True, self.expected is not State.NORMAL and self.expected not in HIDDEN
            self.expected = State.OUT_OF_SERVICE if self.taken else self.expected

    @rule()
    def work_ends(self) -> None:
        machine = self.machine
        outcome = machine.outcome(ReturnToService(machine.key, "", "Bo", machine.now))
        assert (outcome == "done") == self.outage
        if self.outage and self.taken and self.expected is State.OUT_OF_SERVICE:
            self.expected = State.NORMAL
        self.outage = False

    @rule(minutes=st.sampled_from([1, 59, 60, 180]))
    def time_passes(self, minutes: int) -> None:
        self.machine.now += minutes * MINUTE
        self.machine.tick(self.machine.now)
        if self.expected is State.SHELVED and self.machine.now >= self.until:
            self.expected = State.NORMAL
        elif self.expected is State.ACKNOWLEDGED and self.machine.now >= self.acknowledged_at + HOUR:
            self.expected = State.UNACKNOWLEDGED

    @invariant()
    def the_alarm_is_where_the_account_says(self) -> None:
        assert self.machine.alarm_state == self.expected

    @invariant()
    def every_change_is_in_the_table_and_follows_the_one_before(self) -> None:
        told = self.machine.of(AlarmChanged)
        for number in range(self.seen, len(told)):
            change, before = told[number], told[number - 1] if number else None
            state = State.NORMAL if before is None else before.alarm.state
            assert change.before == state
            assert change.alarm.version == change.n
            if change.event in set(Event):
                assert TRANSITIONS[State(change.before), Event(change.event)] == change.alarm.state
            if before is not None and state != State.NORMAL:
                assert change.alarm.alarm_id == before.alarm.alarm_id
        assert len({change.n for change in told}) == len(told)
        self.seen = len(told)


Operators.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestOperators = Operators.TestCase


def crowded(make: Callable[[int], Rule]) -> Machine:
    return Machine(replace(SPEC, rules=tuple(make(number) for number in range(RULES_MAX))))


def operations(machine: Machine, one: Reading) -> int:
    """How many operations the commit of one reading has, the state's own among them."""
    return 1 + len(render(machine.spec, machine.state, machine.fold(one)).operations)


def limits(number: int) -> Rule:
    return Rule(f"rule-{number}", Limit("high", "torque_nm", 80.0 + number / 100), "low", states=(EXECUTE,))


def test_one_reading_that_trips_every_rule_fits_into_one_commit_even_as_they_begin_to_chatter() -> None:
    machine = crowded(limits)
    for number in range(0, 6, 2):
        most = operations(machine, reading(number, START + number * SECOND, torque_nm=99.0))
        assert len(machine.state.alarms) == RULES_MAX
        assert most <= MAX_OPERATIONS
        machine.fold(reading(number + 1, START + (number + 1) * SECOND, torque_nm=1.0))
    assert {alarm.nuisance for alarm in machine.state.alarms.values()} == {"chattering"}
    assert to_document(machine.spec, machine.state)


def test_one_reading_that_ends_every_suppression_raises_all_again_only_with_the_next() -> None:
    machine = crowded(limits)
    machine.fold(reading(0, START, torque_nm=99.0))
    assert operations(machine, reading(1, START + SECOND, state=HELD)) <= MAX_OPERATIONS
    assert operations(machine, reading(2, START + 2 * SECOND, torque_nm=99.0)) <= MAX_OPERATIONS
    assert machine.state.alarms == {}
    raised = of(AlarmChanged, machine.fold(reading(3, START + 3 * SECOND, torque_nm=99.0)))
    assert [change.event for change in raised[:RULES_MAX]] == ["raised"] * RULES_MAX


def test_rules_that_remember_fit_into_the_state_document_while_all_are_raised() -> None:
    machine = crowded(
        lambda number: Rule(
            f"rule-{number}", RateOfChange("rateOfChange", "torque_nm", 1.0 + number, 60_000), "low"
        )
    )
    for number in range(120):
        machine.fold(reading(number, START + number * SECOND, torque_nm=5.0 + 2.123456 * number))
    assert len(machine.state.alarms) == RULES_MAX
    assert to_document(machine.spec, machine.state)
