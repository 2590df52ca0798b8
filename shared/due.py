"""The timer's work: tick the machines whose time has come, and only those."""

import asyncio

from shared.blocked import BUGS, set_aside
from shared.commit import MACHINES, Machines
from shared.domain.inputs import Position, Tick
from shared.instants import iso
from shared.ports import Conflict, Documents, Refused

_DUE = "SELECT c.machineId FROM c WHERE c.type = 'state' AND c.nextDueAt <= @now"
_AT_ONCE = 32


async def tick_due(
    machines: Machines, documents: Documents, *, now: int, at_most: int = 1_000
) -> tuple[int, bool]:
    """(how many machines were ticked, whether more are due).

    `now`: the arrival time up to which the telemetry hub is read (shared/backlog.py): what has
    arrived and waits must not look like silence.
    What does not fit stays due for the next call: a machine leaves the query's result with the
    commit of its tick. A machine that others keep changing is left to them; one whose tick fails
    for a fault of its own is blocked, and if not even that can be done, passed. Raises
    Unavailable once the ticks under way have ended.
    """
    due: list[str] = []
    async for document in documents.query(MACHINES, _DUE, {"@now": iso(now)}):
        due.append(document["machineId"])
        if len(due) > at_most:
            break
    gate = asyncio.Semaphore(_AT_ONCE)

    async def tick(machine_id: str) -> None:
        async with gate:
            try:
                await machines.change(machine_id, [Tick(Position("timer/due", now), now)])
            except Conflict:
                return
            except (Refused, *BUGS) as exc:
                await set_aside(machines, machine_id, [], exc, now=now)

    outcomes = await asyncio.gather(*map(tick, due[:at_most]), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return len(outcomes), len(due) > at_most
