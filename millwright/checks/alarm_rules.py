"""Alarm rules: what they watch, in which units, whether they can trip and clear, whom they refer to."""

from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter

from millwright.alarm_rules import BadRule, compiled
from millwright.checks.names import unknown
from millwright.source import Path, Problem
from shared.contracts.factory import ExpressionRule, Factory, MachineClass, Rule
from shared.contracts.units import UNITS
from shared.domain.alarms.rules import RULES_MAX, Limit

_SIGNALS = ("signal", "target_signal")
_QUOTED = ("clear", "deadband", "limit", "target")


def rule_problems(
    factory: Factory, kind: MachineClass, rule: Rule, at: Path, said: Sequence[str] | None = None
) -> Iterator[Problem]:
    """What is wrong with a rule; `said` names the keys that the place at hand gives."""
    names = [(key, name) for key in _SIGNALS if (name := getattr(rule, key, None)) is not None]
    lost = [
        unknown("signal", name, kind.signals, (*at, key)) for key, name in names if name not in kind.signals
    ]
    yield from lost
    if lost or any(kind.signals[name].unit not in UNITS for _, name in names):
        return
    for index, product in enumerate(rule.products):
        if product not in factory.products:
            yield unknown("product", product, factory.products, (*at, "products", index))
    unit = f"{names[0][1]} is in {kind.signals[names[0][1]].unit}" if names else ""
    try:
        made = compiled(factory, kind, rule)
    except BadRule as exc:
        key = exc.key if said is None or exc.key in said else _given(rule, said)
        yield Problem((*at, key), f"rule {rule.id}: {exc}", exc.remedy or unit)
        return
    if isinstance(made.condition, Limit):
        low, high = kind.signals[made.condition.signal].range
        if not low < made.condition.limit < high:
            yield Problem(
                (*at, "limit"),
                f"rule {rule.id} can never trip: {made.condition.limit:g} is not inside the plausible range "
                f"of {made.condition.signal}, {low:g} to {high:g}",
                "values outside the range are bad, never alarms: widen the range or change the limit",
            )
        elif made.condition.deadband >= high - low:
            place = "clear" if getattr(rule, "clear", None) is not None else "deadband"
            yield Problem(
                (*at, place),
                f"rule {rule.id} can never clear: its deadband is wider than the range",
                "make it smaller",
            )


def cycle_problems(rules: Sequence[Rule], at: Path) -> Iterator[Problem]:
    """Expressions that ask about rules that do not exist, or about each other in a circle."""
    known = {rule.id for rule in rules}
    places = {rule.id: (*at, "rules", index, "when") for index, rule in enumerate(rules)}
    graph: dict[str, list[str]] = {}
    for rule in rules:
        asked = _asked(rule)
        graph[rule.id] = [name for name in asked if name in known]
        for name in asked:
            if name not in known:
                yield unknown("rule", name, known, places[rule.id])
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as exc:
        circle: list[str] = exc.args[1]
        yield Problem(
            places[circle[0]],
            f"rules ask about each other in a circle: {' -> '.join(reversed(circle))}",
            "let one of them do without the other's alarm",
        )
    if len(rules) > RULES_MAX:
        yield Problem(
            (*at, "rules"),
            f"{len(rules)} rules for one machine, at most {RULES_MAX}",
            "one reading may trip them all, and that must fit into one commit: divide the machine",
        )


def _asked(rule: Rule) -> list[str]:
    """The rules that a rule's text names; a text that is broken is another check's business."""
    return _names(rule.when) if isinstance(rule, ExpressionRule) else []


def _names(text: str) -> list[str]:
    return [part.partition(")")[0].strip() for part in text.split("alarm(")[1:]]


def _given(rule: Rule, said: Sequence[str]) -> str:
    """Of the keys that a change gives, the one to blame."""
    quoted = [key for key in _QUOTED if key in said]
    return quoted[0] if quoted else (said[-1] if said else "id")
