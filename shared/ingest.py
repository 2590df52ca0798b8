"""A batch of device messages -> commits: decode, group by machine, decide, score once, commit."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.blocked import BUGS, set_aside
from shared.commit import Loaded, Machines, Scorer, decide, keep
from shared.decode import Decoded, DeviceEntry, Reason, Rejected, decode, resolve
from shared.decode.reading import as_message
from shared.domain.advance import Advanced
from shared.domain.inputs import Input, Reading
from shared.observability import span
from shared.ports import Documents, Refused
from shared.quarantine import few, refused_document, rejected_document

log = logging.getLogger(__name__)


class Devices(Protocol):
    async def device(self, device_id: str, *, doubted: bool = False) -> DeviceEntry | None: ...


@dataclass(frozen=True, slots=True)
class Message:
    """One event of the telemetry hub."""

    device_id: str
    source: str
    """`telemetry/<generation>/<partition>`."""
    sequence: int
    arrived_at: int
    """When IoT Hub took it (`iothub-enqueuedtime`), ms since the epoch."""
    body: bytes
    traceparent: str | None = None
    """The trace that the device began, if it did (application property `traceparent`, W3C Trace Context)."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a batch."""

    reading_count: int
    machine_count: int
    quarantined_count: int


type Slice = tuple[Loaded, list[Input]]
"""A machine and its part of a batch."""


class Ingest:
    """Folds batches of messages into machines."""

    def __init__(self, machines: Machines, devices: Devices, documents: Documents, scorer: Scorer) -> None:
        self._machines = machines
        self._devices = devices
        self._documents = documents
        self._scorer = scorer

    async def __call__(self, messages: Sequence[Message]) -> Report:
        """Fold a batch, each reading exactly once however often the batch comes.

        1. Decode; group the readings by machine, in the order of their positions.
        2. Load the machines; drop what their pinned spec refuses.
        3. Decide every machine; answer all model rows that came due in one run per model.
        4. Quarantine what was rejected, then commit the machines, all at once.

        Raises Unavailable when a store is away: nothing is parked then, the caller tries the
        batch again. A machine whose inputs make our own code fail is blocked, and nobody else.
        """
        causes = (message.traceparent for message in messages)
        with span("ingest", _batch(messages), causes=causes):
            return await self._ingest(messages)

    async def _ingest(self, messages: Sequence[Message]) -> Report:
        decoded, rejected = await self._decode(messages)  # 1
        slices = await self._load(decoded, rejected)  # 2
        decided = self._decide(slices)  # 3
        for document in map(rejected_document, rejected):  # 4
            await keep(self._documents, document)
        with span("commit", {"millwright.machines": len(slices)}):
            outcomes = await asyncio.gather(
                *(
                    self._commit(loaded, inputs, advanced)
                    for (loaded, inputs), advanced in zip(slices, decided, strict=True)
                ),
                return_exceptions=True,
            )
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
        return Report(sum(len(inputs) for _, inputs in slices), len(slices), len(rejected))

    async def _decode(self, messages: Sequence[Message]) -> tuple[dict[str, list[Decoded]], list[Rejected]]:
        decoded: dict[str, list[Decoded]] = {}
        rejected: list[Rejected] = []
        for message in messages:
            broken: list[Rejected] = []
            for outcome in await self._outcomes(message):
                if isinstance(outcome, Decoded):
                    decoded.setdefault(outcome.machine_id, []).append(outcome)
                else:
                    broken.append(outcome)
            rejected += few(broken)
        return decoded, rejected

    async def _outcomes(self, message: Message) -> list[Decoded | Rejected]:
        """Decoded by what is known of the device; a machine that it should not report may be a new one
        of its own, so the directory is asked again before that is believed."""
        device = await self._devices.device(message.device_id)
        outcomes = _decoded(message, device)
        if device is not None and any(map(_is_not_its, outcomes)):
            newer = await self._devices.device(message.device_id, doubted=True)
            if newer is not device:
                return _decoded(message, newer)
        return outcomes

    async def _load(self, decoded: dict[str, list[Decoded]], rejected: list[Rejected]) -> list[Slice]:
        """Each machine with its readings, as its pinned spec understands them."""
        slices: list[Slice] = []
        machines = await asyncio.gather(*map(self._machines.load, decoded), return_exceptions=True)
        for loaded, mine in zip(machines, decoded.values(), strict=True):
            if isinstance(loaded, BUGS):
                log.error("the state of %s cannot be read", mine[0].machine_id, exc_info=loaded)
                rejected += (_reject(one, Reason.UNREADABLE_STATE, str(loaded)[:500]) for one in mine)
                continue
            if isinstance(loaded, BaseException):
                raise loaded
            readings: list[Input] = []
            doubted = False
            for one in mine:
                outcome = _unknown(one) if loaded is None else resolve(one, loaded.spec)
                if not doubted and _is_not_its(outcome):  # its description may be newer than the cache
                    self._machines.forget(one.machine_id)
                    loaded = await self._machines.load(one.machine_id)
                    outcome = _unknown(one) if loaded is None else resolve(one, loaded.spec)
                    doubted = True
                if isinstance(outcome, Reading):
                    readings.append(outcome)
                else:
                    rejected.append(outcome)
            if loaded is not None and readings:
                slices.append((loaded, readings))
        return slices

    def _decide(self, slices: list[Slice]) -> list[Advanced | Exception]:
        """Decide all machines; if our own code fails on one, each by itself, with what it failed of."""
        try:
            return [*decide(slices, self._scorer)]
        except BUGS:
            return [self._decide_alone(one) for one in slices]

    def _decide_alone(self, one: Slice) -> Advanced | Exception:
        try:
            return decide([one], self._scorer)[0]
        except BUGS as exc:
            return exc

    async def _commit(self, loaded: Loaded, inputs: Sequence[Input], decided: Advanced | Exception) -> None:
        try:
            if isinstance(decided, Exception):
                raise decided
            await self._machines.fold(loaded, inputs, decided)
        except (Refused, *BUGS) as exc:
            machine_id = loaded.spec.machine_id
            readings = [item for item in inputs if isinstance(item, Reading)]
            if not await set_aside(
                self._machines, machine_id, readings, exc, now=max(one.arrived_at for one in readings)
            ):
                for reading in readings:
                    document = refused_document(machine_id, reading, Reason.UNREADABLE_STATE)
                    await keep(self._documents, document)


def _batch(messages: Sequence[Message]) -> dict[str, str | int]:
    """Where a batch stands in the telemetry hub: so a message's place leads to its trace."""
    if not messages:
        return {}
    return {
        "messaging.system": "eventhubs",
        "messaging.batch.message_count": len(messages),
        "millwright.source": messages[0].source,
        "millwright.sequence.first": messages[0].sequence,
        "millwright.sequence.last": messages[-1].sequence,
    }


def _decoded(message: Message, device: DeviceEntry | None) -> list[Decoded | Rejected]:
    return decode(
        message.body,
        device=device,
        device_id=message.device_id,
        source=message.source,
        sequence=message.sequence,
        arrived_at=message.arrived_at,
    )


def _is_not_its(outcome: Decoded | Reading | Rejected) -> bool:
    return isinstance(outcome, Rejected) and outcome.reason is Reason.NOT_ITS_DEVICE


def _unknown(decoded: Decoded) -> Rejected:
    detail = f"{decoded.machine_id} was never applied: run `millwright factory apply`"
    return _reject(decoded, Reason.MISSING_MACHINE, detail)


def _reject(decoded: Decoded, reason: Reason, detail: str) -> Rejected:
    reading = decoded.reading
    return Rejected(
        reading.position,
        reading.device,
        reading.arrived_at,
        reason,
        detail,
        as_message(decoded),
        decoded.machine_id,
    )
