"""The state of a machine as the document that guards its commits."""

import orjson
from pydantic import TypeAdapter

from shared.domain.advance import next_due_at
from shared.domain.spec import MachineSpec
from shared.domain.state import MachineState
from shared.instants import iso
from shared.ports import Document

STATE_ID = "state"
MAX_STATE_BYTES = 65_536


class StateTooLarge(Exception):
    """A state has outgrown its document."""


_STATE = TypeAdapter(MachineState)


def to_document(spec: MachineSpec, state: MachineState) -> Document:
    """The `state` document: what queries use at the top, the fold itself below `data`.

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
        "data": orjson.loads(data),
    }
    if due is not None:
        document["nextDueAt"] = iso(due)
    return document


def from_document(document: Document) -> MachineState:
    """The state that `to_document` wrote. pydantic.ValidationError if somebody else wrote it."""
    return _STATE.validate_python(document["data"])


def size(state: MachineState) -> int:
    """Bytes of the serialised state."""
    return len(orjson.dumps(state, option=orjson.OPT_NON_STR_KEYS))
