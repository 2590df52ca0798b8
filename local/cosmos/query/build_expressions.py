"""Turns lark's parse tree into our syntax tree: the rules of expressions."""

# lark leaves the type of its decorator unknown:
# pyright: reportUnknownVariableType=false

from lark import Token, Transformer, v_args
from lark.tree import Meta

from local.cosmos.errors import not_implemented
from local.cosmos.query.failures import syntax_error
from local.cosmos.query.tokens import (
    Children,
    has,
    maybe_not,
    number_of,
    span_of,
    unquoted,
    without_tokens,
)
from local.cosmos.query.tree import (
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
    Span,
    Subquery,
    Unary,
    UndefinedLiteral,
    Within,
)


class BuildExpressions(Transformer[Token, Query]):
    """lark calls the method named like the rule, innermost first."""

    def ternary(self, meta: Meta, children: Children) -> Expression:
        return Conditional(children[0], children[1], children[2])

    def coalesced(self, meta: Meta, children: Children) -> Expression:
        return Binary("??", children[0], children[1])

    def either(self, meta: Meta, children: Children) -> Expression:
        return Junction("OR", tuple(without_tokens(children)))

    def both(self, meta: Meta, children: Children) -> Expression:
        return Junction("AND", tuple(without_tokens(children)))

    def negate(self, meta: Meta, children: Children) -> Expression:
        return Unary("NOT", children[1])

    def compare(self, meta: Meta, children: Children) -> Expression:
        operator = children[1].value
        return Binary("!=" if operator == "<>" else operator, children[0], children[2])

    def within(self, meta: Meta, children: Children) -> Expression:
        needle, *values = without_tokens(children)
        return maybe_not(children, Within(needle, tuple(values)))

    def between(self, meta: Meta, children: Children) -> Expression:
        return maybe_not(children, Between(*without_tokens(children)))

    def like(self, meta: Meta, children: Children) -> Expression:
        value, pattern = without_tokens(children)
        escape = unquoted(children[-1]) if has(children, "ESCAPE") else None
        return maybe_not(children, Like(value, pattern, escape))

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
        return Literal(number_of(children[0]))

    def string(self, meta: Meta, children: Children) -> Expression:
        return Literal(unquoted(children[0]))

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
        return Name(children[0].value, span_of(meta))

    def call(self, meta: Meta, children: Children) -> Expression:
        name, *arguments = children
        return Call(name.value.upper(), tuple(arguments), span_of(meta))

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
        return (unquoted(key) if key.type == "STRING" else key.value), children[1]


v_args(meta=True)(BuildExpressions)  # as a statement: as a decorator it would hide the type of the class
