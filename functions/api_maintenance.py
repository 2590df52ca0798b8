"""Routes of maintenance: work orders, what was found, and how the models do in the field."""

from http import HTTPStatus
from typing import Any
from uuid import uuid4

from functions.answers import command_id, paged, paging, single
from functions.commands import DONE, carried_out
from functions.http import Answer, Call, Problem, Route
from functions.principal import Role
from shared import queries
from shared.contracts import http
from shared.domain.maintenance.inputs import Maintained, MoveOrder, OpenOrder, WorkCommand
from shared.instants import instant, iso
from shared.live_models import figures
from shared.ports import Document

_CALLS_MAX = 10_000
_DUE_MS = 7 * 86_400_000
"""An order that says neither a task nor when is due in a week."""


async def work_orders(call: Call) -> Answer:
    """Work orders, newest first."""
    asked: http.WorkOrdersAsked = call.asked
    return paged(http.WorkOrder, await queries.work_orders(call.backend.documents, paging(asked), asked))


async def work_order(call: Call) -> Answer:
    """One work order."""
    return single(http.WorkOrder, await _order(call))


async def open_work_order(call: Call) -> Answer:
    """Order work on a component of a machine.

    A component has one open order. Left out, `work` and `dueAt` are those of the catalogue's task.
    """
    assert call.principal is not None
    body: http.NewWorkOrder = call.body
    machine_id, who = call.path["machineId"], call.principal.name
    loaded = await call.backend.machines.load(machine_id)
    tasks = loaded.spec.tasks if loaded is not None else ()
    due_ms = next((task.due_ms for task in tasks if task.task_id == body.task_id), _DUE_MS)
    command = OpenOrder(
        command_id(who, machine_id, "order", call.idempotency_key or str(uuid4())),
        body.component,
        body.work,
        call.now + due_ms if body.due_at is None else instant(body.due_at),
        who,
        call.now,
        body.task_id,
        body.alarm_id,
        body.note,
    )
    await _carry_out(call, machine_id, command)
    found = await queries.open_work_order(call.backend.documents, machine_id, body.component)
    if found is None:
        detail = (
            f"The order was opened before and is not open any more: GET /api/workorders?machine={machine_id}"
        )
        raise Problem(HTTPStatus.CONFLICT, "not-possible-now", detail)
    return single(http.WorkOrder, found)


async def start_work_order(call: Call) -> Answer:
    """Work has begun."""
    return await _move(call, "inProgress")


async def cancel_work_order(call: Call) -> Answer:
    """The work will not be done; the prediction behind it waits for what becomes of it."""
    return await _move(call, "cancelled")


async def record_maintenance(call: Call) -> Answer:
    """Maintenance was done: ages restart, orders are completed, calls of models are judged.

    `finding` is the truth that models are measured by: `fault` (it would have failed), `failed` (it
    had, at `at`), `nothing` (it was in order). Left out: planned work, nobody looked.
    """
    assert call.principal is not None
    body: http.MaintenanceDone = call.body
    machine_id, who = call.path["machineId"], call.principal.name
    at = call.now if body.at is None else instant(body.at)
    if at > call.now:
        detail = "`at` is in the future: maintenance is recorded when it is done."
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid-parameters", detail)
    command = Maintained(
        command_id(who, machine_id, "maintained", call.idempotency_key or str(uuid4())),
        body.component,
        at,
        who,
        body.finding,
        body.work_order_id,
        body.note,
    )
    await _carry_out(call, machine_id, command)
    done = {"machineId": machine_id, "component": body.component, "at": iso(at), "finding": body.finding}
    return Answer(done)


async def model_calls(call: Call) -> Answer:
    """Calls of the models and what became of them, newest first."""
    asked: http.CallsAsked = call.asked
    return paged(http.ModelCall, await queries.calls(call.backend.documents, paging(asked), asked))


async def models(call: Call) -> Answer:
    """How the models do in the field: precision, recall and lead time of the calls of a time."""
    asked: http.ModelsAsked = call.asked
    found: list[Document] = []
    cursor: str | None = None
    every = http.CallsAsked.model_validate(asked.model_dump(by_alias=True, exclude_none=True))
    while True:
        page = await queries.calls(call.backend.documents, queries.Paging(200, cursor), every)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return Answer({"items": figures(found)})
        if len(found) > _CALLS_MAX:
            detail = f"More than {_CALLS_MAX:,} calls: ask for a shorter time or a site."
            raise Problem(HTTPStatus.BAD_REQUEST, "too-much", detail)


async def _move(call: Call, to: Any) -> Answer:
    assert call.principal is not None
    body: http.Acknowledgement = call.body
    found = await _order(call)
    order_id, who = found["workOrderId"], call.principal.name
    key = command_id(who, order_id, to, call.idempotency_key or str(uuid4()))
    command = MoveOrder(key, order_id, to, who, call.now, body.comment)
    await _carry_out(call, found["machineId"], command)
    return single(http.WorkOrder, await _order(call))


async def _order(call: Call) -> Document:
    order_id = call.path["workOrderId"]
    found = await queries.work_order(call.backend.documents, order_id)
    if found is None:
        detail = f"There is no work order {order_id}. GET /api/workorders?state=all lists them."
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-work-order", detail)
    return found


async def _carry_out(call: Call, machine_id: str, command: WorkCommand) -> None:
    """Carry a command out once; what was refused then is refused again."""
    outcome = await carried_out(call, machine_id, command)
    if outcome is None:
        _no_machine(machine_id)
    if outcome != DONE:
        raise Problem(HTTPStatus.CONFLICT, "not-possible-now", f"Nothing was done: {outcome}.")


def _no_machine(machine_id: str) -> Any:
    detail = f"There is no machine {machine_id}. GET /api/machines lists them; ids are case-sensitive."
    raise Problem(HTTPStatus.NOT_FOUND, "unknown-machine", detail)


_MISSING = (HTTPStatus.NOT_FOUND,)
_REFUSABLE = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
_ORDER = "workorders/{workOrderId}"


def _command(name: str, template: str, handler: Any, body: Any, gives: Any = http.WorkOrder) -> Route:
    return Route(
        name,
        "POST",
        template,
        handler,
        Role.OPERATOR,
        http.NoParameters,
        gives,
        body,
        tagged=gives is http.WorkOrder,
        keyed=True,
        problems=_REFUSABLE,
    )


ROUTES = (
    Route(
        "work_orders",
        "GET",
        "workorders",
        work_orders,
        Role.VIEWER,
        http.WorkOrdersAsked,
        http.WorkOrdersPage,
    ),
    Route(
        "work_order",
        "GET",
        _ORDER,
        work_order,
        Role.VIEWER,
        http.NoParameters,
        http.WorkOrder,
        tagged=True,
        problems=_MISSING,
    ),
    _command("open_work_order", "machines/{machineId}/workorders", open_work_order, http.NewWorkOrder),
    _command("start_work_order", f"{_ORDER}/start", start_work_order, http.Acknowledgement),
    _command("cancel_work_order", f"{_ORDER}/cancel", cancel_work_order, http.Acknowledgement),
    _command(
        "record_maintenance",
        "machines/{machineId}/maintenance",
        record_maintenance,
        http.MaintenanceDone,
        http.MaintenanceRecorded,
    ),
    Route("model_calls", "GET", "calls", model_calls, Role.VIEWER, http.CallsAsked, http.CallsPage),
    Route("models", "GET", "models", models, Role.VIEWER, http.ModelsAsked, http.ModelsInField),
)
