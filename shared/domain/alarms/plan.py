"""A machine's rules, arranged by what they watch: made once for a spec, so that a reading costs little.

A row is (rule, channel, sign, trip, clear): with x the channel's number, or the signal's own value
where there is no channel, the condition holds when sign * x > trip and has returned when
sign * x <= clear; in between (the deadband) nothing changes. A channel gives None when it
has nothing to say yet, and UNKNOWN (which is neither beyond nor within anything) behind a gap in
its data: an alarm stays as it is, and its delays start anew.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from shared.domain.alarms import expressions, rates, rules
from shared.domain.alarms.memory import Memory
from shared.domain.alarms.rules import Rule

if TYPE_CHECKING:
    from shared.domain.inputs import Reading
    from shared.domain.spec import CounterRule, SignalSpec
    from shared.domain.state import MachineState

type Channel = Callable[["MachineState", float, int, int], float | None]
"""(state, value, at, the signal's sample before) -> number."""
type ReadingChannel = Callable[["MachineState", "Reading", int, bool], float | None]
"""(state, reading, at, whether the reading is behind a gap) -> number."""
type Row = tuple[Rule, Channel | None, float, float, float]
type ReadingRow = tuple[Rule, ReadingChannel, float, float, float]
type FigureRow = tuple[Rule, str, float, float, float]
"""With the figure's or the model's name for the channel."""

HOLDS, HOLDS_NOT = expressions.TRUE, expressions.FALSE
UNKNOWN = float("nan")
_TRIP, _CLEAR = 0.75, 0.25
"""Between TRUE, WITHIN_DEADBAND and FALSE, for conditions that are no number."""


@dataclass(frozen=True, slots=True)
class Plan:
    by_column: tuple[tuple[Row, ...], ...]
    """Judged with each new current value of the signal that leaves the quiet band."""
    restless: tuple[tuple[Row, ...], ...]
    """Those of them that no band keeps quiet: judged with every value."""
    quiet: tuple[tuple[float, float], ...]
    """Per column: the band that no rule objects to. Rules without such a band see every value anyhow."""
    columns: dict[str, int]
    """Rule -> the column that it watches."""
    per_reading: tuple[ReadingRow, ...]
    """Judged once all of a reading is current; what refers to another alarm comes behind it."""
    scores: tuple[FigureRow, ...]
    figures: tuple[FigureRow, ...]
    silences: tuple[Rule, ...]
    """Of the whole machine, judged by ticks."""
    absences: tuple[tuple[Rule, int, int], ...]
    """Of one signal: (rule, column, milliseconds), judged with each reading by its arrival."""
    designed: tuple[Rule, ...]
    """Those that do not always apply."""
    realarms: bool
    """Whether any rule is raised again after its acknowledgement."""
    by_id: dict[str, Rule]


@lru_cache(maxsize=1_024)
def plan(
    signals: "tuple[SignalSpec, ...]", described: tuple[Rule, ...], silence_ms: int, counters: "CounterRule"
) -> Plan:
    """Arrange the rules that watch these signals; machines that are described alike share a plan."""
    names = tuple(signal.name for signal in signals)
    columns: list[list[Row]] = [[] for _ in names]
    per_reading: dict[str, ReadingRow] = {}
    scores: list[FigureRow] = []
    figures: list[FigureRow] = []
    silences: list[Rule] = []
    absences: list[tuple[Rule, int, int]] = []
    for rule in described:
        match rule.condition:
            case rules.Limit(signal=signal):
                columns[names.index(signal)].append((rule, None, *thresholds(rule)))
            case rules.Deviation(signal=signal, target=target) if target is not None:
                channel = _distance(target)
                columns[names.index(signal)].append((rule, channel, *thresholds(rule)))
            case rules.Deviation():
                per_reading[rule.rule_id] = (
                    rule,
                    _difference(names, silence_ms, rule.condition),
                    *thresholds(rule),
                )
            case rules.RateOfChange(signal=signal):
                channel = _rate(rule.rule_id, rule.condition, silence_ms)
                columns[names.index(signal)].append((rule, channel, *thresholds(rule)))
            case rules.Frozen(signal=signal):
                channel = _stillness(rule.rule_id, rule.condition, silence_ms)
                columns[names.index(signal)].append((rule, channel, *thresholds(rule)))
            case rules.CounterRate():
                per_reading[rule.rule_id] = (
                    rule,
                    _count_rate(rule.rule_id, rule.condition, silence_ms, counters),
                    *thresholds(rule),
                )
            case rules.InState():
                per_reading[rule.rule_id] = (rule, _in_state(rule.condition), *thresholds(rule))
            case rules.Silence(signal=None):
                silences.append(rule)
            case rules.Silence(signal=signal, after_ms=after_ms):
                absences.append((rule, names.index(str(signal)), after_ms))
            case rules.Score(model=model):
                scores.append((rule, model, *thresholds(rule)))
            case rules.Oee(figure=figure):
                figures.append((rule, figure, *thresholds(rule)))
            case rules.Expression(program=program):
                per_reading[rule.rule_id] = (
                    rule,
                    _expression(names, silence_ms, rule.rule_id, program),
                    *thresholds(rule),
                )
    quiet = tuple(_quiet(signal, watching) for signal, watching in zip(signals, columns, strict=True))
    return Plan(
        by_column=tuple(map(tuple, columns)),
        restless=tuple(tuple(row for row in rows if rules.quiet_band(row[0]) is None) for rows in columns),
        quiet=quiet,
        columns={row[0].rule_id: column for column, rows in enumerate(columns) for row in rows},
        per_reading=tuple(per_reading[name] for name in _in_order(per_reading.values())),
        scores=tuple(scores),
        figures=tuple(figures),
        silences=tuple(silences),
        absences=tuple(absences),
        designed=tuple(rule for rule in described if rule.is_designed),
        realarms=any(rule.realarm_ms is not None for rule in described),
        by_id={rule.rule_id: rule for rule in described},
    )


def _quiet(signal: "SignalSpec", watching: list[Row]) -> tuple[float, float]:
    low, high = signal.low, signal.high
    for rule, *_ in watching:
        band = rules.quiet_band(rule)
        if band is not None:
            low, high = max(band[0], low), min(band[1], high)
    return low, high


def thresholds(rule: Rule, limit: float | None = None) -> tuple[float, float, float]:
    """(sign, trip, clear) of a rule; `limit` in place of the description's, where it was changed."""
    condition = rule.condition
    match condition:
        case rules.InState() | rules.Silence() | rules.Frozen() | rules.Expression():
            return 1.0, _TRIP, _CLEAR
        case (
            rules.Limit(kind="low" | "lowLow")
            | rules.Oee()
            | rules.CounterRate(direction="below")
            | rules.Score(direction="below")
        ):
            sign = -1.0
        case _:
            sign = 1.0
    trip = sign * (condition.limit if limit is None else limit)
    return sign, trip, trip - condition.deadband


def memory_of(state: "MachineState") -> Memory:
    """The machine's memory, which begins with the first rule that needs it."""
    if state.memory is None:
        state.memory = Memory()
    return state.memory


def referred(program: Iterable[rules.Step]) -> list[str]:
    """The rules whose alarms an expression asks about."""
    return [str(operand) for name, operand in program if name == "alarm"]


def _in_order(rows: Iterable[ReadingRow]) -> Iterable[str]:
    """Rules behind those they refer to. Cycles were refused when the description was checked."""
    graph = {
        rule.rule_id: referred(rule.condition.program) if isinstance(rule.condition, rules.Expression) else []
        for rule, *_ in rows
    }
    return [rule_id for rule_id in TopologicalSorter(graph).static_order() if rule_id in graph]


def _distance(target: float) -> Channel:
    return lambda state, value, at, previous_at: abs(value - target)


def _difference(names: tuple[str, ...], silence_ms: int, condition: rules.Deviation) -> ReadingChannel:
    """Distance between two signals' current values, as long as both are fresh."""
    column, other = names.index(condition.signal), names.index(str(condition.target_signal))

    def channel(state: "MachineState", reading: "Reading", at: int, gap: bool) -> float | None:
        value, target = state.values[column], state.values[other]
        if value is None or target is None:
            return UNKNOWN
        fresh = at - min(state.value_at[column], state.value_at[other]) <= silence_ms
        return abs(value - target) if fresh else UNKNOWN

    return channel


def _rate(rule_id: str, condition: rules.RateOfChange, silence_ms: int) -> Channel:
    window_ms, direction = condition.window_ms, condition.direction

    def channel(state: "MachineState", value: float, at: int, previous_at: int) -> float | None:
        tracks = memory_of(state).rates
        track = tracks.get(rule_id)
        if track is None or at - previous_at > silence_ms:
            tracks[rule_id] = rates.begin(value, at)
            return UNKNOWN
        tracks[rule_id], rate = rates.add(track, value, at, window_ms)
        if rate is None or direction == "rising":
            return rate
        return -rate if direction == "falling" else abs(rate)

    return channel


def _stillness(rule_id: str, condition: rules.Frozen, silence_ms: int) -> Channel:
    after_ms, tolerance = condition.after_ms, condition.tolerance

    def channel(state: "MachineState", value: float, at: int, previous_at: int) -> float | None:
        held = memory_of(state).held
        last = held.get(rule_id)
        if last is None or abs(value - last[0]) > tolerance or at - previous_at > silence_ms:
            held[rule_id] = (value, at)
            return HOLDS_NOT
        return HOLDS if at - last[1] >= after_ms else HOLDS_NOT

    return channel


def _count_rate(
    rule_id: str, condition: rules.CounterRate, silence_ms: int, counters: "CounterRule"
) -> ReadingChannel:
    """Units a minute: the rate of change of a counter without its resets and roll-overs."""
    from shared.domain.counters import step  # noqa: PLC0415  it imports the spec, which imports this

    window_ms, rule = condition.window_ms, counters
    wants_good, wants_reject = condition.counter != "reject", condition.counter != "good"

    def channel(state: "MachineState", reading: "Reading", at: int, gap: bool) -> float | None:
        good = reading.good if wants_good else None
        reject = reading.reject if wants_reject else None
        older = reading.at != at or reading.sequence != state.reading_sequence
        if (good is None and reject is None) or older:
            return UNKNOWN if gap else None
        memory = memory_of(state)
        last_good, last_reject, total = memory.counts.get(rule_id, (None, None, 0))
        if good is not None:
            total += step(last_good, good, rule=rule, elapsed_ms=1 << 62)[0]
            last_good = good
        if reject is not None:
            total += step(last_reject, reject, rule=rule, elapsed_ms=1 << 62)[0]
            last_reject = reject
        memory.counts[rule_id] = (last_good, last_reject, total)
        track = memory.rates.get(rule_id)
        if track is None or gap or at - track[0] > max(silence_ms, window_ms):
            memory.rates[rule_id] = rates.begin(total, at)
            return UNKNOWN
        memory.rates[rule_id], rate = rates.add(track, total, at, window_ms)
        return rate

    return channel


def _in_state(condition: rules.InState) -> ReadingChannel:
    states, reasons = frozenset(condition.states), frozenset(condition.reasons)

    def channel(state: "MachineState", reading: "Reading", at: int, gap: bool) -> float | None:
        holds = (not states or state.state in states) and (not reasons or state.reason in reasons)
        return HOLDS if holds else HOLDS_NOT

    return channel


def _expression(
    names: tuple[str, ...], silence_ms: int, rule_id: str, program: tuple[rules.Step, ...]
) -> ReadingChannel:
    """What is within the deadband matters only to an alarm that there is."""
    holds, condition = (
        expressions.holds(names, silence_ms, program),
        expressions.condition(names, silence_ms, program),
    )

    def channel(state: "MachineState", reading: "Reading", at: int, gap: bool) -> float | None:
        if rule_id not in state.alarms:
            return HOLDS if holds(state, at) else HOLDS_NOT
        truth = condition(state, at)
        return UNKNOWN if truth is None else truth

    return channel
