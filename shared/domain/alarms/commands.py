"""What operators do with alarms: carried out, or refused with the current state."""

from dataclasses import replace
from typing import assert_never

from shared.domain.alarms.inputs import (
    Acknowledge,
    ChangeSetPoint,
    Command,
    Comment,
    Reset,
    ReturnToService,
    Shelve,
    TakeOutOfService,
    Unshelve,
)
from shared.domain.alarms.life_cycle import HIDDEN, Event, State, after
from shared.domain.alarms.memory import Outage, SetPoint
from shared.domain.alarms.occurrences import hide, move, tell
from shared.domain.effects import Alarm, OutageChanged, SetPointChanged
from shared.domain.turn import Turn

DONE = "done"


def carry_out(turn: Turn, command: Command) -> str:
    """`done`, or why not."""
    match command:
        case Acknowledge() | Comment() | Reset():
            return _on_occurrence(turn, command)
        case Shelve() | Unshelve():
            return _shelving(turn, command)
        case TakeOutOfService() | ReturnToService():
            if command.target:
                return _service(turn, command)
            return _machine_service(turn, command)
        case ChangeSetPoint():
            return _change_set_point(turn, command)
        case _:
            assert_never(command)


def _on_occurrence(turn: Turn, command: Acknowledge | Comment | Reset) -> str:
    alarm = next((a for a in turn.state.alarms.values() if a.alarm_id == command.target), None)
    if alarm is None or not alarm.alarm_id:
        return "the alarm is not active"
    if (refused := _moved_on(alarm, command.expected)) is not None:
        return refused
    if isinstance(command, Comment):
        tell(
            turn,
            replace(alarm, comment=command.comment),
            "commented",
            before=alarm.state,
            at=command.now,
            who=command.who,
            why=command.comment,
        )
        return DONE
    event = Event.ACKNOWLEDGE if isinstance(command, Acknowledge) else Event.RESET
    if after(State(alarm.state), event) is None:
        return _impossible(alarm, event)
    if isinstance(command, Acknowledge):
        alarm = replace(alarm, acknowledged_at=command.now, acknowledged_by=command.who)
    alarm = replace(alarm, comment=command.comment or alarm.comment)
    move(turn, alarm, event, at=command.now, who=command.who, why=command.comment)
    return DONE


def _shelving(turn: Turn, command: Shelve | Unshelve) -> str:
    rule = turn.spec.watch.by_id.get(command.target)
    if rule is None:
        return f"the machine has no rule {command.target}"
    alarm = turn.state.alarms.get(rule.rule_id)
    if alarm is not None and (refused := _moved_on(alarm, command.expected)) is not None:
        return refused
    event = Event.SHELVE if isinstance(command, Shelve) else Event.UNSHELVE
    if after(State(alarm.state) if alarm is not None else State.NORMAL, event) is None:
        return _impossible(alarm, event)
    if isinstance(command, Unshelve):
        assert alarm is not None
        move(turn, replace(alarm, until=None), event, at=command.now, who=command.who, why=command.why)
        return DONE
    if turn.state.outage is not None:
        return "the machine is out of service"
    if not command.now < command.until <= command.now + rule.shelve_max_ms:
        most = rule.shelve_max_ms // 60_000
        return f"{rule.rule_id} may be shelved for {most} min at most, and not into the past"
    hide(turn, rule, event, at=command.now, who=command.who, why=command.why, until=command.until)
    return DONE


def _service(turn: Turn, command: TakeOutOfService | ReturnToService) -> str:
    rule = turn.spec.watch.by_id.get(command.target)
    if rule is None:
        return f"the machine has no rule {command.target}"
    alarm = turn.state.alarms.get(rule.rule_id)
    if turn.state.outage is not None:
        return "the machine is out of service as a whole"
    event = Event.TAKE_OUT if isinstance(command, TakeOutOfService) else Event.PUT_BACK
    if after(State(alarm.state) if alarm is not None else State.NORMAL, event) is None:
        return _impossible(alarm, event)
    why = _with_order(command.why, command.work_order)
    if event is Event.TAKE_OUT:
        hide(turn, rule, event, at=command.now, who=command.who, why=why, until=None)
    else:
        assert alarm is not None
        move(turn, alarm, event, at=command.now, who=command.who, why=why)
    return DONE


def _machine_service(turn: Turn, command: TakeOutOfService | ReturnToService) -> str:
    """The whole machine: its rules say nothing until it is back. Rules of their own stay out."""
    state = turn.state
    why = _with_order(command.why, command.work_order)
    if isinstance(command, TakeOutOfService):
        if state.outage is not None:
            return f"the machine is out of service already: {state.outage.who}, {state.outage.why}"
        taken: list[str] = []
        for rule_id, alarm in list(state.alarms.items()):
            if not alarm.alarm_id:
                del state.alarms[rule_id]
            elif alarm.state not in HIDDEN:
                move(turn, alarm, Event.TAKE_OUT, at=command.now, who=command.who, why=why)
                taken.append(rule_id)
        state.outage = Outage(command.now, command.who, command.why, command.work_order, tuple(taken))
    else:
        outage = state.outage
        if outage is None:
            return "the machine is in service"
        if command.work_order is not None and command.work_order != outage.work_order:
            return f"the machine is out of service for another work order, {outage.work_order}"
        state.outage = None
        for alarm in list(state.alarms.values()):
            if alarm.state == State.OUT_OF_SERVICE and alarm.rule_id in outage.taken:
                move(turn, alarm, Event.PUT_BACK, at=command.now, who=command.who, why=why)
    n = turn.number()
    turn.bundle = turn.bundle or n
    turn.urgent = True
    out = state.outage is not None
    turn.effects.append(
        OutageChanged(n, turn.bundle, out, command.now, command.who, command.why, command.work_order)
    )
    return DONE


def _change_set_point(turn: Turn, command: ChangeSetPoint) -> str:
    rule = turn.spec.watch.by_id.get(command.target)
    if rule is None:
        return f"the machine has no rule {command.target}"
    if rule.adjustable is None:
        return f"the limit of {rule.rule_id} may only be changed in the factory description"
    low, high = rule.adjustable
    if command.value is not None and not low <= command.value <= high:
        return f"the limit of {rule.rule_id} must be within {low:g} and {high:g}"
    change_set_point(turn, rule.rule_id, command.value, at=command.now, who=command.who, why=command.why)
    return DONE


def change_set_point(turn: Turn, rule_id: str, value: float | None, *, at: int, who: str, why: str) -> None:
    """Another limit from the next reading on; the one before is in its event and its journal."""
    state = turn.state
    rule = turn.spec.watch.by_id.get(rule_id)
    described = rule.limit if rule is not None else None
    old = state.set_points.get(rule_id)
    n = turn.number()
    turn.bundle = turn.bundle or n
    turn.urgent = True
    if value is None:
        state.set_points.pop(rule_id, None)
    else:
        state.set_points[rule_id] = SetPoint(value, n, at, who, why)
    turn.effects.append(
        SetPointChanged(
            n,
            turn.bundle,
            rule_id,
            old.value if old is not None else described,
            value if value is not None else described,
            at,
            who,
            why,
        )
    )


def _moved_on(alarm: Alarm, expected: int | None) -> str | None:
    if expected is None or expected == alarm.version:
        return None
    return f"it has changed meanwhile, it is {alarm.state} (version {alarm.version}, not {expected})"


def _impossible(alarm: Alarm | None, event: Event) -> str:
    if alarm is None:
        return f"an alarm that is normal cannot be {event.value}"
    if event is Event.ACKNOWLEDGE and alarm.acknowledged_by is not None and alarm.state not in HIDDEN:
        return f"already acknowledged by {alarm.acknowledged_by}"
    return f"an alarm that is {alarm.state} cannot be {event.value}"


def _with_order(why: str, work_order: str | None) -> str:
    return why if work_order is None else f"{why} (work order {work_order})"
