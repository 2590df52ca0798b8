"""Committed documents of machines and scopes -> Azure Digital Twins, by patches of what differs."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

from cachetools import LRUCache

from shared.observability import continued
from shared.ports import Conflict, Document, Documents, Refused, Twins, Unavailable
from shared.relay.events import origins
from shared.relay.pace import Pace, Sleep
from shared.relay.twin_patch import Projection, Properties, changes, owned, projection
from shared.relay.undelivered import record
from shared.relay.work_orders import WorkOrderTwins

log = logging.getLogger(__name__)

CHANNEL = "digital-twins"
TWIN_WRITES_PER_S = 10
INSTANCE_WRITES_PER_S = 1_000
_BURST = 5
_AT_ONCE = 64
"""Beside telemetry a worker comes round to its waiting answers only a few times a second."""
_CONFLICTS_BORNE = 8
_DISTRUST_AFTER_S = 600.0
"""A property that was refused is tried again after this long: the model may have been mended."""
_MISSING_FOR_S = 30.0
"""How long a twin that does not exist is not asked for again."""


@dataclass(slots=True)
class _Shown:
    """What a part of a twin is, as far as this worker knows: learned by a GET, kept by its patches."""

    version: tuple[Any, ...] = ()
    known: Properties = field(default_factory=dict[str, Any])
    refused: set[str] = field(default_factory=set[str])
    exists: bool = True
    trusted_until: float = float("inf")


type _Edit = tuple[_Shown, list[Document]]
"""The operations that change one property, and the part that it belongs to."""


class TwinRelay:
    """Keeps twins equal to their documents.

    A worker never sends an older version than it sent, and never the same twice. A write that the
    service refuses is narrowed down to the property at fault, recorded, and passed; so is a twin
    that does not exist. What may pass raises Unavailable once the writes under way have ended:
    the host brings the batch again, and what was written by then is not written twice.

    Every patch carries the twin's ETag. Where somebody else wrote meanwhile (another worker while
    a lease moves, an apply, a person) twin and document are both read anew: so an old worker
    cannot put an old value over a newer one.
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
        self._etags = LRUCache[str, str](remembered)
        self._twin_pace = Pace(TWIN_WRITES_PER_S, burst=_BURST, clock=clock, sleep=sleep)
        self._pace = Pace(INSTANCE_WRITES_PER_S, burst=_AT_ONCE, clock=clock, sleep=sleep)
        self._work_orders = WorkOrderTwins(twins, documents)
        self.refused_count = 0

    async def __call__(self, documents: Sequence[Document]) -> None:
        """Show a batch of changed documents; those that say nothing about a twin are passed over."""
        newest: dict[str, Projection] = {}
        for projected in filter(None, map(projection, documents)):
            key = _key(projected)
            if key not in newest or projected.version >= newest[key].version:
                newest[key] = projected
        by_twin: dict[str, list[Projection]] = {}
        for projected in newest.values():
            by_twin.setdefault(projected.twin_id, []).append(projected)
        if not by_twin and not any(document.get("type") == "workorder" for document in documents):
            return
        with continued("show", origins(documents), {"millwright.twins": len(by_twin)}):
            shown = self._all(iter(by_twin.values()))
            outcomes = await asyncio.gather(shown, self._work_orders(documents), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def differences(self, document: Document) -> list[str] | None:
        """Properties, by pointer, in which the service's twin differs from its document, whatever
        this worker believes; None when there is no such twin."""
        projected = projection(document)
        assert projected is not None
        before = self._shown.get(_key(projected))
        twin = await self._twins.get(projected.twin_id)
        if twin is None:
            return None
        known = owned(twin, projected.optional | projected.wanted.keys())
        fresh = _Shown(known=known, refused=set() if before is None else before.refused)
        return [group[0]["path"] for group in self._changes(fresh, projected)]

    async def repair(self, document: Document) -> None:
        """Make the twin what its document says, believing nothing that this worker knows of it."""
        projected = projection(document)
        assert projected is not None
        self._shown.pop(_key(projected), None)
        await self._show([projected])

    async def _all(self, items: Iterator[list[Projection]]) -> None:
        """A few twins at once. After a failure nothing new is begun; it is raised at the end."""
        failures: list[Unavailable] = []

        async def work() -> None:
            for parts in items:
                if failures:
                    return
                try:
                    await self._show(parts)
                except Unavailable as exc:
                    failures.append(exc)

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
        if failures:
            raise failures[0]

    async def _show(self, parts: Sequence[Projection]) -> None:
        """What several documents say about one twin, in one patch."""
        twin_id = parts[0].twin_id
        for _ in range(_CONFLICTS_BORNE):
            due = [
                (shown, part)
                for part in parts
                if (shown := await self._learn(part)).exists and part.version > shown.version
            ]
            edits = [(shown, steps) for shown, part in due for steps in self._changes(shown, part)]
            try:
                if edits:
                    await self._send(twin_id, edits)
            except Conflict:
                for shown, _ in due:
                    shown.trusted_until = self._clock()
                parts = [await self._newest(part) for _, part in due]
                continue
            for shown, part in due:
                if shown.exists:
                    shown.version = part.version
            return
        raise Unavailable(f"twin {twin_id} is written by somebody else all the time")

    async def _newest(self, projected: Projection) -> Projection:
        """What the document says now: another worker may have shown a later one already."""
        document = await self._documents.get(*projected.place) if projected.place else None
        return (None if document is None else projection(document)) or projected

    @staticmethod
    def _changes(shown: _Shown, projected: Projection) -> list[list[Document]]:
        accepted = {p: value for p, value in projected.wanted.items() if p not in shown.refused}
        return changes(shown.known, replace(projected, wanted=accepted))

    async def _learn(self, projected: Projection) -> _Shown:
        """What the twin has. The first time in this worker, and again after a refusal, it is asked."""
        key = _key(projected)
        before = self._shown.get(key)
        if before is not None and self._clock() < before.trusted_until:
            return before
        twin = await self._twins.get(projected.twin_id)
        shown = self._shown[key] = _Shown(before.version if before is not None else ())
        if twin is None:
            await self._miss(projected.twin_id, [shown])
        else:
            self._etags[projected.twin_id] = twin.get("$etag", "")
            shown.known = owned(twin, projected.optional | projected.wanted.keys())
        return shown

    async def _send(self, twin_id: str, edits: Sequence[_Edit]) -> None:
        """One patch; if it is refused, halves of it, down to the property at fault."""
        await self._twin_pace.turn(twin_id)
        await self._pace.turn()
        try:
            steps = [step for _, group in edits for step in group]
            left = await self._twins.patch(twin_id, steps, etag=self._etags.get(twin_id) or None)
            self._etags[twin_id] = left or ""
        except Refused as exc:
            if len(edits) == 1:
                [(shown, group)] = edits
                await self._refuse(twin_id, shown, group[0]["path"], exc)
            elif await self._twins.get(twin_id) is None:
                await self._miss(twin_id, [shown for shown, _ in edits])
            else:
                middle = len(edits) // 2
                await self._send(twin_id, edits[:middle])
                await self._send(twin_id, edits[middle:])
            return
        except Unavailable:
            for shown, _ in edits:
                shown.trusted_until = self._clock()
            raise
        for shown, (step, *_) in edits:
            if step["op"] == "remove":
                shown.known.pop(step["path"], None)
            else:
                shown.known[step["path"]] = step["value"]

    async def _miss(self, twin_id: str, parts: Sequence[_Shown]) -> None:
        for shown in parts:
            shown.exists = False
            shown.trusted_until = self._clock() + _MISSING_FOR_S
        await self._record(twin_id, "the twin does not exist: run `millwright factory apply`")

    async def _refuse(self, twin_id: str, shown: _Shown, pointer: str, exc: Refused) -> None:
        shown.refused.add(pointer)
        shown.known.pop(pointer, None)
        shown.trusted_until = min(shown.trusted_until, self._clock() + _DISTRUST_AFTER_S)
        await self._record(twin_id, f"{pointer}: {exc}")

    async def _record(self, twin_id: str, detail: str) -> None:
        self.refused_count += 1
        log.warning("twin %s: %s", twin_id, detail)
        await record(self._documents, CHANNEL, subject=twin_id, item=twin_id, detail=detail)


def _key(projected: Projection) -> str:
    return f"{projected.twin_id}/{projected.part}"
