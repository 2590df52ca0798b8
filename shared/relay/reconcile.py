"""Twins compared with their documents now and then: whatever made them differ, they are made equal again.

The relay keeps twins true as long as nobody else writes what is the relay's. A person may, a
restored instance may, a bug may; nobody would be told. A call looks at a bounded number of twins,
goes on where the last one stopped, and leaves a document that says what it found.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from shared.instants import iso
from shared.ports import Document, Documents
from shared.relay.undelivered import DELIVERIES

log = logging.getLogger(__name__)

RECONCILE = "reconcile"
"""Id and partition of the document that remembers; its `type` too."""
AT_MOST = 200
"""Twins a call, one read each: 1 % of what an instance gives in the minute between calls."""
SETTLE_S = 5.0
"""The relay is behind by less than this as a rule: what differs is looked at again after it."""
LISTED = 50
_MACHINES, _SCOPES = 0, 1
_SQL = (
    ("machines", "SELECT * FROM c WHERE c.type = 'twin'"),
    ("scopes", "SELECT * FROM c WHERE c.type = 'status'"),
)
_NEWEST_SHIFT = "SELECT * FROM c WHERE c.type = 'oee' ORDER BY c.start DESC"

type Sleep = Callable[[float], Awaitable[object]]


class Repairs(Protocol):
    async def differences(self, document: Document) -> list[str] | None: ...
    async def repair(self, document: Document) -> None: ...


class RollUp(Protocol):
    async def __call__(self, documents: Sequence[Document]) -> None: ...


class Described(Protocol):
    async def devices_of(self, site_id: str, line_id: str, machine_id: str) -> tuple[str, ...]: ...


async def reconcile(
    relay: Repairs,
    described: Described,
    documents: Documents,
    roll_up: RollUp,
    *,
    now: int,
    at_most: int = AT_MOST,
    sleep: Sleep = asyncio.sleep,
) -> Document:
    """Look at the next `at_most` documents of twins, repair what drifted, and report.

    1. Compare each with its twin.
    2. What differs may be under way: wait once, read it again, and compare again.
    3. What differs still in the same property has drifted: repair it.
    4. Roll the machines' documents up once more: one that descriptions have dropped leaves its line,
       one that was described again counts, though neither has anything new to say.
    5. Remember how far this came; a pass begins anew after its end.

    A machine's missing twin is reported only while descriptions have the machine. Raises Unavailable;
    the next call then begins where this one did.
    """
    before = await documents.get(DELIVERIES, RECONCILE, RECONCILE) or {}
    source: int = before.get("source", 0)
    page, cursor = await _page(documents, source, before.get("cursor"), at_most)
    drifted: dict[str, list[str]] = {}
    missing: list[str] = []
    doubted: list[tuple[Document, list[str]]] = []
    for document in page:
        differing = await relay.differences(document)  # 1
        if differing is None:
            if source == _SCOPES or await described.devices_of(*_subject(document)):
                missing.append(_twin_id(document))
        elif differing:
            doubted.append((document, differing))
    if doubted:
        await sleep(SETTLE_S)  # 2
    for document, differing in doubted:
        current = await documents.get(*_place(document))
        if current is None:
            continue
        again = await relay.differences(current)
        lasting = [pointer for pointer in again or () if pointer in differing]
        if lasting:
            await relay.repair(current)  # 3
            drifted.setdefault(_twin_id(document), []).extend(lasting)
            log.warning("twin %s had drifted in %s: repaired", _twin_id(document), ", ".join(lasting))
    if source == _MACHINES:
        await roll_up(page)  # 4
    ended = cursor is None and source == _SCOPES
    report: Document = {
        "id": RECONCILE,
        "alarmId": RECONCILE,
        "type": RECONCILE,
        "at": iso(now),
        "source": (source + (cursor is None)) % len(_SQL),
        "cursor": cursor,
        "passStartedAt": before.get("passStartedAt") if source or before.get("cursor") else iso(now),
        "checkedCount": len(page),
        "driftedCount": len(drifted),
        "missingCount": len(missing),
        "drifted": dict(list(drifted.items())[:LISTED]),
        "missing": missing[:LISTED],
        "lastDriftAt": iso(now) if drifted else before.get("lastDriftAt"),
        "passCount": before.get("passCount", 0) + ended,
    }
    await documents.upsert(DELIVERIES, RECONCILE, report)  # 5
    log.info("reconciled %d twins: %d drifted, %d missing", len(page), len(drifted), len(missing))
    return report


async def _page(
    documents: Documents, source: int, cursor: str | None, limit: int
) -> tuple[list[Document], str | None]:
    """The next documents to look at; a scope's status comes with the shift that began last."""
    container, sql = _SQL[source]
    page, following = await documents.page(container, sql, {}, limit=limit, cursor=cursor)
    if source == _MACHINES:
        return page, following
    found: list[Document] = []
    for status in page:
        shifts, _ = await documents.page(container, _NEWEST_SHIFT, {}, partition=status["scopeId"], limit=1)
        found += [status, *shifts]
    return found, following


def _twin_id(document: Document) -> str:
    return document.get("machineId") or document["scopeId"]


def _subject(document: Document) -> tuple[str, str, str]:
    return document["siteId"], document["lineId"], document["machineId"]


def _place(document: Document) -> tuple[str, str, str]:
    container = "machines" if "machineId" in document else "scopes"
    return container, _twin_id(document), document["id"]
