"""Commands over the API: carried out once, however often a caller repeats them."""

from functions.http import Call
from shared.commit import MACHINES
from shared.domain.alarms.commands import DONE
from shared.domain.alarms.inputs import Command
from shared.domain.maintenance.inputs import WorkCommand
from shared.domain.stop_commands import StopCommand
from shared.ports import AlreadyDone, Document

__all__ = ["DONE", "carried_out", "is_stale"]


async def carried_out(
    call: Call, machine_id: str, command: Command | WorkCommand | StopCommand
) -> str | None:
    """`done`, or why not; of a command that came before, what became of it then. None: no such machine."""
    try:
        if await call.backend.machines.change(machine_id, [command]) is None:
            return None
    except AlreadyDone:
        pass
    done = await _before(call, machine_id, command.command_id)
    return done["outcome"] if done is not None else "the command is not known any more"


async def is_stale(call: Call, found: Document, key: str) -> bool:
    """Whether the caller's If-Match is of an older document, and not for the command `key` itself."""
    if call.if_match in (None, "*", found["_etag"]):
        return False
    done = await _before(call, found["machineId"], key)
    return done is None or done["outcome"] != DONE


async def _before(call: Call, machine_id: str, key: str) -> Document | None:
    return await call.backend.documents.get(MACHINES, machine_id, f"command:{key}")
