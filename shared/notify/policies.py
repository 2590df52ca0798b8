"""Who hears of a notice: policies and recipients of a site's description, resolved. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from shared.contracts.reactions import Language, Notification, Person, Recipients, Team
from shared.contracts.spec_documents import SiteDocument
from shared.domain.alarms.life_cycle import PRIORITIES
from shared.domain.calendar import segment_at
from shared.notify.notice import Notice, told_of


@dataclass(frozen=True, slots=True)
class Address:
    """One place where messages go. `id` names it in `deliveries`."""

    id: str
    kind: Literal["webhook", "teams", "email"]
    language: Language
    url_setting: str
    secret_setting: str | None = None
    to: str = ""
    sender: str = ""


def wanted(
    notice: Notice, site: SiteDocument, *, machine_class: str | None, at: int
) -> tuple[Notification, ...]:
    """The policies that ask for this notice at that instant."""
    told = told_of(notice.event)
    if told is None:
        return ()
    data = notice.event["data"]
    rank = PRIORITIES.index(notice.priority)
    shift = shift_at(site, at)
    return tuple(
        policy
        for policy in site.notifications
        if told in policy.of
        and rank >= PRIORITIES.index(policy.min_priority)
        and _among(site.site_id, policy.sites)
        and _among(data.get("lineId"), policy.lines)
        and _among(machine_class, policy.classes)
        and _among(data.get("ruleId"), policy.rules)
        and _among(shift, policy.shifts)
    )


def shift_at(site: SiteDocument, at: int) -> str | None:
    """The shift that runs at the site; None between shifts."""
    shift_id = segment_at(site.calendar, at).shift_id
    return None if shift_id is None else shift_id.partition(".")[2]


def told_at(policy: Notification, step: int, reminder: int) -> tuple[str, ...]:
    """The recipients of a step; a reminder goes to all of them."""
    if reminder:
        return (*policy.notify, *(name for one in policy.escalate for name in one.notify))
    return tuple(policy.notify if step == 0 else policy.escalate[step - 1].notify)


def addresses(site: SiteDocument, policy: Notification, names: Iterable[str], *, at: int) -> list[Address]:
    """Where messages to these recipients go at that instant, each address once.

    A team whose shifts do not run now is whoever it names otherwise.
    """
    shift = shift_at(site, at)
    found = {one.id: one for name in names for one in _resolve(site.recipients, name, shift)}
    own = _own(policy)
    return [*([] if own is None else [own]), *found.values()]


def address(site: SiteDocument, policy_id: str, address_id: str) -> Address | None:
    """An address by its id, as the newest description has it; None: it is gone."""
    for policy in site.notifications:
        if policy.id == policy_id and address_id == f"{policy.id}.webhook":
            return _own(policy)
    recipients = site.recipients
    person = recipients.people.get(address_id)
    if person is not None:
        return _email(recipients, address_id, person)
    return (
        next(iter(_resolve(recipients, address_id, None)), None)
        if address_id in recipients.channels
        else None
    )


def _own(policy: Notification) -> Address | None:
    if policy.webhook_setting is None:
        return None
    return Address(f"{policy.id}.webhook", "webhook", "en", policy.webhook_setting)


def _resolve(recipients: Recipients, name: str, shift: str | None) -> Iterable[Address]:
    channel, person = recipients.channels.get(name), recipients.people.get(name)
    team = recipients.teams.get(name)
    if channel is not None:
        yield Address(name, channel.kind, channel.language, channel.url_setting, channel.secret_setting)
    elif person is not None:
        mail = _email(recipients, name, person)
        if mail is not None:
            yield mail
        for one in person.channels:
            yield from _resolve(recipients, one, shift)
    elif team is not None:
        for one in _members(team, shift):
            yield from _resolve(recipients, one, shift)


def _email(recipients: Recipients, name: str, person: Person) -> Address | None:
    if person.email is None or recipients.email is None:
        return None
    server = recipients.email
    return Address(name, "email", person.language, server.url_setting, to=person.email, sender=server.sender)


def _members(team: Team, shift: str | None) -> list[str]:
    on_duty = team.by_shift.get(shift or "")
    return [*team.always, *(team.otherwise if on_duty is None else on_duty)]


def _among(value: str | None, wanted: list[str]) -> bool:
    return not wanted or value in wanted
