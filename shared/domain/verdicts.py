"""What a model's answer changes: health, warning, call, work order, alarms; and what resting models do."""

from dataclasses import replace

from shared.domain.alarms import judging
from shared.domain.effects import (
    Health,
    ModelResumed,
    ModelSuspended,
    PredictionMade,
    ThresholdCrossed,
)
from shared.domain.inputs import Scored, Suspended
from shared.domain.maintenance import calls
from shared.domain.maintenance.orders import order_task
from shared.domain.maintenance.records import Suspension
from shared.domain.maintenance.resting import may_ask
from shared.domain.spec import ModelBinding
from shared.domain.turn import Turn


def fold(turn: Turn, scored: Scored) -> None:
    """Let an answer count: the verdict first, then what is to be done about it.

    An answer from before the model began to rest counts; one that a resting model was not asked for
    does not, so batching makes no difference.
    """
    binding = _binding(turn, scored.model)
    if binding is None or not may_ask(turn.state.care, scored.model, scored.at):
        return
    state = turn.state
    if scored.model in state.care.suspended:
        _wake(turn, scored.model)
        turn.effects.append(ModelResumed(turn.number(), scored.model, scored.version, scored.at))
    before = state.health.get(scored.model)
    warned = before is not None and before.warning
    answer = scored.amount if scored.probability is None else scored.probability
    health = Health(
        scored.model,
        scored.version,
        scored.at,
        scored.probability,
        scored.reason,
        warned if answer is None else binding.warns(answer),
        scored.amount,
        scored.low,
        scored.high,
        scored.label,
    )
    signals = dict(binding.inputs)
    contributions = tuple((signals.get(name, name), moved) for name, moved in scored.contributions)
    _conclude(turn, binding, health, warned, contributions, scored.data_age_ms)


def suspend(turn: Turn, suspended: Suspended) -> None:
    """Let a model rest that could not be asked; say so once, and abstain in its name."""
    binding = _binding(turn, suspended.model)
    care = turn.state.care
    if binding is None or not may_ask(care, suspended.model, suspended.at):
        return
    known = care.suspended.get(suspended.model)
    rest = Suspension(suspended.version, suspended.reason, suspended.at)
    turn.state.care = replace(care, suspended={**care.suspended, suspended.model: rest})
    if known is not None and (known.version, known.reason) == (rest.version, rest.reason):
        return
    turn.effects.append(
        ModelSuspended(turn.number(), suspended.model, suspended.version, suspended.reason, suspended.at)
    )
    before = turn.state.health.get(suspended.model)
    warned = before is not None and before.warning
    health = Health(suspended.model, suspended.version, suspended.at, None, suspended.reason, warned)
    _conclude(turn, binding, health, warned, (), 0)


def rebind(turn: Turn) -> None:
    """A new description: models in another version start afresh, calls of models that went are dropped."""
    bound = {binding.model: binding.version for binding in turn.spec.models}
    care = turn.state.care
    for model, rest in care.suspended.items():
        if bound.get(model) != rest.version:
            _wake(turn, model)
    if any(model not in bound for model in care.calls):
        calls.drop(turn, bound)


def _conclude(
    turn: Turn,
    binding: ModelBinding,
    health: Health,
    warned: bool,
    contributions: tuple[tuple[str, float], ...],
    data_age_ms: int,
) -> None:
    turn.state.health[binding.model] = health
    turn.state.shown.pending = True
    is_warning = health.warning and health.answer is not None
    task = calls.recommended(turn.spec, binding.model, contributions) if is_warning else None
    call = calls.follow(turn, binding, health, task)
    turn.effects.append(
        PredictionMade(
            turn.number(),
            health,
            binding.threshold,
            contributions,
            data_age_ms,
            task,
            call.call_id if call is not None else None,
        )
    )
    if health.warning != warned:
        turn.effects.append(ThresholdCrossed(turn.number(), health, binding.threshold))
        turn.urgent = True
    if call is not None and task is not None and call.order_id is None:
        order = order_task(turn, task, cause="prediction", cause_id=call.call_id, at=health.at)
        if order is not None:
            calls.keep(turn, replace(call, order_id=order.order_id))
    judging.evaluate_score(turn, health, every_ms=binding.cadence_ms)


def _binding(turn: Turn, model: str) -> ModelBinding | None:
    return next((binding for binding in turn.spec.models if binding.model == model), None)


def _wake(turn: Turn, model: str) -> None:
    rests = {name: rest for name, rest in turn.state.care.suspended.items() if name != model}
    turn.state.care = replace(turn.state.care, suspended=rests)
