"""Rules and quantities of a factory description -> numbers in the signals' units."""

import re

from shared.contracts.factory import Quantity, Rule, RuleOverride
from shared.contracts.units import UNITS, UnitClash, conversion
from shared.domain.alarms.rules import Limit
from shared.domain.alarms.rules import Rule as AlarmRule

_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?) ?(\S+)")


class BadQuantity(ValueError):
    """A quantity whose unit does not fit; says why."""


def value_in(quantity: Quantity, unit: str) -> float:
    """A point on the scale of `unit`.

    >>> value_in("358.15 K", "°C")
    85.0
    """
    number, scale, offset = _parts(quantity, unit)
    return round(number * scale + offset, 9)


def difference_in(quantity: Quantity, unit: str) -> float:
    """A distance on the scale of `unit`: zero points do not matter.

    >>> difference_in("2 K", "°C")
    2.0
    """
    number, scale, _ = _parts(quantity, unit)
    return round(number * scale, 9)


def _parts(quantity: Quantity, unit: str) -> tuple[float, float, float]:
    if not isinstance(quantity, str):
        return float(quantity), 1.0, 0.0
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        raise BadQuantity(f"{quantity!r} is not a number with a unit")
    if match[2] not in UNITS:
        raise BadQuantity(f"{quantity}: {match[2]!r} is no unit known here")
    try:
        return float(match[1]), *conversion(match[2], unit)
    except UnitClash as exc:
        raise BadQuantity(f"{quantity} cannot be compared with a signal in {unit}: {exc}") from exc


def overridden(rule: Rule, override: RuleOverride) -> Rule:
    """The rule with what the override says; `clear` and `deadband` replace each other."""
    changes = {name: value for name, value in override if value is not None}
    if changes.keys() & {"clear", "deadband"}:
        changes = {"clear": None, "deadband": None, **changes}
    return rule.model_copy(update=changes)


def limit_rule(rule: Rule, unit: str) -> AlarmRule:
    """The rule in the signal's unit. Raises BadQuantity, also when it could never clear."""
    limit = value_in(rule.limit, unit)
    if (rule.clear is None) == (rule.deadband is None):
        raise BadQuantity("a rule says either `clear` or `deadband`")
    if rule.clear is not None:
        clear = value_in(rule.clear, unit)
        deadband = limit - clear if rule.kind == "high" else clear - limit
        if deadband < 0:
            side = "below" if rule.kind == "high" else "above"
            raise BadQuantity(
                f"clear {rule.clear} must be {side} the limit {rule.limit} of a {rule.kind} alarm"
            )
    else:
        assert rule.deadband is not None
        deadband = difference_in(rule.deadband, unit)
        if deadband < 0:
            raise BadQuantity(f"deadband {rule.deadband} is negative: the alarm would clear beyond its limit")
    return AlarmRule(
        rule_id=rule.id,
        condition=Limit(rule.kind, rule.signal, limit, round(deadband, 9)),
        on_delay_ms=round(rule.delay_s * 1000),
        priority=rule.priority,
        consequence=rule.consequence,
        response=rule.response,
    )
