"""The timer's work: tick the machines whose time has come, and only those."""

import asyncio

from shared.commit import MACHINES, Machines
from shared.domain.inputs import Position, Tick
from shared.instants import iso
from shared.ports import Conflict, Documents

_DUE = "SELECT c.machineId FROM c WHERE c.type = 'state' AND c.nextDueAt <= @now"
_PAGE = 500
_AT_ONCE = 32


async def tick_due(
    machines: Machines, documents: Documents, *, now: int, at_most: int = 5_000
) -> tuple[int, bool]:
    """(how many machines were ticked, whether more are due).

    What does not fit stays due and comes first at the next call: a machine leaves the query's
    result with the commit of its tick. A machine that others keep changing is left to them.
    """
    ticked = 0
    gate = asyncio.Semaphore(_AT_ONCE)

    async def tick(machine_id: str) -> None:
        async with gate:
            try:
                await machines.change(machine_id, [Tick(Position("timer/due", now), now)])
            except Conflict:
                return

    while ticked < at_most:
        page, _ = await documents.page(MACHINES, _DUE, {"@now": iso(now)}, limit=_PAGE)
        if not page:
            return ticked, False
        await asyncio.gather(*(tick(document["machineId"]) for document in page))
        ticked += len(page)
        if len(page) < _PAGE:
            return ticked, False
    return ticked, True
