"""The one door: whatever changes a machine is folded here and leaves as one atomic commit."""

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cachetools import LRUCache

from shared.documents import Rendered, render
from shared.domain.advance import Advanced, advance, initial
from shared.domain.effects import AlarmChanged, Effect, LateKept, ScoreRequested
from shared.domain.inputs import Answered, Input, Position, SpecChanged
from shared.domain.spec import MachineSpec
from shared.domain.state import MachineState
from shared.observability import metrics, traceparent
from shared.ports import Conflict, Create, Document, Documents, Missing, Operation, Refused, Replace
from shared.quarantine import refused_document
from shared.state_document import MACHINES, STATE_ID, StateTooLarge, from_document, to_document
from shared.stop_evidence import informed

log = logging.getLogger(__name__)

LATE = "late"
QUARANTINE = "quarantine"

MAX_OPERATIONS = 100
"""What the service takes in one atomic batch."""
_ROOM = 0.8
"""Pieces of a cut batch aim at this share of the limit: inputs differ in what they write."""
_CONFLICTS_BORNE = 8


class Specs(Protocol):
    async def machine_spec(
        self, site_id: str, line_id: str, machine_id: str, version: int
    ) -> MachineSpec: ...


class Scorer(Protocol):
    def score(self, requests: Sequence[ScoreRequested]) -> Sequence[Answered]: ...


@dataclass(frozen=True, slots=True)
class Loaded:
    """A machine as the store has it. `etag` is None before its first commit."""

    spec: MachineSpec
    state: MachineState
    etag: str | None


class Machines:
    """Machines in the store, with the recently used ones in memory.

    A cached machine is only ever a guess of what the store has: the ETag decides.
    """

    def __init__(
        self, documents: Documents, specs: Specs, scorer: Scorer, *, cached_count: int = 5_000
    ) -> None:
        self._documents = documents
        self._specs = specs
        self._scorer = scorer
        self._cache: LRUCache[str, Loaded] = LRUCache(cached_count)

    async def load(self, machine_id: str) -> Loaded | None:
        """The machine, from memory or the store; None when it was never described to us."""
        loaded = self._cache.get(machine_id)
        if loaded is not None:
            return loaded
        document = await self._documents.get(MACHINES, machine_id, STATE_ID)
        if document is None:
            return None
        state = from_document(document)
        spec = await self._specs.machine_spec(state.site_id, state.line_id, machine_id, state.spec_version)
        loaded = Loaded(spec, state, document["_etag"])
        self._cache[machine_id] = loaded
        return loaded

    def forget(self, machine_id: str) -> None:
        """Read the machine from the store next time."""
        self._cache.pop(machine_id, None)

    async def change(self, machine_id: str, inputs: Sequence[Input]) -> Loaded | None:
        """Fold inputs and commit; None for a machine that does not exist.

        Raises what the ports raise: Unavailable (nothing is known to have happened: try again),
        Refused (a single input that the store will not take), AlreadyDone (a command's key).
        """
        loaded = await self.load(machine_id)
        return None if loaded is None else await self.fold(loaded, inputs)

    async def describe(self, spec: MachineSpec, *, now: int) -> Loaded:
        """Pin a machine to a version of its description; a machine's life begins with this."""
        loaded = await self.load(spec.machine_id) or Loaded(spec, initial(spec), None)
        changed = SpecChanged(Position(f"apply/{spec.site_id}", spec.version), spec, now)
        return await self.fold(loaded, [changed])

    async def fold(self, loaded: Loaded, inputs: Sequence[Input], decided: Advanced | None = None) -> Loaded:
        """Commit inputs to one machine, exactly once each.

        1. Decide, unless a decision over a whole batch did: read what a command about a stop has
           to know, advance the state, answer the model rows that came due, advance again with the
           answers right behind their readings.
        2. Keep late and refused readings in their own containers: idempotent, so before.
        3. Commit state, documents and outbox as one batch, guarded by the state's ETag.
        4. On a conflict reload and start over: the newer state drops what it has folded.
        5. A batch beyond the service's limits is cut; each piece is a commit of its own.
        """
        conflicts = 0
        while True:
            if decided is None:
                known = await informed(self._documents, loaded.spec.machine_id, inputs)
                decided = self.decide(loaded, known)  # 1
            try:
                return await self.write(loaded, decided)  # 2, 3
            except Conflict:  # 4
                conflicts += 1
                metrics().conflicts.add(1)
                if conflicts > _CONFLICTS_BORNE:
                    raise
                self.forget(loaded.spec.machine_id)
                await asyncio.sleep(random.uniform(0, 0.02 * 2**conflicts))
                loaded = await self._reload(loaded)
            except TooLarge as exc:  # 5
                if len(inputs) == 1:
                    raise Refused(f"{loaded.spec.machine_id}: {exc}") from exc
                size = max(1, int(len(inputs) * min(exc.fitting_ratio, 0.5)))
                for start in range(0, len(inputs), size):
                    loaded = await self.fold(loaded, inputs[start : start + size])
                return loaded
            decided = None

    def decide(self, loaded: Loaded, inputs: Sequence[Input]) -> Advanced:
        """Advance, with every model row that came due answered right behind its reading."""
        return decide([(loaded, inputs)], self._scorer)[0]

    async def write(self, before: Loaded, advanced: Advanced, also: Sequence[Operation] = ()) -> Loaded:
        """Steps 2 and 3 of `fold`, with further operations in the same batch. TooLarge: cut it."""
        spec, state = advanced.spec, advanced.state
        machine_id = spec.machine_id
        try:
            first = guard(spec, state, before.etag)
        except StateTooLarge as exc:
            raise TooLarge(str(exc), 0.5) from exc
        rendered = render(spec, state, advanced.effects, traceparent=traceparent())
        count = 1 + len(rendered.operations) + len(also)
        if count > MAX_OPERATIONS:
            raise TooLarge(f"{count} operations in one commit", _ROOM * MAX_OPERATIONS / count)
        for document in rendered.late:
            await self._documents.upsert(LATE, machine_id, document)
        for reading, reason in rendered.refused:
            await keep(self._documents, refused_document(machine_id, reading, reason))
        try:
            etag = await self._commit(advanced, [first, *also], rendered)
        except Refused as exc:
            self.forget(machine_id)
            raise TooLarge(str(exc), 0.5) from exc
        except BaseException:
            self.forget(machine_id)
            raise
        loaded = Loaded(spec, state, etag)
        self._cache[machine_id] = loaded
        count_effects(advanced.effects)
        return loaded

    async def _commit(self, advanced: Advanced, operations: list[Operation], rendered: Rendered) -> str:
        """One batch; returns the ETag of its first operation, the state.

        A document of minutes whose time to live ran out before its hour was over (in the machine's
        time, which may stand still for a month) is written anew.
        """
        spec = advanced.spec
        expired: set[str] = set()
        while True:
            batch = [*operations, *rendered.operations]
            try:
                return (await self._documents.commit(MACHINES, spec.machine_id, batch))[0]
            except Missing as exc:
                if exc.id in expired:
                    raise
                expired.add(exc.id)
                rendered = render(
                    spec, advanced.state, advanced.effects, expired=expired, traceparent=traceparent()
                )

    async def _reload(self, stale: Loaded) -> Loaded:
        return await self.load(stale.spec.machine_id) or Loaded(stale.spec, initial(stale.spec), None)


class TooLarge(Exception):
    """More than one batch may hold: cut the inputs."""

    def __init__(self, why: str, fitting_ratio: float) -> None:
        super().__init__(why)
        self.fitting_ratio = fitting_ratio
        """The share of the inputs that should fit: to be decided again in few pieces, not in many halves."""


async def keep(documents: Documents, document: Document) -> None:
    """Put a document into quarantine. One that the store refuses is logged and passed.

    What cannot be kept must not hold back everybody else's messages; its place says where in the
    Event Hub it still is.
    """
    try:
        await documents.upsert(QUARANTINE, document["deviceDay"], document)
        metrics().quarantined.add(1)
    except Refused as exc:
        log.error("%s of %s cannot be kept: %s", document["id"], document["deviceDay"], exc)


def count_effects(effects: Sequence[Effect]) -> None:
    """What was committed, for the metrics."""
    late_count = 0
    for effect in effects:
        if type(effect) is AlarmChanged:
            metrics().alarms.add(1, {"event": effect.event})
        elif type(effect) is LateKept:
            late_count += 1
    if late_count:
        metrics().late.add(late_count)


def guard(spec: MachineSpec, state: MachineState, etag: str | None) -> Operation:
    """The write of the state that makes the batch fail if somebody else was faster."""
    document: Document = to_document(spec, state)
    return Create(document) if etag is None else Replace(document, etag)


def decide(slices: Sequence[tuple[Loaded, Sequence[Input]]], scorer: Scorer) -> list[Advanced]:
    """Advance machines by their inputs; one model run answers the rows of all of them.

    A machine with rows that came due is advanced once more, with each answer right behind the
    reading that asked for it: so an answer's place does not depend on how inputs are batched.
    """
    decided = [advance(loaded.spec, loaded.state, inputs) for loaded, inputs in slices]
    requests = [effect for one in decided for effect in one.effects if type(effect) is ScoreRequested]
    if not requests:
        return decided
    answers = {
        (request.machine_id, request.model, request.at): answer
        for request, answer in zip(requests, scorer.score(requests), strict=True)
    }
    for index, (loaded, inputs) in enumerate(slices):
        if any(type(effect) is ScoreRequested for effect in decided[index].effects):
            answered = _interleave(inputs, decided[index], answers)
            decided[index] = advance(loaded.spec, loaded.state, answered)
    return decided


def _interleave(
    inputs: Sequence[Input], advanced: Advanced, answers: dict[tuple[str, str, int], Answered]
) -> list[Input]:
    result: list[Input] = []
    start = 0
    for item, end in zip(inputs, advanced.marks, strict=True):
        result.append(item)
        for effect in advanced.effects[start:end]:
            if type(effect) is ScoreRequested:
                result.append(answers[effect.machine_id, effect.model, effect.at])
        start = end
    return result
