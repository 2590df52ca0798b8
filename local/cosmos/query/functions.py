"""The built-in functions, by name. Each takes evaluated arguments; a wrong type gives undefined."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import orjson

from local.cosmos.json_types import UNDEFINED, Json, JsonObject, Undefined
from local.cosmos.query.values import Value, canonical, equal

type Arguments = list[Value]


@dataclass(frozen=True, slots=True)
class Function:
    """Implementation and how many arguments it takes; `most` None for any number."""

    call: Callable[[Arguments], Value]
    least: int
    most: int | None


def is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def finite(value: int | float) -> Value:
    """A number as JSON can carry it; what JSON can not carry is undefined."""
    if isinstance(value, int):
        return value if abs(value) <= 2**53 else float(value)
    return value if math.isfinite(value) else UNDEFINED


def _type_check(test: Callable[[Value], bool]) -> Function:
    return Function(lambda args: test(args[0]), 1, 1)


def _on_numbers(compute: Callable[..., int | float], count: int = 1) -> Function:
    def call(args: Arguments) -> Value:
        if not all(map(is_number, args)):
            return UNDEFINED
        try:
            return finite(compute(*args))
        except (ValueError, ZeroDivisionError, OverflowError):
            return UNDEFINED

    return Function(call, count, count)


def _on_strings(compute: Callable[..., Value], count: int = 1) -> Function:
    def call(args: Arguments) -> Value:
        return compute(*args) if all(isinstance(one, str) for one in args) else UNDEFINED

    return Function(call, count, count)


def _string_test(test: Callable[[str, str], bool]) -> Function:
    """A test of two strings; a true third argument makes it ignore case."""

    def call(args: Arguments) -> Value:
        whole, part, *flag = args
        if not isinstance(whole, str) or not isinstance(part, str):
            return UNDEFINED
        if flag and not isinstance(flag[0], bool):
            return UNDEFINED
        if flag and flag[0]:
            return test(whole.lower(), part.lower())
        return test(whole, part)

    return Function(call, 2, 3)


def _round(value: float) -> float:
    """Halves go away from zero."""
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def _log(args: Arguments) -> Value:
    return _on_numbers(math.log, len(args)).call(args)


def _concat(args: Arguments) -> Value:
    return "".join(cast(list[str], args)) if all(isinstance(one, str) for one in args) else UNDEFINED


def _substring(args: Arguments) -> Value:
    whole, start, length = args
    if not isinstance(whole, str) or not is_number(start) or not is_number(length):
        return UNDEFINED
    first, count = int(cast(float, start)), int(cast(float, length))
    if first < 0 or count <= 0:
        return ""
    return whole[first : first + count]


def _left(args: Arguments) -> Value:
    whole, count = args
    if not isinstance(whole, str) or not is_number(count):
        return UNDEFINED
    return whole[: max(0, int(cast(float, count)))]


def _right(args: Arguments) -> Value:
    whole, count = args
    if not isinstance(whole, str) or not is_number(count):
        return UNDEFINED
    size = max(0, int(cast(float, count)))
    return whole[max(0, len(whole) - size) :]


def _index_of(args: Arguments) -> Value:
    whole, part, *start = args
    if not isinstance(whole, str) or not isinstance(part, str) or not all(map(is_number, start)):
        return UNDEFINED
    return whole.find(part, int(cast(float, start[0])) if start else 0)


def _replicate(args: Arguments) -> Value:
    unit, count = args
    if not isinstance(unit, str) or not is_number(count):
        return UNDEFINED
    times = int(cast(float, count))
    return UNDEFINED if times < 0 or times * len(unit) > 10_000 else unit * times


def _regex_match(args: Arguments) -> Value:
    whole, pattern, *modifiers = args
    if not isinstance(whole, str) or not isinstance(pattern, str):
        return UNDEFINED
    flags = 0
    for letter in modifiers[0] if modifiers and isinstance(modifiers[0], str) else "":
        flags |= {"i": re.I, "m": re.M, "s": re.S, "x": re.X}.get(letter, 0)
    try:
        return re.search(pattern, whole, flags) is not None
    except re.error:
        return UNDEFINED


def _to_string(args: Arguments) -> Value:
    value = args[0]
    if isinstance(value, Undefined):
        return UNDEFINED
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return orjson.dumps(value).decode()


def _parsed(accept: Callable[[Json], bool]) -> Function:
    """A string holding JSON of one kind, as that value."""

    def call(args: Arguments) -> Value:
        if not isinstance(args[0], str):
            return UNDEFINED
        try:
            value = cast(Json, orjson.loads(args[0].strip()))
        except orjson.JSONDecodeError:
            return UNDEFINED
        return value if accept(value) else UNDEFINED

    return Function(call, 1, 1)


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
    items, start, *length = args
    if not isinstance(items, list) or not is_number(start) or not all(map(is_number, length)):
        return UNDEFINED
    first = int(cast(float, start))
    first = max(0, len(items) + first) if first < 0 else first
    count = max(0, int(cast(float, length[0]))) if length else len(items)
    return items[first : first + count]


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
    pairs: list[Json] = [cast(JsonObject, {"k": key, "v": item}) for key, item in value.items()]
    return pairs


def _choose(args: Arguments) -> Value:
    at, *values = args
    if not is_number(at) or not 1 <= int(cast(float, at)) <= len(values):
        return UNDEFINED
    return values[int(cast(float, at)) - 1]


def _length(value: Value) -> Value:
    return len(value) if isinstance(value, list) else UNDEFINED


FUNCTIONS: dict[str, Function] = {
    "IS_DEFINED": _type_check(lambda value: not isinstance(value, Undefined)),
    "IS_NULL": _type_check(lambda value: value is None),
    "IS_BOOL": _type_check(lambda value: isinstance(value, bool)),
    "IS_NUMBER": _type_check(is_number),
    "IS_FINITE_NUMBER": _type_check(is_number),
    "IS_INTEGER": _type_check(lambda value: is_number(value) and float(cast(float, value)).is_integer()),
    "IS_STRING": _type_check(lambda value: isinstance(value, str)),
    "IS_ARRAY": _type_check(lambda value: isinstance(value, list)),
    "IS_OBJECT": _type_check(lambda value: isinstance(value, dict)),
    "IS_PRIMITIVE": _type_check(lambda value: not isinstance(value, Undefined | list | dict)),
    "ABS": _on_numbers(abs), "CEILING": _on_numbers(math.ceil), "FLOOR": _on_numbers(math.floor),
    "ROUND": _on_numbers(_round), "TRUNC": _on_numbers(math.trunc), "SQRT": _on_numbers(math.sqrt),
    "SQUARE": _on_numbers(lambda value: value * value), "POWER": _on_numbers(math.pow, 2),
    "EXP": _on_numbers(math.exp), "LOG": Function(_log, 1, 2), "LOG10": _on_numbers(math.log10),
    "SIN": _on_numbers(math.sin), "COS": _on_numbers(math.cos), "TAN": _on_numbers(math.tan),
    "COT": _on_numbers(lambda value: 1 / math.tan(value)), "ASIN": _on_numbers(math.asin),
    "ACOS": _on_numbers(math.acos), "ATAN": _on_numbers(math.atan), "ATN2": _on_numbers(math.atan2, 2),
    "DEGREES": _on_numbers(math.degrees), "RADIANS": _on_numbers(math.radians),
    "SIGN": _on_numbers(lambda value: (value > 0) - (value < 0)), "PI": Function(lambda args: math.pi, 0, 0),
    "CONCAT": Function(_concat, 2, None), "LENGTH": _on_strings(len), "LOWER": _on_strings(str.lower),
    "UPPER": _on_strings(str.upper), "TRIM": _on_strings(str.strip), "LTRIM": _on_strings(str.lstrip),
    "RTRIM": _on_strings(str.rstrip), "REVERSE": _on_strings(lambda whole: whole[::-1]),
    "REPLACE": _on_strings(lambda whole, old, new: whole.replace(old, new) if old else whole, 3),
    "SUBSTRING": Function(_substring, 3, 3), "LEFT": Function(_left, 2, 2), "RIGHT": Function(_right, 2, 2),
    "INDEX_OF": Function(_index_of, 2, 3), "REPLICATE": Function(_replicate, 2, 2),
    "CONTAINS": _string_test(lambda whole, part: part in whole),
    "STARTSWITH": _string_test(str.startswith), "ENDSWITH": _string_test(str.endswith),
    "STRINGEQUALS": _string_test(lambda whole, part: whole == part),
    "REGEXMATCH": Function(_regex_match, 2, 3), "TOSTRING": Function(_to_string, 1, 1),
    "STRINGTONUMBER": _parsed(is_number), "STRINGTOBOOLEAN": _parsed(lambda value: isinstance(value, bool)),
    "STRINGTONULL": _parsed(lambda value: value is None),
    "STRINGTOARRAY": _parsed(lambda value: isinstance(value, list)),
    "STRINGTOOBJECT": _parsed(lambda value: isinstance(value, dict)),
    "ARRAY_LENGTH": Function(lambda args: _length(args[0]), 1, 1), "ARRAY_CONTAINS": Function(_array_contains, 2, 3),
    "ARRAY_CONTAINS_ANY": Function(_array_contains_any, 2, None),
    "ARRAY_CONTAINS_ALL": Function(_array_contains_all, 2, None),
    "ARRAY_CONCAT": Function(_array_concat, 2, None), "ARRAY_SLICE": Function(_array_slice, 2, 3),
    "SETINTERSECT": _set_operation(lambda left, right: left & right),
    "SETUNION": _set_operation(lambda left, right: left | right),
    "OBJECTTOARRAY": Function(_object_to_array, 1, 1), "CHOOSE": Function(_choose, 2, None),
    "IIF": Function(lambda args: args[1] if args[0] is True else args[2], 3, 3),
}  # fmt: skip

ELSEWHERE = ("ST_", "FULLTEXT", "VECTORDISTANCE", "RRF", "DOCUMENTID")
"""Functions that Azure has and the local cloud does not offer, by how their names start."""
