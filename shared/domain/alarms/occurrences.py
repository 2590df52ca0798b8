"""From verdicts to occurrences: delays in event time, applicability, and each step of the life cycle.

One rule has at most one record in the state. Without one, or with one that has no id yet (its
on-delay is running), the alarm is normal.
"""

from dataclasses import replace
from enum import IntEnum

from shared.domain.alarms.life_cycle import ACTIVE, AWAITING, HIDDEN, PRIORITIES, Event, State, after
from shared.domain.alarms.nuisances import nuisance
from shared.domain.alarms.rules import Rule
from shared.domain.calendar import segment_at
from shared.domain.effects import Alarm, AlarmChanged
from shared.domain.spec import MachineSpec
from shared.domain.state import MachineState
from shared.domain.turn import Turn


class Verdict(IntEnum):
    """What a number says about a condition."""

    CLEAR = -1
    WITHIN_DEADBAND = 0
    TRIP = 1


def settle(turn: Turn, rule: Rule, verdict: int, value: float | None, at: int, *, gap: bool) -> None:
    """Let a verdict count: delays run while it lasts, and start anew behind a gap in the data."""
    alarm = turn.state.alarms.get(rule.rule_id)
    if alarm is not None and rule.is_designed:
        alarm = _fit(turn, rule, alarm, at)
    if alarm is None:
        if rule.rule_id in turn.taken_back:
            return
        if verdict == Verdict.TRIP and applies(turn.spec, turn.state, rule, at):
            _trip(turn, rule, _normal(turn, rule, value, at), value, at, since=at)
    elif alarm.state in HIDDEN:
        return
    elif alarm.state in ACTIVE:
        if verdict == Verdict.CLEAR:
            _return(turn, rule, alarm, at, since=at if gap or alarm.since is None else alarm.since)
        elif alarm.since is not None:
            turn.state.alarms[rule.rule_id] = replace(alarm, since=None)
    elif verdict == Verdict.TRIP:
        _trip(turn, rule, alarm, value, at, since=at if gap or alarm.since is None else alarm.since)
    elif alarm.since is not None:
        if alarm.alarm_id:
            turn.state.alarms[rule.rule_id] = replace(alarm, since=None)
        else:
            del turn.state.alarms[rule.rule_id]


def applies(spec: MachineSpec, state: MachineState, rule: Rule, at: int) -> bool:
    """Whether the rule says anything while the machine is as it is."""
    if state.outage is not None or (rule.states and state.state not in rule.states):
        return False
    if rule.products and state.product not in rule.products:
        return False
    return rule.schedule == "always" or segment_at(spec.calendar, at).planned


def apply_design(turn: Turn, *, at: int) -> None:
    """The machine's state or product changed: suppress what says nothing now, take back what does again."""
    for rule in turn.spec.watch.designed:
        alarm = turn.state.alarms.get(rule.rule_id)
        if alarm is not None:
            _fit(turn, rule, alarm, at)


def move(turn: Turn, alarm: Alarm, event: Event, *, at: int, who: str | None = None, why: str = "") -> Alarm:
    """Take a step of the life cycle that the table has, write it down, and tell of it.

    `alarm` is as it was, save for what comes with the step.
    """
    state = after(State(alarm.state), event)
    assert state is not None, f"{event} of an alarm that is {alarm.state}"
    return tell(
        turn, replace(alarm, state=state, since=None), event, before=alarm.state, at=at, who=who, why=why
    )


def tell(
    turn: Turn, alarm: Alarm, event: str, *, before: str, at: int, who: str | None = None, why: str = ""
) -> Alarm:
    """Write down that something happened to an occurrence; the first time, it gets its id."""
    n = turn.number()
    turn.bundle = turn.bundle or n
    turn.urgent = True
    alarm = replace(alarm, alarm_id=alarm.alarm_id or f"{turn.state.machine_id}:{n}", version=n)
    if alarm.state == State.NORMAL:
        turn.state.alarms.pop(alarm.rule_id, None)
    else:
        turn.state.alarms[alarm.rule_id] = alarm
    turn.effects.append(AlarmChanged(n, turn.bundle, event, before, alarm, at, who, why))
    return alarm


def hide(turn: Turn, rule: Rule, event: Event, *, at: int, who: str, why: str, until: int | None) -> Alarm:
    """Shelve a rule or take it out of service, whether it has an occurrence or not."""
    alarm = turn.state.alarms.get(rule.rule_id) or replace(_normal(turn, rule, None, at), occurrence_count=0)
    return move(turn, replace(alarm, until=until), event, at=at, who=who, why=why)


def summary(alarms: dict[str, Alarm]) -> tuple[int, int, str]:
    """(active, unacknowledged, highest active priority) for the twin and the API."""
    active = unacknowledged = highest = 0
    for alarm in alarms.values():
        if alarm.state in ACTIVE:
            active += 1
            highest = max(highest, PRIORITIES.index(alarm.priority))
        if alarm.state in AWAITING:
            unacknowledged += 1
    return active, unacknowledged, PRIORITIES[highest]


def _normal(turn: Turn, rule: Rule, value: float | None, at: int) -> Alarm:
    return Alarm(
        alarm_id="",
        rule_id=rule.rule_id,
        signal=rule.signal,
        kind=rule.condition.kind,
        priority=rule.priority,
        state=State.NORMAL,
        limit=limit_now(turn.state, rule),
        unit=turn.spec.unit_of(rule),
        value=value,
        violated_at=at,
        raised_at=at,
    )


def limit_now(state: MachineState, rule: Rule) -> float | None:
    """The rule's limit as it is now."""
    changed = state.set_points.get(rule.rule_id)
    return rule.limit if changed is None else changed.value


def _fit(turn: Turn, rule: Rule, alarm: Alarm, at: int) -> Alarm | None:
    """Suppress an occurrence that says nothing now, or take it back. None: the alarm is normal."""
    if alarm.state in (State.SHELVED, State.OUT_OF_SERVICE):
        return alarm
    fits = applies(turn.spec, turn.state, rule, at)
    if alarm.state == State.SUPPRESSED:
        if not fits:
            return alarm
        move(turn, alarm, Event.UNSUPPRESS, at=at)
        turn.taken_back.add(rule.rule_id)
        return None
    if fits:
        return alarm
    if not alarm.alarm_id:
        del turn.state.alarms[rule.rule_id]
        return None
    return move(turn, alarm, Event.SUPPRESS, at=at, why=f"the machine is in {turn.state.state.word}")


def _trip(turn: Turn, rule: Rule, alarm: Alarm, value: float | None, at: int, *, since: int) -> None:
    """Raise a violating alarm whose on-delay is over, else keep it waiting."""
    if at - since < rule.on_delay_ms:
        if alarm.since != since:
            turn.state.alarms[rule.rule_id] = replace(alarm, since=since)
        return
    alarm = replace(
        alarm,
        value=value,
        limit=limit_now(turn.state, rule),
        violated_at=since,
        raised_at=at,
        cleared_at=None,
        occurrence_count=alarm.occurrence_count + 1 if alarm.alarm_id else 1,
        acknowledged_at=None,
        acknowledged_by=None,
    )
    alarm = move(turn, alarm, Event.TRIP, at=at)
    found, is_new = nuisance(turn.state, rule.rule_id, at)
    if found is not None and (is_new or alarm.nuisance != found):
        alarm = replace(alarm, nuisance=found)
        turn.state.alarms[rule.rule_id] = alarm
        if is_new:
            tell(turn, alarm, found, before=alarm.state, at=at)


def _return(turn: Turn, rule: Rule, alarm: Alarm, at: int, *, since: int) -> None:
    """Clear an alarm whose off-delay is over, else keep it waiting."""
    if at - since < rule.off_delay_ms:
        if alarm.since != since:
            turn.state.alarms[rule.rule_id] = replace(alarm, since=since)
        return
    event = Event.LATCH if rule.latching else Event.RETURN
    move(turn, replace(alarm, cleared_at=at), event, at=at)
