"""Runs a compiled query on a container, page by page.

Documents stream from SQLite in the order of the result; a page ends when it is full or has taken
its share of time, and its continuation names the last document it looked at, so that the next page
resumes exactly there. Aggregates, GROUP BY and DISTINCT read everything first and page through
their results by value.
"""

import asyncio
import base64
import binascii
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from sqlite3 import Connection
from typing import cast

import orjson

from local.cosmos.change_feed import Scope
from local.cosmos.container import Container
from local.cosmos.errors import CosmosError, bad_request
from local.cosmos.json_types import Json, JsonObject, Undefined
from local.cosmos.query.failures import SEMANTIC, query_error
from local.cosmos.query.indexes import Indexes
from local.cosmos.query.program import Groups, Program
from local.cosmos.query.pushdown import Argument, Path, Pushdown, type_rank, value_of
from local.cosmos.query.tree import Call, Literal, Query
from local.cosmos.query.values import Value, canonical

SLICE_S = 0.008
"""How long a query holds the event loop before others get their turn."""
PAGE_BUDGET_S = 0.5
"""A page that took this long is handed over as it is, with a continuation."""
UNORDERABLE = "Unsupported ORDER BY clause. ORDER BY item expression could not be mapped to a document path."
EXCLUDED = "The index path corresponding to the specified order-by item is excluded."
NO_COMPOSITE = "The order by query does not have a corresponding composite index that it can be served from."
MAX_PAGE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One page to compute."""

    connection: Connection
    indexes: Indexes
    container: Container
    scope: Scope
    program: Program
    parameters: Mapping[str, Json]
    limit: int
    continuation: str | None
    now: float


@dataclass(slots=True)
class Page:
    """Results, where to continue (None at the end), and what was loaded for them."""

    results: list[Value]
    continuation: str | None
    loaded_count: int
    loaded_bytes: int


@dataclass(slots=True)
class Position:
    """Where a streaming query stands: after `emitted` results of the document `seq`."""

    keys: list[Json]
    seq: int
    emitted: int
    skipped: int
    taken: int


async def execute(request: Request) -> Page:
    """One page. Raises 400 for a continuation that is not ours."""
    if counts_rows(request.program.query):
        return _count(request)
    if request.program.aggregated or request.program.query.distinct:
        return await _collect(request)
    return await _stream(request)


def _count(request: Request) -> Page:
    """`SELECT VALUE COUNT(1) FROM c`: SQLite counts, no document is loaded."""
    scope, arguments = request.scope.condition()
    living = f"{scope} AND (expires_at IS NULL OR expires_at>?)"
    row = request.connection.execute(
        f"SELECT COUNT(*) FROM {request.container.table} WHERE {living}", [*arguments, int(request.now)]
    ).fetchone()
    program = request.program
    shown = program.offset == 0 and program.limit != 0 and request.continuation is None
    return Page([row[0]] if shown else [], None, 0, 0)


def counts_rows(query: Query) -> bool:
    """Whether the query asks for nothing but the number of documents."""
    source = query.sources[0] if len(query.sources) == 1 else None
    plain = source is not None and not source.steps and not source.each and source.derived is None
    return (
        plain
        and query.where is None
        and not query.group_by
        and not query.distinct
        and isinstance(query.value, Call)
        and query.value.name == "COUNT"
        and len(query.value.arguments) == 1
        and isinstance(query.value.arguments[0], Literal)
    )


def order_of(request: Request) -> list[tuple[Path, bool]]:
    """ORDER BY as paths with direction. Refuses what the indexing policy would not let Azure order."""
    pushdown = Pushdown(request.program.query, {}, ())
    indexing = request.container.indexing
    ordered: list[tuple[Path, bool]] = []
    for item in request.program.query.order_by:
        path = pushdown.path(item.expression)
        if path is None:
            raise query_error(SEMANTIC, UNORDERABLE, item.span)
        if not indexing.indexes(path):
            raise query_error(SEMANTIC, EXCLUDED, item.span)
        ordered.append((path, item.descending))
    if len(ordered) > 1 and not indexing.serves(ordered):
        raise query_error(SEMANTIC, NO_COMPOSITE)
    return ordered


def _statement(
    request: Request, order: list[tuple[Path, bool]], after: Position | None
) -> tuple[str, list[Argument]]:
    container, query = request.container, request.program.query
    scope, arguments = request.scope.condition()
    terms = [scope, "(expires_at IS NULL OR expires_at>?)"]
    bound: list[Argument] = [*arguments, int(request.now)]
    pushed = Pushdown(query, request.parameters, container.key.paths).condition(query.where)
    if pushed:
        terms.append(f"({pushed.sql})")
        bound += pushed.arguments
    indexed = request.indexes.provide(container, request.scope, pushed, [path for path, _ in order])
    keys: list[tuple[str, bool]] = []
    for path, descending in order:
        typed = pushed is not None and path in pushed.typed
        if len(order) == 1 and not typed and not container.indexing.names(path):
            terms.append(f"({type_rank(path)}) IS NOT NULL")
        if not typed and path != ("id",):
            keys.append((f"({type_rank(path)})", descending))
        keys.append((f"({value_of(path)})", descending))
    backwards = bool(keys) and keys[0][1]
    keys.append(("seq", backwards))
    if after:
        if len(after.keys) != len(keys) - 1 or any(isinstance(one, list | dict) for one in after.keys):
            raise bad_continuation()
        resume, values = _resume(keys, [*after.keys, after.seq], inclusive=after.emitted > 0)
        terms.append(resume)
        bound += values
    if indexed and not order:
        # Sort the numbers that the index finds, then read the bodies of one page: SQLite would sort bodies.
        found = f"SELECT seq FROM {container.table} WHERE {' AND '.join(terms)}"
        return f"SELECT seq, body FROM {container.table} WHERE seq IN ({found}) ORDER BY seq", bound
    columns = ", ".join(["seq", "body", *(sql for sql, _ in keys[:-1])])
    by = ", ".join(f"{sql} DESC" if descending else sql for sql, descending in keys)
    return f"SELECT {columns} FROM {container.table} WHERE {' AND '.join(terms)} ORDER BY {by}", bound


def _resume(
    keys: list[tuple[str, bool]], values: list[Json], *, inclusive: bool
) -> tuple[str, list[Argument]]:
    """The documents that come after a place in the order; `inclusive` keeps the one at the place.

    With one direction this is a single row comparison, which an index can seek.
    """
    plain = [cast(Argument, value) for value in values]
    if len({descending for _, descending in keys}) == 1 and None not in plain:
        sign = ("<" if keys[0][1] else ">") + ("=" if inclusive else "")
        names = ", ".join(name for name, _ in keys)
        return f"({names}) {sign} ({', '.join('?' * len(keys))})", plain
    alternatives: list[str] = []
    arguments: list[Argument] = []
    for place, (name, descending) in enumerate(keys):
        last = place == len(keys) - 1
        same = [f"{other} IS ?" for other, _ in keys[:place]]
        if plain[place] is None:
            beyond = "0" if descending else f"{name} IS NOT NULL"
        else:
            beyond = f"({name}<? OR {name} IS NULL)" if descending else f"{name}>?"
        alternatives.append(" AND ".join([*same, beyond]))
        arguments += plain[:place] + ([] if plain[place] is None else [plain[place]])
        if last and inclusive:
            alternatives.append(" AND ".join([*same, f"{name} IS ?"]))
            arguments += plain
    return "(" + " OR ".join(f"({one})" for one in alternatives) + ")", arguments


async def _documents(
    request: Request, sql: str, arguments: list[Argument], page: Page
) -> AsyncIterator[tuple[int, JsonObject, list[Json]]]:
    """Rows of a statement as parsed documents; lets others run every few milliseconds."""
    cursor = request.connection.execute(sql, arguments)
    until = time.perf_counter() + SLICE_S
    try:
        for seq, body, *keys in cursor:
            page.loaded_count += 1
            page.loaded_bytes += len(body)
            yield seq, cast(JsonObject, orjson.loads(body)), keys
            if time.perf_counter() > until:
                await asyncio.sleep(0)
                until = time.perf_counter() + SLICE_S
    finally:
        cursor.close()


async def _stream(request: Request) -> Page:
    program = request.program
    after = _position(request.continuation) if request.continuation else None
    at = after or Position([], 0, 0, 0, 0)
    page = Page([], None, 0, 0)
    if program.limit == 0 or request.limit == 0:
        return page
    order = order_of(request)
    sql, arguments = _statement(request, order, after)
    until = time.perf_counter() + PAGE_BUDGET_S
    size = 0
    resumed = at.emitted
    async for seq, document, keys in _documents(request, sql, arguments, page):
        if (
            len(page.results) >= request.limit or size > MAX_PAGE_BYTES or time.perf_counter() > until
        ) and at.seq:
            page.continuation = _token(at)
            break
        emitted = 0
        already = resumed if after and seq == after.seq else 0
        full = False
        for row in program.rows(document):
            emitted += 1
            if emitted <= already:
                continue
            if at.skipped < program.offset:
                at.skipped += 1
                continue
            if len(page.results) >= request.limit:
                emitted -= 1
                full = True
                break
            value = program.project(row, [])
            if not isinstance(value, Undefined):
                page.results.append(value)
            at.taken += 1
            if program.limit is not None and at.taken >= program.limit:
                return page
        size += len(page.results) and page.loaded_bytes // max(1, page.loaded_count)
        at = Position(keys, seq, emitted if full else 0, at.skipped, at.taken)
        if full:
            page.continuation = _token(at)
            break
    return page


async def _collect(request: Request) -> Page:
    """Aggregates, GROUP BY, DISTINCT: everything is read, results come ordered by canonical value."""
    program = request.program
    page = Page([], None, 0, 0)
    order = order_of(request)
    sql, arguments = _statement(request, order, None)
    named: list[tuple[bytes, Value]] = []
    if program.aggregated:
        groups = Groups(program)
        async for _, document, _ in _documents(request, sql, arguments, page):
            for row in program.rows(document):
                groups.add(row)
        named = groups.results()
        if program.query.distinct:
            named = sorted({canonical(value): value for _, value in named}.items())
    else:
        first: dict[bytes, Value] = {}
        async for _, document, _ in _documents(request, sql, arguments, page):
            for row in program.rows(document):
                value = program.project(row, [])
                if not isinstance(value, Undefined):
                    first.setdefault(canonical(value), value)
        named = list(first.items()) if order else sorted(first.items())
    results = [(name, value) for name, value in named if not isinstance(value, Undefined)]
    end = None if program.limit is None else program.offset + program.limit
    results = results[program.offset : end]
    start = 0
    if request.continuation:
        last = _unpack(request.continuation).get("v")
        start = next((at + 1 for at, (name, _) in enumerate(results) if _hex(name) == last), 0)
        if not order and isinstance(last, str):
            start = next((at for at, (name, _) in enumerate(results) if _hex(name) > last), len(results))
    chosen = results[start : start + request.limit]
    page.results = [value for _, value in chosen]
    if chosen and start + request.limit < len(results):
        page.continuation = _pack({"v": _hex(chosen[-1][0])})
    return page


def _hex(name: bytes) -> str:
    return name.hex()


def _token(at: Position) -> str:
    return _pack({"k": at.keys, "s": at.seq, "e": at.emitted, "o": at.skipped, "t": at.taken})


def _position(continuation: str) -> Position:
    given = _unpack(continuation)
    keys, numbers = given.get("k"), [given.get(name) for name in "seot"]
    if not isinstance(keys, list) or not all(isinstance(one, int) and 0 <= one < 2**63 for one in numbers):
        raise bad_continuation()
    if any(isinstance(one, int) and one >= 2**63 for one in keys):
        raise bad_continuation()
    return Position(keys, *cast(list[int], numbers))


def _pack(value: JsonObject) -> str:
    return base64.b64encode(orjson.dumps(value)).decode()


def _unpack(continuation: str) -> JsonObject:
    try:
        value = orjson.loads(base64.b64decode(continuation, validate=True))
    except (binascii.Error, ValueError) as exc:
        raise bad_continuation() from exc
    if not isinstance(value, dict):
        raise bad_continuation()
    return cast(JsonObject, value)


def bad_continuation() -> CosmosError:
    return bad_request("Invalid Continuation Token")
