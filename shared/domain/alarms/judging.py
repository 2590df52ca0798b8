"""From what became known to verdicts. `evaluate` is called for readings that leave the quiet band."""

from collections.abc import Sequence

from shared.domain.alarms.occurrences import settle
from shared.domain.alarms.plan import FigureRow, Row, memory_of, thresholds
from shared.domain.alarms.rules import Limit
from shared.domain.effects import Effect, Health, OeeMeasured, ViolationRecorded
from shared.domain.inputs import Reading
from shared.domain.oee import FULL_COVERAGE_RATIO, kpis
from shared.domain.turn import Turn

_FIGURES_EVERY_MS = 60_000
"""OEE is measured once a minute."""


def evaluate(turn: Turn, rows: Sequence[Row], value: float, *, at: int, previous_at: int) -> None:
    """Judge a new current value of one signal by rules that watch it.

    `previous_at` is the signal's sample before: no delay runs through a gap longer than the
    spec's silence, it starts again behind it.
    """
    state = turn.state
    occurred = state.alarms
    for rule, channel, sign, trip, clear in rows:
        x = value if channel is None else channel(state, value, at, previous_at)
        if x is None:
            continue
        if state.set_points and rule.rule_id in state.set_points:
            _, trip, clear = thresholds(rule, state.set_points[rule.rule_id].value)
        y = sign * x
        if y > trip:
            settle(turn, rule, 1, x, at, gap=at - previous_at > turn.spec.silence_ms)
        elif rule.rule_id in occurred:
            gap = at - previous_at > turn.spec.silence_ms
            settle(turn, rule, -1 if y <= clear else 0, x, at, gap=gap)


def evaluate_reading(turn: Turn, reading: Reading, *, previous_at: int) -> None:
    """Judge what only a whole reading can answer, at the time of the machine's newest reading."""
    state = turn.state
    occurred = state.alarms
    watch = turn.spec.watch
    at = state.reading_at
    gap = at - previous_at > turn.spec.silence_ms
    if watch.absences:
        _judge_absences(turn, reading)
    for rule, channel, sign, trip, clear in watch.per_reading:
        x = channel(state, reading, at, gap)
        if x is None:
            continue
        if state.set_points and rule.rule_id in state.set_points:
            _, trip, clear = thresholds(rule, state.set_points[rule.rule_id].value)
        y = sign * x
        if y > trip or rule.rule_id in occurred:
            verdict = 1 if y > trip else -1 if y <= clear else 0
            settle(turn, rule, verdict, x, at, gap=gap)
    if occurred:
        for rule in watch.silences:
            if rule.rule_id in occurred:
                settle(turn, rule, -1, None, reading.arrived_at, gap=False)


def evaluate_score(turn: Turn, health: Health, *, every_ms: int) -> None:
    """Judge a model's verdict; one that abstained says nothing."""
    for row in turn.spec.watch.scores:
        if row[1] == health.model and health.answer is not None:
            _judge_figure(turn, row, health.answer, health.at, every_ms=every_ms)


def evaluate_figures(turn: Turn, effects: Sequence[Effect]) -> None:
    """Judge what was measured of the running shift, where enough of it is known."""
    for effect in effects:
        if type(effect) is OeeMeasured and not effect.elements.final:
            figures = kpis(effect.elements)
            if figures.coverage is None or figures.coverage < FULL_COVERAGE_RATIO:
                continue
            for row in turn.spec.watch.figures:
                ratio: float | None = getattr(figures, row[1])
                if ratio is not None:
                    at = effect.elements.measured_at
                    _judge_figure(turn, row, ratio, at, every_ms=_FIGURES_EVERY_MS)


def record_old_violation(turn: Turn, column: int, value: float, *, at: int) -> None:
    """A sample older than the current value changes no alarm, but what it violated is written down."""
    for rule, channel, sign, trip, _ in turn.spec.watch.by_column[column]:
        if isinstance(rule.condition, Limit) and channel is None:
            if rule.rule_id in turn.state.set_points:
                _, trip, _ = thresholds(rule, turn.state.set_points[rule.rule_id].value)
            if sign * value > trip:
                turn.effects.append(ViolationRecorded(turn.number(), rule.rule_id, rule.signal, value, at))


def _judge_absences(turn: Turn, reading: Reading) -> None:
    """Signals that are missing from what the machine says, as long as it talks.

    A reading of any age brings its signals, believable or not: the sensor is not silent. While
    the machine itself says nothing nobody knows, so behind that the time starts anew.
    """
    heard = memory_of(turn.state).heard
    anew = turn.quiet_ms > turn.spec.silence_ms
    now = reading.arrived_at
    for rule, column, after_ms in turn.spec.watch.absences:
        name = rule.rule_id
        last = heard.get(name)
        if last is None or anew or turn.spec.names[column] in reading.signals:
            heard[name] = now
        missing = now - heard[name] >= after_ms
        if missing or name in turn.state.alarms:
            settle(turn, rule, 1 if missing else -1, (now - heard[name]) / 1000, now, gap=anew)


def _judge_figure(turn: Turn, row: FigureRow, value: float, at: int, *, every_ms: int) -> None:
    """A figure that comes at intervals: a delay runs from one to the next, not over missing ones."""
    rule, _, sign, trip, clear = row
    state = turn.state
    if rule.rule_id in state.set_points:
        _, trip, clear = thresholds(rule, state.set_points[rule.rule_id].value)
    heard = memory_of(state).heard
    gap = at - heard.get(rule.rule_id, at) > 3 * every_ms
    heard[rule.rule_id] = at
    verdict = 1 if sign * value > trip else -1 if sign * value <= clear else 0
    settle(turn, rule, verdict, value, at, gap=gap)
