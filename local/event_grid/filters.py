"""Advanced filters: conditions on any attribute of an event and on its data.

Source: "Understand event filtering for Event Grid subscriptions": all conditions of a subscription must
hold, one of a condition's values is enough, strings compare without case.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from local.event_grid import errors
from local.event_grid.schema import Json

FILTER_LIMIT = VALUE_LIMIT = 25
"""Conditions of a subscription, and values over all of them."""

TEXT_LIMIT = 512
type Test = Callable[[Any, Any], bool]

_NUMBERS: dict[str, Test] = {
    "NumberIn": operator.eq,
    "NumberLessThan": operator.lt,
    "NumberGreaterThan": operator.gt,
    "NumberLessThanOrEquals": operator.le,
    "NumberGreaterThanOrEquals": operator.ge,
}
_RANGES: dict[str, Test] = {"NumberInRange": lambda found, span: span[0] <= found <= span[1]}
_TEXTS: dict[str, Test] = {
    "StringIn": operator.eq,
    "StringContains": operator.contains,
    "StringBeginsWith": str.startswith,
    "StringEndsWith": str.endswith,
}
_BOOLS: dict[str, Test] = {"BoolEquals": operator.eq}
_SINGLE = frozenset(_NUMBERS) - {"NumberIn"} | {"BoolEquals"}
"""Operators with one `value`; the others have `values`."""

_OPPOSITES = {
    "NumberNotIn": "NumberIn",
    "NumberNotInRange": "NumberInRange",
    "StringNotIn": "StringIn",
    "StringNotContains": "StringContains",
    "StringNotBeginsWith": "StringBeginsWith",
    "StringNotEndsWith": "StringEndsWith",
}
_PRESENCE = ("IsNullOrUndefined", "IsNotNull")


@dataclass(frozen=True, slots=True)
class AdvancedFilter:
    operator: str
    key: str
    """`subject`, or into the data: `data.site.line`."""

    values: tuple[Any, ...]

    @classmethod
    def from_record(cls, record: Json) -> "AdvancedFilter":
        values = (tuple(cast("list[Any]", v)) if isinstance(v, list) else v for v in record["values"])
        return cls(record["operator"], record["key"], tuple(values))

    def holds(self, event: Json, *, arrays: bool) -> bool:
        """Whether an event passes. Of an array, with `arrays`, one member is enough; without, it never is."""
        found = lookup(event, self.key)
        if self.operator in _PRESENCE:
            return (found is None) == (self.operator == "IsNullOrUndefined")
        members = cast("list[object]", found) if arrays and isinstance(found, list) else [found]
        matched = any(self._matches(member) for member in members)
        return matched is not (self.operator in _OPPOSITES)

    def _matches(self, found: object) -> bool:
        name = _OPPOSITES.get(self.operator, self.operator)
        if name in _TEXTS:
            text = found.lower() if isinstance(found, str) else None
            return text is not None and any(_TEXTS[name](text, value.lower()) for value in self.values)
        if name in _BOOLS:
            return isinstance(found, bool) and found == self.values[0]
        if not _is_number(found):
            return False
        return any((_NUMBERS | _RANGES)[name](found, value) for value in self.values)

    def document(self) -> Json:
        shown: Json = {"operatorType": self.operator, "key": self.key}
        if self.operator in _PRESENCE:
            return shown
        if self.operator in _SINGLE:
            return shown | {"value": self.values[0]}
        return shown | {"values": list(self.values)}


def lookup(event: Json, key: str) -> object:
    """What a key leads to, None if nowhere. An attribute's name has no case, names in the data have.

    >>> lookup({"eventType": "t", "data": {"site": {"line": 3}}}, "EventType")
    't'
    >>> lookup({"eventType": "t", "data": {"site": {"line": 3}}}, "data.site.line")
    3
    """
    first, *rest = key.split(".")
    value: object = next((value for name, value in event.items() if name.lower() == first.lower()), None)
    for name in rest:
        value = cast(Json, value).get(name) if isinstance(value, dict) else None
    return value


def requested(filters: object) -> tuple[AdvancedFilter, ...]:
    """The conditions that a PUT asks for. GridError 400 says which one the service refuses, and why."""
    if filters is None:
        return ()
    if not isinstance(filters, list) or len(cast("list[object]", filters)) > FILTER_LIMIT:
        raise errors.invalid(f"advancedFilters must be an array of at most {FILTER_LIMIT} filters.")
    found = tuple(_one(place, entry) for place, entry in enumerate(cast("list[object]", filters)))
    if sum(len(condition.values) for condition in found) > VALUE_LIMIT:
        raise errors.invalid(f"advancedFilters may have {VALUE_LIMIT} values in all.")
    return found


def _one(place: int, entry: object) -> AdvancedFilter:
    where = f"advancedFilters[{place}]"
    if not isinstance(entry, dict):
        raise errors.invalid(f"{where} must be an object.")
    body = cast(Json, entry)
    name, key = body.get("operatorType"), body.get("key")
    if not isinstance(name, str) or name not in {
        *_NUMBERS,
        *_RANGES,
        *_TEXTS,
        *_BOOLS,
        *_OPPOSITES,
        *_PRESENCE,
    }:
        raise errors.invalid(f"{where}: the operatorType '{name}' is not supported.")
    if not isinstance(key, str) or not key:
        raise errors.invalid(f"{where}: a key is required.")
    if name in _PRESENCE:
        return AdvancedFilter(name, key, ())
    given: object = [body.get("value")] if name in _SINGLE else body.get("values")
    values = cast("list[object]", given) if isinstance(given, list) else []
    if not values or not all(_is_value(_OPPOSITES.get(name, name), value) for value in values):
        raise errors.invalid(f"{where}: {name} needs values that it can compare with.")
    spans = (tuple(cast("list[Any]", value)) if isinstance(value, list) else value for value in values)
    return AdvancedFilter(name, key, tuple(spans))


def _is_value(name: str, value: object) -> bool:
    if name in _TEXTS:
        return isinstance(value, str) and len(value) <= TEXT_LIMIT
    if name in _BOOLS:
        return isinstance(value, bool)
    if name in _RANGES:
        span = cast("list[object]", value) if isinstance(value, list) else []
        return len(span) == 2 and all(map(_is_number, span))
    return _is_number(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
