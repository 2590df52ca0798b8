"""Machine classes, and the products, models and state maps that they use."""

from collections.abc import Iterator

from millwright.checks.names import repeated, unknown
from millwright.model_cards import Cards, card_of
from millwright.quantities import BadQuantity, limit_rule
from millwright.source import Path, Problem
from shared.contracts.factory import Binding, Factory, MachineClass, Rule, Signal
from shared.contracts.units import UNITS, unit_of_name
from shared.domain.alarms.rules import Limit
from shared.domain.features import problems as feature_problems
from shared.domain.packml import STATES_BY_WORD

_DTMI = "dtmi:"


def class_problems(factory: Factory, cards: Cards | None) -> Iterator[Problem]:
    for name, kind in factory.classes.items():
        at: Path = ("classes", name)
        for signal, spec in kind.signals.items():
            yield from _signal_problems(signal, spec, (*at, "signals", signal))
        yield from repeated("rule", ((rule.id, (*at, "rules", i, "id")) for i, rule in enumerate(kind.rules)))
        for index, rule in enumerate(kind.rules):
            yield from rule_problems(rule, kind, (*at, "rules", index))
        for index, binding in enumerate(kind.models):
            yield from _binding_problems(binding, kind, cards, (*at, "models", index))
        if kind.state_map is not None and kind.state_map not in factory.state_maps:
            yield unknown("state map", kind.state_map, factory.state_maps, (*at, "state_map"))
        if kind.twin_model is not None and not kind.twin_model.startswith(_DTMI):
            yield Problem((*at, "twin_model"), f"{kind.twin_model} is no DTMI", "write dtmi:company:Name;1")
    yield from _product_problems(factory)
    yield from _state_map_problems(factory)


def rule_problems(
    rule: Rule, kind: MachineClass, at: Path, said: tuple[str, ...] | None = None
) -> Iterator[Problem]:
    """What is wrong with a rule; `said` names the keys that the place at hand gives."""
    signal = kind.signals.get(rule.signal)
    if signal is None:
        yield unknown("signal", rule.signal, kind.signals, (*at, "signal"))
        return
    if signal.unit not in UNITS:
        return
    keys = said or ("limit", "clear", "deadband")
    given = [key for key in keys if key in ("limit", "clear", "deadband") and getattr(rule, key) is not None]
    place = (*at, next((key for key in reversed(given)), "limit"))
    try:
        compiled = limit_rule(rule, signal.unit)
    except BadQuantity as exc:
        yield Problem(
            _blamed(str(exc), rule, at, place), f"rule {rule.id}: {exc}", f"{rule.signal} is in {signal.unit}"
        )
        return
    low, high = signal.range
    assert isinstance(compiled.condition, Limit)
    if not low < compiled.condition.limit < high:
        yield Problem(
            (*at, "limit"),
            f"rule {rule.id} can never trip: {rule.limit} is not inside the plausible range "
            f"of {rule.signal}, {low:g} to {high:g} {signal.unit}",
            "values outside the range are bad, never alarms: widen the range or change the limit",
        )
    elif compiled.condition.deadband >= high - low:
        yield Problem(
            place, f"rule {rule.id} can never clear: its deadband is wider than the range", "make it smaller"
        )


def _blamed(message: str, rule: Rule, at: Path, otherwise: Path) -> Path:
    """The key whose value the message quotes."""
    for key in ("clear", "deadband", "limit"):
        value = getattr(rule, key)
        if isinstance(value, str) and value in message:
            return (*at, key)
    return otherwise


def _signal_problems(name: str, signal: Signal, at: Path) -> Iterator[Problem]:
    low, high = signal.range
    if signal.unit not in UNITS:
        yield unknown("unit", signal.unit, UNITS, (*at, "unit"))
    elif (said := unit_of_name(name)) is not None and said != signal.unit:
        yield Problem(
            (*at, "unit"),
            f"signal {name} is in {signal.unit}, but its name says {said}",
            "rename it or change the unit",
        )
    if not low < high:
        yield Problem(
            (*at, "range"), f"range {low:g} to {high:g} of {name} is empty", "write [lowest, highest]"
        )
    elif signal.deadband >= high - low:
        yield Problem((*at, "deadband"), f"deadband of {name} is as wide as its range", "make it smaller")


def _binding_problems(
    binding: Binding, kind: MachineClass, cards: Cards | None, at: Path
) -> Iterator[Problem]:
    if cards is None:
        return
    card = card_of(binding, cards)
    if card is None and binding.model in cards:
        versions = [card.version for card in cards[binding.model]]
        yield unknown(f"version of {binding.model}:", str(binding.version), versions, (*at, "version"))
        return
    if card is None:
        yield unknown("model", binding.model, cards, (*at, "model"))
        return
    remedy = f"see models/{card.name}/{card.version}/card.md"
    for message in feature_problems(
        card.feature_names,
        inputs=tuple(binding.inputs.items()),
        attributes=tuple(binding.attributes),
        plan=card.plan,
        signal_names=tuple(kind.signals),
    ):
        yield Problem(at, f"model {card.name}: {message}", remedy)
    for channel in card.inputs:
        signal = kind.signals.get(binding.inputs.get(channel.name, ""))
        if signal is not None and _incomparable(channel.unit, signal.unit):
            yield Problem(
                (*at, "inputs", channel.name),
                f"model {card.name} takes {channel.name} in {channel.unit}, the signal is in {signal.unit}",
                remedy,
            )


def _incomparable(one: str, other: str) -> bool:
    """Whether a model would be fed the wrong numbers: rows are not converted."""
    return one in UNITS and other in UNITS and one != other and UNITS[other] != UNITS[one]


def _product_problems(factory: Factory) -> Iterator[Problem]:
    for name, product in factory.products.items():
        for kind in product.ideal_cycle_s:
            if kind not in factory.classes:
                yield unknown("class", kind, factory.classes, ("products", name, "ideal_cycle_s", kind))


def _state_map_problems(factory: Factory) -> Iterator[Problem]:
    for name, words in factory.state_maps.items():
        taken: dict[str, str] = {}
        for word, state in words.items():
            at: Path = ("state_maps", name, word)
            known = STATES_BY_WORD.get(word.lower())
            if known is not None and known.word != state:
                yield Problem(
                    at,
                    f"{word} is PackML's own state and cannot mean {state}",
                    "give the word another name in a device profile",
                )
            if taken.setdefault(word.lower(), state) != state:
                yield Problem(
                    at, f"{word} means both {taken[word.lower()]} and {state}", "capitals make no difference"
                )
