"""Functions of arrays, sets and objects."""

from collections.abc import Callable
from statistics import fmean, median

from local.cosmos.json_types import UNDEFINED, Json, Undefined
from local.cosmos.query.signature import MOST_ELEMENTS, Arguments, Function, as_number, finite
from local.cosmos.query.values import Value, canonical, equal, order_key


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
        if len(joined) + len(one) > MOST_ELEMENTS:
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


def _numbers(value: Value) -> list[int | float] | None:
    """The numbers of an array; None if it is none or holds anything else."""
    if not isinstance(value, list):
        return None
    found = [one for one in map(as_number, value) if one is not None]
    return found if len(found) == len(value) else None


def _of_numbers(compute: Callable[[list[int | float]], int | float], *, empty: Value) -> Function:
    def call(args: Arguments) -> Value:
        numbers = _numbers(args[0])
        if numbers is None:
            return UNDEFINED
        try:
            return finite(compute(numbers)) if numbers else empty
        except OverflowError:
            return UNDEFINED

    return Function(call, 1, 1)


def _extreme(pick: Callable[..., Json]) -> Function:
    """The least or greatest element; arrays and objects can not be compared."""

    def call(args: Arguments) -> Value:
        items = args[0]
        if not isinstance(items, list) or not items or any(isinstance(one, list | dict) for one in items):
            return UNDEFINED
        return pick(items, key=order_key)

    return Function(call, 1, 1)


def _set_equal(args: Arguments) -> Value:
    left, right = args
    if not isinstance(left, list) or not isinstance(right, list):
        return UNDEFINED
    return {canonical(one) for one in left} == {canonical(one) for one in right}


ARRAY_FUNCTIONS: dict[str, Function] = {
    "ARRAY_LENGTH": Function(_length, 1, 1),
    "ARRAY_CONTAINS": Function(_array_contains, 2, 3),
    "ARRAY_CONTAINS_ANY": Function(_array_contains_any, 2, None),
    "ARRAY_CONTAINS_ALL": Function(_array_contains_all, 2, None),
    "ARRAY_CONCAT": Function(_array_concat, 2, None),
    "ARRAY_SLICE": Function(_array_slice, 2, 3),
    "SETINTERSECT": _set_operation(lambda left, right: left & right),
    "SETUNION": _set_operation(lambda left, right: left | right),
    "SETDIFFERENCE": _set_operation(lambda left, right: left - right),
    "SETEQUAL": Function(_set_equal, 2, 2),
    "ARRAY_SUM": _of_numbers(sum, empty=0),
    "ARRAY_AVG": _of_numbers(fmean, empty=UNDEFINED),
    "ARRAY_MEDIAN": _of_numbers(median, empty=UNDEFINED),
    "ARRAY_MIN": _extreme(min),
    "ARRAY_MAX": _extreme(max),
    "OBJECTTOARRAY": Function(_object_to_array, 1, 1),
    "CHOOSE": Function(_choose, 2, None),
    "IIF": Function(lambda args: args[1] if args[0] is True else args[2], 3, 3),
}
