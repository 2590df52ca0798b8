"""Roll-ups as pure values: what a scope's children contribute, and the sum of it.

A contribution has the same shape on every level, so that a machine is summed into a line as a
line is into a site. Sums are made from the children anew each time, nothing is added up over
time: a child that comes twice is counted once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.documents import oee_ratios
from shared.domain.alarms.life_cycle import PRIORITIES
from shared.domain.effects import OeeElements
from shared.domain.packml import TimeCategory
from shared.instants import instant
from shared.ports import Document

OEE = "oee"
STATUS = "status"
STATUS_ID = "status"
"""Id of the scope's one document of how its machines are now; of OEE there is one a shift."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A child's contribution. Of two, the one with the higher version counts."""

    version: list[Any]
    content: Document


def document_id(document: Document) -> str:
    """Which of its scopes' documents a machine's document counts in."""
    return document["id"] if document["type"] == OEE else STATUS_ID


def contribution(document: Document) -> Entry:
    """What a machine's `oee` or `twin` document counts for.

    OEE has no version of its own: it grows with event time, becomes final once, and counts late
    readings from then on.
    """
    if document["type"] == OEE:
        version = [document["measuredAt"], document["final"], document["lateCount"]]
        names = ("start", "end", "measuredAt", "final", "elements", "resetCount", "lateCount")
        return Entry(version, {name: document[name] for name in names})
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


def total(kind: str, children: Iterable[Document]) -> Document:
    """The sum of contributions, itself a contribution."""
    return _total_oee(children) if kind == OEE else _total_status(children)


def figures(kind: str, scope_document_id: str, summed: Document, *, bands: tuple[float, float]) -> Document:
    """What follows from a sum by division: nothing for a status. `bands`: green and yellow ratio."""
    if kind != OEE:
        return {}
    shift_id = scope_document_id.removeprefix("oee:")
    ratios = oee_ratios(_elements(shift_id, summed), green_ratio=bands[0], yellow_ratio=bands[1])
    return {"shiftId": shift_id, **ratios}


def _total_oee(children: Iterable[Document]) -> Document:
    listed = list(children)
    parts = [child["elements"] for child in listed]
    return {
        "start": min(child["start"] for child in listed),
        "end": max(child["end"] for child in listed),
        "measuredAt": max(child["measuredAt"] for child in listed),
        "final": all(child["final"] for child in listed),
        "elements": {
            "timesMs": _sums(part["timesMs"] for part in parts),
            "goodCount": sum(part["goodCount"] for part in parts),
            "rejectCount": sum(part["rejectCount"] for part in parts),
            "idealMs": sum(part["idealMs"] for part in parts),
            "unpricedCount": sum(part["unpricedCount"] for part in parts),
            "rejects": _sums(part["rejects"] for part in parts),
        },
        "resetCount": sum(child["resetCount"] for child in listed),
        "lateCount": sum(child["lateCount"] for child in listed),
    }


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
            "highestPriority": PRIORITIES[max(PRIORITIES.index(one["highestPriority"]) for one in alarms)],
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


def _elements(shift_id: str, summed: Document) -> OeeElements:
    elements = summed["elements"]
    return OeeElements(
        shift_id=shift_id,
        start=instant(summed["start"]),
        end=instant(summed["end"]),
        times_ms={TimeCategory(kind): spent for kind, spent in elements["timesMs"].items()},
        measured_at=instant(summed["measuredAt"]),
        good_count=elements["goodCount"],
        reject_count=elements["rejectCount"],
        ideal_ms=elements["idealMs"],
        unpriced_count=elements["unpricedCount"],
        reset_count=summed["resetCount"],
        late_count=summed["lateCount"],
        final=summed["final"],
        rejects=elements["rejects"],
    )
