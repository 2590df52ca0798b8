"""JOIN and MATCH to SQL: from the twin whose $dtId is given outwards, one stage for each hop.

A stage is a table of rows found so far: the keys of twins (n0, n1 ...) and relationships (r0, r1 ...).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from local.digital_twins.errors import query_error
from local.digital_twins.query import tree
from local.digital_twins.query.conditions import Conditions, Kinds
from local.digital_twins.query.normal import conjuncts, paths
from local.digital_twins.query.scope import Collection, Kind, Scope, refused
from local.digital_twins.query.sql import Parameter, Sql, joined, listed

JOINS_LIMIT = 5
HOPS_LIMIT = 10
_DIRECTIONS = {"forwards": (1,), "backwards": (0,), "either_way": (0, 1)}
_OPPOSITE: dict[tree.Direction, tree.Direction] = {
    "forwards": "backwards",
    "backwards": "forwards",
    "either_way": "either_way",
}


@dataclass(frozen=True, slots=True)
class Edge:
    """A hop between the nodes with the numbers `start` and `end`."""

    start: int
    end: int
    hop: tree.Hop

    def turned(self) -> "Edge":
        return Edge(self.end, self.start, replace(self.hop, direction=_OPPOSITE[self.hop.direction]))


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes by number, each with its alias; relationship aliases by the number of their edge."""

    nodes: tuple[str | None, ...]
    edges: tuple[Edge, ...]
    unique: bool
    """MATCH goes along each relationship once."""

    def scope(self) -> Scope:
        found: dict[str, Collection] = {
            alias: Collection("twins", f"n{number}") for number, alias in enumerate(self.nodes) if alias
        }
        for number, edge in enumerate(self.edges):
            if edge.hop.variable:
                if edge.hop.variable in found:
                    raise query_error(f"'{edge.hop.variable}' names more than one collection.")
                found[edge.hop.variable] = Collection("relationships", f"r{number}")
        return Scope(found)


def graph_of(source: tree.Joined | tree.Pattern) -> Graph:
    """The nodes and edges of a query's FROM; 400 when there are too many or a name is unknown or twice."""
    return _of_joins(source) if isinstance(source, tree.Joined) else _of_pattern(source)


def _of_joins(source: tree.Joined) -> Graph:
    if len(source.joins) > JOINS_LIMIT:
        raise refused(f"A query has at most {JOINS_LIMIT} JOINs.", source.joins[JOINS_LIMIT].place)
    nodes = [source.alias]
    edges: list[Edge] = []
    for join in source.joins:
        if join.source not in nodes:
            raise refused(f"'{join.source}' is not the name of a collection before this JOIN.", join.place)
        if join.target in nodes:
            raise refused(f"'{join.target}' names more than one collection.", join.place)
        hop = tree.Hop("forwards", join.alias, (join.relationship,), 0, 1)
        edges.append(Edge(nodes.index(join.source), len(nodes), hop))
        nodes.append(join.target)
    return Graph(tuple(nodes), tuple(edges), unique=False)


def _of_pattern(source: tree.Pattern) -> Graph:
    nodes: list[str | None] = []
    numbers: list[int] = []
    for alias in source.nodes:
        if alias is None or alias not in nodes:
            nodes.append(alias)
            numbers.append(len(nodes) - 1)
        else:
            numbers.append(nodes.index(alias))
    for hop in source.hops:
        if hop.low >= hop.high:
            raise query_error(f"A range of hops ends above where it starts, not at {hop.high}.")
        if hop.variable and hop.high > 1:
            raise query_error("A query variable is given to a relationship of a single hop only.")
    if sum(hop.high for hop in source.hops) > HOPS_LIMIT:
        raise query_error(f"MATCH goes over at most {HOPS_LIMIT} hops.")
    ends = pairwise(numbers)
    edges = tuple(Edge(start, end, hop) for (start, end), hop in zip(ends, source.hops, strict=True))
    return Graph(tuple(nodes), edges, unique=True)


@dataclass(slots=True)
class _Stages:
    """The common table expressions, one after the other, and what is bound in the last one."""

    tables: list[Sql] = field(default_factory=list[Sql])
    bound: list[str] = field(default_factory=list[str])

    @property
    def last(self) -> str:
        return f"stage{len(self.bound_counts) - 1}"

    bound_counts: list[int] = field(default_factory=list[int])

    def add(self, new: Sequence[str], body: Sql) -> None:
        self.bound += new
        name = f"stage{len(self.bound_counts)}"
        self.bound_counts.append(len(self.bound))
        self.tables.append(Sql(f"{name}({', '.join(self.bound)}) AS MATERIALIZED (") + body + ")")


def staged(graph: Graph, where: tree.Condition | None, kinds: Kinds) -> tuple[Sql, str, list[str]]:
    """(WITH clause, name of the table with all rows, its columns) for a graph and a normal condition."""
    conditions = Conditions(graph.scope(), kinds)
    open_tests = conjuncts(where)
    _require_id(conditions.scope, where)
    start, ids = _anchor(conditions.scope, open_tests)
    stages = _Stages()

    def ready() -> list[tree.Condition]:
        """Conditions whose collections are all bound now; each is given once."""
        found = [test for test in open_tests if _tables(conditions.scope, test) <= set(stages.bound)]
        open_tests[:] = [test for test in open_tests if test not in found]
        return found

    first = f"n{start}"
    stages.bound.append(first)
    tests = joined("", [Sql(" AND ") + conditions.test(test) for test in ready()])
    stages.bound.clear()
    only = Sql("") if ids is None else Sql(f" AND {first}.id IN ") + listed(ids)
    stages.add([first], Sql(f"SELECT {first}.key FROM twins AS {first} WHERE 1") + only + tests)
    for number, edge in _outwards(graph, start):
        new = [f"r{number}"] * (edge.hop.high == 1) + [f"n{edge.end}"] * (f"n{edge.end}" not in stages.bound)
        before = stages.last
        known = list(stages.bound)
        stages.bound += new
        met = ready()
        del stages.bound[len(known) :]
        if edge.hop.high == 1:
            body = _one_hop(graph, number, edge, before, known)
        else:
            stages.tables += _walk(number, edge, before)
            body = Sql(
                f"SELECT {_columns('p', known)}{', e.b' if new else ''} FROM {before} AS p "
                f"CROSS JOIN reached{number} AS e ON e.a = p.n{edge.start}"
            )
        closing = Sql("") if f"n{edge.end}" in new else Sql(f" AND e.b = p.n{edge.end}")
        needed = sorted({table for test in met for table in _tables(conditions.scope, test)})
        body += joined("", [_document_join(table, known, number) for table in needed])
        body += Sql(" WHERE 1") + closing + joined("", [Sql(" AND ") + conditions.test(test) for test in met])
        stages.add(new, body)
    return Sql("WITH RECURSIVE ") + joined(", ", stages.tables), stages.last, stages.bound


def _one_hop(graph: Graph, number: int, edge: Edge, before: str, known: list[str]) -> Sql:
    end = [] if f"n{edge.end}" in known else ["e.b"]
    columns = ", ".join([*(f"p.{column}" for column in known), "e.relationship", *end])
    relations = [column for column in known if column.startswith("r")] if graph.unique else []
    once = "".join(f" AND e.relationship <> p.{column}" for column in relations)
    return Sql(
        f"SELECT {columns} FROM {before} AS p CROSS JOIN edges AS e ON e.a = p.n{edge.start}{once}"
    ) + _along(edge.hop)


def _along(hop: tree.Hop) -> Sql:
    """Which edges a hop may take. A relationship from a twin to itself is one, not two."""
    forward: tuple[Parameter, ...] = _DIRECTIONS[hop.direction]
    found = Sql(" AND e.forward IN ") + listed(forward)
    if hop.direction == "either_way":
        found += " AND (e.forward = 1 OR e.a <> e.b)"
    return found + Sql(" AND e.name IN ") + listed(hop.names) if hop.names else found


def _walk(number: int, edge: Edge, before: str) -> Iterator[Sql]:
    """All twins within the range of hops: no way takes a relationship twice, many ways to a twin are one."""
    hop = edge.hop
    yield (
        Sql(
            f"walk{number}(a, b, depth, way) AS "
            f"(SELECT DISTINCT n{edge.start}, n{edge.start}, 0, ',' FROM {before} UNION ALL "
            f"SELECT w.a, e.b, w.depth + 1, w.way || e.relationship || ',' FROM walk{number} AS w "
            "CROSS JOIN edges AS e ON e.a = w.b AND w.depth < ? "
            "AND instr(w.way, ',' || e.relationship || ',') = 0",
            (hop.high,),
        )
        + _along(hop)
        + ")"
    )
    yield Sql(
        f"reached{number}(a, b) AS MATERIALIZED (SELECT DISTINCT a, b FROM walk{number} WHERE depth > ?)",
        (hop.low,),
    )


def _document_join(table: str, known: list[str], number: int) -> Sql:
    kind = kind_of(table)
    key = f"p.{table}" if table in known else "e.b" if kind == "twins" else "e.relationship"
    return Sql(f" CROSS JOIN {kind} AS {table} ON {table}.key = {key}")


def kind_of(table: str) -> Kind:
    return "twins" if table.startswith("n") else "relationships"


def _columns(table: str, names: list[str]) -> str:
    return ", ".join(f"{table}.{name}" for name in names)


def _outwards(graph: Graph, start: int) -> Iterator[tuple[int, Edge]]:
    """The edges in an order in which each starts where one has been, turned if need be."""
    reached = {start}
    remaining = dict(enumerate(graph.edges))
    while remaining:
        number = next(n for n, edge in remaining.items() if edge.start in reached or edge.end in reached)
        edge = remaining.pop(number)
        edge = edge if edge.start in reached else edge.turned()
        reached.add(edge.end)
        yield number, edge


def _anchor(scope: Scope, tests: list[tree.Condition]) -> tuple[int, list[str] | None]:
    """The node whose $dtId the condition gives, and the ids; the first node if none does."""
    for test in tests:
        match test:
            case tree.Comparison(tree.Path() as path, "=", tree.Literal(str(value)), _):
                ids = [value]
            case tree.Membership(path, values, False):
                ids = [value.value for value in values if isinstance(value.value, str)]
            case _:
                continue
        found = scope.field(path)
        if found.names == ("$dtId",):
            return int(found.collection.table[1:]), ids
    return 0, None


def _require_id(scope: Scope, where: tree.Condition | None) -> None:
    looked_at = [] if where is None else paths(where)
    if not any(scope.field(path).names == ("$dtId",) for path in looked_at):
        raise query_error("A query with JOIN or MATCH must filter on the $dtId of a twin in WHERE.")


def _tables(scope: Scope, test: tree.Condition) -> set[str]:
    return {scope.field(path).collection.table for path in paths(test)}
