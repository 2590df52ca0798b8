"""String functions."""

import re
from collections.abc import Callable
from typing import cast

import orjson

from local.cosmos.errors import not_implemented
from local.cosmos.json_types import UNDEFINED, Json, Undefined
from local.cosmos.query.patterns import repeats_repeats
from local.cosmos.query.signature import MOST_CHARACTERS, Arguments, Function, as_number, is_number, of_string
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
    short = sum(map(len, pieces)) <= MOST_CHARACTERS
    return "".join(pieces) if len(pieces) == len(args) and short else UNDEFINED


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


def _last_index_of(args: Arguments) -> Value:
    whole, part = args
    return whole.rfind(part) if isinstance(whole, str) and isinstance(part, str) else UNDEFINED


def _split(args: Arguments) -> Value:
    """Without a separator the whole text is the one part."""
    whole, separator = args
    if not isinstance(whole, str) or not isinstance(separator, str):
        return UNDEFINED
    parts: list[Json] = [*whole.split(separator)] if separator else [whole]
    return parts


def _join(args: Arguments) -> Value:
    items, separator = args
    if not isinstance(items, list) or not isinstance(separator, str):
        return UNDEFINED
    texts = [one for one in items if isinstance(one, str)]
    length = sum(map(len, texts)) + len(separator) * len(texts)
    return separator.join(texts) if len(texts) == len(items) and length <= MOST_CHARACTERS else UNDEFINED


def _contains(quantified: Callable[[list[bool]], bool], *, ignore_case: bool) -> Function:
    """Whether a text contains any or all of the texts that follow it."""

    def call(args: Arguments) -> Value:
        texts = [one for one in args if isinstance(one, str)]
        if len(texts) < len(args):
            return UNDEFINED
        whole, *parts = [one.lower() for one in texts] if ignore_case else texts
        return quantified([part in whole for part in parts])

    return Function(call, 2, None)


def _replace(args: Arguments) -> Value:
    whole, old, new = args
    if not isinstance(whole, str) or not isinstance(old, str) or not isinstance(new, str):
        return UNDEFINED
    if not old:
        return whole
    grown = len(whole) + whole.count(old) * (len(new) - len(old))
    return whole.replace(old, new) if grown <= MOST_CHARACTERS else UNDEFINED


def _replicate(args: Arguments) -> Value:
    unit, count = args[0], as_number(args[1])
    if not isinstance(unit, str) or count is None or count < 0 or count * len(unit) > MAX_REPLICATED:
        return UNDEFINED
    return unit * int(count)


def _regex_match(args: Arguments) -> Value:
    whole, pattern, *modifiers = args
    if not isinstance(whole, str) or not isinstance(pattern, str):
        return UNDEFINED
    if repeats_repeats(pattern):
        raise not_implemented("regular expressions that repeat a group with a repetition or a choice inside")
    flags = 0
    for letter in modifiers[0] if modifiers and isinstance(modifiers[0], str) else "":
        flags |= {"i": re.I, "m": re.M, "s": re.S, "x": re.X}.get(letter, 0)
    try:
        return re.search(pattern, whole, flags) is not None
    except (re.error, OverflowError, ValueError):
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
    "LASTINDEXOF": Function(_last_index_of, 2, 2),
    "STRINGSPLIT": Function(_split, 2, 2),
    "STRINGJOIN": Function(_join, 2, 2),
    "CONTAINS_ANY_CI": _contains(any, ignore_case=True),
    "CONTAINS_ANY_CS": _contains(any, ignore_case=False),
    "CONTAINS_ALL_CI": _contains(all, ignore_case=True),
    "CONTAINS_ALL_CS": _contains(all, ignore_case=False),
    "REGEXMATCH": Function(_regex_match, 2, 3),
    "TOSTRING": Function(_to_string, 1, 1),
    "STRINGTONUMBER": _parsed(is_number),
    "STRINGTOBOOLEAN": _parsed(lambda value: isinstance(value, bool)),
    "STRINGTONULL": _parsed(lambda value: value is None),
    "STRINGTOARRAY": _parsed(lambda value: isinstance(value, list)),
    "STRINGTOOBJECT": _parsed(lambda value: isinstance(value, dict)),
}
