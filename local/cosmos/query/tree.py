"""The syntax tree of a query. Plain values; where a node came from is kept only where it is needed again."""

from dataclasses import dataclass, field

from local.cosmos.json_types import Json


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets in the query's text, end exclusive."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Literal:
    value: Json


@dataclass(frozen=True, slots=True)
class UndefinedLiteral:
    pass


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str


@dataclass(frozen=True, slots=True)
class Name:
    """An alias from a FROM clause."""

    name: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Member:
    """`of.name`, `of["name"]` or `of[0]`."""

    of: "Expression"
    key: "Expression"


@dataclass(frozen=True, slots=True)
class Unary:
    """`NOT`, `-`, `+`, `~`."""

    operator: str
    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Binary:
    """Comparison, arithmetic, bitwise, `??`, `||`."""

    operator: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Junction:
    """`AND` or `OR` of any number of operands: flat, for the SDK sends a thousand in one."""

    operator: str
    operands: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Conditional:
    test: "Expression"
    yes: "Expression"
    no: "Expression"


@dataclass(frozen=True, slots=True)
class Within:
    """`needle IN (...)`."""

    needle: "Expression"
    values: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Between:
    value: "Expression"
    low: "Expression"
    high: "Expression"


@dataclass(frozen=True, slots=True)
class Like:
    value: "Expression"
    pattern: "Expression"
    escape: str | None


@dataclass(frozen=True, slots=True)
class Call:
    """A built-in function or an aggregate; the name in upper case."""

    name: str
    arguments: tuple["Expression", ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class ArrayOf:
    """`[a, b]`."""

    items: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class ObjectOf:
    """`{"a": b}`."""

    pairs: tuple[tuple[str, "Expression"], ...]


@dataclass(frozen=True, slots=True)
class Subquery:
    """`EXISTS(...)`, `ARRAY(...)` or, as kind `scalar`, a query in parentheses."""

    kind: str
    query: "Query"


type Expression = (
    Literal | UndefinedLiteral | Parameter | Name | Member | Unary | Binary | Junction | Conditional
    | Within | Between | Like | Call | ArrayOf | ObjectOf | Subquery
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """One input of a FROM clause: a path from an alias (or from the container), or a derived table."""

    alias: str
    root: str | None
    """The first word of the path; None for a derived table."""
    steps: tuple[Expression, ...]
    derived: "Query | None"
    each: bool
    """`alias IN path`: one row per element."""
    span: Span


@dataclass(frozen=True, slots=True)
class Item:
    """One column of a SELECT list, with the property name that it gets."""

    expression: Expression
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Order:
    expression: Expression
    descending: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT. Exactly one of `everything`, `value` and `items` says what comes out."""

    everything: bool
    value: Expression | None
    items: tuple[Item, ...]
    distinct: bool
    top: Expression | None
    sources: tuple[Source, ...]
    where: Expression | None
    group_by: tuple[Expression, ...]
    order_by: tuple[Order, ...]
    offset: Expression | None
    limit: Expression | None
    value_span: Span | None
    from_span: Span | None
    where_span: Span | None


AGGREGATES = frozenset({"COUNT", "SUM", "AVG", "MIN", "MAX", "COUNTIF"})
