"""Alarm rules of a factory description -> rules of the domain, in the signals' units."""

from collections.abc import Sequence
from dataclasses import replace

from millwright.expressions import BadExpression, check
from millwright.quantities import BadQuantity, difference_in, value_in
from shared.contracts.factory import (
    CounterRule,
    DeviationRule,
    ExpressionRule,
    Factory,
    FrozenRule,
    LimitRule,
    MachineClass,
    OeeRule,
    Quantity,
    RateRule,
    Rule,
    ScoreRule,
    SilenceRule,
    StateRule,
)
from shared.domain.alarms import rules as domain
from shared.domain.packml import STATES_BY_WORD, PackMLState

_RATE_UNIT = "1/min"


class BadRule(ValueError):
    """What is wrong with a rule, and the key that says it."""

    def __init__(self, key: str, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.key = key
        self.remedy = remedy


def compiled_rules(factory: Factory, kind: MachineClass, rules: Sequence[Rule]) -> tuple[domain.Rule, ...]:
    """The enabled ones, as the domain has them. Raises BadRule."""
    return tuple(compiled(factory, kind, rule) for rule in rules if rule.enabled)


def compiled(factory: Factory, kind: MachineClass, rule: Rule) -> domain.Rule:
    """One rule. Raises BadRule; an unknown signal is a KeyError."""
    made = domain.Rule(
        rule_id=rule.id,
        condition=_condition(factory, kind, rule),
        priority=rule.priority,
        on_delay_ms=round(rule.delay_s * 1000),
        off_delay_ms=round(rule.off_delay_s * 1000),
        latching=rule.latching,
        realarm_ms=None if rule.realarm_min is None else round(rule.realarm_min * 60_000),
        alarm_class=rule.alarm_class,
        consequence=rule.consequence,
        response=rule.response,
        respond_ms=None if rule.respond_within_min is None else round(rule.respond_within_min * 60_000),
        states=_states(rule.states),
        products=tuple(rule.products),
        schedule=rule.schedule,
        shelve_max_ms=round(rule.shelve_max_h * 3_600_000),
    )
    bounds = getattr(rule, "adjustable", None)
    return made if bounds is None else replace(made, adjustable=_bounds(kind, rule, bounds, made))


def _condition(factory: Factory, kind: MachineClass, rule: Rule) -> domain.Condition:
    match rule:
        case LimitRule():
            unit = kind.signals[rule.signal].unit
            limit = _value(rule.limit, unit, "limit")
            return domain.Limit(rule.kind, rule.signal, limit, _limit_deadband(kind, rule, limit))
        case DeviationRule():
            return _deviation(kind, rule)
        case RateRule():
            unit = kind.signals[rule.signal].unit
            return domain.RateOfChange(
                rule.kind,
                rule.signal,
                _positive(_difference(rule.limit, unit, "limit"), "limit"),
                round(rule.window_s * 1000),
                _distance(rule.deadband, unit),
                rule.direction,
            )
        case CounterRule():
            return domain.CounterRate(
                rule.kind,
                rule.counter,
                _value(rule.limit, _RATE_UNIT, "limit"),
                round(rule.window_s * 1000),
                _distance(rule.deadband, _RATE_UNIT),
                rule.direction,
            )
        case StateRule():
            if not rule.in_states and not rule.reasons:
                raise BadRule(
                    "kind", "it names neither states nor reasons", "say `in_states`, `reasons` or both"
                )
            _known("reasons", "stop reason", rule.reasons, list(factory.stop_reasons))
            return domain.InState(rule.kind, _states(rule.in_states), tuple(rule.reasons))
        case SilenceRule():
            if rule.delay_s or rule.schedule != "always":
                key = "delay_s" if rule.delay_s else "schedule"
                raise BadRule(key, f"silence has no {key}: it is judged by arrival", "say `after_s` alone")
            return domain.Silence(rule.kind, round(rule.after_s * 1000), rule.signal)
        case FrozenRule():
            tolerance = _difference(rule.tolerance, kind.signals[rule.signal].unit, "tolerance")
            return domain.Frozen(rule.kind, rule.signal, round(rule.after_s * 1000), tolerance)
        case ScoreRule():
            _known("model", "model", [rule.model], [binding.model for binding in kind.models])
            return domain.Score(
                rule.kind, rule.model, rule.limit, _distance(rule.deadband, "1"), rule.direction
            )
        case OeeRule():
            if (rule.below is None) == (rule.band is None):
                raise BadRule("kind", "a rule for OEE says either `below` or `band`", "keep one of them")
            edges = {"yellow": factory.oee.green_ratio, "red": factory.oee.yellow_ratio}
            limit = rule.below if rule.band is None else edges[rule.band]
            return domain.Oee(rule.kind, rule.figure, limit or 0.0, _distance(rule.deadband, "1"))
        case ExpressionRule():
            return domain.Expression(rule.kind, rule.when, _program(factory, kind, rule))


def _program(factory: Factory, kind: MachineClass, rule: ExpressionRule) -> tuple[domain.Step, ...]:
    try:
        return check(
            rule.when,
            {name: signal.unit for name, signal in kind.signals.items()},
            reasons=frozenset(factory.stop_reasons),
            products=frozenset(factory.products),
            models=frozenset(binding.model for binding in kind.models),
        ).program
    except BadExpression as exc:
        raise BadRule("when", str(exc)) from exc


def _limit_deadband(kind: MachineClass, rule: LimitRule, limit: float) -> float:
    signal = kind.signals[rule.signal]
    if (rule.clear is None) == (rule.deadband is None):
        raise BadRule("limit", "a rule says either `clear` or `deadband`")
    if rule.deadband is not None:
        low, high = signal.range
        return _distance(rule.deadband, signal.unit, span=high - low)
    assert rule.clear is not None
    clear = _value(rule.clear, signal.unit, "clear")
    is_high = rule.kind in ("high", "highHigh")
    deadband = limit - clear if is_high else clear - limit
    if deadband < 0:
        side = "below" if is_high else "above"
        raise BadRule(
            "clear", f"clear {rule.clear} must be {side} the limit {rule.limit} of a {rule.kind} alarm"
        )
    return round(deadband, 9)


def _deviation(kind: MachineClass, rule: DeviationRule) -> domain.Deviation:
    signal = kind.signals[rule.signal]
    if (rule.target is None) == (rule.target_signal is None):
        raise BadRule("kind", "a deviation has either a `target` or a `target_signal`", "keep one of them")
    if rule.target_signal is not None and kind.signals[rule.target_signal].unit != signal.unit:
        other = kind.signals[rule.target_signal].unit
        raise BadRule("target_signal", f"{rule.signal} is in {signal.unit}, {rule.target_signal} in {other}")
    low, high = signal.range
    limit = _positive(_difference(rule.limit, signal.unit, "limit"), "limit")
    deadband = _distance(rule.deadband, signal.unit, span=high - low)
    if deadband > limit:
        raise BadRule("deadband", f"deadband {rule.deadband} is wider than the limit: it could never clear")
    target = None if rule.target is None else _value(rule.target, signal.unit, "target")
    return domain.Deviation(rule.kind, rule.signal, limit, deadband, target, rule.target_signal)


def _bounds(kind: MachineClass, rule: Rule, bounds: list[Quantity], made: domain.Rule) -> tuple[float, float]:
    """The limits that may be set; the described one is among them."""
    unit = (
        kind.signals[made.signal].unit
        if made.signal
        else _RATE_UNIT
        if isinstance(rule, CounterRule)
        else "1"
    )
    within = _difference if isinstance(rule, DeviationRule | RateRule) else _value
    low, high = (within(bound, unit, "adjustable") for bound in bounds)
    if made.limit is None or not low <= made.limit <= high:
        raise BadRule(
            "adjustable", f"the limit is not within {bounds[0]} and {bounds[1]}", "[lowest, highest]"
        )
    return low, high


def _value(quantity: Quantity, unit: str, key: str) -> float:
    try:
        return value_in(quantity, unit)
    except BadQuantity as exc:
        raise BadRule(key, str(exc)) from exc


def _difference(quantity: Quantity, unit: str, key: str) -> float:
    try:
        return difference_in(quantity, unit)
    except BadQuantity as exc:
        raise BadRule(key, str(exc)) from exc


def _distance(quantity: Quantity | None, unit: str, *, span: float | None = None) -> float:
    """A deadband; of a signal that is no percentage itself, `2 %` is a share of its range."""
    if quantity is None:
        return 0.0
    if span is not None and unit != "%" and isinstance(quantity, str) and quantity.endswith("%"):
        found = round(float(quantity.removesuffix("%")) / 100 * span, 9)
    else:
        found = _difference(quantity, unit, "deadband")
    if found < 0:
        raise BadRule("deadband", f"deadband {quantity} is negative: the alarm would clear beyond its limit")
    return found


def _positive(value: float, key: str) -> float:
    if value <= 0:
        raise BadRule(key, f"a {key} of {value:g} would always trip", "make it positive")
    return value


def _known(key: str, what: str, named: Sequence[str], known: Sequence[str]) -> None:
    for name in named:
        if name not in known:
            raise BadRule(key, f"unknown {what} {name}", f"there is {', '.join(known[:8]) or 'none'}")


def _states(words: Sequence[str]) -> tuple[PackMLState, ...]:
    return tuple(STATES_BY_WORD[word.lower()] for word in words)
