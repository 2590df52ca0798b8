"""Committed `twin` documents -> Azure Digital Twins, by patches of what differs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from cachetools import LRUCache

from shared.ports import Document, Documents, Refused, Twins, Unavailable
from shared.relay.pace import Pace, Sleep
from shared.relay.twin_patch import Properties, changes, owned, properties
from shared.relay.undelivered import record

log = logging.getLogger(__name__)

CHANNEL = "digital-twins"
TWIN_WRITES_PER_S = 10
INSTANCE_WRITES_PER_S = 1_000
_BURST = 5
_AT_ONCE = 16
_DISTRUST_AFTER_S = 600.0
"""A property that was refused is tried again after this long: the model may have been mended."""
_MISSING_FOR_S = 30.0
"""How long a twin that does not exist is not asked for again."""


@dataclass(slots=True)
class _Shown:
    """What a twin has, as far as this worker knows: learned by a GET, kept by its own patches."""

    version: int = 0
    known: Properties = field(default_factory=dict[str, Any])
    refused: set[str] = field(default_factory=set[str])
    exists: bool = True
    trusted_until: float = float("inf")


class TwinRelay:
    """Keeps the machines' twins equal to their documents.

    A worker never sends an older version than it sent, and never the same twice. A write that the
    service refuses is narrowed down to the property at fault, recorded, and passed; so is a twin
    that does not exist. What may pass raises Unavailable once the writes under way have ended:
    the host brings the batch again, and what was written by then is not written twice.
    """

    def __init__(
        self,
        twins: Twins,
        documents: Documents,
        *,
        clock: Callable[[], float] = monotonic,
        sleep: Sleep = asyncio.sleep,
        remembered: int = 10_000,
    ) -> None:
        self._twins = twins
        self._documents = documents
        self._clock = clock
        self._shown = LRUCache[str, _Shown](remembered)
        self._twin_pace = Pace(TWIN_WRITES_PER_S, burst=_BURST, clock=clock, sleep=sleep)
        self._pace = Pace(INSTANCE_WRITES_PER_S, burst=_AT_ONCE, clock=clock, sleep=sleep)
        self.refused_count = 0

    async def __call__(self, documents: Sequence[Document]) -> None:
        """Show a batch of changed documents; those that are no twin's are passed over."""
        newest: dict[str, Document] = {}
        for document in documents:
            if document["type"] == "twin":
                before = newest.get(document["machineId"])
                if before is None or document["version"] >= before["version"]:
                    newest[document["machineId"]] = document
        await _all(self._show, iter(newest.values()))

    async def _show(self, document: Document) -> None:
        machine_id, wanted = document["machineId"], properties(document)
        shown = await self._learn(machine_id, wanted)
        if not shown.exists or document["version"] <= shown.version:
            return
        wanted = {pointer: value for pointer, value in wanted.items() if pointer not in shown.refused}
        groups = changes(shown.known, wanted, document)
        if groups:
            await self._send(document, shown, groups)
        if shown.exists:
            shown.version = document["version"]

    async def _learn(self, machine_id: str, wanted: Properties) -> _Shown:
        """What the twin has. The first time in this worker, and again after a refusal, it is asked."""
        shown = self._shown.get(machine_id)
        if shown is not None and self._clock() < shown.trusted_until:
            return shown
        version = shown.version if shown is not None else 0
        twin = await self._twins.get(machine_id)
        shown = self._shown[machine_id] = _Shown(version)
        if twin is None:
            await self._miss(machine_id, shown)
        else:
            shown.known = owned(twin, wanted)
        return shown

    async def _send(self, document: Document, shown: _Shown, groups: list[list[Document]]) -> None:
        """One patch; if it is refused, halves of it, down to the property at fault."""
        machine_id = document["machineId"]
        await self._twin_pace.turn(machine_id)
        await self._pace.turn()
        try:
            await self._twins.patch(machine_id, [step for group in groups for step in group])
        except Refused as exc:
            if len(groups) == 1:
                await self._refuse(machine_id, shown, groups[0][0]["path"], exc)
            elif await self._twins.get(machine_id) is None:
                await self._miss(machine_id, shown)
            else:
                middle = len(groups) // 2
                await self._send(document, shown, groups[:middle])
                await self._send(document, shown, groups[middle:])
            return
        except Unavailable:
            shown.trusted_until = self._clock()
            raise
        for step in (group[0] for group in groups):
            if step["op"] == "remove":
                shown.known.pop(step["path"], None)
            else:
                shown.known[step["path"]] = step["value"]

    async def _miss(self, machine_id: str, shown: _Shown) -> None:
        shown.exists = False
        shown.trusted_until = self._clock() + _MISSING_FOR_S
        await self._record(machine_id, "the twin does not exist: run `millwright factory apply`")

    async def _refuse(self, machine_id: str, shown: _Shown, pointer: str, exc: Refused) -> None:
        shown.refused.add(pointer)
        shown.known.pop(pointer, None)
        shown.trusted_until = min(shown.trusted_until, self._clock() + _DISTRUST_AFTER_S)
        await self._record(machine_id, f"{pointer}: {exc}")

    async def _record(self, machine_id: str, detail: str) -> None:
        self.refused_count += 1
        log.warning("twin of %s: %s", machine_id, detail)
        await record(self._documents, CHANNEL, subject=machine_id, item=machine_id, detail=detail)


async def _all(action: Callable[[Document], Awaitable[None]], items: Iterator[Document]) -> None:
    """Act on all items, a few at once. After a failure nothing new is begun; the failure is raised."""
    failures: list[BaseException] = []

    async def work() -> None:
        for item in items:
            if failures:
                return
            try:
                await action(item)
            except Unavailable as exc:
                failures.append(exc)

    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
    if failures:
        raise failures[0]
