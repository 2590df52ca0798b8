"""What the domain decides about alarms -> documents and events: one occurrence, its journal, its words."""

from collections.abc import Iterable
from typing import Any

from shared.domain import effects as fx
from shared.domain.alarms import rules
from shared.domain.alarms.life_cycle import ACTIVE, AWAITING, PRIORITIES
from shared.domain.alarms.rules import Rule
from shared.domain.spec import MachineSpec
from shared.instants import iso, iso_or_none
from shared.ports import Document

EVENT_TYPES: dict[str, str] = {
    "raised": "alarm.raised",
    "cleared": "alarm.cleared",
    "dropped": "alarm.cleared",
    "latched": "alarm.latched",
    "acknowledged": "alarm.acknowledged",
    "reset": "alarm.reset",
    "reannunciated": "alarm.reannunciated",
    "commented": "alarm.commented",
    "shelved": "alarm.shelved",
    "unshelved": "alarm.unshelved",
    "suppressed": "alarm.suppressed",
    "unsuppressed": "alarm.unsuppressed",
    "takenOutOfService": "alarm.takenoutofservice",
    "returnedToService": "alarm.returnedtoservice",
    "chattering": "alarm.nuisancefound",
    "repeating": "alarm.nuisancefound",
}
"""What happened to an occurrence -> the type of its CloudEvent."""

type Journalled = fx.AlarmChanged | fx.OutageChanged | fx.SetPointChanged


def alarm_fields(spec: MachineSpec, alarm: fx.Alarm) -> Document:
    """The occurrence as documents show it."""
    rule = spec.watch.by_id.get(alarm.rule_id)
    return {
        "alarmId": alarm.alarm_id,
        "ruleId": alarm.rule_id,
        "version": alarm.version,
        "signal": alarm.signal,
        "kind": alarm.kind,
        "priority": alarm.priority,
        "alarmClass": rule.alarm_class if rule else None,
        "urgency": f"{PRIORITIES.index(alarm.priority)}.{iso(alarm.raised_at)}",
        "state": str(alarm.state),
        "active": alarm.state in ACTIVE,
        "acknowledged": alarm.state not in AWAITING,
        "text": text(rule, alarm),
        "limit": alarm.limit,
        "unit": alarm.unit,
        "value": alarm.value,
        "violatedAt": iso(alarm.violated_at),
        "raisedAt": iso(alarm.raised_at),
        "clearedAt": iso_or_none(alarm.cleared_at),
        "acknowledgedAt": iso_or_none(alarm.acknowledged_at),
        "acknowledgedBy": alarm.acknowledged_by,
        "comment": alarm.comment or None,
        "shelvedUntil": iso_or_none(alarm.until),
        "nuisance": alarm.nuisance,
        "occurrenceCount": alarm.occurrence_count,
        "consequence": rule.consequence if rule else None,
        "response": rule.response if rule else None,
        "respondWithinS": _seconds(rule),
    }


def event_data(spec: MachineSpec, changed: fx.AlarmChanged) -> Document:
    """What the event of a change tells: the occurrence as it was then, what happened, who and why."""
    fields = alarm_fields(spec, changed.alarm)
    del fields["urgency"]
    return {
        **fields,
        "event": changed.event,
        "from": str(changed.before),
        "who": changed.who,
        "why": changed.why or None,
    }


def journals(found: Iterable[Journalled], common: Document) -> list[Document]:
    """One document for each input that changed alarms: who did what when, and why.

    `common` is what every document of the machine has.
    """
    bundles: dict[int, list[Journalled]] = {}
    for effect in found:
        bundles.setdefault(effect.bundle, []).append(effect)
    return [
        {
            **common,
            "id": f"journal:{bundle}",
            "type": "journal",
            "number": bundle,
            "at": iso(min(effect.at for effect in effects)),
            "alarmIds": [effect.alarm.alarm_id for effect in effects if isinstance(effect, fx.AlarmChanged)],
            "entries": [_entry(effect) for effect in effects],
        }
        for bundle, effects in bundles.items()
    ]


def text(rule: Rule | None, alarm: fx.Alarm) -> str:
    """What is the matter, in a line without the machine's name.

    The rule may be gone by now; the occurrence then speaks for itself.
    """
    condition = rule.condition if rule is not None else None
    value, limit = _number(alarm.value, alarm.unit), _number(alarm.limit, alarm.unit)
    match condition:
        case rules.Deviation():
            target = condition.target_signal or _number(condition.target, alarm.unit)
            return f"{alarm.signal} {value} away from {target}, more than {limit}"
        case rules.RateOfChange():
            moves = {"rising": "rises", "falling": "falls"}.get(condition.direction, "changes")
            return f"{alarm.signal} {moves} by {value}, more than {limit}"
        case rules.CounterRate():
            return f"{condition.counter} count {value}, {condition.direction} {limit}"
        case rules.InState():
            words = ", ".join(state.word for state in condition.states) or "stopped"
            return f"{words} ({', '.join(condition.reasons)})" if condition.reasons else words
        case rules.Silence(signal=None):
            return "nothing arrives" if alarm.value is None else f"nothing arrived for {value}"
        case rules.Silence():
            return f"{alarm.signal} is missing from what the machine sends"
        case rules.Frozen():
            return f"{alarm.signal} does not move for {condition.after_ms / 1000:g} s"
        case rules.Score(direction="below"):
            return f"{condition.model} gives {value}, below {limit}"
        case rules.Score() if condition.limit >= 1.0:
            return f"{condition.model} gives {value}, above {limit}"
        case rules.Score():
            return f"{condition.model} gives a failure probability of {value}, above {limit}"
        case rules.Oee():
            return f"{condition.figure} {value}, below {limit}"
        case rules.Expression():
            return condition.text
        case _:
            beyond = "below" if alarm.kind.startswith("low") else "above"
            return f"{alarm.signal or alarm.kind} {value} {beyond} {limit}"


def _entry(effect: Journalled) -> Document:
    entry: Document = {
        "number": effect.n,
        "at": iso(effect.at),
        "event": "",
        "who": effect.who,
        "why": effect.why or None,
    }
    match effect:
        case fx.AlarmChanged(alarm=alarm):
            return entry | {
                "event": effect.event,
                "alarmId": alarm.alarm_id,
                "ruleId": alarm.rule_id,
                "priority": alarm.priority,
                "from": str(effect.before),
                "to": str(alarm.state),
                "value": alarm.value,
                "raisedAt": iso(alarm.raised_at),
                "until": iso_or_none(alarm.until),
            }
        case fx.OutageChanged():
            event = "takenOutOfService" if effect.out else "returnedToService"
            return entry | {"event": event, "workOrder": effect.work_order}
        case fx.SetPointChanged():
            return entry | {
                "event": "setPointChanged",
                "ruleId": effect.rule_id,
                "old": effect.old,
                "new": effect.new,
            }


def _number(value: Any, unit: str) -> str:
    if value is None:
        return "?"
    return f"{value:.6g} {unit}" if unit not in ("", "1") else f"{value:.6g}"


def _seconds(rule: Rule | None) -> float | None:
    return None if rule is None or rule.respond_ms is None else rule.respond_ms / 1000
