"""Open work orders as twins: a query goes from a machine and its neighbours to the work that waits there."""

import asyncio
import logging
from collections.abc import Sequence

from shared.ports import Conflict, Document, Documents, Refused, Twins, Unavailable
from shared.relay.undelivered import record

log = logging.getLogger(__name__)

MODEL = "dtmi:millwright:WorkOrder;1"
ASSIGNED_TO = "assignedTo"
"""Relationship from a work order to its machine."""
CHANNEL = "digital-twins"
SHOWN = ("state", "component", "work", "cause", "openedAt", "dueAt")
_TRIED = 8


def twin_id(order_id: str) -> str:
    """An order's id as the service takes it; nothing in a description can be called so.

    >>> twin_id("LINE-1-CNC-1:57")
    'LINE-1-CNC-1#57'
    """
    return order_id.replace(":", "#")


class WorkOrderTwins:
    """Makes a twin of each work order that is open, and retires it once the work is done or cancelled.

    Every step may be repeated: what a crash left half made is completed when the batch comes again.
    """

    def __init__(self, twins: Twins, documents: Documents) -> None:
        self._twins = twins
        self._documents = documents

    async def __call__(self, documents: Sequence[Document]) -> None:
        """Settle the work orders among changed documents, all at once.

        Raises Unavailable once those under way have ended: the batch then comes again.
        """
        newest: dict[str, Document] = {}
        for document in documents:
            if document.get("type") == "workorder":
                before = newest.get(document["workOrderId"])
                if before is None or document["version"] >= before["version"]:
                    newest[document["workOrderId"]] = document
        outcomes = await asyncio.gather(*map(self._one, newest.values()), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _one(self, document: Document) -> None:
        try:
            await self._settle(document)
        except Refused as exc:
            order_id = document["workOrderId"]
            log.warning("work order %s has no twin: %s", order_id, exc)
            await record(self._documents, CHANNEL, subject=order_id, item=order_id, detail=str(exc))

    async def _settle(self, document: Document) -> None:
        """1. Make twin and document agree. 2. Read the document again: an old worker may have
        brought back what a newer one retired meanwhile. Until the document stays as it was.
        """
        for _ in range(_TRIED):
            try:
                await (self._show(document) if document["active"] else self._retire(document))  # 1
            except Conflict:
                continue
            newest = await self._documents.get("machines", document["machineId"], document["id"])  # 2
            if newest is None or newest["version"] == document["version"]:
                return
            document = newest
        raise Unavailable(f"work order {document['workOrderId']} changes all the time")

    async def _show(self, document: Document) -> None:
        name = twin_id(document["workOrderId"])
        wanted = {part: document[part] for part in SHOWN}
        if await self._twins.create(name, {"$metadata": {"$model": MODEL}, **wanted}):
            await self._twins.relate(name, ASSIGNED_TO, document["machineId"])
            return
        twin = await self._twins.get(name)
        if twin is None:
            raise Conflict(f"twin {name} was retired meanwhile")
        patch = [
            {"op": "add", "path": f"/{part}", "value": value}
            for part, value in wanted.items()
            if twin.get(part) != value
        ]
        if patch:
            await self._twins.patch(name, patch, etag=twin["$etag"])
        if not await self._twins.targets(name, ASSIGNED_TO):
            await self._twins.relate(name, ASSIGNED_TO, document["machineId"])

    async def _retire(self, document: Document) -> None:
        await self._twins.delete(twin_id(document["workOrderId"]))
