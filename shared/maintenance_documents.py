"""What the domain decides about models and maintenance -> documents and events."""

from shared.domain import effects as fx
from shared.domain.maintenance.records import Call, Task, WorkOrder
from shared.domain.spec import MachineSpec, ModelBinding
from shared.instants import iso, iso_or_none
from shared.ports import Document

ORDER_EVENTS = {
    "open": "workorder.opened",
    "inProgress": "workorder.started",
    "done": "workorder.completed",
    "cancelled": "workorder.cancelled",
}
"""State of a work order -> the type of the event that tells of it."""


def health_figures(spec: MachineSpec, health: fx.Health) -> Document:
    """A model's verdict. `score` is 1 - probability; all figures are None while it abstains."""
    binding = binding_of(spec, health.model)
    known = health.probability is not None and (binding is None or binding.kind == "failure")
    return {
        "model": health.model,
        "modelVersion": health.version,
        "kind": binding.kind if binding is not None else "failure",
        "probability": health.probability,
        "score": round(1 - (health.probability or 0.0), 6) if known else None,
        "amount": health.amount,
        "low": health.low,
        "high": health.high,
        "unit": binding.unit if binding is not None else "",
        "label": health.label,
        "abstained": health.answer is None,
        "reason": health.reason or None,
        "warning": health.warning,
        "assessedAt": iso(health.at),
    }


def prediction_fields(spec: MachineSpec, made: fx.PredictionMade) -> Document:
    """A verdict with what it rests on and what to do about it."""
    binding = binding_of(spec, made.health.model)
    return {
        **health_figures(spec, made.health),
        "threshold": made.threshold,
        "horizonS": binding.horizon_ms / 1000 if binding is not None else None,
        "dataAgeS": made.data_age_ms / 1000,
        "contributions": dict(made.contributions),
        "recommendation": _recommendation(made.task),
        "callId": made.call_id,
    }


def crossing_fields(spec: MachineSpec, health: fx.Health, threshold: float) -> Document:
    return {**health_figures(spec, health), "threshold": threshold}


def call_fields(call: Call) -> Document:
    lead_ms = call.lead_ms
    return {
        "callId": call.call_id,
        "model": call.model,
        "modelVersion": call.version,
        "component": call.component or None,
        "calledAt": iso_or_none(call.called_at),
        "answer": call.answer,
        "endedAt": iso_or_none(call.ended_at),
        "outcome": call.outcome,
        "judgedAt": iso_or_none(call.judged_at),
        "leadTimeS": None if lead_ms is None else lead_ms / 1000,
        "workOrderId": call.order_id,
        "why": call.why or None,
        "at": iso(_changed_at(call)),
    }


def order_fields(order: WorkOrder) -> Document:
    return {
        "workOrderId": order.order_id,
        "version": order.version,
        "taskId": order.task_id,
        "component": order.component,
        "work": order.work,
        "state": order.state,
        "cause": order.cause,
        "causeId": order.cause_id,
        "openedAt": iso(order.opened_at),
        "dueAt": iso(order.due_at),
        "changedAt": iso(order.changed_at),
        "who": order.who,
        "finding": order.finding,
        "note": order.note or None,
        "active": order.state in ("open", "inProgress"),
        "at": iso(order.opened_at),
    }


def binding_of(spec: MachineSpec, model: str) -> ModelBinding | None:
    return next((binding for binding in spec.models if binding.model == model), None)


def _recommendation(task: Task | None) -> Document | None:
    if task is None:
        return None
    return {
        "taskId": task.task_id,
        "component": task.component,
        "work": task.work,
        "withinS": task.due_ms / 1000,
    }


def _changed_at(call: Call) -> int:
    return next(at for at in (call.judged_at, call.called_at, 0) if at is not None)
