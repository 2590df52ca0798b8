"""What a well-formed description can still get wrong: names that lead nowhere, numbers that clash."""

from collections.abc import Iterator

from millwright.checks.classes import class_problems
from millwright.checks.machines import machine_problems
from millwright.checks.oee import oee_problems
from millwright.checks.profiles import profile_problems
from millwright.checks.reactions import reaction_problems
from millwright.checks.sites import site_problems
from millwright.model_cards import Cards
from millwright.source import Problem
from shared.contracts.factory import Factory


def problems(factory: Factory, cards: Cards | None) -> list[Problem]:
    """Everything wrong with a well-formed description. `cards` None: models cannot be checked."""
    return [
        *_band_problems(factory),
        *reaction_problems(factory),
        *class_problems(factory, cards),
        *profile_problems(factory),
        *site_problems(factory),
        *machine_problems(factory),
        *oee_problems(factory),
    ]


def _band_problems(factory: Factory) -> Iterator[Problem]:
    if factory.oee.yellow_ratio > factory.oee.green_ratio:
        yield Problem(
            ("oee", "yellow_ratio"), "yellow begins above green", "make yellow_ratio the smaller one"
        )
