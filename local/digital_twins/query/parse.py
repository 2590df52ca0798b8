"""Text to tree, by the grammar in query.lark. What does not parse is refused in ANTLR's words."""

import re
from collections.abc import Sequence
from pathlib import Path as File
from typing import Any, cast

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedToken

from local.digital_twins.errors import ServiceError, query_error
from local.digital_twins.query import tree

LENGTH_LIMIT = 8000
RESERVED = frozenset(
    {
        *("ALL", "AND", "AS", "ASC", "AVG", "BY", "COUNT", "DESC", "DEVICES_JOBS", "DEVICES_MODULES"),
        *("DEVICES", "ENDS_WITH", "FALSE", "FROM", "GROUP", "IN", "IS_BOOL", "IS_DEFINED", "IS_NULL"),
        *("IS_NUMBER", "IS_OBJECT", "IS_PRIMITIVE", "IS_STRING", "MAX", "MIN", "NOT", "NOT_IN", "NULL"),
        *("OR", "ORDER", "SELECT", "STARTS_WITH", "SUM", "TOP", "TRUE", "WHERE", "IS_OF_MODEL"),
    }
)
"""Words that name nothing unless written [[so]]."""

_NESTING_LIMIT = 200
_ESCAPES = re.compile(r"\\(['\\])")
_INT64 = 2**63


class _ToTree(Transformer[Token, tree.Query]):
    """One method for each alias in the grammar; children come as the grammar lists them."""

    def start(self, parts: list[Any]) -> tree.Query:
        _, top, selected, _, source, _, where = parts
        if selected is None and top is None:
            raise query_error("mismatched input 'FROM' expecting {'*', TOP, COUNT, identifier}", position=7)
        condition = cast(tree.Condition | None, where)
        return tree.Query(top, selected or "everything", source, condition, _operators(condition))

    def top(self, parts: list[Token]) -> int:
        return int(parts[1])

    def everything(self, parts: object) -> str:
        return "everything"

    def count(self, parts: object) -> str:
        return "count"

    def projections(self, parts: list[tree.Projection]) -> tuple[tree.Projection, ...]:
        return tuple(parts)

    def projection(self, parts: list[Any]) -> tree.Projection:
        path, _, alias = parts
        return tree.Projection(path, None if alias is None else str(alias))

    def twins(self, parts: list[Any]) -> tree.Source:
        _, alias, *joins = parts
        name = None if alias is None else str(alias)
        return tree.Joined(name, tuple(joins)) if joins else tree.Twins(name)

    def pattern(self, parts: list[Any]) -> tree.Source:
        return parts[1]

    def relationships(self, parts: list[Any]) -> tree.Source:
        return tree.Relationships(None if parts[1] is None else str(parts[1]))

    def join(self, parts: list[Any]) -> tree.Join:
        word, target, _, source, relationship, alias = parts
        name = None if alias is None else str(alias)
        return tree.Join(str(target), str(source), str(relationship), name, _place(word))

    def match(self, parts: list[Any]) -> tree.Pattern:
        return tree.Pattern(tuple(parts[1::2]), tuple(parts[2::2]))

    def node(self, parts: list[Any]) -> str | None:
        return None if parts[0] is None else str(parts[0])

    def forwards(self, parts: list[Any]) -> tree.Hop:
        return _hop("forwards", parts)

    def backwards(self, parts: list[Any]) -> tree.Hop:
        return _hop("backwards", parts)

    def either_way(self, parts: list[Any]) -> tree.Hop:
        return _hop("either_way", parts)

    def variable(self, parts: list[Token]) -> tuple[Token | None, tuple[str, ...]]:
        return parts[0], ()

    def labelled_variable(self, parts: list[Token]) -> tuple[Token | None, tuple[str, ...]]:
        return parts[0], tuple(map(str, parts[1:]))

    def labels(self, parts: list[Token]) -> tuple[Token | None, tuple[str, ...]]:
        return None, tuple(map(str, parts))

    def exactly(self, parts: list[Token]) -> tuple[int, int]:
        return int(parts[0]) - 1, int(parts[0])

    def between(self, parts: list[Token]) -> tuple[int, int]:
        return int(parts[0]), int(parts[1])

    def up_to(self, parts: list[Token]) -> tuple[int, int]:
        return 0, int(parts[0])

    def any_of(self, parts: list[Any]) -> tree.Condition:
        return _joined(tree.AnyOf, parts)

    def all_of(self, parts: list[Any]) -> tree.Condition:
        return _joined(tree.AllOf, parts)

    def negation(self, parts: list[Any]) -> tree.Condition:
        part = parts[1]
        return part.part if isinstance(part, tree.Negation) else tree.Negation(part)

    def comparison(self, parts: list[Any]) -> tree.Comparison:
        left, operator, right = parts
        sign = str(operator)
        return tree.Comparison(left, "!=" if sign == "<>" else sign, right, _place(operator))

    def within(self, parts: list[Any]) -> tree.Membership:
        return tree.Membership(parts[0], _literals(parts[2:]), negated=False)

    def not_within(self, parts: list[Any]) -> tree.Membership:
        return tree.Membership(parts[0], _literals(parts[2:]), negated=True)

    def call(self, parts: list[Any]) -> tree.Call:
        name, *arguments = parts
        return tree.Call(name.upper(), tuple(part for part in arguments if part is not None), _place(name))

    def path(self, parts: list[Token]) -> tree.Path:
        return tree.Path(tuple(map(str, parts)), _place(parts[0]))

    def plain(self, parts: list[Token]) -> Token:
        if parts[0].upper() in RESERVED:
            raise _refused(parts[0], "identifier")
        return parts[0]

    def escaped(self, parts: list[Token]) -> Token:
        return parts[0].update(value=parts[0][2:-2])

    def string(self, parts: list[Token]) -> tree.Literal:
        return tree.Literal(_ESCAPES.sub(r"\1", parts[0][1:-1]))

    def number(self, parts: list[Token]) -> tree.Literal:
        whole = parts[0].lstrip("+-").isdigit() and len(parts[0]) < 25
        value = int(parts[0]) if whole else float(parts[0])
        return tree.Literal(value if -_INT64 <= value < _INT64 else float(value))

    def true(self, parts: object) -> tree.Literal:
        return tree.Literal(True)

    def false(self, parts: object) -> tree.Literal:
        return tree.Literal(False)

    def null(self, parts: object) -> tree.Literal:
        return tree.Literal(None)


_PARSER = Lark(
    File(__file__).with_name("query.lark").read_text(),
    parser="lalr",
    maybe_placeholders=True,
    transformer=_ToTree(),
)


def parse(text: str) -> tree.Query:
    """The tree of a query. 400 SqlQueryError with line and position when it is none."""
    if len(text) > LENGTH_LIMIT:
        raise query_error(f"the query is longer than {LENGTH_LIMIT} characters.")
    if text.count("(") > _NESTING_LIMIT:
        raise query_error(f"the query has more than {_NESTING_LIMIT} parentheses.")
    words = text.split(None, 1)
    if not words or words[0].lower() != "select":
        raise query_error(f"missing SELECT at '{words[0][:60] if words else '<EOF>'}'")
    try:
        # lark's parse is typed as giving a parse tree; with a transformer it gives what that makes
        return cast(tree.Query, _PARSER.parse(text))  # pyright: ignore[reportUnknownMemberType]
    except UnexpectedToken as exc:
        raise _refused(cast(Token, exc.token), *exc.expected, end=len(text)) from exc
    except UnexpectedCharacters as exc:
        found = text[exc.pos_in_stream]
        raise query_error(
            f"token recognition error at: '{found}'", line=exc.line, position=exc.column - 1
        ) from exc


def _refused(token: Token, *expected: str, end: int = 0) -> ServiceError:
    words = ", ".join(sorted({_TERMINALS.get(name, name) for name in expected}))
    if token.type == "$END":
        return query_error(f"mismatched input '<EOF>' expecting {{{words}}}", position=end)
    where = _place(token)
    return query_error(
        f"mismatched input '{token[:60]}' expecting {{{words}}}", line=where.line, position=where.column
    )


_TERMINALS = {
    "$END": "<EOF>",
    "NAME": "identifier",
    "ESCAPED": "identifier",
    "STRING": "string",
    "NUMBER": "number",
    "INT": "integer",
    "COMPARISON": "comparison",
} | {
    str(terminal.name): f"'{terminal.pattern.value}'"
    for terminal in _PARSER.terminals
    if terminal.pattern.type == "str"
}


def _place(token: Token) -> tree.Place:
    return tree.Place(token.line or 1, (token.column or 1) - 1)


def _hop(direction: tree.Direction, parts: Sequence[Any]) -> tree.Hop:
    labels, hops = parts
    variable, names = labels or (None, ())
    low, high = hops or (0, 1)
    return tree.Hop(direction, None if variable is None else str(variable), names, low, high)


def _literals(parts: list[Any]) -> tuple[tree.Literal, ...]:
    return tuple(part for part in parts if part is not None)


def _joined(kind: type[tree.AnyOf] | type[tree.AllOf], parts: list[Any]) -> tree.Condition:
    """Conditions with AND or OR between them, the key words left out; a lone one is itself."""
    conditions = [part for part in parts if not isinstance(part, Token)]
    return conditions[0] if len(conditions) == 1 else kind(tuple(conditions))


def _operators(condition: tree.Condition | None) -> int:
    """Counted without recursion: nothing has limited the depth yet."""
    found, open_parts = 0, [condition]
    while open_parts:
        match open_parts.pop():
            case tree.AllOf(parts) | tree.AnyOf(parts):
                found += len(parts) - 1
                open_parts += parts
            case tree.Negation(part):
                open_parts.append(part)
            case _:
                pass
    return found
