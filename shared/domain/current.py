"""The fold on arrival: current state, values and alarms, monotone in (time, device sequence)."""

from shared.domain.alarms import judging, occurrences
from shared.domain.effects import MachineStateChanged
from shared.domain.event_time import Values
from shared.domain.inputs import Reading
from shared.domain.turn import Turn


def believe(turn: Turn, reading: Reading) -> tuple[Values, tuple[int, ...]]:
    """The reading's values by column, and the columns whose value is implausible (and left out)."""
    spec = turn.spec
    signals = reading.signals
    values: Values = list(map(signals.get, spec.names))
    known = len(values) - values.count(None)
    if known != len(signals):
        turn.state.unknown_signal_count += len(signals) - known
    bad: tuple[int, ...] = ()
    column = -1
    for low, high in spec.plausible:
        column += 1
        value = values[column]
        if value is not None and not low <= value <= high:
            bad = (*bad, column)
            values[column] = None
    return values, bad


def take(turn: Turn, reading: Reading, values: Values, bad: tuple[int, ...]) -> None:
    """Make the reading current wherever it is the newest; judge the alarms of what became current."""
    state = turn.state
    at, sequence = reading.at, reading.sequence
    before_at = state.reading_at
    newest = (at, sequence) >= (before_at, state.reading_sequence)
    if newest:
        state.reading_at = at
        state.reading_sequence = sequence
    if reading.state is not None and (at, sequence) >= (state.state_at, state.state_sequence):
        state.state_at = at
        state.state_sequence = sequence
        if reading.state is not state.state or reading.reason != state.reason:
            _change_state(turn, reading)
            occurrences.apply_design(turn, at=at)
    if reading.order is not None and (at, sequence) >= (state.order_at, state.order_sequence):
        state.order_at = at
        state.order_sequence = sequence
        if reading.order != state.order:
            state.order = reading.order
            turn.urgent = True
        if reading.product is not None and reading.product != state.product:
            state.product = reading.product
            occurrences.apply_design(turn, at=at)

    shown = state.shown
    watch = turn.spec.watch
    watched = {watch.columns.get(name) for name in (*state.alarms, *state.set_points)}
    current, value_at, value_sequence = state.values, state.value_at, state.value_sequence
    column = -1
    for quiet_low, quiet_high in watch.quiet:
        column += 1
        value = values[column]
        if value is None:
            continue
        previous_at = value_at[column]
        if not newest and (at, sequence) < (previous_at, value_sequence[column]):
            judging.record_old_violation(turn, column, value, at=at)
            continue
        current[column] = value
        value_at[column] = at
        value_sequence[column] = sequence
        if state.bad[column]:
            state.bad[column] = False
            shown.pending = True
        if not quiet_low <= value <= quiet_high or column in watched:
            judging.evaluate(turn, watch.by_column[column], value, at=at, previous_at=previous_at)
        elif watch.restless[column]:
            judging.evaluate(turn, watch.restless[column], value, at=at, previous_at=previous_at)
        if not shown.pending:
            told = shown.values[column]
            if told is None or abs(value - told) > turn.spec.signals[column].deadband:
                shown.pending = True
    for column in bad:
        older = not newest and (at, sequence) < (value_at[column], value_sequence[column])
        if not (older or state.bad[column]):
            state.bad[column] = True
            shown.pending = True
    if watch.per_reading or watch.absences or state.alarms:
        judging.evaluate_reading(turn, reading, previous_at=before_at)


def _change_state(turn: Turn, reading: Reading) -> None:
    state = turn.state
    assert reading.state is not None
    if reading.state is not state.state:
        turn.effects.append(
            MachineStateChanged(turn.number(), state.state, reading.state, reading.reason, reading.at)
        )
        state.state_since = reading.at
    state.state = reading.state
    state.reason = reading.reason
    turn.urgent = True
