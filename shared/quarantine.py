"""Messages and readings that cannot be believed: kept whole, with the reason, under their position."""

import base64
from collections.abc import Sequence
from dataclasses import replace

from shared.decode import Decoded, Reason, Rejected
from shared.decode.reading import as_message
from shared.domain.inputs import Position, Reading
from shared.instants import iso
from shared.ports import Document

APART_MAX = 20
"""So many broken parts of one message get documents of their own."""


def few(rejected: Sequence[Rejected]) -> list[Rejected]:
    """The rejected parts of one message, those beyond the first 20 together: one document a reason.

    A message of 256 KB has room for 100,000 broken parts; one device must not keep the store busy
    for hours. Together they are lines, which is a form of message that can be replayed.
    """
    kept = list(rejected[:APART_MAX])
    rest: dict[Reason, list[Rejected]] = {}
    for one in rejected[APART_MAX:]:
        rest.setdefault(one.reason, []).append(one)
    for parts in rest.values():
        first = parts[0]
        kept.append(
            replace(
                first,
                detail=f"{len(parts)} parts of one message, the first: {first.detail}",
                raw=b"\n".join(part.raw for part in parts),
            )
        )
    return kept


def rejected_document(rejected: Rejected) -> Document:
    """What a device sent that is no reading; the same position always gives the same id."""
    return {
        **_document(rejected.position, rejected.device, rejected.arrived_at),
        "machineId": rejected.machine_id,
        "reason": str(rejected.reason),
        "detail": rejected.detail,
        "body": base64.b64encode(rejected.raw).decode(),
    }


def refused_document(machine_id: str, reading: Reading, reason: str) -> Document:
    """A well-formed reading that the domain does not believe, e.g. from the far future."""
    return {
        **_document(reading.position, reading.device, reading.arrived_at),
        "machineId": machine_id,
        "reason": reason,
        "detail": f"reading of {iso(reading.at)} arrived at {iso(reading.arrived_at)}",
        "body": base64.b64encode(as_message(Decoded(machine_id, reading))).decode(),
    }


def _document(position: Position, device: str, arrived_at: int) -> Document:
    arrived = iso(arrived_at)
    place = f"{position.source}/{position.sequence}/{position.index}".replace("/", "~")
    return {
        "id": place,
        "deviceDay": f"{device}/{arrived[:10].replace('-', '')}",
        "device": device,
        "position": {
            "source": position.source,
            "sequence": position.sequence,
            "index": position.index,
        },
        "arrivedAt": arrived,
    }
