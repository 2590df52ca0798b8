"""Limit alarms (ISA-18.2): trip, deadband, on-delay in event time, acknowledgement.

An alarm that is not in the state is normal. One rule of one machine has at most one occurrence:

| state                   | violates                   | back beyond the deadband | acknowledged   |
|-------------------------|----------------------------|--------------------------|----------------|
| (normal)                | pending, raised on delay   | -                        | -              |
| pending                 | raised when on-delay over  | (normal)                 | -              |
| unacknowledged          | -                          | returnedUnacknowledged   | acknowledged   |
| acknowledged            | -                          | (normal)                 | -              |
| returnedUnacknowledged  | unacknowledged, after delay| -                        | (normal)       |
"""

from dataclasses import replace

from shared.domain.effects import (
    Alarm,
    AlarmAcknowledged,
    AlarmCleared,
    AlarmRaised,
    ViolationRecorded,
)
from shared.domain.spec import LimitRule
from shared.domain.turn import Turn

PENDING = "pending"
UNACKNOWLEDGED = "unacknowledged"
ACKNOWLEDGED = "acknowledged"
RETURNED = "returnedUnacknowledged"
NORMAL = "normal"

ACTIVE = frozenset({UNACKNOWLEDGED, ACKNOWLEDGED})
PRIORITIES = ("none", "low", "medium", "high", "critical")


def evaluate(turn: Turn, column: int, value: float, *, at: int, previous_at: int) -> None:
    """Judge a new current value of one signal by every rule that watches it.

    `previous_at` is the signal's sample before: an on-delay does not run through a data gap
    longer than the spec's silence, it starts again behind it.
    """
    for rule in turn.spec.rules_by_signal[column]:
        alarm = turn.state.alarms.get(rule.rule_id)
        violated = value > rule.limit if rule.kind == "high" else value < rule.limit
        if alarm is None:
            if violated:
                _trip(turn, rule, _pending(turn, rule, value, at), value, at)
        elif alarm.state == PENDING:
            if not violated:
                del turn.state.alarms[rule.rule_id]
            else:
                if at - previous_at > turn.spec.silence_ms:
                    alarm = replace(alarm, violated_at=at)
                _trip(turn, rule, alarm, value, at)
        elif alarm.state == RETURNED:
            _retrip(turn, rule, alarm, violated, value, at, previous_at)
        elif _returned(rule, value):
            _return(turn, alarm, at)


def acknowledge(turn: Turn, alarm_id: str, *, who: str, now: int, comment: str) -> str:
    """`done`, or why the alarm could not be acknowledged."""
    alarm = next((a for a in turn.state.alarms.values() if a.alarm_id == alarm_id), None)
    if alarm is None or alarm.state == PENDING:
        return "the alarm is not active"
    if alarm.state == ACKNOWLEDGED:
        return f"already acknowledged by {alarm.acknowledged_by}"
    settled = NORMAL if alarm.state == RETURNED else ACKNOWLEDGED
    alarm = replace(
        alarm, state=settled, acknowledged_at=now, acknowledged_by=who, comment=comment, retrip_at=None
    )
    _keep(turn, alarm)
    turn.effects.append(AlarmAcknowledged(turn.number(), alarm))
    turn.urgent = True
    return "done"


def record_old_violation(turn: Turn, column: int, value: float, *, at: int) -> None:
    """A sample older than the current value changes no alarm, but what it violated is written down."""
    for rule in turn.spec.rules_by_signal[column]:
        if value > rule.limit if rule.kind == "high" else value < rule.limit:
            turn.effects.append(ViolationRecorded(turn.number(), rule.rule_id, rule.signal, value, at))


def drop_unknown(turn: Turn, *, at: int) -> None:
    """Return the alarms whose rule the new spec no longer has."""
    known = {rule.rule_id for rule in turn.spec.rules}
    for rule_id, alarm in list(turn.state.alarms.items()):
        if rule_id not in known:
            if alarm.state != PENDING:
                cleared = replace(alarm, state=NORMAL, cleared_at=at)
                turn.effects.append(AlarmCleared(turn.number(), cleared))
                turn.urgent = True
            del turn.state.alarms[rule_id]


def summary(alarms: dict[str, Alarm]) -> tuple[int, int, str]:
    """(active, unacknowledged, highest active priority) for the twin and the API."""
    active = unacknowledged = highest = 0
    for alarm in alarms.values():
        if alarm.state in ACTIVE:
            active += 1
            highest = max(highest, PRIORITIES.index(alarm.priority))
        if alarm.state in (UNACKNOWLEDGED, RETURNED):
            unacknowledged += 1
    return active, unacknowledged, PRIORITIES[highest]


def _pending(turn: Turn, rule: LimitRule, value: float, at: int) -> Alarm:
    signal = turn.spec.signals[turn.spec.names.index(rule.signal)]
    return Alarm(
        alarm_id="",
        rule_id=rule.rule_id,
        signal=rule.signal,
        kind=rule.kind,
        priority=rule.priority,
        state=PENDING,
        limit=rule.limit,
        unit=signal.unit,
        value=value,
        violated_at=at,
        raised_at=at,
    )


def _trip(turn: Turn, rule: LimitRule, alarm: Alarm, value: float, at: int) -> None:
    """Raise a violating alarm whose on-delay is over, else keep it pending."""
    if at - alarm.violated_at < rule.on_delay_ms:
        turn.state.alarms[rule.rule_id] = alarm
        return
    n = turn.number()
    raised = replace(
        alarm, alarm_id=f"{turn.state.machine_id}:{n}", state=UNACKNOWLEDGED, value=value, raised_at=at
    )
    _raise(turn, n, raised)


def _retrip(
    turn: Turn, rule: LimitRule, alarm: Alarm, violated: bool, value: float, at: int, previous_at: int
) -> None:
    """A returned but unacknowledged alarm that violates again is the same occurrence, once more."""
    since = alarm.retrip_at
    if not violated:
        if since is not None:
            turn.state.alarms[rule.rule_id] = replace(alarm, retrip_at=None)
        return
    if since is None or at - previous_at > turn.spec.silence_ms:
        since = at
    if at - since < rule.on_delay_ms:
        turn.state.alarms[rule.rule_id] = replace(alarm, retrip_at=since)
        return
    again = replace(
        alarm,
        state=UNACKNOWLEDGED,
        value=value,
        raised_at=at,
        cleared_at=None,
        retrip_at=None,
        occurrence_count=alarm.occurrence_count + 1,
    )
    _raise(turn, turn.number(), again)


def _raise(turn: Turn, n: int, alarm: Alarm) -> None:
    turn.state.alarms[alarm.rule_id] = alarm
    turn.effects.append(AlarmRaised(n, alarm))
    turn.urgent = True


def _return(turn: Turn, alarm: Alarm, at: int) -> None:
    settled = RETURNED if alarm.state == UNACKNOWLEDGED else NORMAL
    alarm = replace(alarm, state=settled, cleared_at=at)
    _keep(turn, alarm)
    turn.effects.append(AlarmCleared(turn.number(), alarm))
    turn.urgent = True


def _returned(rule: LimitRule, value: float) -> bool:
    if rule.kind == "high":
        return value <= rule.limit - rule.deadband
    return value >= rule.limit + rule.deadband


def _keep(turn: Turn, alarm: Alarm) -> None:
    if alarm.state == NORMAL:
        del turn.state.alarms[alarm.rule_id]
    else:
        turn.state.alarms[alarm.rule_id] = alarm
