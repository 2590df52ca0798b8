"""The state of a machine as the document that guards its commits.

What queries and people ask for stands at the top. The fold itself, many short numbers that only
`advance` understands, is packed: a third of the size to store, to read in a change feed and, most
of all, to encode in every commit. `unpack` shows it.
"""

import base64
import zlib
from typing import Any

import orjson
from pydantic import TypeAdapter

from shared.domain.advance import next_due_at
from shared.domain.spec import MachineSpec
from shared.domain.state import MachineState
from shared.instants import iso
from shared.ports import Document

MACHINES = "machines"
"""The container that this and everything else of a machine is in."""
STATE_ID = "state"
MAX_STATE_BYTES = 65_536
"""Before packing: what a machine may make a worker remember, however well it packs."""

_LEVEL = 1
"""Higher levels take twice the time and save a tenth."""


class StateTooLarge(Exception):
    """A state has outgrown its document."""


_STATE = TypeAdapter(MachineState)


def to_document(spec: MachineSpec, state: MachineState) -> Document:
    """The `state` document: what queries use at the top, the fold itself packed in `data`.

    Raises StateTooLarge beyond 64 KB, but not for a blocked machine: its state grows no more, and
    it must be able to say that it is blocked.
    """
    data = orjson.dumps(state, option=orjson.OPT_NON_STR_KEYS)
    if len(data) > MAX_STATE_BYTES and state.blocked is None:
        raise StateTooLarge(f"a state of {len(data)} B, at most {MAX_STATE_BYTES}")
    due = next_due_at(spec, state)
    document: Document = {
        "id": STATE_ID,
        "type": "state",
        "machineId": state.machine_id,
        "siteId": state.site_id,
        "lineId": state.line_id,
        "specVersion": state.spec_version,
        "blocked": state.blocked,
        "counts": {
            "folded": state.reading_count,
            "late": state.late_count,
            "duplicate": state.duplicate_count,
            "refused": state.refused_count,
            "queued": state.queued_count,
        },
        "data": base64.b64encode(zlib.compress(data, _LEVEL)).decode(),
    }
    if due is not None:
        document["nextDueAt"] = iso(due)
    return document


def from_document(document: Document) -> MachineState:
    """The state that `to_document` wrote. ValueError if somebody else wrote it."""
    return _STATE.validate_python(unpack(document))


def unpack(document: Document) -> dict[str, Any]:
    """The fields of the state in a `state` document, to look at. ValueError as in `from_document`."""
    try:
        return orjson.loads(zlib.decompress(base64.b64decode(document["data"])))
    except zlib.error as exc:
        raise ValueError(f"the state of {document['machineId']} cannot be unpacked: {exc}") from exc


def size(state: MachineState) -> int:
    """Bytes of the serialised state, before it is packed."""
    return len(orjson.dumps(state, option=orjson.OPT_NON_STR_KEYS))
