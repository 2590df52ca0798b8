"""OEE of hours, days, weeks, products and orders: sums of what is stored, divided last.

Days and weeks sum the shifts of any scope; a shift belongs to the local date on which it starts.
Hours, products and orders sum a machine's ledger.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Protocol
from zoneinfo import ZoneInfo

from shared.commit import MACHINES
from shared.contracts.spec_documents import MachinePart, SiteDocument
from shared.domain import oee_parts
from shared.domain.elements import OeeElements
from shared.domain.kpi import total
from shared.domain.ledger import HOUR_MS
from shared.domain.spec import Bands
from shared.instants import instant, iso
from shared.oee_documents import (
    bucket_document,
    elements_from,
    indicators_document,
    losses_document,
    oee_ratios,
)
from shared.oee_ledger import LONGEST_PAGE_MS, newest, pages, shift
from shared.ports import Document, Documents, Refused
from shared.queries import Page, Paging
from shared.relay.rollup import merged
from shared.relay.scopes import SCOPES

DAY_MS = 24 * HOUR_MS
_FURTHEST_EAST_MS, _FURTHEST_WEST_MS = 14 * HOUR_MS, 12 * HOUR_MS
"""A local date begins so much before or after the same date in UTC."""


class Sites(Protocol):
    """What is described at present: time zones, and the limits of the colours."""

    async def current_site(self, site_id: str) -> SiteDocument | None: ...

    async def machine_of(self, site_id: str, line_id: str, machine_id: str) -> MachinePart | None: ...


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked about: where its buckets are, its time zone, and its limits by date."""

    id: str
    level: str
    container: str
    zone: str = "UTC"
    bands: tuple[Bands, ...] = (Bands(0, 0.9, 0.8),)
    first: str | None = None
    """Of a line: the machine that units come to first."""


@dataclass(frozen=True, slots=True)
class Group:
    """Everything of one hour, day, week, product or order."""

    period: str
    parts: list[OeeElements]
    bucket_ids: set[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What starts in [begin, end); of hours, days and weeks the newest first."""

    paging: Paging
    begin: str | None
    end: str | None


async def scope_of(documents: Documents, sites: Sites, scope_id: str) -> Scope | None:
    """The scope of that id: one that has a roll-up, or a machine. None when there is neither."""
    status = await documents.get(SCOPES, scope_id, "status")
    if status is not None:
        return await _roll_up(documents, sites, scope_id, status["level"])
    twin = await documents.get(MACHINES, scope_id, "twin")
    if twin is None:
        return None
    site = await sites.current_site(twin["siteId"])
    if site is None:
        return Scope(scope_id, "machine", MACHINES)
    machine = await sites.machine_of(twin["siteId"], twin["lineId"], scope_id)
    own = () if machine is None else machine.bands
    return Scope(scope_id, "machine", MACHINES, site.calendar.zone, _usual(site) + own)


async def _roll_up(documents: Documents, sites: Sites, scope_id: str, level: str) -> Scope:
    """A line's, area's or site's limits are its site's; an enterprise's are any of its sites'."""
    plain = Scope(scope_id, level, SCOPES)
    child_id, below, site = scope_id, level, None
    while site is None and below != "machine":
        if below == "site":
            site = await sites.current_site(child_id)
            break
        found = await documents.get(SCOPES, child_id, "status")
        if found is None or not found["children"]:
            return plain
        child_id = min(found["children"])
        below = {"enterprise": "site", "area": "line"}.get(below, "machine")
    if site is None:
        twin = await documents.get(MACHINES, child_id, "twin")
        site = None if twin is None else await sites.current_site(twin["siteId"])
    if site is None:
        return plain
    line = site.line_oee.get(scope_id)
    own: dict[str, tuple[Bands, ...]] = {
        "line": () if line is None else line.bands,
        "area": site.area_bands.get(scope_id, ()),
        "site": site.bands,
        "enterprise": site.enterprise_bands,
    }
    zone = "UTC" if level == "enterprise" else site.calendar.zone
    first = line.first if line is not None and level == "line" else None
    return replace(plain, zone=zone, bands=_usual(site) + own[level], first=first)


def _usual(site: SiteDocument) -> tuple[Bands, ...]:
    return (Bands(0, site.green_ratio, site.yellow_ratio),)


async def buckets(
    documents: Documents, scope: Scope, *, begin: str | None, end: str | None
) -> AsyncIterator[OeeElements]:
    """A scope's shifts that start in [begin, end), the newest first; read as far as they are asked for."""
    sql = "SELECT * FROM c WHERE c.type = 'oee'"
    if scope.container == SCOPES:
        wanted = ("id", "shiftId", "start", "end", "measuredAt", "final", "elements", "resetCount")
        names = ", ".join(f'c["{name}"]' for name in (*wanted, "lateCount", "flags", "version"))
        sql = f"SELECT {names} FROM c WHERE c.type = 'oee'"
    parameters: dict[str, str] = {}
    for name, operator, value in (("begin", ">=", begin), ("end", "<", end)):
        if value is not None:
            sql += f" AND c.start {operator} @{name}"
            parameters[f"@{name}"] = value
    sql += " ORDER BY c.start DESC"
    async for document in documents.query(scope.container, sql, parameters, partition=scope.id):
        yield elements_from(document)


async def by_date(documents: Documents, scope: Scope, grain: str, asked: Asked) -> Page:
    """Days, or weeks from Monday to Sunday (ISO 8601), of any scope."""
    last = _after(asked, scope, grain)
    end = asked.end
    if last is not None:
        begun = _midnight(date.fromisoformat(last)) + _FURTHEST_WEST_MS
        end = min(filter(None, (end, iso(begun))))
    groups: dict[str, Group] = {}
    async for bucket in buckets(documents, scope, begin=asked.begin, end=end):
        day = production_day(bucket, scope.zone)
        first = day - timedelta(days=day.weekday() if grain == "week" else 0)
        if len(groups) > asked.paging.limit:
            oldest = date.fromisoformat(sorted(groups, reverse=True)[asked.paging.limit - 1])
            if bucket.start < _midnight(oldest) - _FURTHEST_EAST_MS:
                break
        key = first.isoformat()
        if last is None or key < last:
            year, week, _ = first.isocalendar()
            period = f"{year}-W{week:02}" if grain == "week" else key
            _add(groups, key, period, bucket, f"{scope.id}:{bucket.shift_id}")
    return _page(scope, grain, asked, groups, newest_first=True)


def production_day(bucket: OeeElements, zone: str) -> date:
    """The local date on which a shift starts: its id says so; time between shifts by the scope's zone."""
    written, _, _ = bucket.shift_id.partition(".")
    if written != "unscheduled":
        return date.fromisoformat(written)
    return datetime.fromtimestamp(bucket.start / 1000, UTC).astimezone(ZoneInfo(zone)).date()


async def by_hour(documents: Documents, scope: Scope, asked: Asked) -> Page:
    """A machine's hours (UTC); an hour that two shifts share is one item each."""
    last = _after(asked, scope, "hour")
    reach = None if asked.begin is None else iso(instant(asked.begin) - LONGEST_PAGE_MS)
    ends = [asked.end, None if last is None else iso(instant(last[:24]) + HOUR_MS)]
    groups: dict[str, Group] = {}

    def put(hour: int, part: OeeElements) -> None:
        key = f"{iso(hour)}/{part.shift_id}"
        started = iso(max(hour, part.start))
        wanted = (asked.begin is None or asked.begin <= started) and (
            asked.end is None or started < asked.end
        )
        if wanted and (last is None or key < last):
            _add(groups, key, iso(hour), part, f"{scope.id}:{part.shift_id}")

    if last is None and (running := await newest(documents, scope.id)) is not None and not running.final:
        now = await shift(documents, scope.id, running)
        if now.rest.times_ms and not now.newer_count:
            put(max(now.rest.start, running.measured_at - 1) // HOUR_MS * HOUR_MS, now.rest)
    end = min(filter(None, ends), default=None)
    async for page in pages(documents, scope.id, begin=reach, end=end):
        if len(groups) > asked.paging.limit:
            oldest = sorted(groups, reverse=True)[asked.paging.limit - 1]
            if page.elements.start < instant(oldest[:24]):
                break
        for hour, part in oee_parts.hours(page.elements, page.intervals):
            put(hour, part)
    return _page(scope, "hour", asked, groups, newest_first=True)


async def by_part(documents: Documents, scope: Scope, grain: str, asked: Asked) -> Page:
    """A machine's products or orders of a stretch of closed pages, in the order of their names."""
    last = _after(asked, scope, grain)
    groups: dict[str, Group] = {}
    async for page in pages(documents, scope.id, begin=asked.begin, end=asked.end):
        for (product, order), part in oee_parts.shares(page.elements, page.intervals).items():
            name = product if grain == "product" else order
            if last is None or name > last[1:]:
                _add(groups, f"={name}", name, part, f"{scope.id}:{part.shift_id}")
    return _page(scope, grain, asked, groups, newest_first=False)


def item(scope: Scope, grain: str, period: str, parts: Sequence[OeeElements], ids: Iterable[str]) -> Document:
    """The sum of parts as the API shows it. `shiftId` is empty where it is of several shifts."""
    shifts = {part.shift_id for part in parts}
    summed = total(parts, shift_id=shifts.pop() if len(shifts) == 1 else "")
    summed = replace(summed, made=merged(summed.made))
    limits = [one for one in scope.bands if one.start <= summed.start][-1]
    return {
        **bucket_document(summed),
        **oee_ratios(summed, green_ratio=limits.green_ratio, yellow_ratio=limits.yellow_ratio),
        "scope": scope.id,
        "level": scope.level,
        "grain": grain,
        "period": period,
        "bucketIds": sorted(ids),
        "indicators": indicators_document(summed),
        "losses": losses_document(summed),
    }


def _add(groups: dict[str, Group], key: str, period: str, part: OeeElements, bucket_id: str) -> None:
    group = groups.setdefault(key, Group(period, [], set()))
    group.parts.append(part)
    group.bucket_ids.add(bucket_id)


def _page(scope: Scope, grain: str, asked: Asked, groups: dict[str, Group], *, newest_first: bool) -> Page:
    keys = sorted(groups, reverse=newest_first)
    shown = keys[: asked.paging.limit]
    items = [
        item(scope, grain, groups[key].period, groups[key].parts, groups[key].bucket_ids) for key in shown
    ]
    more = len(keys) > len(shown)
    return Page(items, f"{_mark(asked, scope, grain)}.{shown[-1]}" if more else None)


def _after(asked: Asked, scope: Scope, grain: str) -> str | None:
    """The last group of the page before, which the cursor names; Refused when it is another query's."""
    if asked.paging.cursor is None:
        return None
    mark, _, key = asked.paging.cursor.partition(".")
    if mark != _mark(asked, scope, grain) or not key:
        raise Refused("the cursor belongs to another query: keep the filters while you turn pages")
    return key


def _mark(asked: Asked, scope: Scope, grain: str) -> str:
    said = (scope.id, grain, asked.begin, asked.end)
    return sha256(repr(said).encode()).hexdigest()[:8]


def _midnight(day: date) -> int:
    """In UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
