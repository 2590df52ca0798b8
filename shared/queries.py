"""What the API reads: point reads and indexed queries, never a scan over machines' histories.

Every list is newest first where its documents have a time, and comes in pages. A page may hold
fewer items than asked for: only a missing cursor says that it was the last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pydantic import BaseModel

from shared.commit import MACHINES, QUARANTINE
from shared.contracts.documents.base import names
from shared.contracts.documents.quarantine import Quarantined
from shared.contracts.http import (
    AlarmsAsked,
    AlarmStatisticsAsked,
    CallsAsked,
    ScopeOee,
    StopsAsked,
    WorkOrdersAsked,
)
from shared.instants import instant, iso
from shared.oee_documents import elements_from, indicators_document, losses_document
from shared.ports import Document, Documents, Refused
from shared.relay.scopes import SCOPES

HOUR_MS = 3_600_000
MINUTE_MS = 60_000

type Condition = tuple[str, str, Any]
"""(property, operator, value); a value of None asks nothing."""


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page: at most `limit` documents behind `cursor`, which an earlier page gave."""

    limit: int
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    items: list[Document]
    next_cursor: str | None


async def machines(documents: Documents, paging: Paging, *, site: str | None, line: str | None) -> Page:
    """The machines as their twins show them, in no particular order."""
    conditions: list[Condition] = [("type", "=", "twin"), ("siteId", "=", site), ("lineId", "=", line)]
    return await _page(documents, MACHINES, conditions, paging)


async def machine(documents: Documents, machine_id: str) -> Document | None:
    return await documents.get(MACHINES, machine_id, "twin")


_ALARM_STATES: dict[str, Condition] = {
    "active": ("active", "=", True),
    "unacknowledged": ("acknowledged", "=", False),
    "latched": ("state", "=", "latchedAcknowledged"),
    "shelved": ("state", "=", "shelved"),
    "suppressed": ("state", "=", "suppressedByDesign"),
    "outOfService": ("state", "=", "outOfService"),
}


async def alarms(documents: Documents, paging: Paging, asked: AlarmsAsked) -> Page:
    """Occurrences of alarms, by when they were raised or by how urgent they are."""
    conditions: list[Condition] = [
        ("type", "=", "alarm"),
        _ALARM_STATES.get(asked.state, ("state", "=", None)),
        ("siteId", "=", asked.site),
        ("lineId", "=", asked.line),
        ("ruleId", "=", asked.rule),
        ("alarmClass", "=", asked.alarm_class),
        ("priority", "=", asked.priority),
        ("raisedAt", ">=", asked.begin),
        ("raisedAt", "<", asked.end),
    ]
    by = "urgency" if asked.sort == "urgency" else "raisedAt"
    return await _page(
        documents,
        MACHINES,
        conditions,
        paging,
        newest=by,
        oldest_first=asked.sort == "oldest",
        partition=asked.machine,
    )


async def alarm_history(documents: Documents, alarm_id: str) -> list[Document]:
    """Everything that happened to an occurrence, the oldest first."""
    sql = "SELECT * FROM c WHERE c.type = 'journal' AND ARRAY_CONTAINS(c.alarmIds, @alarm) ORDER BY c.number"
    found = documents.query(MACHINES, sql, {"@alarm": alarm_id}, partition=alarm_id.rpartition(":")[0])
    return [
        entry async for journal in found for entry in journal["entries"] if entry.get("alarmId") == alarm_id
    ]


async def journal(
    documents: Documents, asked: AlarmStatisticsAsked, *, at_most: int
) -> list[Document] | None:
    """The journal's entries of a window, each with its machine; None when there are more than `at_most`."""
    page: str | None = None
    entries: list[Document] = []
    conditions: list[Condition] = [
        ("type", "=", "journal"),
        ("siteId", "=", asked.site),
        ("lineId", "=", asked.line),
        ("at", ">=", asked.begin),
        ("at", "<", asked.end),
    ]
    while True:
        found = await _page(
            documents, MACHINES, conditions, Paging(500, page), newest="at", partition=asked.machine
        )
        for one in found.items:
            entries += [{**entry, "machineId": one["machineId"]} for entry in one["entries"]]
        if len(entries) > at_most:
            return None
        page = found.next_cursor
        if page is None:
            return [entry for entry in entries if asked.begin <= entry["at"] < asked.end]


async def alarm(documents: Documents, alarm_id: str) -> Document | None:
    """One occurrence. Its id is `machine:n`, so its place is known."""
    machine_id = alarm_id.rpartition(":")[0]
    return await documents.get(MACHINES, machine_id, f"alarm:{alarm_id}") if machine_id else None


async def stops(
    documents: Documents, paging: Paging, machine_id: str, *, begin: str | None, end: str | None
) -> Page:
    """A machine's stops that started in [begin, end)."""
    return await _history(documents, paging, machine_id, "stop", "startedAt", begin, end)


async def all_stops(documents: Documents, paging: Paging, asked: StopsAsked) -> Page:
    """Stops of machines, lines or sites that started in [begin, end)."""
    conditions: list[Condition] = [
        ("type", "=", "stop"),
        ("state", "=", "unclassified" if asked.state == "unclassified" else None),
        ("active", "=", True if asked.state == "active" else None),
        ("siteId", "=", asked.site),
        ("lineId", "=", asked.line),
        ("startedAt", ">=", asked.begin),
        ("startedAt", "<", asked.end),
    ]
    return await _page(documents, MACHINES, conditions, paging, newest="startedAt", partition=asked.machine)


async def stop(documents: Documents, stop_id: str) -> Document | None:
    """One stop. Its id is `machine:n`, so its place is known."""
    machine_id = stop_id.rpartition(":")[0]
    return await documents.get(MACHINES, machine_id, f"stop:{stop_id}") if machine_id else None


async def stop_history(documents: Documents, found: Document) -> list[Document]:
    """What operators did to a stop, the oldest first. Found by its start, which is indexed."""
    sql = "SELECT * FROM c WHERE c.type = 'stopchange' AND c.startedAt = @start ORDER BY c.number"
    changes = documents.query(MACHINES, sql, {"@start": found["startedAt"]}, partition=found["machineId"])
    return [one async for one in changes if one["stopId"] == found["stopId"]]


async def predictions(
    documents: Documents, paging: Paging, machine_id: str, *, begin: str | None, end: str | None
) -> Page:
    """What a machine's models said of the time [begin, end)."""
    return await _history(documents, paging, machine_id, "prediction", "assessedAt", begin, end)


async def work_orders(documents: Documents, paging: Paging, asked: WorkOrdersAsked) -> Page:
    """Work orders by when they were opened."""
    conditions: list[Condition] = [
        ("type", "=", "workorder"),
        ("active", "=", True if asked.state == "open" else None),
        ("siteId", "=", asked.site),
        ("lineId", "=", asked.line),
    ]
    return await _page(documents, MACHINES, conditions, paging, newest="at", partition=asked.machine)


async def work_order(documents: Documents, order_id: str) -> Document | None:
    """One work order. Its id is `machine:n`, so its place is known."""
    machine_id = order_id.rpartition(":")[0]
    return await documents.get(MACHINES, machine_id, f"workorder:{order_id}") if machine_id else None


async def open_work_order(documents: Documents, machine_id: str, component: str) -> Document | None:
    """The open order for a component: there is one at most, and few of a machine."""
    sql = "SELECT * FROM c WHERE c.type = 'workorder' AND c.active = true"
    async for document in documents.query(MACHINES, sql, {}, partition=machine_id):
        if document["component"] == component:
            return document
    return None


async def calls(documents: Documents, paging: Paging, asked: CallsAsked) -> Page:
    """Calls of the models by when they were judged, else called."""
    conditions: list[Condition] = [
        ("type", "=", "call"),
        ("siteId", "=", asked.site),
        ("at", ">=", asked.begin),
        ("at", "<", asked.end),
    ]
    return await _page(documents, MACHINES, conditions, paging, newest="at", partition=asked.machine)


async def oee(
    documents: Documents, paging: Paging, scope: str, *, begin: str | None, end: str | None
) -> Page | None:
    """The shifts of a machine, line, area, site or enterprise that started in [begin, end).

    None when there is no such scope. Each item says its `scope` and `level`. Whether the scope
    exists is looked up only when nothing is found; a cursor belongs to one of the two containers.
    """
    conditions: list[Condition] = [("type", "=", "oee"), ("start", ">=", begin), ("start", "<", end)]
    page = Page([], None)
    for container, known in ((SCOPES, "status"), (MACHINES, "twin")):
        if paging.cursor is not None and await documents.get(container, scope, known) is None:
            continue
        page = await _page(
            documents, container, conditions, paging, newest="start", partition=scope, shown=ScopeOee
        )
        if page.items or page.next_cursor is not None:
            break
    else:
        if await documents.get(SCOPES, scope, "status") is None and await machine(documents, scope) is None:
            return None
    items = [
        {
            **document,
            "scope": scope,
            "level": document.get("level", "machine"),
            "grain": "shift",
            "period": document["shiftId"],
            "bucketIds": [f"{scope}:{document['shiftId']}"],
            "indicators": indicators_document(elements),
            "losses": losses_document(elements),
        }
        for document in page.items
        for elements in (elements_from(document),)
    ]
    return Page(items, page.next_cursor)


async def minutes(
    documents: Documents,
    paging: Paging,
    machine_id: str,
    *,
    begin: str | None,
    end: str | None,
    signal: str | None,
) -> Page:
    """Minute aggregates of [begin, end): {at, signals: {name: {count, min, mean, max, badCount}}}.

    The page is counted in hours: that is how they are kept. Minutes without a sample of any
    asked signal are left out.
    """
    first = None if begin is None else iso(instant(begin) // HOUR_MS * HOUR_MS)
    conditions: list[Condition] = [("type", "=", "minutes"), ("hour", ">=", first), ("hour", "<", end)]
    page = await _page(documents, MACHINES, conditions, paging, newest="hour", partition=machine_id)
    items = [minute for document in page.items for minute in _minutes(document, signal)]
    return Page(
        [
            item
            for item in items
            if (begin is None or begin <= item["at"]) and (end is None or item["at"] < end)
        ],
        page.next_cursor,
    )


async def quarantined(
    documents: Documents,
    paging: Paging,
    *,
    device: str | None = None,
    day: str | None = None,
    machine_id: str | None = None,
    reason: str | None = None,
) -> Page:
    """Rejected messages by arrival. `day` is yyyymmdd, by arrival in UTC, and needs the device."""
    partition = f"{device}/{day}" if device is not None and day is not None else None
    conditions: list[Condition] = [
        ("device", "=", device if partition is None else None),
        ("machineId", "=", machine_id),
        ("reason", "=", reason),
    ]
    return await _page(
        documents,
        QUARANTINE,
        conditions,
        paging,
        newest="arrivedAt",
        partition=partition,
        shown=Quarantined,
    )


async def quarantined_message(documents: Documents, device_day: str, document_id: str) -> Document | None:
    return await documents.get(QUARANTINE, device_day, document_id)


async def _history(
    documents: Documents,
    paging: Paging,
    machine_id: str,
    kind: str,
    by: str,
    begin: str | None,
    end: str | None,
) -> Page:
    conditions: list[Condition] = [("type", "=", kind), (by, ">=", begin), (by, "<", end)]
    return await _page(documents, MACHINES, conditions, paging, newest=by, partition=machine_id)


async def _page(
    documents: Documents,
    container: str,
    conditions: Sequence[Condition],
    paging: Paging,
    *,
    newest: str | None = None,
    oldest_first: bool = False,
    partition: str | None = None,
    shown: type[BaseModel] | None = None,
) -> Page:
    """`shown` reads only what that contract shows, where documents hold much more."""
    asked = [condition for condition in conditions if condition[2] is not None]
    clauses = [f"c.{name} {operator} @p{n}" for n, (name, operator, _) in enumerate(asked)]
    wanted = "*" if shown is None else ", ".join(f'c["{name}"]' for name in names(shown))
    sql = f"SELECT {wanted} FROM c"
    if clauses:
        sql += f" WHERE {' AND '.join(clauses)}"
    if newest is not None:
        sql += f" ORDER BY c.{newest}" + ("" if oldest_first else " DESC")
    parameters = {f"@p{n}": value for n, (_, _, value) in enumerate(asked)}
    mark = _mark(sql, parameters, partition)
    items, cursor = await documents.page(
        container,
        sql,
        parameters,
        partition=partition,
        limit=paging.limit,
        cursor=_unmarked(mark, paging.cursor),
    )
    return Page(items, None if cursor is None else f"{mark}.{cursor}")


def _mark(sql: str, parameters: Mapping[str, Any], partition: str | None) -> str:
    """What a cursor says of its query, so that another query's is noticed."""
    return sha256(repr((sql, sorted(parameters.items()), partition)).encode()).hexdigest()[:8]


def _unmarked(mark: str, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    given, _, rest = cursor.partition(".")
    if given != mark or not rest:
        raise Refused("the cursor belongs to another query: keep the filters while you turn pages")
    return rest


def _minutes(document: Document, signal: str | None) -> list[Document]:
    """The rows of an hour, newest first, by signal."""
    start = instant(document["hour"])
    names: list[str] = document["signals"]
    found: list[Document] = []
    for minute, row in sorted(document["rows"].items(), key=lambda entry: -int(entry[0])):
        signals = {
            name: {"count": n, "min": low, "mean": mean, "max": high, "badCount": bad}
            for name, (n, low, mean, high, bad) in zip(names, row, strict=True)
            if signal in (None, name) and (n or bad)
        }
        if signals:
            found.append({"at": iso(start + int(minute) * MINUTE_MS), "signals": signals})
    return found
