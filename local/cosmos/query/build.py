"""Turns lark's parse tree into our syntax tree, one method per rule of the grammar."""

# lark leaves the type of its decorator unknown:
# pyright: reportUnknownVariableType=false

from dataclasses import replace
from typing import Any

import orjson
from lark import Token, Transformer, v_args
from lark.tree import Meta

from local.cosmos.errors import not_implemented
from local.cosmos.query.failures import SEMANTIC, query_error, syntax_error
from local.cosmos.query.tree import (
    ArrayOf,
    Between,
    Binary,
    Call,
    Conditional,
    Expression,
    Item,
    Junction,
    Like,
    Literal,
    Member,
    Name,
    ObjectOf,
    Order,
    Parameter,
    Query,
    Source,
    Span,
    Subquery,
    Unary,
    UndefinedLiteral,
    Within,
)
from local.cosmos.query.walk import projected

type Children = list[Any]
"""What lark hands a rule: tokens and the values of inner rules, as the grammar has them."""


class _Path:
    def __init__(self, root: str, steps: list[Expression]) -> None:
        self.root = root
        self.steps = steps


class _Projection:
    def __init__(
        self, *, everything: bool = False, value: Expression | None = None, items: tuple[Item, ...] = (),
        span: Span | None = None,
    ) -> None:  # fmt: skip
        self.everything = everything
        self.value = value
        self.items = items
        self.span = span


class _Clause:
    """A clause by name, so that `query` can tell the optional ones apart."""

    def __init__(self, name: str, value: Any, span: Span) -> None:
        self.name = name
        self.value = value
        self.span = span


def _span(meta: Meta) -> Span:
    return Span(meta.start_pos, meta.end_pos) if not meta.empty else Span(0, 0)


def _unquote(token: Token) -> str:
    """The text of a string literal; escapes as in JSON, plus the quotes themselves."""
    inner = token.value[1:-1]
    if "\\" not in inner and not any(ord(character) < 32 for character in inner):
        return inner
    json_text = inner.replace("\\'", "'")
    pieces: list[str] = []
    escaped = False
    for character in json_text:
        if character == '"' and not escaped:
            pieces.append("\\")
        pieces.append(f"\\u{ord(character):04x}" if ord(character) < 32 else character)
        escaped = character == "\\" and not escaped
    try:
        return str(orjson.loads('"' + "".join(pieces) + '"'))
    except orjson.JSONDecodeError as exc:
        raise syntax_error(token.value, Span(token.start_pos or 0, token.end_pos or 0)) from exc


def _number(token: Token) -> int | float:
    value = token.value
    return int(value) if value.isdigit() and len(value) < 19 else float(value)


def _without_tokens(children: Children) -> Children:
    return [child for child in children if not isinstance(child, Token)]


def _has(children: Children, kind: str) -> bool:
    return any(isinstance(child, Token) and child.type == kind for child in children)


def _maybe_not(children: Children, expression: Expression) -> Expression:
    return Unary("NOT", expression) if _has(children, "NOT") else expression


def _default_name(expression: Expression) -> str | None:
    """The property name of a column without alias: the last step of a path."""
    match expression:
        case Name():
            return expression.name
        case Member(key=Literal(value=str() as name)):
            return name
        case _:
            return None


@v_args(meta=True)
class Build(Transformer[Token, Query]):
    """lark calls the method named like the rule, innermost first."""

    def start(self, meta: Meta, children: Children) -> Query:
        return children[0]

    def query(self, meta: Meta, children: Children) -> Query:
        clauses = {child.name: child for child in children if isinstance(child, _Clause)}
        projection = next(child for child in children if isinstance(child, _Projection))

        def value(name: str, otherwise: Any) -> Any:
            return clauses[name].value if name in clauses else otherwise

        def span(name: str) -> Span | None:
            return clauses[name].span if name in clauses else None

        offset, limit = value("offset_limit", (None, None))
        query = Query(
            everything=projection.everything,
            value=projection.value,
            items=projection.items,
            distinct="distinct" in clauses,
            top=value("top", None),
            sources=value("from", ()),
            where=value("where", None),
            group_by=value("group_by", ()),
            order_by=value("order_by", ()),
            offset=offset,
            limit=limit,
            value_span=projection.span,
            from_span=span("from"),
            where_span=span("where"),
        )
        if query.order_by and not query.group_by and projected(query):
            return replace(query, order_by=())  # one row: there is nothing to order
        return query

    def distinct(self, meta: Meta, children: Children) -> _Clause:
        return _Clause("distinct", True, _span(meta))

    def top(self, meta: Meta, children: Children) -> _Clause:
        return _Clause("top", self._count(children[1]), _span(meta))

    def offset_limit(self, meta: Meta, children: Children) -> _Clause:
        return _Clause("offset_limit", (self._count(children[1]), self._count(children[3])), _span(meta))

    def select_all(self, meta: Meta, children: Children) -> _Projection:
        return _Projection(everything=True)

    def select_value(self, meta: Meta, children: Children) -> _Projection:
        start = children[0].end_pos or 0
        return _Projection(value=children[1], span=Span(start, _span(meta).end))

    def select_list(self, meta: Meta, children: Children) -> _Projection:
        items: list[Item] = []
        names: set[str] = set()
        unnamed = 0
        for expression, alias, span in children:
            name = alias or _default_name(expression)
            if name is None:
                unnamed += 1
                name = f"${unnamed}"
            if name in names:
                raise query_error(SEMANTIC, f"Duplicate property name '{name}' in the SELECT list.", span)
            names.add(name)
            items.append(Item(expression, name, span))
        return _Projection(items=tuple(items))

    def select_item(self, meta: Meta, children: Children) -> tuple[Expression, str | None, Span]:
        alias = children[-1].value if len(children) > 1 else None
        start = _span(meta).start
        last = children[-2] if _has(children, "AS") else children[-1]
        end = last.start_pos if len(children) > 1 and isinstance(last, Token) else _span(meta).end
        return children[0], alias, Span(start, end or start)

    def from_clause(self, meta: Meta, children: Children) -> _Clause:
        return _Clause("from", tuple(_without_tokens(children)), _span(meta))

    def join(self, meta: Meta, children: Children) -> Source:
        return children[1]

    def whole(self, meta: Meta, children: Children) -> Source:
        collection = children[0]
        alias = children[-1].value if len(children) > 1 else None
        if isinstance(collection, Query):
            return Source(alias or "", None, (), collection, False, _span(meta))
        if alias is None:
            last = collection.steps[-1] if collection.steps else Literal(collection.root)
            alias = last.value if isinstance(last, Literal) and isinstance(last.value, str) else ""
        return Source(alias, collection.root, tuple(collection.steps), None, False, _span(meta))

    def each(self, meta: Meta, children: Children) -> Source:
        alias, collection = children[0].value, children[2]
        if isinstance(collection, Query):
            return Source(alias, None, (), collection, True, _span(meta))
        return Source(alias, collection.root, tuple(collection.steps), None, True, _span(meta))

    def derived(self, meta: Meta, children: Children) -> Query:
        return children[0]

    def path(self, meta: Meta, children: Children) -> _Path:
        return _Path(children[0].value, children[1:])

    def dot(self, meta: Meta, children: Children) -> Expression:
        return Literal(children[0].value)

    def bracket(self, meta: Meta, children: Children) -> Expression:
        token: Token = children[0]
        match token.type:
            case "STRING":
                return Literal(_unquote(token))
            case "NUMBER":
                return Literal(_number(token))
            case _:
                return Parameter(token.value)

    def where(self, meta: Meta, children: Children) -> _Clause:
        return _Clause("where", children[1], Span(children[0].end_pos or 0, _span(meta).end))

    def group_by(self, meta: Meta, children: Children) -> _Clause:
        return _Clause("group_by", tuple(_without_tokens(children)), _span(meta))

    def order_by(self, meta: Meta, children: Children) -> _Clause:
        return _Clause("order_by", tuple(_without_tokens(children)), _span(meta))

    def order_item(self, meta: Meta, children: Children) -> Order:
        start = _span(meta).start
        end = children[1].start_pos if len(children) > 1 else _span(meta).end
        return Order(children[0], _has(children, "DESC"), Span(start, end))

    def ternary(self, meta: Meta, children: Children) -> Expression:
        return Conditional(children[0], children[1], children[2])

    def coalesced(self, meta: Meta, children: Children) -> Expression:
        return Binary("??", children[0], children[1])

    def either(self, meta: Meta, children: Children) -> Expression:
        return Junction("OR", tuple(_without_tokens(children)))

    def both(self, meta: Meta, children: Children) -> Expression:
        return Junction("AND", tuple(_without_tokens(children)))

    def negate(self, meta: Meta, children: Children) -> Expression:
        return Unary("NOT", children[1])

    def compare(self, meta: Meta, children: Children) -> Expression:
        operator = children[1].value
        return Binary("!=" if operator == "<>" else operator, children[0], children[2])

    def within(self, meta: Meta, children: Children) -> Expression:
        needle, *values = _without_tokens(children)
        return _maybe_not(children, Within(needle, tuple(values)))

    def between(self, meta: Meta, children: Children) -> Expression:
        return _maybe_not(children, Between(*_without_tokens(children)))

    def like(self, meta: Meta, children: Children) -> Expression:
        value, pattern = _without_tokens(children)
        escape = _unquote(children[-1]) if _has(children, "ESCAPE") else None
        return _maybe_not(children, Like(value, pattern, escape))

    def bitwise_or(self, meta: Meta, children: Children) -> Expression:
        return Binary("|", children[0], children[1])

    def bitwise_xor(self, meta: Meta, children: Children) -> Expression:
        return Binary("^", children[0], children[1])

    def bitwise_and(self, meta: Meta, children: Children) -> Expression:
        return Binary("&", children[0], children[1])

    def arithmetic(self, meta: Meta, children: Children) -> Expression:
        return Binary(children[1].value, children[0], children[2])

    def signed(self, meta: Meta, children: Children) -> Expression:
        sign, operand = children
        if sign.value == "||":
            raise syntax_error("||", Span(sign.start_pos or 0, sign.end_pos or 0))
        if isinstance(operand, Literal) and isinstance(operand.value, int | float) and sign.value == "-":
            return Literal(-operand.value)
        return Unary(sign.value, operand)

    def bitwise_not(self, meta: Meta, children: Children) -> Expression:
        return Unary("~", children[0])

    def member(self, meta: Meta, children: Children) -> Expression:
        return Member(children[0], Literal(children[1].value))

    def index(self, meta: Meta, children: Children) -> Expression:
        return Member(children[0], children[1])

    def number(self, meta: Meta, children: Children) -> Expression:
        return Literal(_number(children[0]))

    def string(self, meta: Meta, children: Children) -> Expression:
        return Literal(_unquote(children[0]))

    def true(self, meta: Meta, children: Children) -> Expression:
        return Literal(True)

    def false(self, meta: Meta, children: Children) -> Expression:
        return Literal(False)

    def null(self, meta: Meta, children: Children) -> Expression:
        return Literal(None)

    def undefined(self, meta: Meta, children: Children) -> Expression:
        return UndefinedLiteral()

    def parameter(self, meta: Meta, children: Children) -> Expression:
        return Parameter(children[0].value)

    def name(self, meta: Meta, children: Children) -> Expression:
        return Name(children[0].value, _span(meta))

    def call(self, meta: Meta, children: Children) -> Expression:
        name, *arguments = children
        return Call(name.value.upper(), tuple(arguments), _span(meta))

    def udf(self, meta: Meta, children: Children) -> Expression:
        raise not_implemented("user-defined functions")

    def exists(self, meta: Meta, children: Children) -> Expression:
        return Subquery("exists", children[1])

    def array_of(self, meta: Meta, children: Children) -> Expression:
        return Subquery("array", children[1])

    def scalar(self, meta: Meta, children: Children) -> Expression:
        return Subquery("scalar", children[0])

    def array(self, meta: Meta, children: Children) -> Expression:
        return ArrayOf(tuple(children))

    def object(self, meta: Meta, children: Children) -> Expression:
        return ObjectOf(tuple(children))

    def pair(self, meta: Meta, children: Children) -> tuple[str, Expression]:
        key: Token = children[0]
        return (_unquote(key) if key.type == "STRING" else key.value), children[1]

    def _count(self, token: Token) -> Expression:
        return Parameter(token.value) if token.type == "PARAMETER" else Literal(_number(token))
