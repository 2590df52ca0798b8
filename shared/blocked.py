"""Machines that are set aside because their inputs keep failing, and how they come back."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from shared.commit import MACHINES, Loaded, Machines, TooLarge
from shared.documents import READING
from shared.domain.inputs import QUEUE, Blocked, Input, Position, Reading, Resumed
from shared.ports import Conflict, Delete, Document, Documents, Refused

log = logging.getLogger(__name__)

BUGS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What a mistake in our own pure code raises. It sets one machine aside, never the batch."""

_CHUNK = 40
"""Queued readings per commit: each one is a delete besides what folding it writes."""

_QUEUE = "SELECT * FROM c WHERE c.type = 'queued' ORDER BY c.number"


async def set_aside(
    machines: Machines, machine_id: str, readings: Sequence[Reading], error: Exception, *, now: int
) -> bool:
    """Block a machine whose inputs failed and queue its readings behind the block.

    False when not even that can be committed; that is logged.
    """
    reason = f"{type(error).__name__}: {error}"
    log.error(
        "%s is blocked, its readings queue: %s. Mend the cause, then resume it.",
        machine_id,
        reason,
        exc_info=error,
    )
    try:
        await machines.change(machine_id, [Blocked(reason[:500], now), *readings])
    except (Refused, *BUGS) as worse:
        log.error("%s cannot even be blocked", machine_id, exc_info=worse)
        return False
    return True


async def resume(machines: Machines, documents: Documents, machine_id: str, *, now: int) -> int:
    """Fold what a blocked machine's queue holds; returns how many readings that were.

    The machine stays blocked until the last of them, so that what arrives meanwhile queues behind.
    If folding fails again the error is raised and the rest of the queue stays as it is: Refused
    when it is the store that will not take a reading.
    """
    folded = 0
    chunk = _CHUNK
    machines.forget(machine_id)  # another worker may have blocked it
    while True:
        loaded = await machines.load(machine_id)
        if loaded is None or loaded.state.blocked is None:
            return folded
        queue, cursor = await documents.page(MACHINES, _QUEUE, {}, partition=machine_id, limit=chunk)
        try:
            await _fold_queue(machines, loaded, queue, last=cursor is None, now=now)
        except Conflict:
            continue
        except TooLarge as exc:
            if len(queue) <= 1:
                raise Refused(f"{machine_id}: {exc}") from exc
            chunk = len(queue) // 2
            continue
        folded += len(queue)
        chunk = _CHUNK


async def _fold_queue(
    machines: Machines, loaded: Loaded, queue: list[Document], *, last: bool, now: int
) -> None:
    inputs: list[Input] = [
        replace(READING.validate_python(document["reading"]), position=Position(QUEUE, document["number"]))
        for document in queue
    ]
    if last:
        inputs.append(Resumed(now))
    advanced = machines.decide(loaded, inputs)
    await machines.write(loaded, advanced, [Delete(document["id"]) for document in queue])
