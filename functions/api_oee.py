"""OEE over HTTP: by every grain, side by side, and explained down to its intervals."""

from hashlib import sha256
from http import HTTPStatus
from typing import Any

import orjson

from functions.answers import paging, public
from functions.http import Answer, Call, Problem, Route
from functions.principal import Role
from shared import oee_grains, queries
from shared.contracts import http
from shared.domain.elements import OeeElements
from shared.instants import instant, iso
from shared.oee_explained import explained
from shared.oee_grains import DAY_MS, Asked, Scope
from shared.ports import Document
from shared.queries import Page

_PARTS_WINDOW_DAYS = 31
_COMPARED_DAYS = 92
_COLUMNS = range(2, 25)


async def oee(call: Call) -> Answer:
    """OEE of a machine, line, area, site or enterprise: shifts, hours, days, weeks, orders or products.

    Newest first; orders and products by name.
    """
    asked: http.OeeAsked = call.asked
    if asked.grain == "shift":
        page = await queries.oee(
            call.backend.documents, paging(asked), asked.scope, begin=asked.begin, end=asked.end
        )
        return _tagged_page(page or _no_scope(asked.scope))
    _checked(asked)
    scope = await _scope(call, asked.scope)
    documents = call.backend.documents
    wanted = Asked(paging(asked), asked.begin, asked.end)
    if asked.grain in ("day", "week"):
        return _tagged_page(await oee_grains.by_date(documents, scope, asked.grain, wanted))
    if scope.level != "machine":
        detail = (
            f"{asked.scope} is a {scope.level}: {asked.grain} is a grain of machines, whose ledger has it. "
            "Ask for shift, day or week, or for one of its machines."
        )
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid-parameters", detail)
    if asked.grain == "hour":
        return _tagged_page(await oee_grains.by_hour(documents, scope, wanted))
    return _tagged_page(await oee_grains.by_part(documents, scope, asked.grain, wanted))


async def explain(call: Call) -> Answer:
    """Everything behind one shift's figures: intervals, counters, products, arithmetic, and the proof.

    Of a line, area, site or enterprise: the children that it is the sum of, each to be explained in turn.
    """
    bucket_id = call.path["bucketId"]
    scope_id, _, shift_id = bucket_id.rpartition(":")
    if not scope_id:
        detail = f"{bucket_id} is no bucket. Its id is SCOPE:SHIFT, like LINE-1:2026-03-09.early."
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-bucket", detail)
    found = await explained(call.backend.documents, await _scope(call, scope_id), shift_id)
    if found is None:
        detail = f"{scope_id} has no shift {shift_id}. GET /api/oee?scope={scope_id} lists its bucketIds."
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-bucket", detail)
    return _tagged(public(http.Explained, {**found, "bucket": public(http.ScopeOee, found["bucket"])}))


async def compare(call: Call) -> Answer:
    """Scopes, periods and shifts side by side: sums, then ratios, then what differs from the first."""
    asked: http.OeeCompareAsked = call.asked
    scopes = [await _scope(call, one) for one in _listed(asked.scopes)]
    periods = [_period(one) for one in _listed(asked.periods)]
    names = [None] if asked.shifts is None else _listed(asked.shifts)
    count = len(scopes) * len(periods) * len(names)
    if count not in _COLUMNS:
        detail = f"These make {count} columns: scopes x periods x shifts must be from 2 to 24."
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid-parameters", detail)
    items: list[Document] = []
    missing: list[str] = []
    for scope in scopes:
        for begin, end in periods:
            buckets = [
                one async for one in oee_grains.buckets(call.backend.documents, scope, begin=begin, end=end)
            ]
            for name in names:
                column = _column(scope, begin, end, name, buckets)
                if column is None:
                    missing.append(" ".join(filter(None, (scope.id, f"{begin}/{end}", name))))
                else:
                    items.append(column)
    for column in items:
        column["difference"] = {name: _less(column, items[0], name) for name in _COMPARED}
    return _tagged({"items": [public(http.Compared, one) for one in items], "missing": missing})


_COMPARED = ("availability", "effectiveness", "quality", "oee", "nee", "teep")


def _column(
    scope: Scope, begin: str, end: str, name: str | None, buckets: list[OeeElements]
) -> Document | None:
    counted = [one for one in buckets if name is None or one.shift_id.partition(".")[2] == name]
    if not counted:
        return None
    ids = [f"{scope.id}:{one.shift_id}" for one in counted]
    shown = oee_grains.item(scope, "period", f"{begin}/{end}", counted, ids)
    busy = shown["indicators"]["plannedBusyMs"]
    steps: list[Document] = shown["losses"]["waterfall"]
    shares = {step["name"]: round(step["timeMs"] / busy, 6) for step in steps} if busy else {}
    return {
        **shown,
        "from": begin,
        "to": end,
        "shift": name,
        "bucketCount": len(counted),
        "lossShare": shares,
    }


def _less(column: Document, first: Document, name: str) -> float | None:
    here, there = ({**one, **one["indicators"]}[name] for one in (column, first))
    return None if here is None or there is None else round(here - there, 6)


def _listed(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names) or len(set(names)) != len(names):
        detail = f"{text}: names by commas, none empty and none twice."
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid-parameters", detail)
    return names


def _period(text: str) -> tuple[str, str]:
    try:
        begin, end = (instant(part.strip().upper()) for part in text.split("/"))
    except ValueError as exc:
        detail = f"{text} is no period: write it as 2026-03-01T00:00:00Z/2026-04-01T00:00:00Z."
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid-parameters", detail) from exc
    if not 0 < end - begin <= _COMPARED_DAYS * DAY_MS:
        detail = f"{text}: a period ends after it begins, at most {_COMPARED_DAYS} days later."
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid-parameters", detail)
    return iso(begin), iso(end)


def _checked(asked: http.OeeAsked) -> None:
    if asked.grain not in ("order", "product"):
        return
    if asked.begin is None or asked.end is None:
        detail = f"grain={asked.grain} needs from and to: name both."
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid-parameters", detail)
    if instant(asked.end) - instant(asked.begin) > _PARTS_WINDOW_DAYS * DAY_MS:
        detail = f"grain={asked.grain} takes at most {_PARTS_WINDOW_DAYS} days: ask month by month."
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid-parameters", detail)


async def _scope(call: Call, scope_id: str) -> Scope:
    found = await oee_grains.scope_of(call.backend.documents, call.backend.specs, scope_id)
    return found or _no_scope(scope_id)


def _no_scope(scope_id: str) -> Any:
    detail = f"There is no machine, line, area, site or enterprise {scope_id}. Ids are case-sensitive."
    raise Problem(HTTPStatus.NOT_FOUND, "unknown-scope", detail)


def _tagged_page(page: Page) -> Answer:
    """A page whose tag is its items': a store's cursor may read otherwise each time and mean the same."""
    items = [public(http.ScopeOee, document) for document in page.items]
    tag = _tag([items, page.next_cursor is None])
    return Answer({"items": items, "nextCursor": page.next_cursor}, tag)


def _tagged(content: Document) -> Answer:
    return Answer(content, _tag(content))


def _tag(content: Any) -> str:
    return f'"{sha256(orjson.dumps(content)).hexdigest()[:24]}"'


_MISSING = (HTTPStatus.NOT_FOUND,)

ROUTES = (
    Route("oee", "GET", "oee", oee, Role.VIEWER, http.OeeAsked, http.OeePage, tagged=True, problems=_MISSING),
    Route(
        "compare_oee",
        "GET",
        "oee/comparison",
        compare,
        Role.VIEWER,
        http.OeeCompareAsked,
        http.OeeComparison,
        tagged=True,
        problems=_MISSING,
    ),
    Route(
        "explain_oee",
        "GET",
        "oee/{bucketId}/explain",
        explain,
        Role.VIEWER,
        http.NoParameters,
        http.Explained,
        tagged=True,
        problems=_MISSING,
    ),
)
