"""Compiles expressions to Python closures. Three-valued logic: true, false, undefined."""

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import assert_never

from local.cosmos.errors import not_implemented
from local.cosmos.json_types import UNDEFINED, Json, JsonObject, Undefined
from local.cosmos.query.failures import SEMANTIC, UNKNOWN_FUNCTION, UNRESOLVED, query_error
from local.cosmos.query.functions import ELSEWHERE, FUNCTIONS
from local.cosmos.query.signature import finite
from local.cosmos.query.tree import (
    AGGREGATES,
    ArrayOf,
    Between,
    Binary,
    Call,
    Conditional,
    Expression,
    Junction,
    Like,
    Literal,
    Member,
    Name,
    ObjectOf,
    Parameter,
    Query,
    Subquery,
    Unary,
    UndefinedLiteral,
    Within,
)
from local.cosmos.query.values import Value, compare, equal

type Names = dict[str, Value]
"""The aliases of a row and what they stand for."""
type Totals = list[Value]
"""Results of the query's aggregates for the row's group, in the order of their appearance."""
type Compiled = Callable[[Names, Totals], Value]


type SubqueryCompiler = Callable[[Query, frozenset[str]], Callable[[Names], list[Value]]]
"""Compiles a nested query, which sees the given aliases, to a function from the outer row to its results."""


class Compiler:
    """Compiles the expressions of one SELECT; collects the aggregates that it meets."""

    def __init__(
        self, parameters: Mapping[str, Json], scope: frozenset[str], subquery: SubqueryCompiler
    ) -> None:
        self.parameters = parameters
        self.scope = scope
        self.aggregates: list[tuple[str, Compiled]] = []
        self._subquery = subquery
        self._inside_aggregate = False

    def compile(self, expression: Expression) -> Compiled:
        match expression:
            case Literal(value):
                return lambda names, totals: value
            case UndefinedLiteral():
                return lambda names, totals: UNDEFINED
            case Parameter(name):
                given = self.parameter(name)
                return lambda names, totals: given
            case Name(name, span):
                if name not in self.scope:
                    raise query_error(UNRESOLVED, f"Identifier '{name}' could not be resolved.", span)
                return lambda names, totals: names[name]
            case Member(of, key):
                return self._member(self.compile(of), key)
            case Unary(operator, operand):
                return _unary(operator, self.compile(operand))
            case Binary(operator, left, right):
                return _binary(operator, self.compile(left), self.compile(right))
            case Junction(operator, operands):
                return _junction(operator, [self.compile(operand) for operand in operands])
            case Conditional(test, yes, no):
                when, then, otherwise = self.compile(test), self.compile(yes), self.compile(no)
                return lambda names, totals: (then if when(names, totals) is True else otherwise)(
                    names, totals
                )
            case Within(needle, values):
                return _within(self.compile(needle), [self.compile(value) for value in values])
            case Between(value, low, high):
                compiled = self.compile(value)
                bounds = [
                    _binary(">=", compiled, self.compile(low)),
                    _binary("<=", compiled, self.compile(high)),
                ]
                return _junction("AND", bounds)
            case Like(value, pattern, escape):
                return _like(self.compile(value), self.compile(pattern), escape)
            case Call():
                return self._call(expression)
            case ArrayOf(items):
                return _array([self.compile(item) for item in items])
            case ObjectOf(pairs):
                return _object([(key, self.compile(value)) for key, value in pairs])
            case Subquery(kind, query):
                return _nested(kind, self._subquery(query, self.scope))
        assert_never(expression)

    def parameter(self, name: str) -> Json:
        if name not in self.parameters:
            raise query_error(UNRESOLVED, f"Parameter '{name}' could not be resolved.")
        return self.parameters[name]

    def _member(self, of: Compiled, key: Expression) -> Compiled:
        if isinstance(key, Literal) and isinstance(key.value, str):
            name = key.value

            def named(names: Names, totals: Totals) -> Value:
                owner = of(names, totals)
                return owner.get(name, UNDEFINED) if isinstance(owner, dict) else UNDEFINED

            return named
        compiled = self.compile(key)
        return lambda names, totals: _at(of(names, totals), compiled(names, totals))

    def _call(self, call: Call) -> Compiled:
        if call.name in AGGREGATES:
            return self._aggregate(call)
        function = FUNCTIONS.get(call.name)
        if function is None:
            if call.name.startswith(ELSEWHERE):
                raise not_implemented(f"the function {call.name}")
            raise query_error(
                UNKNOWN_FUNCTION, f"'{call.name}' is not a recognized built-in function name.", call.span
            )
        given = len(call.arguments)
        if given < function.least or (function.most is not None and given > function.most):
            raise query_error(
                SEMANTIC,
                f"The {call.name} function requires {_count(function.least, function.most)}.",
                call.span,
            )
        arguments = [self.compile(argument) for argument in call.arguments]
        run = function.call
        return lambda names, totals: run([argument(names, totals) for argument in arguments])

    def _aggregate(self, call: Call) -> Compiled:
        if len(call.arguments) != 1:
            raise query_error(SEMANTIC, f"The {call.name} function requires 1 argument(s).", call.span)
        if self._inside_aggregate:
            raise query_error(SEMANTIC, "Cannot perform an aggregate function on an aggregate.", call.span)
        self._inside_aggregate = True
        compiled = self.compile(call.arguments[0])
        self._inside_aggregate = False
        place = len(self.aggregates)
        self.aggregates.append((call.name, compiled))
        return lambda names, totals: totals[place]


def _count(least: int, most: int | None) -> str:
    if least == most:
        return f"{least} argument(s)"
    return f"at least {least} argument(s)" if most is None else f"{least} to {most} arguments"


def _at(owner: Value, key: Value) -> Value:
    if isinstance(owner, dict) and isinstance(key, str):
        return owner.get(key, UNDEFINED)
    if isinstance(owner, list) and isinstance(key, int | float) and not isinstance(key, bool):
        place = int(key)
        return owner[place] if place == key and 0 <= place < len(owner) else UNDEFINED
    return UNDEFINED


def _unary(operator: str, operand: Compiled) -> Compiled:
    def negate(names: Names, totals: Totals) -> Value:
        value = operand(names, totals)
        return not value if isinstance(value, bool) else UNDEFINED

    def signed(names: Names, totals: Totals) -> Value:
        value = operand(names, totals)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return UNDEFINED
        return -value if operator == "-" else ~_int32(value) if operator == "~" else value

    return negate if operator == "NOT" else signed


def _junction(operator: str, operands: list[Compiled]) -> Compiled:
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


def _binary(operator: str, left: Compiled, right: Compiled) -> Compiled:
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


def _within(needle: Compiled, values: list[Compiled]) -> Compiled:
    def within(names: Names, totals: Totals) -> Value:
        sought = needle(names, totals)
        if isinstance(sought, Undefined):
            return UNDEFINED
        return any(
            not isinstance(one := value(names, totals), Undefined) and equal(sought, one) for value in values
        )

    return within


@lru_cache(maxsize=512)
def like_pattern(pattern: str, escape: str | None) -> re.Pattern[str]:
    """LIKE as a regular expression: % any text, _ one character, [abc] [^abc] [a-z] one of a set."""
    pieces: list[str] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        closing = pattern.find("]", at + 1)
        if escape and character == escape and at + 1 < len(pattern):
            at += 1
            pieces.append(re.escape(pattern[at]))
        elif character == "%":
            pieces.append(".*")
        elif character == "_":
            pieces.append(".")
        elif character == "[" and closing > at + 1:
            inner = pattern[at + 1 : closing].replace("\\", "\\\\").replace("[", "\\[")
            pieces.append(f"[{inner}]")
            at = closing
        else:
            pieces.append(re.escape(character))
        at += 1
    return re.compile("".join(pieces), re.S)


def _like(value: Compiled, pattern: Compiled, escape: str | None) -> Compiled:
    def like(names: Names, totals: Totals) -> Value:
        subject, wanted = value(names, totals), pattern(names, totals)
        if not isinstance(subject, str) or not isinstance(wanted, str):
            return UNDEFINED
        try:
            return like_pattern(wanted, escape).fullmatch(subject) is not None
        except re.error:
            return UNDEFINED

    return like


def _array(items: list[Compiled]) -> Compiled:
    def build(names: Names, totals: Totals) -> Value:
        built: list[Json] = []
        for item in items:
            value = item(names, totals)
            if not isinstance(value, Undefined):
                built.append(value)
        return built

    return build


def _object(pairs: list[tuple[str, Compiled]]) -> Compiled:
    def build(names: Names, totals: Totals) -> Value:
        built: JsonObject = {}
        for key, compiled in pairs:
            value = compiled(names, totals)
            if not isinstance(value, Undefined):
                built[key] = value
        return built

    return build


def _nested(kind: str, run: Callable[[Names], list[Value]]) -> Compiled:
    if kind == "exists":
        return lambda names, totals: bool(run(names))
    if kind == "array":
        return lambda names, totals: [value for value in run(names) if not isinstance(value, Undefined)]

    def scalar(names: Names, totals: Totals) -> Value:
        results = run(names)
        return results[0] if results else UNDEFINED

    return scalar
