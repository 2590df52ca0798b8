"""Turns lark's parse tree into our syntax tree, one method per rule: clauses here, expressions beside."""

# lark leaves the type of its decorator unknown:
# pyright: reportUnknownVariableType=false

from dataclasses import replace
from typing import Any

from lark import Token, v_args
from lark.tree import Meta

from local.cosmos.query.build_expressions import BuildExpressions
from local.cosmos.query.failures import SEMANTIC, query_error
from local.cosmos.query.tokens import Children, has, number_of, span_of, unquoted, without_tokens
from local.cosmos.query.tree import (
    Expression,
    Item,
    Literal,
    Member,
    Name,
    Order,
    Parameter,
    Query,
    Source,
    Span,
)
from local.cosmos.query.walk import projected


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
class Build(BuildExpressions):
    """All rules of the grammar."""

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
        return _Clause("distinct", True, span_of(meta))

    def top(self, meta: Meta, children: Children) -> _Clause:
        return _Clause("top", self._count(children[1]), span_of(meta))

    def offset_limit(self, meta: Meta, children: Children) -> _Clause:
        return _Clause("offset_limit", (self._count(children[1]), self._count(children[3])), span_of(meta))

    def select_all(self, meta: Meta, children: Children) -> _Projection:
        return _Projection(everything=True)

    def select_value(self, meta: Meta, children: Children) -> _Projection:
        start = children[0].end_pos or 0
        return _Projection(value=children[1], span=Span(start, span_of(meta).end))

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
        start = span_of(meta).start
        last = children[-2] if has(children, "AS") else children[-1]
        end = last.start_pos if len(children) > 1 and isinstance(last, Token) else span_of(meta).end
        return children[0], alias, Span(start, end or start)

    def from_clause(self, meta: Meta, children: Children) -> _Clause:
        return _Clause("from", tuple(without_tokens(children)), span_of(meta))

    def join(self, meta: Meta, children: Children) -> Source:
        return children[1]

    def whole(self, meta: Meta, children: Children) -> Source:
        collection = children[0]
        alias = children[-1].value if len(children) > 1 else None
        if isinstance(collection, Query):
            return Source(alias or "", None, (), collection, False, span_of(meta))
        if alias is None:
            last = collection.steps[-1] if collection.steps else Literal(collection.root)
            alias = last.value if isinstance(last, Literal) and isinstance(last.value, str) else ""
        return Source(alias, collection.root, tuple(collection.steps), None, False, span_of(meta))

    def each(self, meta: Meta, children: Children) -> Source:
        alias, collection = children[0].value, children[2]
        if isinstance(collection, Query):
            return Source(alias, None, (), collection, True, span_of(meta))
        return Source(alias, collection.root, tuple(collection.steps), None, True, span_of(meta))

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
                return Literal(unquoted(token))
            case "NUMBER":
                return Literal(number_of(token))
            case _:
                return Parameter(token.value)

    def where(self, meta: Meta, children: Children) -> _Clause:
        return _Clause("where", children[1], Span(children[0].end_pos or 0, span_of(meta).end))

    def group_by(self, meta: Meta, children: Children) -> _Clause:
        return _Clause("group_by", tuple(without_tokens(children)), span_of(meta))

    def order_by(self, meta: Meta, children: Children) -> _Clause:
        return _Clause("order_by", tuple(without_tokens(children)), span_of(meta))

    def order_item(self, meta: Meta, children: Children) -> Order:
        start = span_of(meta).start
        end = children[1].start_pos if len(children) > 1 else span_of(meta).end
        return Order(children[0], has(children, "DESC"), Span(start, end))

    def _count(self, token: Token) -> Expression:
        return Parameter(token.value) if token.type == "PARAMETER" else Literal(number_of(token))
