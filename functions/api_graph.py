"""Routes of the twin graph: a part of it, queries, and where material comes from and goes to."""

from http import HTTPStatus
from typing import Any

from functions.http import Answer, Call, Problem, Route
from functions.principal import Role
from shared.contracts import http
from shared.graph import Subgraph, along, asked, below


async def graph(call: Call) -> Answer:
    """A twin and what it contains, with the relationships among them.

    At most 1,000 twins; `complete` is false where the graph goes on.
    """
    wanted: http.GraphAsked = call.asked
    found = await below(call.backend.twins, wanted.root, wanted.depth)
    return _answer(found or _no_twin(wanted.root))


async def query_graph(call: Call) -> Answer:
    """One page of a query in the language of Azure Digital Twins, which can only read.

    Its queries may lag behind writes by up to 10 s. A misspelt property gives no rows, not an error.
    """
    body: http.GraphQuery = call.body
    rows, cursor = await asked(call.backend.twins, body.query, limit=body.limit, cursor=body.cursor)
    return Answer({"items": rows, "nextCursor": cursor})


async def upstream(call: Call) -> Answer:
    """The machines that material comes from, nearest first, by `feeds`."""
    return await _along(call, upstream=True)


async def downstream(call: Call) -> Answer:
    """The machines that material goes to, nearest first, by `feeds`."""
    return await _along(call, upstream=False)


async def _along(call: Call, *, upstream: bool) -> Answer:
    wanted: http.HopsAsked = call.asked
    machine_id = call.path["machineId"]
    found = await along(call.backend.twins, machine_id, upstream=upstream, hops=wanted.hops)
    return _answer(found or _no_twin(machine_id))


def _answer(found: Subgraph) -> Answer:
    return Answer({"twins": found.twins, "relationships": found.relationships, "complete": found.complete})


def _no_twin(twin_id: str) -> Any:
    detail = f"There is no twin {twin_id}. Ids are case-sensitive; `millwright factory apply` makes twins."
    raise Problem(HTTPStatus.NOT_FOUND, "unknown-twin", detail)


_MISSING = (HTTPStatus.NOT_FOUND,)

ROUTES = (
    Route("graph", "GET", "graph", graph, Role.VIEWER, http.GraphAsked, http.Graph, problems=_MISSING),
    Route(
        "query_graph",
        "POST",
        "graph/query",
        query_graph,
        Role.VIEWER,
        http.NoParameters,
        http.GraphRows,
        http.GraphQuery,
    ),
    Route(
        "upstream",
        "GET",
        "machines/{machineId}/upstream",
        upstream,
        Role.VIEWER,
        http.HopsAsked,
        http.Graph,
        problems=_MISSING,
    ),
    Route(
        "downstream",
        "GET",
        "machines/{machineId}/downstream",
        downstream,
        Role.VIEWER,
        http.HopsAsked,
        http.Graph,
        problems=_MISSING,
    ),
)
