"""Routes of alarms: lists, histories, what operators do, and how the alarm system does."""

from collections import defaultdict
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from functions.answers import command_id, paged, paging, public
from functions.commands import DONE, carried_out, is_stale
from functions.http import Answer, Call, Problem, Route
from functions.principal import Role
from shared import queries
from shared.alarm_statistics import statistics
from shared.commit import Loaded
from shared.contracts import http
from shared.domain.alarms.inputs import (
    Acknowledge,
    ChangeSetPoint,
    Command,
    Comment,
    Reset,
    ReturnToService,
    Shelve,
    TakeOutOfService,
    Unshelve,
)
from shared.domain.alarms.occurrences import applies, limit_now
from shared.instants import instant, iso_or_none
from shared.ports import Document

_MONTH_MS = 31 * 86_400_000
_ENTRIES_MAX = 100_000

type Make = Callable[[str, str, int, int | None], Command]
"""(command id, who, now, expected version) -> command."""


async def alarms(call: Call) -> Answer:
    """Occurrences of alarms, newest first unless sorted otherwise."""
    asked: http.AlarmsAsked = call.asked
    return paged(http.Alarm, await queries.alarms(call.backend.documents, paging(asked), asked))


async def alarm(call: Call) -> Answer:
    """One occurrence of an alarm with its whole history."""
    return await _with_history(call, await _found(call))


async def acknowledge_alarm(call: Call) -> Answer:
    """Acknowledge an alarm in the caller's name.

    A request that repeats its Idempotency-Key answers as the first one did, for 7 days. A key
    belongs to one caller and one alarm. With If-Match, an alarm that changed meanwhile is a conflict.
    """
    body: http.Acknowledgement = call.body
    alarm_id = call.path["alarmId"]
    return await _on_alarm(
        call, lambda key, who, now, seen: Acknowledge(key, alarm_id, who, now, body.comment, seen)
    )


async def acknowledge_alarms(call: Call) -> Answer:
    """Acknowledge several alarms, each by itself: what cannot be is told beside the others."""
    assert call.principal is not None
    body: http.Acknowledgements = call.body
    by_machine: dict[str, list[str]] = defaultdict(list)
    for alarm_id in dict.fromkeys(body.alarm_ids):
        by_machine[alarm_id.rpartition(":")[0]].append(alarm_id)
    outcomes: dict[str, str] = {}
    who, key = call.principal.name, call.idempotency_key or str(uuid4())
    for machine_id, mine in by_machine.items():
        for alarm_id in mine:
            command = Acknowledge(command_id(who, alarm_id, key), alarm_id, who, call.now, body.comment)
            outcomes[alarm_id] = await _carried_out(call, machine_id, command)
    items = [{"alarmId": alarm_id, "outcome": outcomes[alarm_id]} for alarm_id in outcomes]
    return Answer({"items": items})


async def comment_alarm(call: Call) -> Answer:
    """Write something about an alarm that is not over."""
    body: http.Remark = call.body
    alarm_id = call.path["alarmId"]
    return await _on_alarm(
        call, lambda key, who, now, seen: Comment(key, alarm_id, who, now, body.comment, seen)
    )


async def reset_alarm(call: Call) -> Answer:
    """Let go of a latched alarm whose condition has returned and that is acknowledged."""
    body: http.Acknowledgement = call.body
    alarm_id = call.path["alarmId"]
    return await _on_alarm(
        call, lambda key, who, now, seen: Reset(key, alarm_id, who, now, body.comment, seen)
    )


async def shelve_alarm(call: Call) -> Answer:
    """Hide an alarm for a time; it comes back by itself."""
    body: http.Shelving = call.body
    rule_id = (await _found(call))["ruleId"]
    until = call.now + body.minutes * 60_000
    return await _on_alarm(
        call, lambda key, who, now, seen: Shelve(key, rule_id, who, now, body.reason, until, seen)
    )


async def unshelve_alarm(call: Call) -> Answer:
    """Let a shelved alarm be raised again."""
    body: http.Acknowledgement = call.body
    rule_id = (await _found(call))["ruleId"]
    return await _on_alarm(
        call, lambda key, who, now, seen: Unshelve(key, rule_id, who, now, body.comment, seen)
    )


async def rules(call: Call) -> Answer:
    """A machine's alarm rules and how each of them is now."""
    return _rules(await _machine(call))


async def shelve_rule(call: Call) -> Answer:
    """Hide a rule's alarm for a time, whether it is raised or not."""
    body: http.Shelving = call.body
    until = call.now + body.minutes * 60_000
    rule_id = call.path["ruleId"]
    return await _on_rule(call, lambda key, who, now, _: Shelve(key, rule_id, who, now, body.reason, until))


async def unshelve_rule(call: Call) -> Answer:
    """Let a shelved rule's alarm be raised again."""
    rule_id = call.path["ruleId"]
    return await _on_rule(call, lambda key, who, now, _: Unshelve(key, rule_id, who, now, call.body.comment))


async def take_out_of_service(call: Call) -> Answer:
    """Maintenance begins on what a rule watches, or without a rule on the whole machine."""
    body: http.Service = call.body
    rule_id = call.path.get("ruleId", "")
    return await _on_rule(
        call,
        lambda key, who, now, _: TakeOutOfService(key, rule_id, who, now, body.reason, body.work_order),
    )


async def return_to_service(call: Call) -> Answer:
    """Maintenance is over: alarms are judged anew, with their whole delays."""
    body: http.Service = call.body
    rule_id = call.path.get("ruleId", "")
    return await _on_rule(
        call, lambda key, who, now, _: ReturnToService(key, rule_id, who, now, body.reason, body.work_order)
    )


async def change_set_point(call: Call) -> Answer:
    """Another limit for an adjustable rule, from the next reading on."""
    body: http.SetPoint = call.body
    rule_id = call.path["ruleId"]
    return await _on_rule(
        call, lambda key, who, now, _: ChangeSetPoint(key, rule_id, who, now, body.value, body.reason)
    )


async def alarm_statistics(call: Call) -> Answer:
    """How the alarm system does, by ISA-18.2 and EEMUA 191."""
    asked: http.AlarmStatisticsAsked = call.asked
    begin, end = instant(asked.begin), instant(asked.end)
    if not begin < end <= begin + _MONTH_MS:
        detail = "`to` must be after `from`, by 31 days at most: ask for a shorter time."
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid-parameters", detail)
    entries = await queries.journal(call.backend.documents, asked, at_most=_ENTRIES_MAX)
    if entries is None:
        detail = f"More than {_ENTRIES_MAX:,} entries: ask for a shorter time, a line or a machine."
        raise Problem(HTTPStatus.BAD_REQUEST, "too-much", detail)
    standing: list[Document] = []
    cursor: str | None = None
    active = http.AlarmsAsked.model_validate(
        {
            name: value
            for name, value in (("site", asked.site), ("line", asked.line), ("machine", asked.machine))
            if value is not None
        }
    )
    while True:
        found = await queries.alarms(call.backend.documents, queries.Paging(200, cursor), active)
        standing += found.items
        cursor = found.next_cursor
        if cursor is None:
            return Answer(statistics(entries, standing, begin=begin, end=end))


async def _found(call: Call) -> Document:
    alarm_id = call.path["alarmId"]
    found = await queries.alarm(call.backend.documents, alarm_id)
    if found is None:
        detail = f"There is no alarm {alarm_id}. GET /api/alarms?state=all lists them."
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-alarm", detail)
    return found


async def _with_history(call: Call, found: Document) -> Answer:
    history = await queries.alarm_history(call.backend.documents, found["alarmId"])
    return Answer({**public(http.Alarm, found), "history": history}, found["_etag"])


async def _on_alarm(call: Call, make: Make) -> Answer:
    """Carry out a command on an occurrence; 409 with the alarm as it is when that cannot be."""
    assert call.principal is not None
    found = await _found(call)
    alarm_id, who = found["alarmId"], call.principal.name
    key = command_id(who, alarm_id, call.idempotency_key or str(uuid4()))
    if await is_stale(call, found, key):
        raise _conflict(found, "it has changed since you read it")
    expected = None if call.if_match in (None, "*") else found["version"]
    outcome = await _carried_out(call, found["machineId"], make(key, who, call.now, expected))
    found = await _found(call)
    if outcome != DONE:
        raise _conflict(found, outcome)
    return Answer(public(http.Alarm, found), found["_etag"])


def _conflict(found: Document, why: str) -> Problem:
    detail = f"Nothing was done to {found['alarmId']}: {why}. `alarm` is its present state."
    return Problem(HTTPStatus.CONFLICT, "not-possible-now", detail, alarm=public(http.Alarm, found))


async def _on_rule(call: Call, make: Make) -> Answer:
    assert call.principal is not None
    loaded = await _machine(call)
    machine_id, who = loaded.spec.machine_id, call.principal.name
    rule_id = call.path.get("ruleId")
    if rule_id is not None and rule_id not in loaded.spec.watch.by_id:
        known = ", ".join(loaded.spec.watch.by_id)
        detail = f"{machine_id} has no rule {rule_id}. It has {known or 'none'}."
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-rule", detail)
    key = command_id(who, machine_id, rule_id or "", call.idempotency_key or str(uuid4()))
    outcome = await _carried_out(call, machine_id, make(key, who, call.now, None))
    if outcome != DONE:
        detail = f"Nothing was done: {outcome}. GET /api/machines/{machine_id}/rules shows the present state."
        raise Problem(HTTPStatus.CONFLICT, "not-possible-now", detail)
    return _rules(await _machine(call))


async def _carried_out(call: Call, machine_id: str, command: Command) -> str:
    return await carried_out(call, machine_id, command) or "there is no such machine"


async def _machine(call: Call) -> Loaded:
    """The machine as the store has it now."""
    machine_id = call.path["machineId"]
    call.backend.machines.forget(machine_id)
    loaded = await call.backend.machines.load(machine_id)
    if loaded is None:
        detail = f"There is no machine {machine_id}. GET /api/machines lists them; ids are case-sensitive."
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-machine", detail)
    return loaded


def _rules(loaded: Loaded) -> Answer:
    spec, state = loaded.spec, loaded.state
    items: list[dict[str, Any]] = []
    for rule in spec.rules:
        record = state.alarms.get(rule.rule_id)
        changed = state.set_points.get(rule.rule_id)
        normal = "normal" if applies(spec, state, rule, state.reading_at) else "suppressedByDesign"
        if state.outage is not None:
            normal = "outOfService"
        items.append(
            {
                "ruleId": rule.rule_id,
                "kind": rule.condition.kind,
                "priority": rule.priority,
                "state": record.state if record is not None and record.alarm_id else normal,
                "alarmId": (record.alarm_id or None) if record is not None else None,
                "limit": limit_now(state, rule),
                "describedLimit": rule.limit,
                "unit": spec.unit_of(rule),
                "setBy": changed.who if changed is not None else None,
                "shelvedUntil": iso_or_none(record.until) if record is not None else None,
            }
        )
    outage = state.outage
    return Answer({"outOfService": outage.why if outage is not None else None, "items": items})


_MISSING = (HTTPStatus.NOT_FOUND,)
_REFUSABLE = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


def _command(
    name: str, template: str, handler: Any, body: Any, gives: Any = http.Alarm, role: Role = Role.OPERATOR
) -> Route:
    return Route(
        name,
        "POST",
        template,
        handler,
        role,
        http.NoParameters,
        gives,
        body,
        tagged=gives is http.Alarm,
        keyed=True,
        problems=_REFUSABLE,
    )


_ALARM = "alarms/{alarmId}"
_MACHINE = "machines/{machineId}"
_RULE = "machines/{machineId}/rules/{ruleId}"

ROUTES = (
    Route("alarms", "GET", "alarms", alarms, Role.VIEWER, http.AlarmsAsked, http.AlarmsPage),
    Route(
        "alarm_statistics",
        "GET",
        "alarm-statistics",
        alarm_statistics,
        Role.VIEWER,
        http.AlarmStatisticsAsked,
        http.AlarmStatistics,
    ),
    Route(
        "alarm",
        "GET",
        _ALARM,
        alarm,
        Role.VIEWER,
        http.NoParameters,
        http.AlarmWithHistory,
        tagged=True,
        problems=_MISSING,
    ),
    _command("acknowledge_alarm", f"{_ALARM}/acknowledge", acknowledge_alarm, http.Acknowledgement),
    _command(
        "acknowledge_alarms",
        "acknowledge-alarms",
        acknowledge_alarms,
        http.Acknowledgements,
        http.AcknowledgedPage,
    ),
    _command("comment_alarm", f"{_ALARM}/comment", comment_alarm, http.Remark),
    _command("reset_alarm", f"{_ALARM}/reset", reset_alarm, http.Acknowledgement),
    _command("shelve_alarm", f"{_ALARM}/shelve", shelve_alarm, http.Shelving),
    _command("unshelve_alarm", f"{_ALARM}/unshelve", unshelve_alarm, http.Acknowledgement),
    Route(
        "rules",
        "GET",
        f"{_MACHINE}/rules",
        rules,
        Role.VIEWER,
        http.NoParameters,
        http.RulesPage,
        problems=_MISSING,
    ),
    _command("shelve_rule", f"{_RULE}/shelve", shelve_rule, http.Shelving, http.RulesPage),
    _command("unshelve_rule", f"{_RULE}/unshelve", unshelve_rule, http.Acknowledgement, http.RulesPage),
    _command(
        "rule_out_of_service", f"{_RULE}/out-of-service", take_out_of_service, http.Service, http.RulesPage
    ),
    _command(
        "rule_to_service", f"{_RULE}/return-to-service", return_to_service, http.Service, http.RulesPage
    ),
    _command(
        "change_set_point",
        f"{_RULE}/set-point",
        change_set_point,
        http.SetPoint,
        http.RulesPage,
        Role.ENGINEER,
    ),
    _command(
        "out_of_service", f"{_MACHINE}/out-of-service", take_out_of_service, http.Service, http.RulesPage
    ),
    _command(
        "return_to_service", f"{_MACHINE}/return-to-service", return_to_service, http.Service, http.RulesPage
    ),
)
