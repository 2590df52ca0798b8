"""Queries over REST: who may ask what where, the gateway's query plan, pages."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from sqlite3 import Connection

from local.cosmos import charges
from local.cosmos.change_feed import Scope
from local.cosmos.container import Container
from local.cosmos.database import connect
from local.cosmos.errors import (
    CROSS_PARTITION_QUERY_NOT_SERVABLE,
    bad_request,
    cross_partition_disabled,
    not_implemented,
)
from local.cosmos.feeds import query_parameters
from local.cosmos.json_types import Json, JsonObject, Undefined, dump, parse_object
from local.cosmos.query import metrics, plan
from local.cosmos.query.computed import substituted
from local.cosmos.query.engine import execute
from local.cosmos.query.indexes import Indexes
from local.cosmos.query.parser import parse
from local.cosmos.query.program import compile_query
from local.cosmos.query.pushdown import Pushdown
from local.cosmos.query.request import Request
from local.cosmos.query.tree import Query
from local.cosmos.ranges import holding
from local.cosmos.store import Store
from local.cosmos.wire import Call, Reply, session_headers

DEFAULT_PAGE = 1000
NOT_SERVABLE = (
    "The provided cross partition query can not be directly served by the gateway. This is a first chance "
    "(internal) exception that all newer clients will know how to handle gracefully. This exception is "
    "traced, but unless you see it bubble up as an exception (which only happens on older SDK clients), then "
    "you can safely ignore this message."
)


class Queries:
    """Runs queries, each on a connection of its own, so that writers never wait for readers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._idle: list[Connection] = []
        self._indexes = Indexes(store.connection)

    def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def answer(self, call: Call, container: Container, scope: Scope) -> Reply:
        """A page of a query, or its plan."""
        given = parse_object(call.body)
        text = given.get("query")
        if not isinstance(text, str):
            raise bad_request("The query text is missing or invalid.")
        parameters = query_parameters(given)
        query = substituted(parse(text), container.computed)
        if call.flag("x-ms-cosmos-is-query-plan-request"):
            features = call.headers.get("x-ms-cosmos-supported-query-features", "")
            body = plan.query_plan(text, query, parameters, frozenset(features.replace(" ", "").split(",")))
            return Reply(200, dump(body), kind="query_plan")
        pinned = None if _narrowed(call) else _pinned(container, query, parameters)
        if pinned is None or call.flag("x-ms-documentdb-query-enablecrosspartition"):
            self._admit(call, container, query)
        else:
            scope = pinned
        return await self._page(call, container, scope, query, parameters)

    async def read_all(self, call: Call, container: Container, scope: Scope) -> Reply:
        """The plain feed of all documents, in the order of their creation."""
        return await self._page(call, container, scope, parse("SELECT * FROM c"), {})

    def _admit(self, call: Call, container: Container, query: Query) -> None:
        """What the gateway lets pass: inside one partition everything, across them what needs no merging."""
        if _narrowed(call):
            return
        if not call.flag("x-ms-documentdb-query-enablecrosspartition"):
            raise cross_partition_disabled()
        if plan.needs_client(query) and (len(container.ranges) > 1 or plan.unmergeable(query)):
            raise bad_request(NOT_SERVABLE, CROSS_PARTITION_QUERY_NOT_SERVABLE)

    async def _page(
        self, call: Call, container: Container, scope: Scope, query: Query, parameters: JsonObject
    ) -> Reply:
        if plan.counts_distinct(query):
            raise not_implemented("aggregates over distinct rows, SELECT COUNT(1) FROM (SELECT DISTINCT ...)")
        limit = call.page_size(DEFAULT_PAGE)
        with self._reader() as connection:
            started = time.perf_counter()
            request = Request(
                connection=connection,
                indexes=self._indexes,
                container=container,
                scope=scope,
                program=compile_query(query, parameters),
                parameters=parameters,
                limit=limit,
                continuation=call.headers.get("x-ms-continuation"),
                now=self._store.clock(),
            )
            page = await execute(request)
        results: list[Json] = [value for value in page.results if not isinstance(value, Undefined)]
        body: JsonObject = {"_rid": container.rid, "Documents": results, "_count": len(results)}
        headers = {
            "x-ms-item-count": str(len(results)),
            **session_headers(container, _range_of(call, container, scope)),
        }
        if call.flag("x-ms-documentdb-populatequerymetrics"):
            headers["x-ms-documentdb-query-metrics"] = metrics.of_page(
                page, results, time.perf_counter() - started
            )
        if call.flag("x-ms-cosmos-populateindexmetrics"):
            headers["x-ms-cosmos-index-utilization"] = metrics.index_utilization(request)
        if page.continuation:
            headers["x-ms-continuation"] = page.continuation
        return Reply(200, dump(body), headers, charges.query(page.loaded_bytes, page.loaded_count), "query")

    @contextmanager
    def _reader(self) -> Generator[Connection]:
        connection = self._idle.pop() if self._idle else connect(self._store.path)
        try:
            yield connection
        finally:
            self._idle.append(connection)


def _narrowed(call: Call) -> bool:
    """Whether the request itself says which partition it means."""
    return (
        "x-ms-documentdb-partitionkey" in call.headers
        or "x-ms-documentdb-partitionkeyrangeid" in call.headers
    )


def _pinned(container: Container, query: Query, parameters: JsonObject) -> Scope | None:
    """The partition key value, or prefix of one, that a query's filter fixes, as the gateway finds it."""
    pushed = Pushdown(query, parameters, ()).condition(query.where)
    values: list[Json] = []
    for path in container.key.paths:
        if pushed is None or path not in pushed.equal:
            break
        values.append(pushed.equal[path])
    return Scope.of(container, dump(values).decode()) if values else None


def _range_of(call: Call, container: Container, scope: Scope) -> str:
    named = call.headers.get("x-ms-documentdb-partitionkeyrangeid")
    if named is not None:
        return named.rpartition(",")[2]
    effective = container.key.of_header(scope.pk).effective if scope.pk is not None else scope.low
    return holding(container.ranges, effective).id
