"""What policies and actions can get wrong: recipients that nobody is, actions that no machine may be told."""

from collections.abc import Collection, Iterator

from millwright.checks.names import repeated, unknown
from millwright.documents import lines_of
from millwright.source import Path, Problem
from shared.contracts.factory import Factory
from shared.contracts.reactions import Action, Allowed


def reaction_problems(factory: Factory) -> Iterator[Problem]:
    yield from _recipient_problems(factory)
    yield from _policy_problems(factory)
    yield from _action_problems(factory)


def _recipient_problems(factory: Factory) -> Iterator[Problem]:
    given, root = factory.recipients, ("recipients",)
    groups = (("channels", given.channels), ("people", given.people), ("teams", given.teams))
    yield from repeated(
        "recipient", ((name, (*root, group, name)) for group, found in groups for name in found)
    )
    for name, person in given.people.items():
        place = (*root, "people", name)
        yield from _unknown("channel", person.channels, given.channels, (*place, "channels"))
        if person.email is not None and given.email is None:
            yield Problem((*place, "email"), "no mail server is described", "add recipients.email")
    shifts = {shift.id for site in factory.sites for shift in site.shifts}
    members = {*given.channels, *given.people}
    for name, team in given.teams.items():
        place = (*root, "teams", name)
        yield from _unknown("channel or person", team.always, members, (*place, "always"))
        yield from _unknown("channel or person", team.otherwise, members, (*place, "otherwise"))
        for shift, people in team.by_shift.items():
            if shift not in shifts:
                yield unknown("shift", shift, shifts, (*place, "by_shift", shift))
            yield from _unknown("channel or person", people, members, (*place, "by_shift", shift))
        if not team.always and not team.otherwise and shifts - set(team.by_shift):
            missing = ", ".join(sorted(shifts - set(team.by_shift)))
            yield Problem(place, f"nobody of {name} hears of anything in shift {missing}", "add otherwise")


def _policy_problems(factory: Factory) -> Iterator[Problem]:
    given = factory.recipients
    known = {*given.channels, *given.people, *given.teams}
    policies = factory.notifications
    yield from repeated("policy", ((one.id, ("notifications", n, "id")) for n, one in enumerate(policies)))
    names: dict[str, Collection[str]] = {
        "sites": {site.id for site in factory.sites},
        "lines": {line.id for site in factory.sites for _, line in lines_of(site)},
        "classes": factory.classes,
        "rules": _rules(factory),
        "shifts": {shift.id for site in factory.sites for shift in site.shifts},
    }
    for n, policy in enumerate(policies):
        place = ("notifications", n)
        yield from _unknown("recipient", policy.notify, known, (*place, "notify"))
        for m, step in enumerate(policy.escalate):
            yield from _unknown("recipient", step.notify, known, (*place, "escalate", m, "notify"))
        for kind, there in names.items():
            singular = "class" if kind == "classes" else kind[:-1]
            yield from _unknown(singular, getattr(policy, kind), there, (*place, kind))


def _action_problems(factory: Factory) -> Iterator[Problem]:
    allow, rules = factory.automation.allow, _rules(factory)
    for kind in allow:
        if kind not in factory.classes:
            yield unknown("class", kind, factory.classes, ("automation", "allow", kind))
    actions = factory.automation.actions
    for n, action in enumerate(actions):
        place = ("automation", "actions", n)
        if any(other.rule == action.rule and other.name == action.name for other in actions[:n]):
            yield Problem(
                place, f"{action.rule} has an action {action.name} already", "give it an id of its own"
            )
        if action.rule not in rules:
            yield unknown("rule", action.rule, rules, (*place, "rule"))
        yield from _unknown("class", action.classes, factory.classes, (*place, "classes"))
        having = [
            k for k, one in factory.classes.items() if any(rule.id == action.rule for rule in one.rules)
        ]
        for kind in action.classes or having:
            if kind in factory.classes:
                yield from _class_problems(factory, kind, action, allow.get(kind), place)


def _class_problems(
    factory: Factory, kind: str, action: Action, allowed: Allowed | None, place: Path
) -> Iterator[Problem]:
    mistake = action.mistake(allowed)
    if mistake is not None:
        yield Problem(
            place, f"{kind}: {mistake}", f"allow it under automation.allow.{kind}, or name other classes"
        )
    signal = action.confirm.signal if action.confirm else None
    signals = factory.classes[kind].signals
    if signal is not None and signal not in signals:
        yield unknown("signal", signal, signals, (*place, "confirm", "signal"))


def _rules(factory: Factory) -> set[str]:
    return {rule.id for kind in factory.classes.values() for rule in kind.rules}


def _unknown(kind: str, named: Collection[str], known: Collection[str], path: Path) -> Iterator[Problem]:
    for n, name in enumerate(named):
        if name not in known:
            yield unknown(kind, name, known, (*path, n))
