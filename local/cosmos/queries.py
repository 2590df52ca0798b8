"""Queries over REST: who may ask what where, the gateway's query plan, pages."""

from collections.abc import Generator
from contextlib import contextmanager
from sqlite3 import Connection

from local.cosmos import charges
from local.cosmos.change_feed import Scope
from local.cosmos.container import Container
from local.cosmos.errors import CROSS_PARTITION_QUERY_NOT_SERVABLE, bad_request
from local.cosmos.json_types import Json, JsonObject, dump, parse_object
from local.cosmos.partition import PartitionKeyRange
from local.cosmos.query import engine, plan
from local.cosmos.query.indexes import Indexes
from local.cosmos.query.parser import parse
from local.cosmos.query.program import compile_query
from local.cosmos.query.tree import Query
from local.cosmos.resources import query_parameters
from local.cosmos.store import Store, connect
from local.cosmos.wire import Call, Reply

DEFAULT_PAGE = 1000
CROSS_PARTITION_DISABLED = (
    "Cross partition query is required but disabled. Please set x-ms-documentdb-query-enablecrosspartition "
    "to true, specify x-ms-documentdb-partitionkey, or revise your query to avoid this exception."
)

NOT_SERVABLE = (
    "The provided cross partition query can not be directly served by the gateway. This is a first chance "
    "(internal) exception that all newer clients will know how to handle gracefully. This exception is "
    "traced, but unless you see it bubble up as an exception (which only happens on older SDK clients), then "
    "you can safely ignore this message."
)


class Queries:
    """Runs queries, each on a connection of its own, so that writers never wait for readers."""

    def __init__(self, store: Store, ranges: tuple[PartitionKeyRange, ...]) -> None:
        self._store = store
        self._ranges = ranges
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
        query = parse(text)
        if call.flag("x-ms-cosmos-is-query-plan-request"):
            features = call.headers.get("x-ms-cosmos-supported-query-features", "")
            body = plan.query_plan(text, query, parameters, frozenset(features.replace(" ", "").split(",")))
            return Reply(200, dump(body), kind="query_plan")
        self._admit(call, query)
        return await self._page(call, container, scope, query, parameters)

    async def read_all(self, call: Call, container: Container, scope: Scope) -> Reply:
        """The plain feed of all documents, in the order of their creation."""
        return await self._page(call, container, scope, parse("SELECT * FROM c"), {})

    def _admit(self, call: Call, query: Query) -> None:
        """What the gateway lets pass: inside one partition everything, across them what needs no merging."""
        narrowed = (
            "x-ms-documentdb-partitionkey" in call.headers
            or "x-ms-documentdb-partitionkeyrangeid" in call.headers
        )
        if narrowed:
            return
        if not call.flag("x-ms-documentdb-query-enablecrosspartition"):
            raise bad_request(CROSS_PARTITION_DISABLED)
        if plan.needs_client(query) and (len(self._ranges) > 1 or plan.unmergeable(query)):
            raise bad_request(NOT_SERVABLE, CROSS_PARTITION_QUERY_NOT_SERVABLE)

    async def _page(
        self, call: Call, container: Container, scope: Scope, query: Query, parameters: JsonObject
    ) -> Reply:
        limit = call.page_size(DEFAULT_PAGE)
        with self._reader() as connection:
            request = engine.Request(
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
            page = await engine.execute(request)
        results: list[Json] = [value for value in page.results if not isinstance(value, engine.Undefined)]
        body: JsonObject = {"_rid": container.rid, "Documents": results, "_count": len(results)}
        headers = {
            "x-ms-item-count": str(len(results)),
            "x-ms-session-token": f"{self._range_of(call, scope)}:-1#{container.lsn}",
        }
        if page.continuation:
            headers["x-ms-continuation"] = page.continuation
        return Reply(200, dump(body), headers, charges.query(page.loaded_bytes, page.loaded_count), "query")

    def _range_of(self, call: Call, scope: Scope) -> str:
        return call.headers.get("x-ms-documentdb-partitionkeyrangeid", "0").rpartition(",")[2]

    @contextmanager
    def _reader(self) -> Generator[Connection]:
        connection = self._idle.pop() if self._idle else connect(self._store.path)
        try:
            yield connection
        finally:
            self._idle.append(connection)
