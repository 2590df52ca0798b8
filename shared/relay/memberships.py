"""Which lines a machine ever counted in: a machine that moves has to leave the others."""

import asyncio
from collections.abc import Sequence

from shared.ports import AlreadyDone, Conflict, Create, Document, Documents, Replace

SCOPES = "scopes"
MEMBERSHIP = "membership"
"""Id of a machine's one document in its own partition of `scopes`; its `type` too."""
_AT_ONCE = 16


class Memberships:
    """One small document a machine, that only grows: so it does not matter who writes it when.

    It is looked at when a machine is new to a line's document, once a shift as a rule.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def join(self, machine_ids: Sequence[str], line_id: str, site_id: str) -> dict[str, dict[str, str]]:
        """Note that machines count in a line; returns the other lines that each ever counted in.

        Machine -> line -> its site.
        Conflict when another worker noted something at the same time: the batch comes again.
        """
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(machine_id: str) -> dict[str, str]:
            async with slots:
                lines = await self._join(machine_id, line_id, site_id)
            return {name: site for name, site in lines.items() if name != line_id}

        others = await asyncio.gather(*map(one, machine_ids))
        return dict(zip(machine_ids, others, strict=True))

    async def _join(self, machine_id: str, line_id: str, site_id: str) -> dict[str, str]:
        before = await self._documents.get(SCOPES, machine_id, MEMBERSHIP)
        lines: dict[str, str] = {**(before["lines"] if before else {}), line_id: site_id}
        if before is not None and before["lines"] == lines:
            return lines
        after: Document = {"id": MEMBERSHIP, "scopeId": machine_id, "type": MEMBERSHIP, "lines": lines}
        operation = Create(after) if before is None else Replace(after, before["_etag"])
        try:
            await self._documents.commit(SCOPES, machine_id, [operation])
        except AlreadyDone as exc:
            raise Conflict(f"membership of {machine_id}") from exc
        return lines
