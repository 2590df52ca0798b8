"""Stops and what operators say of them -> documents and events, and back."""

from itertools import pairwise

from shared.domain.effects import StopClassified, StopEnded, StopStarted
from shared.domain.packml import TimeCategory
from shared.domain.stop_records import Stop, StopPart
from shared.instants import instant, iso
from shared.ports import Document

_FOREVER = 1 << 62


def stop_of(effect: StopStarted | StopEnded | StopClassified) -> Stop:
    """The stop as the effect leaves it."""
    match effect:
        case StopStarted():
            return Stop(effect.stop_id, effect.at, None, effect.category, effect.reason, version=effect.n)
        case StopEnded():
            return Stop(
                effect.stop_id,
                effect.started_at,
                effect.at,
                effect.category,
                effect.reason,
                effect.parts,
                effect.continues,
                effect.n,
            )
        case StopClassified():
            return effect.stop


def stop_fields(stop: Stop) -> Document:
    return {
        "stopId": stop.stop_id,
        "startedAt": iso(stop.started_at),
        "endedAt": None if stop.ended_at is None else iso(stop.ended_at),
        "category": str(stop.category),
        "reason": stop.reason,
        "active": stop.ended_at is None,
        "state": "classified" if stop.is_classified else "unclassified",
        "parts": parts_fields(stop),
        "continues": stop.continues,
        "version": stop.version,
    }


def parts_fields(stop: Stop) -> list[Document]:
    """What operators said, part by part; a part without their word has the machine's."""
    borders = [*(part.start for part in stop.parts), _FOREVER if stop.ended_at is None else stop.ended_at]
    return [
        {
            "startedAt": iso(start),
            "endedAt": None if end == _FOREVER else iso(end),
            "category": str(part.category or stop.category),
            "reason": stop.reason if part.reason is None else part.reason,
            "byOperator": part.reason is not None,
            "who": part.who,
            "at": None if part.at is None else iso(part.at),
        }
        for part, (start, end) in zip(stop.parts, pairwise(borders), strict=True)
    ]


def stop_from(document: Document) -> Stop:
    """The stop that `stop_fields` wrote, or an earlier release that knew nothing of parts."""
    return Stop(
        document["stopId"],
        instant(document["startedAt"]),
        None if document["endedAt"] is None else instant(document["endedAt"]),
        TimeCategory(document["category"]),
        document["reason"],
        tuple(map(_part, document.get("parts", ()))),
        document.get("continues"),
        document.get("version", 1),
    )


def change_fields(changed: StopClassified) -> Document:
    """Who changed what of a stop, and how it was before."""
    stop = changed.stop
    return {
        "stopId": stop.stop_id,
        "startedAt": iso(stop.started_at),
        "endedAt": None if stop.ended_at is None else iso(stop.ended_at),
        "action": changed.action,
        "before": parts_fields(changed.before),
        "after": parts_fields(stop),
        "continuedBefore": changed.before.continues,
        "continues": stop.continues,
        "who": changed.who,
        "why": changed.why or None,
    }


def _part(document: Document) -> StopPart:
    said = document["byOperator"]
    return StopPart(
        instant(document["startedAt"]),
        document["reason"] if said else None,
        TimeCategory(document["category"]) if said else None,
        document["who"],
        None if document["at"] is None else instant(document["at"]),
    )
