"""Runs a compiled query on a container, page by page.

Documents stream from SQLite in the order of the result; a page ends when it is full or has taken
its share of time, and its continuation names the last document it looked at, so that the next page
resumes exactly there. Aggregates, GROUP BY and DISTINCT read everything first and page through
their results by value.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import cast

import orjson

from local.cosmos.json_types import Json, JsonObject, Undefined
from local.cosmos.query.continuation import Position, pack, position, token, unpack
from local.cosmos.query.program import Groups
from local.cosmos.query.pushdown import Argument
from local.cosmos.query.request import Page, Request
from local.cosmos.query.statement import order_of, statement
from local.cosmos.query.tree import Call, Literal, Query
from local.cosmos.query.values import Value, canonical

SLICE_S = 0.008
"""How long a query holds the event loop before others get their turn."""
PAGE_BUDGET_S = 0.5
"""A page that took this long is handed over as it is, with a continuation."""
MAX_PAGE_BYTES = 4 * 1024 * 1024


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
    after = position(request.continuation) if request.continuation else None
    at = after or Position([], 0, 0, 0, 0)
    page = Page([], None, 0, 0)
    if program.limit == 0 or request.limit == 0:
        return page
    order = order_of(request)
    sql, arguments = statement(request, order, after)
    until = time.perf_counter() + PAGE_BUDGET_S
    size = 0
    resumed = at.emitted
    async for seq, document, keys in _documents(request, sql, arguments, page):
        if (
            len(page.results) >= request.limit or size > MAX_PAGE_BYTES or time.perf_counter() > until
        ) and at.seq:
            page.continuation = token(at)
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
            page.continuation = token(at)
            break
    return page


async def _collect(request: Request) -> Page:
    """Aggregates, GROUP BY, DISTINCT: everything is read, results come ordered by canonical value."""
    program = request.program
    page = Page([], None, 0, 0)
    order = order_of(request)
    sql, arguments = statement(request, order, None)
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
        last = unpack(request.continuation).get("v")
        start = next((at + 1 for at, (name, _) in enumerate(results) if name.hex() == last), 0)
        if not order and isinstance(last, str):
            start = next((at for at, (name, _) in enumerate(results) if name.hex() > last), len(results))
    chosen = results[start : start + request.limit]
    page.results = [value for _, value in chosen]
    if chosen and start + request.limit < len(results):
        page.continuation = pack({"v": chosen[-1][0].hex()})
    return page
