"""A query as a tree of values: what `parse` makes and `compile` reads."""

from dataclasses import dataclass
from typing import Literal as Word

type Scalar = str | int | float | bool | None
type Direction = Word["forwards", "backwards", "either_way"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in the text, counted as the service does: lines from 1, columns from 0."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Path:
    """`T.oee.oee`: the first name may be a collection's."""

    names: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Literal:
    value: Scalar


type Operand = Path | Literal


@dataclass(frozen=True, slots=True)
class Comparison:
    left: Operand
    operator: str
    right: Operand
    place: Place


@dataclass(frozen=True, slots=True)
class Membership:
    path: Path
    values: tuple[Literal, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Operand, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Negation:
    part: "Condition"


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple["Condition", ...]


type Condition = Comparison | Membership | Call | Negation | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class Projection:
    path: Path
    alias: str | None


@dataclass(frozen=True, slots=True)
class Twins:
    alias: str | None


@dataclass(frozen=True, slots=True)
class Relationships:
    alias: str | None


@dataclass(frozen=True, slots=True)
class Join:
    """JOIN `target` RELATED `source`.`relationship` [`alias`]"""

    target: str
    source: str
    relationship: str
    alias: str | None
    place: Place


@dataclass(frozen=True, slots=True)
class Joined:
    alias: str | None
    joins: tuple[Join, ...]


@dataclass(frozen=True, slots=True)
class Hop:
    """From the node before to the node after, over `low` < number of relationships <= `high`."""

    direction: Direction
    variable: str | None
    names: tuple[str, ...]
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Pattern:
    nodes: tuple[str | None, ...]
    hops: tuple[Hop, ...]


type Source = Twins | Relationships | Joined | Pattern


@dataclass(frozen=True, slots=True)
class Query:
    top: int | None
    selected: tuple[Projection, ...] | Word["everything", "count"]
    source: Source
    where: Condition | None
    operators: int
    """How many AND and OR the condition has."""
