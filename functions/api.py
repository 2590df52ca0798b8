"""The HTTP API: a table of routes, each with its handler. Handlers look up, call once, and answer."""

# The decorators of azure-functions take untyped keyword arguments.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import azure.functions as func
from pydantic import BaseModel

from functions import api_alarms, api_graph, api_maintenance, api_oee, api_stops
from functions.answers import paged, paging, public, single
from functions.http import Answer, Call, Problem, Route, answer
from functions.principal import Role
from shared import queries
from shared.blocked import resume
from shared.bootstrap import app
from shared.commit import MACHINES
from shared.contracts import http
from shared.ingest import BUGS
from shared.observability import invocation, span
from shared.queries import Page

bp = func.Blueprint()


async def health(call: Call) -> Answer:
    """Whether the store answers."""
    await call.backend.documents.get(MACHINES, "health", "health")
    return Answer({"status": "ok"})


async def machines(call: Call) -> Answer:
    """The machines as they are now, in no particular order."""
    asked: http.MachinesAsked = call.asked
    page = await queries.machines(call.backend.documents, paging(asked), site=asked.site, line=asked.line)
    return paged(http.Machine, page)


async def machine(call: Call) -> Answer:
    """One machine as it is now."""
    machine_id = call.path["machineId"]
    return single(
        http.Machine, await queries.machine(call.backend.documents, machine_id) or _no_machine(machine_id)
    )


async def predictions(call: Call) -> Answer:
    """What a machine's maintenance models said, newest first."""
    asked: http.TimesAsked = call.asked
    return await _of_machine(
        call,
        http.Prediction,
        lambda machine_id: queries.predictions(
            call.backend.documents, paging(asked), machine_id, begin=asked.begin, end=asked.end
        ),
    )


async def signals(call: Call) -> Answer:
    """A machine's minute aggregates, newest first; kept for 30 days."""
    asked: http.SignalsAsked = call.asked
    return await _of_machine(
        call,
        http.Minute,
        lambda machine_id: queries.minutes(
            call.backend.documents,
            paging(asked),
            machine_id,
            begin=asked.begin,
            end=asked.end,
            signal=asked.signal,
        ),
    )


async def stops(call: Call) -> Answer:
    """A machine's stops, newest first."""
    asked: http.TimesAsked = call.asked
    return await _of_machine(
        call,
        http.Stop,
        lambda machine_id: queries.stops(
            call.backend.documents, paging(asked), machine_id, begin=asked.begin, end=asked.end
        ),
    )


async def resume_machine(call: Call) -> Answer:
    """Fold what a blocked machine's queue holds, in order, once the cause is mended."""
    machine_id = call.path["machineId"]
    if await queries.machine(call.backend.documents, machine_id) is None:
        _no_machine(machine_id)
    try:
        folded = await resume(call.backend.machines, call.backend.documents, machine_id, now=call.now)
    except BUGS as exc:
        detail = f"{machine_id} still fails: {exc}. Nothing is lost; mend the cause and resume it again."
        raise Problem(HTTPStatus.CONFLICT, "still-failing", detail) from exc
    return Answer({"machineId": machine_id, "foldedCount": folded})


async def quarantine(call: Call) -> Answer:
    """Messages that could not be believed, newest first, without their bytes."""
    asked: http.QuarantineAsked = call.asked
    if asked.day is not None and asked.device is None:
        detail = "day needs a device: name both, or leave the day out."
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid-parameters", detail)
    page = await queries.quarantined(
        call.backend.documents,
        paging(asked),
        device=asked.device,
        day=asked.day.replace("-", "") if asked.day is not None else None,
        machine_id=asked.machine,
        reason=asked.reason,
    )
    return paged(http.Quarantined, page)


async def quarantined(call: Call) -> Answer:
    """One quarantined message with its bytes."""
    document = await queries.quarantined_message(call.backend.documents, *_place(call))
    return single(http.QuarantinedMessage, document or _not_quarantined(call))


async def replay_quarantined(call: Call) -> Answer:
    """Fold a quarantined message again, with its original arrival time, once its cause is mended.

    It leaves quarantine when nothing of it is rejected again. Repeating the request folds
    nothing twice.
    """
    outcome = await call.backend.replay(*_place(call)) or _not_quarantined(call)
    rejected = [public(http.Quarantined, document) for document in outcome.rejected]
    return Answer({"readingCount": outcome.reading_count, "rejected": rejected})


def _place(call: Call) -> tuple[str, str]:
    path = call.path
    return f"{path['device']}/{path['day'].replace('-', '')}", path["id"]


def _not_quarantined(call: Call) -> Any:
    detail = f"{call.path['id']} is not in quarantine (any more). GET /api/quarantine lists what is."
    raise Problem(HTTPStatus.NOT_FOUND, "not-quarantined", detail)


async def _of_machine(call: Call, model: type[BaseModel], read: Callable[[str], Awaitable[Page]]) -> Answer:
    """A machine's list; whether the machine exists is looked up only when the list is empty."""
    machine_id = call.path["machineId"]
    page = await read(machine_id)
    if not page.items and await queries.machine(call.backend.documents, machine_id) is None:
        _no_machine(machine_id)
    return paged(model, page)


def _no_machine(machine_id: str) -> Any:
    detail = f"There is no machine {machine_id}. GET /api/machines lists them; ids are case-sensitive."
    raise Problem(HTTPStatus.NOT_FOUND, "unknown-machine", detail)


_MISSING = (HTTPStatus.NOT_FOUND,)
_REFUSABLE = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)

ROUTES = (
    Route("health", "GET", "health", health, None, http.NoParameters, http.Healthy),
    Route("machines", "GET", "machines", machines, Role.VIEWER, http.MachinesAsked, http.MachinesPage),
    Route(
        "machine",
        "GET",
        "machines/{machineId}",
        machine,
        Role.VIEWER,
        http.NoParameters,
        http.Machine,
        tagged=True,
        problems=_MISSING,
    ),
    Route(
        "predictions",
        "GET",
        "machines/{machineId}/predictions",
        predictions,
        Role.VIEWER,
        http.TimesAsked,
        http.PredictionsPage,
        problems=_MISSING,
    ),
    Route(
        "signals",
        "GET",
        "machines/{machineId}/signals",
        signals,
        Role.VIEWER,
        http.SignalsAsked,
        http.MinutesPage,
        problems=_MISSING,
    ),
    Route(
        "stops",
        "GET",
        "machines/{machineId}/stops",
        stops,
        Role.VIEWER,
        http.TimesAsked,
        http.StopsPage,
        problems=_MISSING,
    ),
    Route(
        "resume_machine",
        "POST",
        "machines/{machineId}/resume",
        resume_machine,
        Role.ENGINEER,
        http.NoParameters,
        http.MachineResumed,
        problems=_REFUSABLE,
    ),
    Route(
        "quarantine",
        "GET",
        "quarantine",
        quarantine,
        Role.ENGINEER,
        http.QuarantineAsked,
        http.QuarantinePage,
    ),
    Route(
        "quarantined",
        "GET",
        "quarantine/{device}/{day}/{id}",
        quarantined,
        Role.ENGINEER,
        http.NoParameters,
        http.QuarantinedMessage,
        tagged=True,
        problems=_MISSING,
    ),
    Route(
        "replay_quarantined",
        "POST",
        "quarantine/{device}/{day}/{id}/replay",
        replay_quarantined,
        Role.ENGINEER,
        http.NoParameters,
        http.Replayed,
        problems=_MISSING,
    ),
    *api_oee.ROUTES,
    *api_stops.ROUTES,
    *api_graph.ROUTES,
    *api_alarms.ROUTES,
    *api_maintenance.ROUTES,
)
"""The whole API. OpenAPI and the functions are both made from it."""


def _register(route: Route) -> None:
    async def function(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        with invocation(context.trace_context.trace_parent), span(route.name):
            return await answer(route, app, req)

    function.__name__ = route.name
    function.__doc__ = route.handler.__doc__
    bp.function_name(route.name)(bp.route(route.template, methods=[route.method])(function))


for _route in ROUTES:
    _register(_route)
