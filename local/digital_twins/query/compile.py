"""Queries to SQL. Over one collection the indexes narrow what is read; over a graph the hops do."""

from collections.abc import Callable
from dataclasses import dataclass

from local.digital_twins.errors import query_error
from local.digital_twins.query import tree
from local.digital_twins.query.conditions import Conditions, Kinds
from local.digital_twins.query.graph import graph_of, kind_of, staged
from local.digital_twins.query.index import keys
from local.digital_twins.query.normal import conjuncts, normal
from local.digital_twins.query.parse import parse
from local.digital_twins.query.scope import Collection, Field, Scope, refused
from local.digital_twins.query.sql import Sql, joined

OPERATORS_LIMIT = 50
SELECTIVE = 20_000
"""Conditions that at most so many fulfil are looked up in an index, the others tested row by row:
many fulfil those, so a page is soon full."""

type Find = Callable[[Sql, int], list[int] | None]
"""(SELECT of keys, limit) -> the keys; None when there are more than the limit."""

type Column = tuple[str, Sql]
"""Name in the answer and JSON text; the name is empty for a document that is the answer itself."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A query that can be run. Rows are the keys to go on behind, then the columns."""

    top: int | None
    counts: bool
    columns: tuple[Column, ...]
    plan: "TablePlan | GraphPlan"

    @property
    def width(self) -> int:
        """How many keys a row has."""
        return len(self.plan.keys)

    def sql(self, find: Find, after: tuple[int, ...], limit: int) -> Sql:
        if self.counts:
            return self.plan.counting()
        return self.plan.page(joined("", [Sql(", ") + sql for _, sql in self.columns]), find, after, limit)


@dataclass(frozen=True, slots=True)
class TablePlan:
    """One collection, and of each condition the test and, if an index answers it, the SELECT of keys."""

    collection: Collection
    tests: tuple[tuple[Sql, Sql | None], ...]

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"{self.collection.table}.key",)

    def counting(self) -> Sql:
        table = self.collection.table
        only = [found for _, found in self.tests if found is not None]
        if only and len(only) == len(self.tests):
            return (
                Sql("SELECT count(*) FROM (") + joined(" INTERSECT ", [_whole(part) for part in only]) + ")"
            )
        where = joined("", [Sql(" AND ") + self._narrowed(test, found) for test, found in self.tests])
        return Sql(f"SELECT count(*) FROM {self.collection.kind} AS {table} NOT INDEXED WHERE 1") + where

    def page(self, columns: Sql, find: Find, after: tuple[int, ...], limit: int) -> Sql:
        table, kind = self.collection.table, self.collection.kind
        among: set[int] | None = None
        open_tests: list[Sql] = []
        for test, found in self.tests:
            keys = None if found is None else find(found, SELECTIVE)
            if keys is None:
                open_tests.append(Sql(" AND ") + test)
            else:
                among = set(keys) if among is None else among.intersection(keys)
        if among is not None:
            listed = Sql(f" AND {table}.key IN (SELECT value FROM json_each(?))", (str(sorted(among)),))
            open_tests.insert(0, listed)
        inner = (
            Sql(
                f"SELECT {table}.key FROM {kind} AS {table} NOT INDEXED WHERE {table}.key > ?",
                (*after, *[-1] * (not after)),
            )
            + joined("", open_tests)
            + Sql(f" ORDER BY {table}.key LIMIT ?", (limit,))
        )
        return (
            Sql(f"SELECT {table}.key")
            + columns
            + f" FROM {kind} AS {table} WHERE {table}.key IN ("
            + inner
            + f") ORDER BY {table}.key"
        )

    def _narrowed(self, test: Sql, found: Sql | None) -> Sql:
        return test if found is None else Sql(f"{self.collection.table}.key IN (") + found + ")"


@dataclass(frozen=True, slots=True)
class GraphPlan:
    stages: Sql
    last: str
    bound: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(f"f.{column}" for column in self.bound)

    def counting(self) -> Sql:
        return self.stages + f" SELECT count(*) FROM {self.last}"

    def page(self, columns: Sql, find: Find, after: tuple[int, ...], limit: int) -> Sql:
        keys = ", ".join(self.keys)
        documents = "".join(
            f" CROSS JOIN {kind_of(name)} AS {name} ON {name}.key = f.{name}"
            for name in self.bound
            if f"{name}.document" in columns.text
        )
        further = Sql("")
        if after:
            further = Sql(f" WHERE ({keys}) > ({', '.join('?' * len(after))})", after)
        return (
            self.stages
            + f" SELECT {keys}"
            + columns
            + f" FROM {self.last} AS f{documents}"
            + further
            + Sql(f" ORDER BY {keys} LIMIT ?", (limit,))
        )


def compile_query(text: str, kinds: Kinds) -> Compiled:
    """What answers a query. 400 SqlQueryError with the place when nothing can."""
    query = parse(text)
    if query.operators > OPERATORS_LIMIT:
        raise query_error(f"the query has more than {OPERATORS_LIMIT} AND or OR operators.")
    where = None if query.where is None else normal(query.where)
    match query.source:
        case tree.Twins(alias):
            scope, plan = _table(Collection("twins", "s"), alias, where, kinds)
        case tree.Relationships(alias):
            scope, plan = _table(Collection("relationships", "s"), alias, where, kinds)
        case tree.Joined() | tree.Pattern() as source:
            graph = graph_of(source)
            scope = graph.scope()
            stages, last, bound = staged(graph, where, kinds)
            plan = GraphPlan(stages, last, tuple(bound))
            if isinstance(source, tree.Joined) and query.selected == "everything":
                raise query_error("SELECT * is only valid in a query without JOIN.", position=7)
    return Compiled(query.top, query.selected == "count", _columns(query, scope), plan)


def _table(
    collection: Collection, alias: str | None, where: tree.Condition | None, kinds: Kinds
) -> tuple[Scope, TablePlan]:
    scope = Scope({alias: collection} if alias else {}, collection)
    conditions = Conditions(scope, kinds)
    tests = [(conditions.test(part), keys(conditions, part)) for part in conjuncts(where)]
    return scope, TablePlan(collection, tuple(tests))


def _columns(query: tree.Query, scope: Scope) -> tuple[Column, ...]:
    if query.selected == "count":
        return ()
    if query.selected == "everything":
        if scope.sole is not None:
            return (("", Field(scope.sole, ()).json()),)
        return tuple((alias, Field(found, ()).json()) for alias, found in scope.collections.items())
    assert not isinstance(query.selected, str)
    found: dict[str, Sql] = {}
    for projection in query.selected:
        name = projection.alias or projection.path.names[-1]
        if name in found:
            raise refused(
                f"'{name}' is in the answer twice: give one another name with AS.", projection.path.place
            )
        found[name] = scope.field(projection.path).json()
    return tuple(found.items())


def _whole(part: Sql) -> Sql:
    return Sql("SELECT * FROM (") + part + ")"
