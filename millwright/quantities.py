"""Rules and quantities of a factory description -> numbers in the signals' units."""

import re

from shared.contracts.factory import Quantity, Rule, RuleOverride
from shared.contracts.units import UNITS, UnitClash, conversion

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
    known = {name: value for name, value in changes.items() if name in type(rule).model_fields}
    return rule.model_copy(update=known)
