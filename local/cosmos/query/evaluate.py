"""Compiles expressions to Python closures. Three-valued logic: true, false, undefined."""

from collections.abc import Callable, Mapping
from typing import assert_never

from local.cosmos.errors import not_implemented
from local.cosmos.json_types import UNDEFINED, Json
from local.cosmos.query.failures import SEMANTIC, UNKNOWN_FUNCTION, UNRESOLVED, query_error
from local.cosmos.query.functions import ELSEWHERE, FUNCTIONS
from local.cosmos.query.operators import (
    Compiled,
    Names,
    Totals,
    array_of,
    binary,
    element_at,
    junction,
    like_operator,
    nested,
    object_of,
    unary,
    within,
)
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
from local.cosmos.query.values import Value

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
                return unary(operator, self.compile(operand))
            case Binary(operator, left, right):
                return binary(operator, self.compile(left), self.compile(right))
            case Junction(operator, operands):
                return junction(operator, [self.compile(operand) for operand in operands])
            case Conditional(test, yes, no):
                when, then, otherwise = self.compile(test), self.compile(yes), self.compile(no)
                return lambda names, totals: (then if when(names, totals) is True else otherwise)(
                    names, totals
                )
            case Within(needle, values):
                return within(self.compile(needle), [self.compile(value) for value in values])
            case Between(value, low, high):
                compiled = self.compile(value)
                bounds = [
                    binary(">=", compiled, self.compile(low)),
                    binary("<=", compiled, self.compile(high)),
                ]
                return junction("AND", bounds)
            case Like(value, pattern, escape):
                return like_operator(self.compile(value), self.compile(pattern), escape)
            case Call():
                return self._call(expression)
            case ArrayOf(items):
                return array_of([self.compile(item) for item in items])
            case ObjectOf(pairs):
                return object_of([(key, self.compile(value)) for key, value in pairs])
            case Subquery(kind, query):
                return nested(kind, self._subquery(query, self.scope))
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
        return lambda names, totals: element_at(of(names, totals), compiled(names, totals))

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
