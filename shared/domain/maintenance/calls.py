"""Calls of the models and what became of them: what live precision, recall and lead time are made of.

A call lasts as long as the warning, and a warning that returns within the horizon continues it. It
is judged by what maintenance finds; one that ended and was followed by nothing for the whole
horizon was false. That is only as true as the maintenance records are complete.
"""

from collections.abc import Collection
from dataclasses import replace

from shared.domain.effects import CallChanged, Health
from shared.domain.maintenance.inputs import Maintained
from shared.domain.maintenance.records import Call, Task
from shared.domain.spec import MachineSpec, ModelBinding
from shared.domain.turn import Turn

EXPIRED = "nothing was found within the horizon"


def recommended(spec: MachineSpec, model: str, contributions: tuple[tuple[str, float], ...]) -> Task | None:
    """The catalogue's task for a warning: the one whose signal contributes most, else one for any."""
    tasks = [task for task in spec.tasks if model in task.models]
    for name, _ in contributions:
        for task in tasks:
            if name in task.signals:
                return task
    return next((task for task in tasks if not task.signals), None)


def follow(turn: Turn, binding: ModelBinding, health: Health, task: Task | None) -> Call | None:
    """The model's undecided call once its new verdict counts; None when there is none."""
    call = turn.state.care.calls.get(binding.model)
    if call is not None and _is_over(call, binding, health.at):
        _judged(turn, call, "falseCall", at=health.at, why=EXPIRED)
        call = None
    if health.answer is None:
        return call
    if health.warning:
        component = task.component if task is not None else ""
        if call is None:
            call = Call(
                call_id=f"{turn.state.machine_id}:{binding.model}:{health.at}",
                model=binding.model,
                version=health.version,
                component=component,
                called_at=health.at,
                answer=health.answer,
            )
            return keep(turn, call)
        if call.ended_at is not None or (component and not call.component):
            return keep(turn, replace(call, ended_at=None, component=call.component or component))
    elif call is not None and call.ended_at is None:
        return keep(turn, replace(call, ended_at=health.at))
    return call


def judge(turn: Turn, done: Maintained) -> None:
    """What maintenance found decides the calls of the models that look after its component."""
    for binding in turn.spec.models:
        watched = {task.component for task in turn.spec.tasks if binding.model in task.models}
        if watched and done.component not in watched:
            continue
        call = turn.state.care.calls.get(binding.model)
        if call is not None and _is_over(call, binding, done.at):
            _judged(turn, call, "falseCall", at=done.at, why=EXPIRED)
            call = None
        announced = call is not None and call.called_at is not None and call.called_at <= done.at
        why = f"{done.component}: {done.finding or 'maintained without a finding'}"
        if call is not None and announced:
            its_own = call.component in ("", done.component)
            if done.finding in ("fault", "failed"):
                _judged(turn, call, "confirmed", at=done.at, why=why)
            elif its_own:
                outcome = "falseCall" if done.finding == "nothing" else "unknown"
                _judged(turn, call, outcome, at=done.at, why=why)
        elif done.finding == "failed":
            call_id = f"{turn.state.machine_id}:{binding.model}:{done.command_id}"
            missed = Call(call_id, binding.model, binding.version, done.component, None, None)
            _judged(turn, missed, "missed", at=done.at, why=_missed(turn, binding, why))


def keep(turn: Turn, call: Call) -> Call:
    """Remember an undecided call, and write it down."""
    turn.state.care = replace(turn.state.care, calls={**turn.state.care.calls, call.model: call})
    turn.effects.append(CallChanged(turn.number(), call))
    return call


def drop(turn: Turn, bound: Collection[str]) -> None:
    """Calls of models that are bound no more stay undecided for ever: say so."""
    for call in list(turn.state.care.calls.values()):
        if call.model not in bound:
            at = call.ended_at or call.called_at or 0
            _judged(turn, call, "unknown", at=at, why="the model is bound no more")


def _judged(turn: Turn, call: Call, outcome: str, *, at: int, why: str) -> None:
    assert outcome in ("confirmed", "falseCall", "missed", "unknown")
    calls = {model: one for model, one in turn.state.care.calls.items() if one.call_id != call.call_id}
    turn.state.care = replace(turn.state.care, calls=calls)
    turn.effects.append(CallChanged(turn.number(), replace(call, outcome=outcome, judged_at=at, why=why)))


def _is_over(call: Call, binding: ModelBinding, at: int) -> bool:
    return call.ended_at is not None and at > call.ended_at + binding.horizon_ms


def _missed(turn: Turn, binding: ModelBinding, why: str) -> str:
    """A model that abstained did not see it coming either, but it had said that it does not know."""
    health = turn.state.health.get(binding.model)
    if health is not None and health.answer is None and health.reason:
        return f"{why}; the model abstained: {health.reason}"
    return why
