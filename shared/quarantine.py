"""Messages and readings that cannot be believed: kept whole, with the reason, under their position."""

import base64

from shared.decode import Decoded, Rejected
from shared.decode.reading import as_message
from shared.domain.inputs import Position, Reading
from shared.instants import iso
from shared.ports import Document


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
