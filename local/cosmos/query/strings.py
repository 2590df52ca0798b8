"""String functions."""

import re
from collections.abc import Callable
from typing import cast

import orjson

from local.cosmos.json_types import UNDEFINED, Json, Undefined
from local.cosmos.query.signature import Arguments, Function, as_number, is_number, of_string
from local.cosmos.query.values import Value

MAX_REPLICATED = 10_000


def _test(holds: Callable[[str, str], bool]) -> Function:
    """A test of two strings; a true third argument makes it ignore case."""

    def call(args: Arguments) -> Value:
        whole, part, *flag = args
        if not isinstance(whole, str) or not isinstance(part, str):
            return UNDEFINED
        if flag and not isinstance(flag[0], bool):
            return UNDEFINED
        if flag and flag[0]:
            return holds(whole.lower(), part.lower())
        return holds(whole, part)

    return Function(call, 2, 3)


def _concat(args: Arguments) -> Value:
    pieces = [one for one in args if isinstance(one, str)]
    return "".join(pieces) if len(pieces) == len(args) else UNDEFINED


def _substring(args: Arguments) -> Value:
    whole, start, length = args[0], as_number(args[1]), as_number(args[2])
    if not isinstance(whole, str) or start is None or length is None:
        return UNDEFINED
    return "" if start < 0 or length <= 0 else whole[int(start) : int(start) + int(length)]


def _left(args: Arguments) -> Value:
    whole, count = args[0], as_number(args[1])
    if not isinstance(whole, str) or count is None:
        return UNDEFINED
    return whole[: max(0, int(count))]


def _right(args: Arguments) -> Value:
    whole, count = args[0], as_number(args[1])
    if not isinstance(whole, str) or count is None:
        return UNDEFINED
    return whole[max(0, len(whole) - max(0, int(count))) :]


def _index_of(args: Arguments) -> Value:
    whole, part = args[0], args[1]
    start = as_number(args[2]) if len(args) > 2 else 0
    if not isinstance(whole, str) or not isinstance(part, str) or start is None:
        return UNDEFINED
    return whole.find(part, int(start))


def _replace(args: Arguments) -> Value:
    whole, old, new = args
    if not isinstance(whole, str) or not isinstance(old, str) or not isinstance(new, str):
        return UNDEFINED
    return whole.replace(old, new) if old else whole


def _replicate(args: Arguments) -> Value:
    unit, count = args[0], as_number(args[1])
    if not isinstance(unit, str) or count is None or count < 0 or count * len(unit) > MAX_REPLICATED:
        return UNDEFINED
    return unit * int(count)


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

    def parse(text: str) -> Value:
        try:
            value = cast(Json, orjson.loads(text.strip()))
        except orjson.JSONDecodeError:
            return UNDEFINED
        return value if accept(value) else UNDEFINED

    return of_string(parse)


STRING_FUNCTIONS: dict[str, Function] = {
    "CONCAT": Function(_concat, 2, None),
    "LENGTH": of_string(len),
    "LOWER": of_string(str.lower),
    "UPPER": of_string(str.upper),
    "TRIM": of_string(lambda whole: whole.strip()),
    "LTRIM": of_string(lambda whole: whole.lstrip()),
    "RTRIM": of_string(lambda whole: whole.rstrip()),
    "REVERSE": of_string(lambda whole: whole[::-1]),
    "REPLACE": Function(_replace, 3, 3),
    "SUBSTRING": Function(_substring, 3, 3),
    "LEFT": Function(_left, 2, 2),
    "RIGHT": Function(_right, 2, 2),
    "INDEX_OF": Function(_index_of, 2, 3),
    "REPLICATE": Function(_replicate, 2, 2),
    "CONTAINS": _test(lambda whole, part: part in whole),
    "STARTSWITH": _test(lambda whole, part: whole.startswith(part)),
    "ENDSWITH": _test(lambda whole, part: whole.endswith(part)),
    "STRINGEQUALS": _test(lambda whole, part: whole == part),
    "REGEXMATCH": Function(_regex_match, 2, 3),
    "TOSTRING": Function(_to_string, 1, 1),
    "STRINGTONUMBER": _parsed(is_number),
    "STRINGTOBOOLEAN": _parsed(lambda value: isinstance(value, bool)),
    "STRINGTONULL": _parsed(lambda value: value is None),
    "STRINGTOARRAY": _parsed(lambda value: isinstance(value, list)),
    "STRINGTOOBJECT": _parsed(lambda value: isinstance(value, dict)),
}
