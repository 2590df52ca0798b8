"""What a minute of event time leaves behind: aggregates, features, model rows, the shift so far."""

from itertools import batched

from shared.domain import features
from shared.domain.accounting import has_figures
from shared.domain.effects import MinuteClosed, OeeMeasured, ScoreRequested, SignalAggregate
from shared.domain.feature_gaps import data_age_ms, gaps
from shared.domain.ledger import HOUR_MS, so_far
from shared.domain.maintenance.resting import may_ask
from shared.domain.oee import shown_band
from shared.domain.state import PANE_SUMS, Pane
from shared.domain.turn import Turn

MINUTE_MS = 60_000
PANE_ROWS = 16
"""So many readings are summed at once."""


def close_minute(turn: Turn) -> None:
    """Write the minute's aggregates, fold the features, ask for the model rows that came due."""
    state = turn.state
    fold = state.fold
    pane = fold.pane
    sum_rows(pane)
    at = pane.minute
    hour = at - at % HOUR_MS
    sums = batched(pane.sums, PANE_SUMS, strict=True)
    aggregates = tuple(
        SignalAggregate(int(n), low, total / n, high, bad) if n else SignalAggregate(0, None, None, None, bad)
        for (n, total, low, high), bad in zip(sums, pane.bad, strict=True)
    )
    turn.effects.append(MinuteClosed(at, turn.spec.version, hour != fold.hour, turn.spec.names, aggregates))
    fold.hour = hour
    if turn.spec.models:
        means = tuple(aggregate.mean for aggregate in aggregates)
        for binding, recipe in zip(turn.spec.models, turn.spec.recipes, strict=True):
            before = fold.moving.get(binding.model)
            moving = features.fold_pane(
                features.initial(recipe) if before is None else before, recipe, at=at, means=means
            )
            fold.moving = {**fold.moving, binding.model: moving}
            due = at - fold.scored_at.get(binding.model, at - binding.cadence_ms) >= binding.cadence_ms
            if due and may_ask(state.care, binding.model, at):
                fold.scored_at = {**fold.scored_at, binding.model: at}
                row = features.row(moving, recipe, at=at, maintained_at=state.maintained_at)
                turn.effects.append(
                    ScoreRequested(
                        state.machine_id,
                        binding.model,
                        binding.version,
                        at,
                        row,
                        binding.threshold,
                        data_age_ms(moving),
                        gaps(moving, recipe, row),
                    )
                )
    if fold.bucket is not None:
        measured = so_far(turn.spec, fold)
        if has_figures(measured):
            turn.effects.append(OeeMeasured(turn.number(), measured))
            state.shown.pending = True
            if shown_band(turn.spec, measured) != state.shown.band:
                turn.urgent = True
    fold.pane = Pane.empty(len(pane.bad))


def sum_rows(pane: Pane) -> None:
    """Take the rows into the sums."""
    if not pane.rows:
        return
    sums: list[float] = []
    columns = zip(*pane.rows, strict=True)
    for column, (n, total, low, high) in zip(
        columns, batched(pane.sums, PANE_SUMS, strict=True), strict=True
    ):
        values = [value for value in column if value is not None]
        if values:
            if n:
                low, high = min(low, *values), max(high, *values)
            else:
                low, high = min(values), max(values)
            n += len(values)
            for value in values:
                total += value
        sums += (n, total, low, high)
    pane.sums = sums
    pane.rows = []


def remap(pane: Pane, source: list[int | None]) -> Pane:
    """The open minute with its columns in a new order; None starts an empty column."""
    sum_rows(pane)
    columns = Pane.empty(len(source))
    columns.minute = pane.minute
    for new, old in enumerate(source):
        if old is not None:
            start, first = new * PANE_SUMS, old * PANE_SUMS
            columns.sums[start : start + PANE_SUMS] = pane.sums[first : first + PANE_SUMS]
            columns.bad[new] = pane.bad[old]
    return columns
