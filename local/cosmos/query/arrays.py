"""Functions of arrays, sets and objects."""

from collections.abc import Callable

from local.cosmos.json_types import UNDEFINED, Json, Undefined
from local.cosmos.query.signature import Arguments, Function, as_number
from local.cosmos.query.values import Value, canonical, equal


def _subset(part: Value, whole: Value) -> bool:
    """`part` equals `whole`, or is an object all of whose properties `whole` has."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _subset(part[key], whole[key]) for key in part)
    return equal(part, whole)


def _array_contains(args: Arguments) -> Value:
    items, sought, *partial = args
    if not isinstance(items, list) or isinstance(sought, Undefined):
        return UNDEFINED
    if partial and partial[0] is True:
        return any(_subset(sought, item) for item in items)
    return any(equal(sought, item) for item in items)


def _array_contains_any(args: Arguments) -> Value:
    items, *sought = args
    if not isinstance(items, list):
        return UNDEFINED
    return any(equal(one, item) for one in sought for item in items)


def _array_contains_all(args: Arguments) -> Value:
    items, *sought = args
    if not isinstance(items, list):
        return UNDEFINED
    return all(any(equal(one, item) for item in items) for one in sought)


def _array_concat(args: Arguments) -> Value:
    joined: list[Json] = []
    for one in args:
        if not isinstance(one, list):
            return UNDEFINED
        joined += one
    return joined


def _array_slice(args: Arguments) -> Value:
    items, start = args[0], as_number(args[1])
    length = as_number(args[2]) if len(args) > 2 else float("inf")
    if not isinstance(items, list) or start is None or length is None:
        return UNDEFINED
    first = max(0, len(items) + int(start)) if start < 0 else int(start)
    return items[first : first + int(min(max(0, length), len(items)))]


def _set_operation(keep: Callable[[set[bytes], set[bytes]], set[bytes]]) -> Function:
    def call(args: Arguments) -> Value:
        left, right = args
        if not isinstance(left, list) or not isinstance(right, list):
            return UNDEFINED
        kept = keep({canonical(item) for item in left}, {canonical(item) for item in right})
        result: list[Json] = []
        for item in [*left, *right]:
            if (name := canonical(item)) in kept:
                kept.discard(name)
                result.append(item)
        return result

    return Function(call, 2, 2)


def _object_to_array(args: Arguments) -> Value:
    value = args[0]
    if not isinstance(value, dict):
        return UNDEFINED
    pairs: list[Json] = [{"k": key, "v": item} for key, item in value.items()]
    return pairs


def _choose(args: Arguments) -> Value:
    at, values = as_number(args[0]), args[1:]
    if at is None or not 1 <= int(at) <= len(values):
        return UNDEFINED
    return values[int(at) - 1]


def _length(args: Arguments) -> Value:
    return len(args[0]) if isinstance(args[0], list) else UNDEFINED


ARRAY_FUNCTIONS: dict[str, Function] = {
    "ARRAY_LENGTH": Function(_length, 1, 1),
    "ARRAY_CONTAINS": Function(_array_contains, 2, 3),
    "ARRAY_CONTAINS_ANY": Function(_array_contains_any, 2, None),
    "ARRAY_CONTAINS_ALL": Function(_array_contains_all, 2, None),
    "ARRAY_CONCAT": Function(_array_concat, 2, None),
    "ARRAY_SLICE": Function(_array_slice, 2, 3),
    "SETINTERSECT": _set_operation(lambda left, right: left & right),
    "SETUNION": _set_operation(lambda left, right: left | right),
    "OBJECTTOARRAY": Function(_object_to_array, 1, 1),
    "CHOOSE": Function(_choose, 2, None),
    "IIF": Function(lambda args: args[1] if args[0] is True else args[2], 3, 3),
}
