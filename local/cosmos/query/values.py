"""How values compare: equality, order and canonical spelling. Strings by code point, as UTF-8 bytes would."""

from functools import cmp_to_key

import orjson

from local.cosmos.json_types import Json, Undefined

type Value = Json | Undefined

UNDEFINED_RANK, NULL_RANK, BOOLEAN_RANK, NUMBER_RANK, STRING_RANK, ARRAY_RANK, OBJECT_RANK = range(7)
"""ORDER BY sorts by type first, in this order."""


def rank(value: Value) -> int:
    match value:
        case Undefined():
            return UNDEFINED_RANK
        case None:
            return NULL_RANK
        case bool():
            return BOOLEAN_RANK
        case int() | float():
            return NUMBER_RANK
        case str():
            return STRING_RANK
        case list():
            return ARRAY_RANK
        case dict():
            return OBJECT_RANK


def equal(left: Value, right: Value) -> bool:
    """Deep equality; 1 equals 1.0 and never true."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    return left == right


def compare(left: Value, right: Value) -> int | None:
    """Negative, zero or positive for two values of one primitive type; None (undefined) otherwise."""
    if isinstance(left, bool) and isinstance(right, bool):
        return left - right
    if left is None and right is None:
        return 0
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    if isinstance(left, bool) or isinstance(right, bool):
        return None
    if isinstance(left, int | float) and isinstance(right, int | float):
        return (left > right) - (left < right)
    return None


def order(left: Value, right: Value) -> int:
    """A total order over all values: by type, then by value; arrays and objects by canonical text."""
    by_rank = rank(left) - rank(right)
    if by_rank:
        return by_rank
    by_value = compare(left, right)
    if by_value is not None:
        return by_value
    one, other = canonical(left), canonical(right)
    return (one > other) - (one < other)


order_key = cmp_to_key(order)


def canonical(value: Value) -> bytes:
    """One spelling per value: equal values, and no others, have the same."""
    if isinstance(value, Undefined):
        return b""
    return orjson.dumps(_plain(value), option=orjson.OPT_SORT_KEYS)


def _plain(value: Json) -> Json:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
