"""The decision: (spec, state, inputs) -> (state, effects). Pure, and the only way a machine changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from shared.domain import classifying, current, event_time, minutes, verdicts
from shared.domain.alarms import judging, timing
from shared.domain.alarms.commands import carry_out
from shared.domain.alarms.inputs import Commanded
from shared.domain.effects import (
    CameBack,
    CommandDone,
    Effect,
    MachineBlocked,
    MachineResumed,
    Queued,
    ReadingRefused,
    WentSilent,
)
from shared.domain.features import FeatureState
from shared.domain.inputs import (
    QUEUE,
    Blocked,
    Input,
    Position,
    Reading,
    Resumed,
    Scored,
    SpecChanged,
    Suspended,
    Tick,
)
from shared.domain.maintenance import orders
from shared.domain.maintenance.inputs import Maintained, MoveOrder, OpenOrder
from shared.domain.showing import SHOW_EVERY_MS, may_show, show
from shared.domain.spec import MachineSpec, ModelBinding
from shared.domain.state import Fold, MachineState, Pane, Shown
from shared.domain.stop_commands import StopCommand
from shared.domain.turn import Turn

FAR_FUTURE_MS = 300_000
"""A reading further ahead of its arrival than this is not believed."""
FAR_FUTURE = "far-future"

REPLAYS_KEPT = 32
"""So many replayed documents' positions are remembered: each is a source of its own, used once."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """A machine after some inputs, and what they decided."""

    spec: MachineSpec
    state: MachineState
    effects: list[Effect]
    marks: list[int]
    """For each input, how many effects there were once it was folded."""


def initial(spec: MachineSpec) -> MachineState:
    """A machine that has never been heard of."""
    columns = len(spec.signals)
    return MachineState(
        machine_id=spec.machine_id,
        site_id=spec.site_id,
        line_id=spec.line_id,
        spec_version=spec.version,
        names=spec.names,
        fold=Fold(pane=Pane.empty(columns)),
        shown=Shown(values=[None] * columns, value_at=[-1] * columns),
        values=[None] * columns,
        value_at=[-1] * columns,
        value_sequence=[0] * columns,
        bad=[False] * columns,
    )


def advance(spec: MachineSpec, state: MachineState, inputs: Sequence[Input]) -> Advanced:
    """Fold inputs in order; the given state is left as it was.

    An input whose position was folded before changes nothing (law 1). Every decision is taken
    per input, so it does not matter how inputs are cut into calls (law 2).
    """
    turn = Turn(spec, state.clone(), [])
    marks: list[int] = []
    decided = 0
    for item in inputs:
        if type(item) is Reading:
            if _is_new(turn.state, item.position):
                _read(turn, item)
        else:
            _apply(turn, item)
        if turn.spec.orders_for_alarms and len(turn.effects) > decided:
            orders.order_for_alarms(turn, decided)
        decided = len(turn.effects)
        marks.append(decided)
    return Advanced(turn.spec, turn.state, turn.effects, marks)


def next_due_at(spec: MachineSpec, state: MachineState) -> int | None:
    """When a tick must look at this machine if nothing arrives before; None: never."""
    due: list[int] = []
    if state.shown.pending or state.shown.version == 0:
        due.append(state.shown.at + SHOW_EVERY_MS)
    if state.arrived_at >= 0:
        if not state.silent:
            due.append(state.arrived_at + spec.silence_ms)
        bucket = state.fold.bucket if state.blocked is None else None
        quiet_until = state.arrived_at + spec.close_after_ms
        if state.fold.waiting and state.blocked is None:
            due.append(quiet_until)
        if bucket is not None:
            due.append(max(quiet_until, bucket.end + spec.close_after_ms + 1))
    due += timing.due(spec, state)
    return min(due, default=None)


def _apply(turn: Turn, item: Input) -> None:
    state = turn.state
    match item:
        case Scored():
            verdicts.fold(turn, item)
            show(turn, now=state.arrived_at)
        case Suspended():
            verdicts.suspend(turn, item)
            show(turn, now=state.arrived_at)
        case Tick():
            if _is_new(state, item.position):
                _tick(turn, item.now)
        case Commanded():
            outcome = carry_out(turn, item)
            turn.effects.append(CommandDone(item.command_id, item.now, outcome))
            show(turn, now=item.now)
        case Maintained() | OpenOrder() | MoveOrder():
            at = item.at if isinstance(item, Maintained) else item.now
            turn.effects.append(CommandDone(item.command_id, at, orders.carry_out(turn, item)))
        case StopCommand():
            outcome = classifying.carry_out(turn, item)
            turn.effects.append(CommandDone(item.command_id, item.now, outcome))
            show(turn, now=item.now)
        case SpecChanged():
            if _is_new(state, item.position):
                _change_spec(turn, item.spec, now=item.now)
                show(turn, now=item.now)
        case Blocked():
            if state.blocked is None:
                state.blocked = item.reason
                turn.effects.append(MachineBlocked(turn.number(), item.reason, item.now))
                turn.urgent = True
                show(turn, now=item.now)
        case Resumed():
            if state.blocked is not None:
                state.blocked = None
                turn.effects.append(MachineResumed(turn.number(), item.now))
                turn.urgent = True
                show(turn, now=item.now)
        case Reading():
            raise AssertionError("readings are folded by advance itself")
        case _:
            assert_never(item)


def _is_new(state: MachineState, position: Position) -> bool:
    """Whether the position is beyond the source's last; it then becomes the last."""
    place = (position.sequence, position.index)
    last = state.positions.get(position.source)
    if last is not None and place <= last:
        return False
    if last is None and position.source.startswith("replay/"):
        replays = [source for source in state.positions if source.startswith("replay/")]
        for source in replays[: -REPLAYS_KEPT + 1]:
            del state.positions[source]
    state.positions[position.source] = place
    return True


def _read(turn: Turn, reading: Reading) -> None:
    """Fold one reading: once on arrival (values, alarms), once behind the reorder buffer (the rest)."""
    state = turn.state
    if state.blocked is not None and reading.position.source != QUEUE:
        state.arrived_at = max(state.arrived_at, reading.arrived_at)
        state.queued_count += 1
        turn.effects.append(Queued(state.queued_count, reading))
        return
    if reading.at > reading.arrived_at + FAR_FUTURE_MS:
        state.refused_count += 1
        turn.effects.append(ReadingRefused(reading, FAR_FUTURE))
        return
    if event_time.is_duplicate(state.fold, reading):
        state.duplicate_count += 1
        return
    turn.quiet_ms = reading.arrived_at - state.arrived_at
    if turn.quiet_ms > 0:
        state.arrived_at = reading.arrived_at
    if state.silent:
        state.silent = False
        turn.effects.append(CameBack(turn.number(), reading.arrived_at))
        turn.urgent = True
    values, bad = current.believe(turn, reading)
    current.take(turn, reading, values, bad)
    decided = len(turn.effects)
    event_time.hold(turn, reading, values, bad)
    if turn.spec.watch.figures and len(turn.effects) > decided:
        judging.evaluate_figures(turn, turn.effects[decided:])
    if may_show(turn):
        show(turn, now=state.arrived_at)


def _tick(turn: Turn, now: int) -> None:
    """Arrival-side time passed: notice silence, show the trailing value, close what waited too long.

    A blocked machine's queue holds what its shifts are made of: nothing is closed before it is folded.
    """
    state = turn.state
    if state.arrived_at >= 0:
        if not state.silent and now - state.arrived_at >= turn.spec.silence_ms:
            state.silent = True
            turn.effects.append(WentSilent(turn.number(), state.arrived_at, now))
            turn.urgent = True
        if state.blocked is None and now - state.arrived_at >= turn.spec.close_after_ms:
            event_time.drain(turn, now - turn.spec.close_after_ms)
    timing.tick(turn, now)
    show(turn, now=now)


def _kept(moving: dict[str, FeatureState], old: MachineSpec, new: MachineSpec) -> dict[str, FeatureState]:
    """The statistics of the models that go on seeing the same signals in the same way."""
    sources = {binding.model: _source(binding) for binding in old.models}
    return {
        binding.model: moving[binding.model]
        for binding in new.models
        if binding.model in moving and sources.get(binding.model) == _source(binding)
    }


def _source(binding: ModelBinding) -> tuple[object, ...]:
    return binding.features, binding.inputs, binding.plan


def _change_spec(turn: Turn, spec: MachineSpec, *, now: int) -> None:
    """Pin a new spec: columns follow their signal's name, new ones start empty."""
    state = turn.state
    fold = state.fold
    old = {name: column for column, name in enumerate(state.names)}
    source = [old.get(name) for name in spec.names]
    if spec.names != state.names:
        state.values = [None if c is None else state.values[c] for c in source]
        state.value_at = [-1 if c is None else state.value_at[c] for c in source]
        state.value_sequence = [0 if c is None else state.value_sequence[c] for c in source]
        state.bad = [c is not None and state.bad[c] for c in source]
        state.shown.values = [None if c is None else state.shown.values[c] for c in source]
        state.shown.value_at = [-1 if c is None else state.shown.value_at[c] for c in source]
        fold.pane = minutes.remap(fold.pane, source)
        fold.waiting = [event_time.remap_held(held, source) for held in fold.waiting]
    fold.moving = _kept(fold.moving, turn.spec, spec)
    before = turn.spec
    turn.spec = spec
    state.spec_version = spec.version
    state.site_id = spec.site_id
    state.line_id = spec.line_id
    state.names = spec.names
    bound = {binding.model for binding in spec.models}
    state.health = {model: health for model, health in state.health.items() if model in bound}
    verdicts.rebind(turn)
    fold.scored_at = {model: at for model, at in fold.scored_at.items() if model in bound}
    fold.segment = None
    fold.hour = -1
    timing.change_rules(turn, before, at=now)
    turn.urgent = True
