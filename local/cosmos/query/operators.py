"""The operators of the language as closures over compiled operands: true, false or undefined."""

import math
import re
from collections.abc import Callable

from local.cosmos.json_types import UNDEFINED, Json, JsonObject, Undefined
from local.cosmos.query.patterns import compile_like, like
from local.cosmos.query.signature import finite
from local.cosmos.query.values import Value, compare, equal

type Names = dict[str, Value]
"""The aliases of a row and what they stand for."""
type Totals = list[Value]
"""Results of the query's aggregates for the row's group, in the order of their appearance."""
type Compiled = Callable[[Names, Totals], Value]


def element_at(owner: Value, key: Value) -> Value:
    if isinstance(owner, dict) and isinstance(key, str):
        return owner.get(key, UNDEFINED)
    if isinstance(owner, list) and isinstance(key, int | float) and not isinstance(key, bool):
        place = int(key)
        return owner[place] if place == key and 0 <= place < len(owner) else UNDEFINED
    return UNDEFINED


def unary(operator: str, operand: Compiled) -> Compiled:
    def negate(names: Names, totals: Totals) -> Value:
        value = operand(names, totals)
        return not value if isinstance(value, bool) else UNDEFINED

    def signed(names: Names, totals: Totals) -> Value:
        value = operand(names, totals)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return UNDEFINED
        return -value if operator == "-" else ~_int32(value) if operator == "~" else value

    return negate if operator == "NOT" else signed


def junction(operator: str, operands: list[Compiled]) -> Compiled:
    """AND is false if any operand is, true if all are, else undefined; OR the other way round."""
    decisive = operator == "OR"

    def junction(names: Names, totals: Totals) -> Value:
        undecided = False
        for operand in operands:
            value = operand(names, totals)
            if value is decisive:
                return decisive
            undecided = undecided or value is not (not decisive)
        return UNDEFINED if undecided else not decisive

    return junction


def _int32(value: int | float) -> int:
    return (int(value) + 2**31) % 2**32 - 2**31 if math.isfinite(value) else 0


ARITHMETIC: dict[str, Callable[[int | float, int | float], int | float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "%": math.fmod,
    "&": lambda left, right: _int32(left) & _int32(right),
    "|": lambda left, right: _int32(left) | _int32(right),
    "^": lambda left, right: _int32(left) ^ _int32(right),
}
COMPARISON: dict[str, Callable[[int], bool]] = {
    "<": lambda difference: difference < 0,
    "<=": lambda difference: difference <= 0,
    ">": lambda difference: difference > 0,
    ">=": lambda difference: difference >= 0,
}


def calculate(operator: str, left: Value, right: Value) -> Value:
    """Arithmetic on two numbers; anything else, or a result that JSON can not carry, is undefined."""
    if isinstance(left, bool) or isinstance(right, bool):
        return UNDEFINED
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        return UNDEFINED
    try:
        result = ARITHMETIC[operator](left, right)
    except (ZeroDivisionError, OverflowError, ValueError):
        return UNDEFINED
    if isinstance(result, float) and isinstance(left, int) and isinstance(right, int) and result.is_integer():
        result = int(result)
    return finite(result)


def binary(operator: str, left: Compiled, right: Compiled) -> Compiled:
    if operator == "??":
        return lambda names, totals: (
            right(names, totals) if isinstance(value := left(names, totals), Undefined) else value
        )
    if operator in ("=", "!="):
        wanted = operator == "="

        def equality(names: Names, totals: Totals) -> Value:
            one, other = left(names, totals), right(names, totals)
            if isinstance(one, Undefined) or isinstance(other, Undefined):
                return UNDEFINED
            return equal(one, other) is wanted

        return equality
    if operator in COMPARISON:
        test = COMPARISON[operator]

        def ordered(names: Names, totals: Totals) -> Value:
            difference = compare(left(names, totals), right(names, totals))
            return UNDEFINED if difference is None else test(difference)

        return ordered
    if operator == "||":

        def joined(names: Names, totals: Totals) -> Value:
            one, other = left(names, totals), right(names, totals)
            return one + other if isinstance(one, str) and isinstance(other, str) else UNDEFINED

        return joined
    return lambda names, totals: calculate(operator, left(names, totals), right(names, totals))


def within(needle: Compiled, values: list[Compiled]) -> Compiled:
    def within(names: Names, totals: Totals) -> Value:
        sought = needle(names, totals)
        if isinstance(sought, Undefined):
            return UNDEFINED
        return any(
            not isinstance(one := value(names, totals), Undefined) and equal(sought, one) for value in values
        )

    return within


def like_operator(value: Compiled, pattern: Compiled, escape: str | None) -> Compiled:
    def matches(names: Names, totals: Totals) -> Value:
        subject, wanted = value(names, totals), pattern(names, totals)
        if not isinstance(subject, str) or not isinstance(wanted, str):
            return UNDEFINED
        try:
            return like(subject, compile_like(wanted, escape))
        except re.error:
            return UNDEFINED

    return matches


def array_of(items: list[Compiled]) -> Compiled:
    def build(names: Names, totals: Totals) -> Value:
        built: list[Json] = []
        for item in items:
            value = item(names, totals)
            if not isinstance(value, Undefined):
                built.append(value)
        return built

    return build


def object_of(pairs: list[tuple[str, Compiled]]) -> Compiled:
    def build(names: Names, totals: Totals) -> Value:
        built: JsonObject = {}
        for key, compiled in pairs:
            value = compiled(names, totals)
            if not isinstance(value, Undefined):
                built[key] = value
        return built

    return build


def nested(kind: str, run: Callable[[Names], list[Value]]) -> Compiled:
    if kind == "exists":
        return lambda names, totals: bool(run(names))
    if kind == "array":
        return lambda names, totals: [value for value in run(names) if not isinstance(value, Undefined)]

    def scalar(names: Names, totals: Totals) -> Value:
        results = run(names)
        return results[0] if results else UNDEFINED

    return scalar
