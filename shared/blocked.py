"""Resuming a machine that was set aside: its queue is folded in order, in the batch that empties it."""

from dataclasses import replace

from shared.commit import MACHINES, Loaded, Machines
from shared.documents import READING
from shared.domain.inputs import Blocked, Input, Position, Resumed
from shared.ports import Conflict, Delete, Document, Documents

_CHUNK = 40
"""Queued readings per commit: each one is a delete besides what folding it writes."""

_QUEUE = "SELECT * FROM c WHERE c.type = 'queued' ORDER BY c.number"


async def resume(machines: Machines, documents: Documents, machine_id: str, *, now: int) -> int:
    """Fold what a blocked machine's queue holds; returns how many readings that were.

    The machine stays blocked between the commits, so that what arrives meanwhile queues behind.
    If folding fails again the error is raised and the rest of the queue stays as it is.
    """
    folded = 0
    while True:
        loaded = await machines.load(machine_id)
        if loaded is None or loaded.state.blocked is None:
            return folded
        queue, cursor = await documents.page(MACHINES, _QUEUE, {}, partition=machine_id, limit=_CHUNK)
        try:
            await _fold_queue(machines, loaded, queue, last=cursor is None, now=now)
        except Conflict:
            continue
        folded += len(queue)


async def _fold_queue(
    machines: Machines, loaded: Loaded, queue: list[Document], *, last: bool, now: int
) -> None:
    inputs: list[Input] = [Resumed(now)]
    inputs += (
        replace(READING.validate_python(document["reading"]), position=Position("queue", document["number"]))
        for document in queue
    )
    if not last and loaded.state.blocked is not None:
        inputs.append(Blocked(loaded.state.blocked, now))
    advanced = machines.decide(loaded, inputs)
    await machines.write(loaded, advanced, [Delete(document["id"]) for document in queue])
