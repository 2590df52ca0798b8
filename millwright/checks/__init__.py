"""What a well-formed description can still get wrong: names that lead nowhere, numbers that clash."""

from collections.abc import Iterator

from millwright.checks.classes import class_problems
from millwright.checks.machines import machine_problems
from millwright.checks.names import unknown
from millwright.checks.oee import oee_problems
from millwright.checks.profiles import profile_problems
from millwright.checks.sites import site_problems
from millwright.model_cards import Cards
from millwright.source import Problem
from shared.contracts.factory import Factory


def problems(factory: Factory, cards: Cards | None) -> list[Problem]:
    """Everything wrong with a well-formed description. `cards` None: models cannot be checked."""
    return [
        *_policy_problems(factory),
        *class_problems(factory, cards),
        *profile_problems(factory),
        *site_problems(factory),
        *machine_problems(factory),
        *oee_problems(factory),
    ]


def _policy_problems(factory: Factory) -> Iterator[Problem]:
    if factory.oee.yellow_ratio > factory.oee.green_ratio:
        yield Problem(
            ("oee", "yellow_ratio"), "yellow begins above green", "make yellow_ratio the smaller one"
        )
    sites = {site.id for site in factory.sites}
    for index, policy in enumerate(factory.notifications):
        for place, site in enumerate(policy.sites):
            if site not in sites:
                yield unknown("site", site, sites, ("notifications", index, "sites", place))
    rules = {rule.id for kind in factory.classes.values() for rule in kind.rules}
    for index, action in enumerate(factory.automation.actions):
        if action.rule not in rules:
            yield unknown("rule", action.rule, rules, ("automation", "actions", index, "rule"))
