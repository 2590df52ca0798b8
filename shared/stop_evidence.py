"""What a command about a stop has to know: the store's documents of that time.

They are read after the state and committed with its ETag. No document of a machine changes without
its state: so nothing of what was read has changed by then, or the commit is a conflict and all of
it is read again.
"""

from collections.abc import Sequence
from dataclasses import replace

from shared.domain.elements import LedgerPage, OeeElements
from shared.domain.inputs import Input
from shared.domain.stop_commands import Known, Merge, StopCommand
from shared.domain.stop_records import Stop
from shared.instants import iso
from shared.oee_documents import elements_from
from shared.oee_ledger import LONGEST_PAGE_MS, pages
from shared.ports import Documents
from shared.state_document import MACHINES
from shared.stop_documents import stop_from

_PAGES_MAX = 1_000


async def informed(documents: Documents, machine_id: str, inputs: Sequence[Input]) -> Sequence[Input]:
    """The inputs; a command about a stop, which comes alone, with what the store knows."""
    if not any(isinstance(item, StopCommand) for item in inputs):
        return inputs
    return [
        replace(item, known=await known(documents, machine_id, item))
        if isinstance(item, StopCommand)
        else item
        for item in inputs
    ]


async def known(documents: Documents, machine_id: str, command: StopCommand) -> Known:
    """The stop, its pages and their shifts; those of the stop before it, too, where the two are merged."""
    document = await documents.get(MACHINES, machine_id, f"stop:{command.stop_id}")
    if document is None:
        return Known(None, None, (), ())
    stop = stop_from(document)
    before = await _before(documents, machine_id, command, stop)
    begin = stop.started_at if before is None else before.started_at
    found: list[LedgerPage] = []
    end = None if stop.ended_at is None else iso(stop.ended_at)
    async for page in pages(documents, machine_id, begin=iso(begin - LONGEST_PAGE_MS), end=end):
        if page.elements.end > begin:
            found.append(page)
        if len(found) > _PAGES_MAX:
            return Known(stop, before, (), (), is_complete=False)
    found.reverse()
    buckets: list[OeeElements] = []
    for shift_id in dict.fromkeys(page.elements.shift_id for page in found):
        bucket = await documents.get(MACHINES, machine_id, f"oee:{shift_id}")
        if bucket is not None:
            buckets.append(elements_from(bucket))
    return Known(stop, before, tuple(found), tuple(buckets))


async def _before(documents: Documents, machine_id: str, command: StopCommand, stop: Stop) -> Stop | None:
    if isinstance(command.change, Merge) and command.change.at == stop.started_at:
        sql = "SELECT * FROM c WHERE c.type = 'stop' AND c.startedAt < @start ORDER BY c.startedAt DESC"
        parameters = {"@start": iso(stop.started_at)}
        found, _ = await documents.page(MACHINES, sql, parameters, partition=machine_id, limit=1)
        return stop_from(found[0]) if found else None
    if stop.continues is None:
        return None
    document = await documents.get(MACHINES, machine_id, f"stop:{stop.continues}")
    return None if document is None else stop_from(document)
