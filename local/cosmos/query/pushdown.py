"""What of a query SQLite can do: the part of WHERE that it understands, and ORDER BY on paths.

A pushed condition may let through too much, never too little: the evaluator decides on every
document that SQLite hands over. A property is compared by two expressions, its type rank and its
value, so that SQLite's own idea of types (true is 1, numbers sort before text) never shows.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from local.cosmos.json_types import Json, dump
from local.cosmos.query.tree import (
    Between,
    Binary,
    Call,
    Expression,
    Junction,
    Literal,
    Member,
    Name,
    Parameter,
    Query,
    Unary,
    Within,
)
from local.cosmos.query.values import BOOLEAN_RANK, NULL_RANK, NUMBER_RANK, STRING_RANK, rank

type Path = tuple[str, ...]
type Argument = str | int | float | None

SAFE_STEP = re.compile(r"[A-Za-z0-9_-]+")
MIRRORED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
HIGHEST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Condition:
    """An SQL condition with its arguments; which paths it fixes to one value, bounds, holds to one type."""

    sql: str
    arguments: tuple[Argument, ...]
    fixed: frozenset[Path] = frozenset()
    bounded: frozenset[Path] = frozenset()
    typed: frozenset[Path] = frozenset()
    equal: Mapping[Path, Json] = field(default_factory=dict[Path, Json])
    """The values that paths are fixed to."""


def type_rank(path: Path) -> str:
    """SQL for the type rank of a property; NULL when it is undefined."""
    if path == ("id",):
        return str(STRING_RANK)
    return (
        f"CASE json_type(body,'{_json_path(path)}') WHEN 'null' THEN 1 WHEN 'true' THEN 2 WHEN 'false' "
        "THEN 2 WHEN 'integer' THEN 3 WHEN 'real' THEN 3 WHEN 'text' THEN 4 WHEN 'array' THEN 5 "
        "WHEN 'object' THEN 6 END"
    )


def value_of(path: Path) -> str:
    """SQL for the value of a property: text, number, 0 or 1, or the JSON text of arrays and objects."""
    if path == ("id",):
        return "id"
    return f"json_extract(body,'{_json_path(path)}')"


def _json_path(path: Path) -> str:
    return "$" + "".join(f'."{step}"' for step in path)


class Pushdown:
    """Translates the expressions of one query on one container."""

    def __init__(self, query: Query, parameters: Mapping[str, Json], key_paths: tuple[Path, ...]) -> None:
        source = query.sources[0] if query.sources else None
        plain = source is not None and source.derived is None and not source.each and not source.steps
        self._alias = source.alias if source and plain else None
        self._parameters = parameters
        self._key_path = key_paths[0] if len(key_paths) == 1 else None

    def path(self, expression: Expression) -> Path | None:
        """The property path that an expression is, if SQLite can address it."""
        steps: list[str] = []
        while isinstance(expression, Member):
            key = expression.key
            if (
                not isinstance(key, Literal)
                or not isinstance(key.value, str)
                or not SAFE_STEP.fullmatch(key.value)
            ):
                return None
            steps.append(key.value)
            expression = expression.of
        if not isinstance(expression, Name) or expression.name != self._alias or not steps:
            return None
        return tuple(reversed(steps))

    def condition(self, expression: Expression | None) -> Condition | None:
        """The pushed part of a predicate, or None when SQLite can not narrow anything."""
        match expression:
            case Junction("AND", operands):
                parts = [part for part in map(self.condition, operands) if part]
                return _joined("AND", parts) if parts else None
            case Junction(_, operands):
                parts = [part for part in map(self.condition, operands) if part]
                return _joined("OR", parts) if len(parts) == len(operands) else None
            case Binary(operator, left, right) if operator in MIRRORED:
                return self._comparison(operator, left, right) or self._comparison(
                    MIRRORED[operator], right, left
                )
            case Within(needle, values):
                parts = [self._comparison("=", needle, value) for value in values]
                return _joined("OR", [part for part in parts if part]) if all(parts) else None
            case Between(value, low, high):
                parts = [
                    part
                    for part in (self._comparison(">=", value, low), self._comparison("<=", value, high))
                    if part
                ]
                return _joined("AND", parts) if parts else None
            case Call("IS_DEFINED", (argument,)):
                return self._defined(argument)
            case Call("STARTSWITH", (subject, prefix)):
                return self._starts_with(subject, prefix)
            case Member():
                return self._comparison("=", expression, Literal(True))
            case Unary("NOT", Call("IS_DEFINED", (argument,))):
                path = self.path(argument)
                return Condition(f"({type_rank(path)}) IS NULL", ()) if path else None
            case _:
                return None

    def _constant(self, expression: Expression) -> tuple[bool, Json]:
        if isinstance(expression, Literal):
            return True, expression.value
        if isinstance(expression, Parameter) and expression.name in self._parameters:
            return True, self._parameters[expression.name]
        return False, None

    def _comparison(self, operator: str, subject: Expression, other: Expression) -> Condition | None:
        path = self.path(subject)
        known, value = self._constant(other)
        if path is None or not known or isinstance(value, list | dict):
            return None
        if isinstance(value, str) and "\0" in value:
            return None
        if isinstance(value, int) and value >= 2**63:
            value = float(value)  # SQLite's integers end there
        of_type, argument = rank(value), int(value) if isinstance(value, bool) else value
        if operator == "!=":
            return Condition(f"({type_rank(path)}) IS NOT NULL", ())
        if operator == "=" and path == self._key_path:
            return Condition(
                "pk=?", (dump([_plain(value)]).decode(),), frozenset([path]), equal={path: value}
            )
        place = frozenset([path])
        if of_type == NULL_RANK:
            known_null: Mapping[Path, Json] = {path: None} if operator == "=" else {}
            return Condition(f"({type_rank(path)})={NULL_RANK}", (), bounded=place, equal=known_null)
        sql = f"({value_of(path)}){operator}?"
        if path != ("id",):
            sql = f"({type_rank(path)})={of_type} AND {sql}"
        elif of_type != STRING_RANK:
            return Condition("0", ())
        fixed = operator == "="
        nothing: frozenset[Path] = frozenset()
        return Condition(
            sql,
            (argument,),
            place if fixed else nothing,
            nothing if fixed else place,
            place,
            {path: value} if fixed else {},
        )

    def _defined(self, argument: Expression) -> Condition | None:
        path = self.path(argument)
        return Condition(f"({type_rank(path)}) IS NOT NULL", (), bounded=frozenset([path])) if path else None

    def _starts_with(self, subject: Expression, prefix: Expression) -> Condition | None:
        path = self.path(subject)
        known, value = self._constant(prefix)
        if path is None or not known or not isinstance(value, str) or "\0" in value:
            return None
        sql = f"({value_of(path)})>=? AND ({value_of(path)})<=?"
        if path != ("id",):
            sql = f"({type_rank(path)})={STRING_RANK} AND {sql}"
        place = frozenset([path])
        return Condition(sql, (value, value + HIGHEST * 2), bounded=place, typed=place)


def _plain(value: Json) -> Json:
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _joined(operator: str, parts: list[Condition]) -> Condition:
    """Balanced, because SQLite limits how deep an expression may nest."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    left, right = _joined(operator, parts[:middle]), _joined(operator, parts[middle:])
    both = operator == "AND"
    return Condition(
        f"({left.sql}) {operator} ({right.sql})",
        left.arguments + right.arguments,
        left.fixed | right.fixed if both else frozenset(),
        left.bounded | right.bounded if both else frozenset(),
        left.typed | right.typed if both else frozenset(),
        {**left.equal, **right.equal} if both else {},
    )


__all__ = [
    "BOOLEAN_RANK",
    "NUMBER_RANK",
    "Argument",
    "Condition",
    "Path",
    "Pushdown",
    "type_rank",
    "value_of",
]
