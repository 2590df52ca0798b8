"""A machine's ledger as the store has it: its pages, and what a running shift holds beside them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from shared.domain.elements import Interval, LedgerPage, OeeElements
from shared.domain.ledger import HOUR_MS
from shared.domain.oee_parts import is_negative, rest_of
from shared.domain.packml import STATES_BY_WORD, TimeCategory
from shared.instants import instant
from shared.oee_documents import elements_from
from shared.ports import Document, Documents
from shared.state_document import MACHINES

LONGEST_PAGE_MS = 26 * HOUR_MS
"""A page ends with its shift, or at local midnight."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift's bucket, the pages that are in it, and what is in it beside them."""

    bucket: OeeElements
    pages: tuple[LedgerPage, ...]
    rest: OeeElements
    """Of a running shift the page that is being written; outside shifts, idle time has no pages."""
    newer_count: int
    """Pages that were closed after the bucket was last written."""


def page_from(document: Document) -> LedgerPage:
    recorded = document.get("recorded")
    return LedgerPage(
        elements_from(document),
        _intervals(document["intervals"]),
        None if recorded is None else _intervals(recorded),
    )


def _intervals(rows: Sequence[Sequence[Any]]) -> tuple[Interval, ...]:
    return tuple(
        (
            instant(start),
            instant(end),
            TimeCategory(kind),
            STATES_BY_WORD[state.lower()],
            reason,
            product,
            order,
            failure,
        )
        for start, end, kind, state, reason, product, order, failure in rows
    )


async def pages(
    documents: Documents, machine_id: str, *, begin: str | None = None, end: str | None = None
) -> AsyncIterator[LedgerPage]:
    """Pages that start in [begin, end), the newest first; read as far as they are asked for."""
    sql = "SELECT * FROM c WHERE c.type = 'ledger'"
    parameters: dict[str, str] = {}
    for name, operator, value in (("begin", ">=", begin), ("end", "<", end)):
        if value is not None:
            sql += f" AND c.start {operator} @{name}"
            parameters[f"@{name}"] = value
    sql += " ORDER BY c.start DESC"
    async for document in documents.query(MACHINES, sql, parameters, partition=machine_id):
        yield page_from(document)


async def shift(documents: Documents, machine_id: str, bucket: OeeElements) -> Shift:
    """A machine's bucket with its pages, the oldest first."""
    sql = "SELECT * FROM c WHERE c.type = 'ledger' AND c.shiftId = @shift ORDER BY c.start"
    found = documents.query(MACHINES, sql, {"@shift": bucket.shift_id}, partition=machine_id)
    return divided(bucket, [page_from(document) async for document in found])


def divided(bucket: OeeElements, found: Sequence[LedgerPage]) -> Shift:
    """The bucket of a running shift is written once a minute: a page may be newer than it."""
    counted = [page for page in found if page.elements.end <= bucket.measured_at]
    rest = rest_of(bucket, [page.elements for page in counted])
    while is_negative(rest) and counted and not bucket.final:
        counted.pop()
        rest = rest_of(bucket, [page.elements for page in counted])
    return Shift(bucket, tuple(counted), rest, len(found) - len(counted))


async def newest(documents: Documents, machine_id: str) -> OeeElements | None:
    """The newest shift's bucket."""
    sql = "SELECT * FROM c WHERE c.type = 'oee' ORDER BY c.start DESC"
    found, _ = await documents.page(MACHINES, sql, {}, partition=machine_id, limit=1)
    return elements_from(found[0]) if found else None
