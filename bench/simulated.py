"""The whole backend in simulated time: what it asks of the services, without waiting for the clock.

Messages go in batches of one partition and one second to the real `Ingest`; its commits go to the
real local Cosmos DB; the real change feed brings them to the real relays, as often as their
triggers poll. Only the Functions host and the device side are missing, and the relays' clock is
the simulation's. So an hour of a plant takes a minute, and every operation is metered.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import orjson
from azure.cosmos.aio import ContainerProxy

from bench.factory import ROOT
from bench.stage import Meters, Stage, since
from local.cosmos import charges
from local.functions.change_feed import ChangeFeed, FeedRange
from local.functions.triggers import CosmosTrigger
from local.plant.gateway import Outgoing
from local.wiring import TELEMETRY_PARTITIONS, app_settings
from shared.adapters.containers import DATABASE
from shared.adapters.cosmos import cosmos_client
from shared.bootstrap import App, build
from shared.commit import MACHINES, Machines
from shared.ingest import Ingest, Message
from shared.ports import Create, Delete, Document, Documents, Operation, Replace, SetFields, Upsert
from shared.relay.events import EventRelay
from shared.relay.scopes import SCOPES, ScopeRelay
from shared.relay.twins import TwinRelay
from shared.scoring import Scorer
from shared.settings import Settings

LEASE_BYTES = 700
"""What a change feed trigger keeps of a lease; it is replaced behind every invocation."""
_BATCH = 300
"""As host.json has it."""


@dataclass(slots=True)
class Usage:
    """What one run asked for."""

    messages: int = 0
    readings: int = 0
    seconds: float = 0.0
    """Simulated."""
    executions: dict[str, int] = field(default_factory=dict[str, int])
    commits: int = 0
    commit_ru: dict[str, float] = field(default_factory=dict[str, float])
    """Kind of document -> request units of the machines' commits."""
    commit_documents: dict[str, int] = field(default_factory=dict[str, int])
    ru: dict[str, float] = field(default_factory=dict[str, float])
    """`commits`, `change feed`, `roll-ups`, `leases` -> request units."""
    meters: Meters = field(default_factory=dict[str, float])
    wall_s: float = 0.0

    def count(self, function: str) -> None:
        self.executions[function] = self.executions.get(function, 0) + 1


class Charged:
    """`Documents` that also notes what each kind of document in a commit costs.

    By the local service's own figures, from the size of what is written; the meter has the truth.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._sizes: dict[tuple[str, str], int] = {}
        self.usage = Usage()

    async def get(self, container: str, partition: str, id: str) -> Document | None:
        return await self._documents.get(container, partition, id)

    async def commit(self, container: str, partition: str, operations: Sequence[Operation]) -> list[str]:
        if container == MACHINES:
            self.usage.commits += 1
            for operation in operations:
                self._note(partition, operation)
        return await self._documents.commit(container, partition, operations)

    async def upsert(self, container: str, partition: str, document: Document) -> None:
        await self._documents.upsert(container, partition, document)

    def query(
        self, container: str, sql: str, parameters: Mapping[str, Any], *, partition: str | None = None
    ) -> AsyncIterator[Document]:
        return self._documents.query(container, sql, parameters, partition=partition)

    async def page(
        self,
        container: str,
        sql: str,
        parameters: Mapping[str, Any],
        *,
        partition: str | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> tuple[list[Document], str | None]:
        return await self._documents.page(
            container, sql, parameters, partition=partition, limit=limit, cursor=cursor
        )

    def _note(self, partition: str, operation: Operation) -> None:
        match operation:
            case Create(document) | Upsert(document) | Replace(document, _):
                key = partition, document["id"]
                replaces = key in self._sizes or isinstance(operation, Replace)
                self._sizes[key] = len(orjson.dumps(document))
            case SetFields(document_id, fields):
                key, replaces = (partition, document_id), True
                self._sizes[key] = self._sizes.get(key, 1_000) + len(orjson.dumps(dict(fields)))
            case Delete(document_id):
                key, replaces = (partition, document_id), False
        kind = key[1].partition(":")[0]
        charge = charges.replace if replaces else charges.create
        usage = self.usage
        usage.commit_ru[kind] = usage.commit_ru.get(kind, 0.0) + charge(self._sizes[key])
        usage.commit_documents[kind] = usage.commit_documents.get(kind, 0) + 1


@dataclass(slots=True)
class _Feed:
    """One relay's trigger: it polls every range of its container and keeps its place."""

    function: str
    feed: ChangeFeed
    every_s: int
    relay: Callable[[Sequence[Document]], Awaitable[object]]
    purpose: str
    """What the request units of its relay are counted as."""
    ranges: list[FeedRange] = field(default_factory=list[FeedRange])
    places: dict[int, str] = field(default_factory=dict[int, str])


class Simulation:
    """`async with Simulation(stage) as simulation:`, then `run` streams through it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._opened = AsyncExitStack()
        self._now = 0.0
        self._sequences = [0] * TELEMETRY_PARTITIONS
        self._feeds: list[_Feed] = []
        self._documents: Charged
        self._ingest: Ingest

    async def __aenter__(self) -> "Simulation":
        async with AsyncExitStack() as opened:
            endpoints = self._stage.endpoints
            settings = Settings.from_environment(app_settings(self._stage.backend.home, endpoints))
            app = await build(settings, opened)
            self._documents = Charged(app.documents)
            client = await opened.enter_async_context(
                cosmos_client(endpoints["cosmos"], endpoints["cosmosKey"])
            )
            database = client.get_database_client(DATABASE)
            await self._wire(
                app, database.get_container_client(MACHINES), database.get_container_client(SCOPES)
            )
            self._opened = opened.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def run(self, events: Sequence[Outgoing]) -> Usage:
        """Play messages, a simulated second at a time; what they cost."""
        usage = self._documents.usage = Usage()
        started = time.monotonic()
        before = await self._stage.meters()
        seconds: dict[int, list[Outgoing]] = {}
        for event in events:
            seconds.setdefault(event.at // 1000, []).append(event)
        first, last = min(seconds), max(seconds)
        for second in range(first, last + 1):
            self._now = float(second)
            await self._deliver(seconds.get(second, []), usage)
            for feed in self._feeds:
                if second % feed.every_s == 0:
                    await self._poll(feed, usage)
        usage.seconds = last + 1 - first
        usage.meters = since(before, await self._stage.meters())
        spent = usage.meters["cosmos.request_units"]
        usage.ru["commits"] = spent - sum(usage.ru.values())
        invocations = sum(count for name, count in usage.executions.items() if name != "telemetry")
        usage.ru["leases"] = invocations * charges.replace(LEASE_BYTES)
        usage.wall_s = time.monotonic() - started
        return usage

    async def _deliver(self, events: Sequence[Outgoing], usage: Usage) -> None:
        partitions: dict[int, list[Message]] = {}
        for event in events:
            partition = crc32(event.device_id.encode()) % TELEMETRY_PARTITIONS
            sequence = self._sequences[partition]
            self._sequences[partition] += 1
            partitions.setdefault(partition, []).append(
                Message(event.device_id, f"telemetry/1/{partition}", sequence, event.at, event.body)
            )
            usage.messages += 1
            usage.readings += len(event.readings)
        for messages in partitions.values():
            for start in range(0, len(messages), _BATCH):
                usage.count("telemetry")
                await self._ingest(messages[start : start + _BATCH])

    async def _poll(self, feed: _Feed, usage: Usage) -> None:
        for number, feed_range in enumerate(feed.ranges):
            while True:
                charged = await self._request_units()
                documents, place = await feed.feed.page(feed_range, feed.places.get(number))
                feed.places[number] = place
                read = await self._request_units()
                usage.ru["change feed"] = usage.ru.get("change feed", 0.0) + read - charged
                if not documents:
                    break
                usage.count(feed.function)
                await feed.relay(documents)
                spent = await self._request_units() - read
                usage.ru[feed.purpose] = usage.ru.get(feed.purpose, 0.0) + spent

    async def _request_units(self) -> float:
        url = f"{self._stage.endpoints['cosmos']}/_local/meter"
        async with self._stage.http.get(url) as answer:
            return float((await answer.json(content_type=None))["request_units"])

    async def _sleep(self, seconds: float) -> None:
        self._now += seconds
        await asyncio.sleep(0)

    async def _wire(self, app: App, machines: ContainerProxy, scopes: ContainerProxy) -> None:
        def clock() -> float:
            return self._now

        documents = self._documents
        scorer = Scorer(ROOT / "models")
        self._ingest = Ingest(Machines(documents, app.specs, scorer), app.specs, documents, scorer)
        twins = TwinRelay(app.twins, documents, clock=clock, sleep=self._sleep)
        scope_twins = TwinRelay(app.twins, documents, clock=clock, sleep=self._sleep)
        events = EventRelay(app.events, documents)
        rollups = ScopeRelay(documents, app.specs, clock=clock, sleep=self._sleep)
        # As functions/relays.py has them.
        self._feeds = [
            _Feed("relay_twins", _feed(machines, 1_000), 1, twins, "twins"),
            _Feed("relay_events", _feed(machines, 1_000), 1, events, "events"),
            _Feed("relay_scopes", _feed(machines, 1_000), 5, rollups, "roll-ups"),
            _Feed("relay_scope_twins", _feed(scopes, 300), 5, scope_twins, "roll-ups"),
        ]
        for feed in self._feeds:
            feed.ranges = await feed.feed.ranges()


def _feed(container: ContainerProxy, at_most: int) -> ChangeFeed:
    trigger = CosmosTrigger.model_validate(
        {
            "type": "cosmosDBTrigger",
            "connection": "",
            "databaseName": DATABASE,
            "containerName": container.id,
            "maxItemsPerInvocation": at_most,
            "startFromBeginning": True,
        }
    )
    return ChangeFeed(container, trigger)
