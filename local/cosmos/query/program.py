"""A compiled query: how one document becomes rows, and how rows become results."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from local.cosmos.json_types import UNDEFINED, Json, JsonObject, Undefined
from local.cosmos.query.aggregates import Aggregate
from local.cosmos.query.evaluate import Compiler
from local.cosmos.query.failures import SEMANTIC, UNRESOLVED, query_error
from local.cosmos.query.operators import Compiled, Names, Totals
from local.cosmos.query.tree import Expression, Literal, Parameter, Query, Source
from local.cosmos.query.values import Value, canonical, order_key

ROOT = ""
"""Under this name, which no query can spell, a row holds its document."""


MOST_ROWS = 1_000_000
"""Rows that one document may become, those of its subqueries and those that WHERE drops included."""
MOST_NODES = 1_000_000
"""Values inside one value that a subquery hands on, or that is a result."""


@dataclass(slots=True)
class Effort:
    """What has been done for the document at hand; a query that asks for too much is refused, not endless."""

    rows: int = 0

    def spend(self) -> None:
        self.rows += 1
        if self.rows > MOST_ROWS:
            raise query_error(
                SEMANTIC, f"The query makes more than {MOST_ROWS} rows of one document: narrow its JOINs."
            )


def measured(value: Value, left: int = MOST_NODES) -> int:
    """How many of `left` nodes a value does not use. Raises 400 for one that uses more."""
    left -= 1
    if left < 0:
        raise query_error(SEMANTIC, f"The query makes a value of more than {MOST_NODES} parts.")
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            left = measured(part, left)
    return left


@dataclass(frozen=True, slots=True)
class Program:
    """A query ready to run on documents."""

    query: Query
    expand: Callable[[Names], Iterator[Names]]
    """All rows of one document (or of one outer row) that satisfy WHERE."""
    project: Compiled
    group_key: tuple[Compiled, ...]
    order_by: tuple[Compiled, ...]
    aggregates: tuple[tuple[str, Compiled], ...]
    offset: int
    limit: int | None
    """Rows to return after `offset`; from TOP or LIMIT."""
    effort: Effort

    @property
    def aggregated(self) -> bool:
        return bool(self.aggregates or self.query.group_by)

    def rows(self, document: JsonObject) -> Iterator[Names]:
        self.effort.rows = 0
        return self.expand({ROOT: document})

    def directions(self) -> tuple[bool, ...]:
        """For each ORDER BY key, whether it is descending."""
        return tuple(item.descending for item in self.query.order_by)


class Groups:
    """The groups of an aggregating query, each with its running totals; without GROUP BY there is one."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._groups: dict[bytes, tuple[Names, list[Aggregate]]] = {}
        if not program.query.group_by:
            self._groups[b""] = {}, self._fresh()

    def add(self, row: Names) -> None:
        keys = [key(row, []) for key in self._program.group_key]
        name = b"\0".join(canonical(key) for key in keys)
        if name not in self._groups:
            self._groups[name] = row, self._fresh()
        elif not self._groups[name][0]:
            self._groups[name] = row, self._groups[name][1]
        for (_, argument), aggregate in zip(self._program.aggregates, self._groups[name][1], strict=True):
            aggregate.add(argument(row, []))

    def results(self) -> list[tuple[bytes, Value]]:
        """One result per group, with the group's name, ordered by it."""
        results: list[tuple[bytes, Value]] = []
        for name, (row, aggregates) in sorted(self._groups.items(), key=lambda group: group[0]):
            names = row or dict.fromkeys(self._all_names(), UNDEFINED)
            totals: Totals = [aggregate.result() for aggregate in aggregates]
            results.append((name, self._program.project(names, totals)))
        return results

    def _fresh(self) -> list[Aggregate]:
        return [Aggregate(kind) for kind, _ in self._program.aggregates]

    def _all_names(self) -> list[str]:
        return [ROOT, *(source.alias for source in self._program.query.sources)]


def compile_query(
    query: Query,
    parameters: Mapping[str, Json],
    outer: frozenset[str] | None = None,
    effort: Effort | None = None,
) -> Program:
    """Compile a query; `outer` are the aliases that a nested query sees (None for the outermost)."""

    spent = effort or Effort()

    def nested(inner: Query, scope: frozenset[str]) -> Callable[[Names], list[Value]]:
        program = compile_query(inner, parameters, scope, spent)
        return lambda names: run(program, names)

    scope = frozenset([ROOT]) if outer is None else outer
    compiler = Compiler(parameters, scope, nested)
    steps: list[Callable[[Names], Iterator[Names]]] = []
    for place, source in enumerate(query.sources):
        steps.append(_source(compiler, source, spent, first=place == 0 and outer is None))
        compiler.scope |= {source.alias}
    where = compiler.compile(query.where) if query.where else None
    if compiler.aggregates:
        raise query_error(SEMANTIC, "Aggregate functions are not allowed in the WHERE or FROM clause.")
    group_key = tuple(compiler.compile(key) for key in query.group_by)
    if compiler.aggregates:
        raise query_error(SEMANTIC, "Aggregate functions are not allowed in the GROUP BY clause.")
    project = _projection(compiler, query)
    aggregates = len(compiler.aggregates)
    order_by = tuple(compiler.compile(item.expression) for item in query.order_by)
    if len(compiler.aggregates) > aggregates or (order_by and (aggregates or group_key)):
        raise query_error(SEMANTIC, "'ORDER BY' is not supported in combination with aggregates or GROUP BY.")
    if group_key or aggregates:
        _check_grouped(query)
    top = _row_count(compiler, query.top, "TOP")
    limit = _row_count(compiler, query.limit, "LIMIT")
    if top is not None and limit is not None:
        raise query_error(SEMANTIC, "'TOP' and 'OFFSET LIMIT' cannot be used together.")
    return Program(
        query, _expander(steps, where, spent), project, group_key, order_by, tuple(compiler.aggregates),
        _row_count(compiler, query.offset, "OFFSET") or 0, top if limit is None else limit, spent,
    )  # fmt: skip


def _check_grouped(query: Query) -> None:
    if query.everything:
        raise query_error(SEMANTIC, "'SELECT *' is not allowed in combination with aggregates or GROUP BY.")


def _row_count(compiler: Compiler, count: Expression | None, clause: str) -> int | None:
    if count is None:
        return None
    value = compiler.parameter(count.name) if isinstance(count, Parameter) else None
    if isinstance(count, Literal):
        value = count.value
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise query_error(SEMANTIC, f"The value of the {clause} clause must be a non-negative integer.")
    return value


def _expander(
    steps: list[Callable[[Names], Iterator[Names]]], where: Compiled | None, spent: Effort
) -> Callable[[Names], Iterator[Names]]:
    def expand(names: Names, place: int = 0) -> Iterator[Names]:
        if place == len(steps):
            if where is None or where(names, []) is True:
                yield names
            return
        for row in steps[place](names):
            spent.spend()
            yield from expand(row, place + 1)

    return expand


def _source(
    compiler: Compiler, source: Source, spent: Effort, *, first: bool
) -> Callable[[Names], Iterator[Names]]:
    """One FROM or JOIN input as a function from a row to the rows it becomes."""
    alias, each = source.alias, source.each
    if source.derived is not None:
        outer = compiler.scope if not first else frozenset([ROOT])
        program = compile_query(source.derived, compiler.parameters, None if first else outer, spent)

        def derived(names: Names) -> Iterator[Names]:
            for value in run(program, names):
                measured(value)
                for one in value if each and isinstance(value, list) else [value]:
                    yield {**names, alias: one}

        return derived
    root = source.root or ""
    if not first and root not in compiler.scope:
        raise query_error(UNRESOLVED, f"Identifier '{root}' could not be resolved.", source.span)
    start = ROOT if first else root
    keys = [compiler.compile(step) for step in source.steps]

    def path(names: Names) -> Iterator[Names]:
        value: Value = names[start]
        for key in keys:
            step = key(names, [])
            if isinstance(value, dict) and isinstance(step, str):
                value = value.get(step, UNDEFINED)
            elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
                value = value[step]
            else:
                value = UNDEFINED
        if each:
            if isinstance(value, list):
                for item in value:
                    yield {**names, alias: item}
        elif not isinstance(value, Undefined):
            yield {**names, alias: value}

    return path


def _projection(compiler: Compiler, query: Query) -> Compiled:
    if query.everything:
        if len(query.sources) != 1:
            raise query_error(SEMANTIC, "'SELECT *' is only valid with a single input set.")
        alias = query.sources[0].alias
        return lambda names, totals: names[alias]
    if query.value is not None:
        return compiler.compile(query.value)
    columns = [(item.name, compiler.compile(item.expression)) for item in query.items]

    def build(names: Names, totals: Totals) -> Value:
        built: JsonObject = {}
        for name, column in columns:
            value = column(names, totals)
            if not isinstance(value, Undefined):
                built[name] = value
        return built

    return build


def run(program: Program, names: Names) -> list[Value]:
    """All results for one outer row, in memory: for subqueries."""
    rows = program.expand(names)
    if program.aggregated:
        groups = Groups(program)
        for row in rows:
            groups.add(row)
        found = [value for _, value in groups.results()]
    else:
        if program.order_by:
            listed = list(rows)
            for key, descending in reversed(list(zip(program.order_by, program.directions(), strict=True))):
                listed.sort(key=lambda row, key=key: order_key(key(row, [])), reverse=descending)
            rows = iter(listed)
        found = [program.project(row, []) for row in rows]
    results: list[Value] = [value for value in found if not isinstance(value, Undefined)]
    if program.query.distinct:
        first: dict[bytes, Value] = {}
        for value in results:
            first.setdefault(canonical(value), value)
        results = list(first.values())
    end = None if program.limit is None else program.offset + program.limit
    return results[program.offset : end]
