"""Routes of stops: lists, and what operators say of them afterwards."""

from http import HTTPStatus
from typing import Any
from uuid import uuid4

from functions.answers import command_id, paged, paging, public
from functions.commands import DONE, carried_out, is_stale
from functions.http import Answer, Call, Problem, Route
from functions.principal import Role
from shared import queries
from shared.contracts import http
from shared.domain.stop_commands import Classify, Merge, Split, StopCommand
from shared.instants import instant
from shared.ports import Document


async def every_stop(call: Call) -> Answer:
    """Stops of machines, lines or sites, newest first."""
    asked: http.StopsAsked = call.asked
    return paged(http.Stop, await queries.all_stops(call.backend.documents, paging(asked), asked))


async def stop(call: Call) -> Answer:
    """One stop, and who changed it."""
    return await _with_history(call, await _found(call))


async def classify_stop(call: Call) -> Answer:
    """Say why a machine stood, in the caller's name: all of a stop, or a stretch of it.

    Its shifts follow, also those that are closed. A request that repeats its Idempotency-Key
    answers as the first one did, for 7 days. With If-Match, a stop that changed meanwhile is a conflict.
    """
    body: http.StopClassification = call.body
    begin = None if body.begin is None else instant(body.begin)
    end = None if body.end is None else instant(body.end)
    return await _carry_out(call, Classify(body.reason, begin, end))


async def split_stop(call: Call) -> Answer:
    """Cut a stop in two; at its start: from the stop that it was merged with."""
    body: http.StopCut = call.body
    return await _carry_out(call, Split(instant(body.at)))


async def merge_stop(call: Call) -> Answer:
    """Undo a cut; at the stop's start: it continues the stop before, with its reason, as one failure."""
    body: http.StopCut = call.body
    return await _carry_out(call, Merge(instant(body.at)))


async def _found(call: Call) -> Document:
    stop_id = call.path["stopId"]
    found = await queries.stop(call.backend.documents, stop_id)
    if found is None:
        detail = f"There is no stop {stop_id}. GET /api/stops lists them."
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-stop", detail)
    return found


async def _with_history(call: Call, found: Document) -> Answer:
    changes = await queries.stop_history(call.backend.documents, found)
    history = [public(http.StopChange, one) for one in changes]
    return Answer({**public(http.Stop, found), "history": history}, found["_etag"])


async def _carry_out(call: Call, change: Classify | Split | Merge) -> Answer:
    """Carry a change out once; 409 with the stop as it is when that cannot be."""
    assert call.principal is not None
    found = await _found(call)
    stop_id, machine_id, who = found["stopId"], found["machineId"], call.principal.name
    key = command_id(who, stop_id, call.idempotency_key or str(uuid4()))
    if await is_stale(call, found, key):
        raise _conflict(found, "it has changed since you read it")
    expected = None if call.if_match in (None, "*") else found["version"]
    command = StopCommand(key, stop_id, change, who, call.now, call.body.comment, expected)
    outcome = await carried_out(call, machine_id, command) or "there is no such machine"
    found = await _found(call)
    if outcome != DONE:
        raise _conflict(found, outcome)
    return await _with_history(call, found)


def _conflict(found: Document, why: str) -> Problem:
    detail = f"Nothing was done to {found['stopId']}: {why}. `stop` is its present state."
    return Problem(HTTPStatus.CONFLICT, "not-possible-now", detail, stop=public(http.Stop, found))


_MISSING = (HTTPStatus.NOT_FOUND,)
_STOP = "stops/{stopId}"


def _command(name: str, template: str, handler: Any, body: Any) -> Route:
    return Route(
        name,
        "POST",
        template,
        handler,
        Role.OPERATOR,
        http.NoParameters,
        http.StopWithHistory,
        body,
        tagged=True,
        keyed=True,
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    )


ROUTES = (
    Route("every_stop", "GET", "stops", every_stop, Role.VIEWER, http.StopsAsked, http.StopsPage),
    Route(
        "stop",
        "GET",
        _STOP,
        stop,
        Role.VIEWER,
        http.NoParameters,
        http.StopWithHistory,
        tagged=True,
        problems=_MISSING,
    ),
    _command("classify_stop", f"{_STOP}/classify", classify_stop, http.StopClassification),
    _command("split_stop", f"{_STOP}/split", split_stop, http.StopCut),
    _command("merge_stop", f"{_STOP}/merge", merge_stop, http.StopCut),
)
