"""Conditions in the one form that everything behind them reads, and what they look at."""

from typing import assert_never

from local.digital_twins.query import tree

_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}
_NEGATED = {"<": ">=", ">": "<=", "<=": ">", ">=": "<", "=": "!=", "!=": "="}


def normal(condition: tree.Condition, *, negated: bool = False) -> tree.Condition:
    """The same condition with negations only in front of function calls, and properties left of values."""
    match condition:
        case tree.Negation(part):
            return normal(part, negated=not negated)
        case tree.AllOf(parts) | tree.AnyOf(parts):
            kind = tree.AllOf if isinstance(condition, tree.AllOf) != negated else tree.AnyOf
            return kind(tuple(normal(part, negated=negated) for part in parts))
        case tree.Comparison(left, operator, right, place):
            if isinstance(left, tree.Literal) and isinstance(right, tree.Path):
                left, operator, right = right, _FLIPPED[operator], left
            return tree.Comparison(left, _NEGATED[operator] if negated else operator, right, place)
        case tree.Membership(path, values, without):
            return tree.Membership(path, values, without != negated)
        case tree.Call():
            return tree.Negation(condition) if negated else condition
        case _:
            assert_never(condition)


def conjuncts(condition: tree.Condition | None) -> list[tree.Condition]:
    """What must hold all together, of a normal condition."""
    if condition is None:
        return []
    return list(condition.parts) if isinstance(condition, tree.AllOf) else [condition]


def paths(condition: tree.Condition) -> list[tree.Path]:
    """All properties and collections that a condition looks at."""
    match condition:
        case tree.Negation(part):
            return paths(part)
        case tree.AllOf(parts) | tree.AnyOf(parts):
            return [path for part in parts for path in paths(part)]
        case tree.Comparison(left, _, right, _):
            return [operand for operand in (left, right) if isinstance(operand, tree.Path)]
        case tree.Membership(path, _, _):
            return [path]
        case tree.Call(_, arguments, _):
            found = [argument for argument in arguments if isinstance(argument, tree.Path)]
            return [path for path in found if not is_exact(path)]
        case _:
            assert_never(condition)


def is_exact(operand: tree.Operand) -> bool:
    """The word `exact` of IS_OF_MODEL."""
    return isinstance(operand, tree.Path) and [name.lower() for name in operand.names] == ["exact"]
