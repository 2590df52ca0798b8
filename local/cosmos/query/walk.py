"""Walks over expressions: one for what is inside, one that builds anew."""

from collections.abc import Callable, Iterator
from dataclasses import replace

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
    Member,
    ObjectOf,
    Query,
    Unary,
    Within,
)


def children(expression: Expression) -> tuple[Expression, ...]:
    """The expressions directly inside; those of a subquery are its own."""
    match expression:
        case Member(of, key):
            return (of, key)
        case Unary(_, operand):
            return (operand,)
        case Binary(_, left, right):
            return (left, right)
        case Junction(_, operands):
            return operands
        case Conditional(test, yes, no):
            return (test, yes, no)
        case Within(needle, values):
            return (needle, *values)
        case Between(value, low, high):
            return (value, low, high)
        case Like(value, pattern, _):
            return (value, pattern)
        case Call(_, arguments):
            return arguments
        case ArrayOf(items):
            return items
        case ObjectOf(pairs):
            return tuple(value for _, value in pairs)
        case _:
            return ()


def aggregates(expression: Expression | None) -> Iterator[Call]:
    """The aggregate calls of an expression, without those of its subqueries."""
    if isinstance(expression, Call) and expression.name in AGGREGATES:
        yield expression
    elif expression is not None:
        for inner in children(expression):
            yield from aggregates(inner)


def projected(query: Query) -> list[Call]:
    """The aggregates of a query's SELECT clause, in the order of their appearance."""
    columns = [call for item in query.items for call in aggregates(item.expression)]
    return columns + list(aggregates(query.value))


def rewritten(expression: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """`change` applied from the outside in; what it replaced is not looked into again."""
    changed = change(expression)
    if changed is not expression:
        return changed
    parts = [rewritten(one, change) for one in children(expression)]
    match expression:
        case Member():
            return replace(expression, of=parts[0], key=parts[1])
        case Unary():
            return replace(expression, operand=parts[0])
        case Binary():
            return replace(expression, left=parts[0], right=parts[1])
        case Junction():
            return replace(expression, operands=tuple(parts))
        case Conditional():
            return replace(expression, test=parts[0], yes=parts[1], no=parts[2])
        case Within():
            return replace(expression, needle=parts[0], values=tuple(parts[1:]))
        case Between():
            return replace(expression, value=parts[0], low=parts[1], high=parts[2])
        case Like():
            return replace(expression, value=parts[0], pattern=parts[1])
        case Call():
            return replace(expression, arguments=tuple(parts))
        case ArrayOf():
            return replace(expression, items=tuple(parts))
        case ObjectOf(pairs):
            return replace(
                expression, pairs=tuple((key, one) for (key, _), one in zip(pairs, parts, strict=True))
            )
        case _:
            return expression
