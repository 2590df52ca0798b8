"""What the passing of arrival time does to alarms: silence, the end of shelving, re-annunciation."""

from dataclasses import replace

from shared.domain.alarms.commands import change_set_point
from shared.domain.alarms.life_cycle import ACTIVE, HIDDEN, Event, State
from shared.domain.alarms.occurrences import applies, move, settle
from shared.domain.alarms.rules import Silence
from shared.domain.spec import MachineSpec
from shared.domain.state import MachineState
from shared.domain.turn import Turn


def tick(turn: Turn, now: int) -> None:
    """Take the steps that are due at `now`."""
    state = turn.state
    watch = turn.spec.watch
    if state.arrived_at >= 0:
        for rule in watch.silences:
            quiet_ms = now - state.arrived_at
            if quiet_ms >= _after_ms(rule.condition):
                settle(turn, rule, 1, quiet_ms / 1000, now, gap=False)
    for alarm in list(state.alarms.values()):
        if alarm.state == State.SHELVED:
            if alarm.until is not None and now >= alarm.until:
                move(turn, replace(alarm, until=None), Event.UNSHELVE, at=now, why="its time was over")
        elif alarm.state == State.ACKNOWLEDGED:
            due = _realarm_at(turn.spec, alarm.rule_id, alarm.acknowledged_at)
            if due is not None and now >= due:
                alarm = replace(alarm, acknowledged_at=None, acknowledged_by=None)
                move(turn, alarm, Event.REANNUNCIATE, at=now)


def due(spec: MachineSpec, state: MachineState) -> list[int]:
    """When `tick` has something to do, if nothing arrives before."""
    found: list[int] = []
    if state.arrived_at >= 0 and state.outage is None:
        for rule in spec.watch.silences:
            alarm = state.alarms.get(rule.rule_id)
            waits = alarm is None or alarm.state not in HIDDEN | ACTIVE
            if waits and applies(spec, state, rule, state.arrived_at):
                found.append(state.arrived_at + _after_ms(rule.condition))
    for alarm in state.alarms.values():
        if alarm.until is not None:
            found.append(alarm.until)
        elif alarm.state == State.ACKNOWLEDGED:
            at = _realarm_at(spec, alarm.rule_id, alarm.acknowledged_at)
            if at is not None:
                found.append(at)
    return found


def change_rules(turn: Turn, before: MachineSpec, *, at: int) -> None:
    """A new description: drop what its rules no longer have, let changed rules start anew."""
    state = turn.state
    known = turn.spec.watch.by_id
    for rule_id, alarm in list(state.alarms.items()):
        if rule_id not in known:
            if alarm.alarm_id:
                cleared = replace(alarm, cleared_at=alarm.cleared_at or at, until=None)
                move(turn, cleared, Event.DROP, at=at, why="its rule is gone")
            else:
                del state.alarms[rule_id]
    for rule_id, set_point in list(state.set_points.items()):
        rule = known.get(rule_id)
        bounds = rule.adjustable if rule is not None else None
        if bounds is None or not bounds[0] <= set_point.value <= bounds[1]:
            change_set_point(
                turn, rule_id, None, at=at, who="description", why="no longer adjustable to that"
            )
    if state.memory is not None:
        old = before.watch.by_id
        for rule_id in old:
            if rule_id not in known or known[rule_id].condition != old[rule_id].condition:
                state.memory.forget(rule_id)


def _after_ms(condition: object) -> int:
    assert isinstance(condition, Silence)
    return condition.after_ms


def _realarm_at(spec: MachineSpec, rule_id: str, acknowledged_at: int | None) -> int | None:
    rule = spec.watch.by_id.get(rule_id)
    if rule is None or rule.realarm_ms is None or acknowledged_at is None:
        return None
    return acknowledged_at + rule.realarm_ms
