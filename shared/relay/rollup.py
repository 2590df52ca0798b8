"""Roll-ups as pure values: what a scope's children contribute, and the sum of it.

A contribution has the same shape on every level, so that a machine is summed into a line as a
line is into a site. Sums are made from the children anew each time, nothing is added up over
time: a child that comes twice is counted once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.domain.alarms.life_cycle import PRIORITIES
from shared.domain.elements import MadeElements
from shared.domain.kpi import nothing
from shared.domain.kpi import total as sum_elements
from shared.domain.spec import Bands
from shared.domain.sums import OTHERS
from shared.oee_documents import bucket_document, elements_from, oee_ratios
from shared.ports import Document

OEE = "oee"
STATUS = "status"
BOTTLENECK = "bottleneck"
STATUS_ID = "status"
"""Id of the scope's one document of how its machines are now; of OEE there is one a shift."""
_MADE_MAX = 64


@dataclass(frozen=True, slots=True)
class Entry:
    """A child's contribution. Of two, the one with the higher version counts."""

    version: list[Any]
    content: Document | None
    """None: the child has left for another line. It is kept so that what comes late stays out."""


def document_id(document: Document) -> str:
    """Which of its scopes' documents a machine's document counts in."""
    return document["id"] if document["type"] == OEE else STATUS_ID


def contribution(document: Document) -> Entry:
    """What a machine's `oee` or `twin` document counts for.

    OEE has no version of its own: it grows with event time, becomes final once, and counts late
    readings from then on; whatever else changes it raises its version.
    """
    if document["type"] == OEE:
        restated = document.get("version", 1)
        version = [document["measuredAt"], document["final"], document["lateCount"], restated]
        names = ("start", "end", "measuredAt", "final", "elements", "resetCount", "lateCount", "flags")
        content = {name: document[name] for name in names if name in document}
        return Entry(version, content | {BOTTLENECK: _own(document)})
    alarms = document["alarms"]
    health = document["health"]
    return Entry(
        [document["version"]],
        {
            "machineCount": 1,
            "states": {document["state"]: 1},
            "silentCount": int(document["silent"]),
            "blockedCount": int(document["blocked"] is not None),
            "warningCount": int(health is not None and health["warning"]),
            "alarms": dict(alarms),
        },
    )


def total(kind: str, children: Mapping[str, Document], *, only: str | None = None) -> Document:
    """The sum of contributions, itself a contribution.

    `only`: the machine whose OEE the line's is, though all of them say whether it is final.
    """
    return _total_oee(children, only) if kind == OEE else _total_status(children.values())


def figures(kind: str, scope_document_id: str, summed: Document, *, bands: tuple[Bands, ...]) -> Document:
    """What follows from a sum by division: nothing for a status. `bands`: the scope's, oldest first."""
    if kind != OEE:
        return {}
    elements = elements_from(summed, shift_id=scope_document_id.removeprefix("oee:"))
    limits = [one for one in bands if one.start <= elements.start][-1]
    return oee_ratios(elements, green_ratio=limits.green_ratio, yellow_ratio=limits.yellow_ratio)


def empty(before: Document) -> Document:
    """What a scope contributes that all children have left."""
    if before["type"] == OEE:
        whole = nothing(elements_from(before))
        content = bucket_document(whole)
        del content["version"]
        return {**content, "final": whole.final, BOTTLENECK: None}
    return _total_status([])


def _own(document: Document) -> Document | None:
    """A machine's OEE as a candidate for the bottleneck; None while too little is known of it."""
    if document.get("oee") is None or document.get("band") == "grey":
        return None
    return {"machineId": document["machineId"], "oee": document["oee"]}


def _lowest(candidates: Iterable[Document | None]) -> Document | None:
    """The machine that limits most: the one with the lowest OEE.

    >>> _lowest([{"machineId": "B", "oee": 0.5}, None, {"machineId": "A", "oee": 0.5}])
    {'machineId': 'A', 'oee': 0.5}
    """
    known = [one for one in candidates if one is not None]
    return min(known, key=lambda one: (one["oee"], one["machineId"]), default=None)


def _total_oee(children: Mapping[str, Document], only: str | None) -> Document:
    listed = [elements_from(child) for child in children.values()]
    counted = [elements_from(child) for child_id, child in children.items() if only in (None, child_id)]
    whole = sum_elements(listed)
    summed = sum_elements(counted) if counted else nothing(whole)
    summed = replace(
        summed,
        start=whole.start,
        end=whole.end,
        measured_at=whole.measured_at,
        final=whole.final,
        late_count=whole.late_count,
        reset_count=whole.reset_count,
        flags=whole.flags,
        made=merged(summed.made),
        times_ms=dict(sorted(summed.times_ms.items())),
    )
    content = bucket_document(summed)
    del content["version"]
    candidates = (child.get(BOTTLENECK) for child in children.values())
    return {**content, "final": whole.final, BOTTLENECK: _lowest(candidates)}


def merged(parts: Iterable[MadeElements]) -> tuple[MadeElements, ...]:
    """By product and order; beyond `_MADE_MAX` of them the orders, then the products share an entry."""
    listed = list(parts)
    by_key: dict[tuple[str, str], MadeElements] = {}
    for kept in (2, 1, 0):
        by_key = {}
        for made in listed:
            product = made.product if kept else OTHERS
            order = made.order if kept == 2 else OTHERS
            before = by_key.get((product, order)) or MadeElements(product, order, 0, 0, 0, 0, 0)
            by_key[product, order] = MadeElements(
                product,
                order,
                before.production_ms + made.production_ms,
                before.good_count + made.good_count,
                before.reject_count + made.reject_count,
                before.rework_count + made.rework_count,
                before.ideal_ms + made.ideal_ms,
            )
        if len(by_key) <= _MADE_MAX:
            break
    return tuple(by_key[key] for key in sorted(by_key))


def _total_status(children: Iterable[Document]) -> Document:
    listed = list(children)
    alarms = [child["alarms"] for child in listed]
    counts = ("machineCount", "silentCount", "blockedCount", "warningCount")
    return {
        **{name: sum(child[name] for child in listed) for name in counts},
        "states": _sums(child["states"] for child in listed),
        "alarms": {
            "activeCount": sum(one["activeCount"] for one in alarms),
            "unacknowledgedCount": sum(one["unacknowledgedCount"] for one in alarms),
            "highestPriority": PRIORITIES[
                max((PRIORITIES.index(one["highestPriority"]) for one in alarms), default=0)
            ],
        },
    }


def _sums(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Name -> sum.

    >>> _sums([{"Execute": 1}, {"Held": 1}, {"Execute": 2}])
    {'Execute': 3, 'Held': 1}
    """
    summed: dict[str, int] = {}
    for part in parts:
        for name, amount in part.items():
            summed[name] = summed.get(name, 0) + amount
    return dict(sorted(summed.items()))
