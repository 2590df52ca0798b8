"""Machine classes, and the products, models and state maps that they use."""

from collections.abc import Iterator

from millwright.checks.alarm_rules import cycle_problems, rule_problems
from millwright.checks.names import repeated, unknown
from millwright.model_cards import Cards, card_of
from millwright.source import Path, Problem
from shared.contracts.factory import Binding, Factory, MachineClass, ScoreRule, Signal
from shared.contracts.model_card import ModelCard
from shared.contracts.units import UNITS, unit_of_name
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
            yield from rule_problems(factory, kind, rule, (*at, "rules", index))
        yield from cycle_problems(kind.rules, at)
        for index, binding in enumerate(kind.models):
            yield from _binding_problems(binding, kind, cards, (*at, "models", index))
        for index, rule in enumerate(kind.rules):
            if isinstance(rule, ScoreRule):
                yield from _score_problems(rule, kind, cards, (*at, "rules", index, "limit"))
        yield from _maintenance_problems(kind, (*at, "maintenance"))
        if kind.state_map is not None and kind.state_map not in factory.state_maps:
            yield unknown("state map", kind.state_map, factory.state_maps, (*at, "state_map"))
        if kind.twin_model is not None and not kind.twin_model.startswith(_DTMI):
            yield Problem((*at, "twin_model"), f"{kind.twin_model} is no DTMI", "write dtmi:company:Name;1")
    yield from _product_problems(factory)
    yield from _state_map_problems(factory)


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
    if binding.threshold is not None:
        yield from _probability_problems(binding.threshold, card, (*at, "threshold"))
    remedy = f"see models/{card.name}/{card.version}/card.md"
    for message in feature_problems(
        card.feature_names,
        inputs=tuple(binding.inputs.items()),
        attributes=tuple(binding.attributes),
        plan=card.plan,
        signal_names=tuple(kind.signals),
        optional=tuple(channel.name for channel in card.inputs if channel.optional),
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


def _probability_problems(number: float, card: ModelCard, at: Path) -> Iterator[Problem]:
    if card.kind in ("failure", "quality") and number >= 1.0:
        yield Problem(
            at,
            f"{card.name} answers a probability, which never exceeds {number:g}",
            f"a number below 1; the card's threshold is {card.threshold:g}",
        )


def _score_problems(rule: ScoreRule, kind: MachineClass, cards: Cards | None, at: Path) -> Iterator[Problem]:
    bound = next((one for one in kind.models if one.model == rule.model), None)
    card = card_of(bound, cards) if bound is not None and cards is not None else None
    if card is not None:
        yield from _probability_problems(rule.limit, card, at)
        if card.kind == "remaining-life" and rule.direction == "above":
            yield Problem(
                at, f"{card.name} answers a remaining life: much of it is no alarm", "say `direction: below`"
            )


def _maintenance_problems(kind: MachineClass, at: Path) -> Iterator[Problem]:
    """The catalogue names models, signals and rules that the class has."""
    yield from repeated("task", ((task.id, (*at, i, "id")) for i, task in enumerate(kind.maintenance)))
    known: dict[str, tuple[str, list[str]]] = {
        "models": ("bound model", [binding.model for binding in kind.models]),
        "signals": ("signal", list(kind.signals)),
        "rules": ("rule", [rule.id for rule in kind.rules]),
        "renews": ("signal", list(kind.signals)),
    }
    for index, task in enumerate(kind.maintenance):
        for key, (what, names) in known.items():
            named: list[str] = getattr(task, key)
            for place, name in enumerate(named):
                if name not in names:
                    yield unknown(what, name, names, (*at, index, key, place))


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
