"""The Cosmos DB trigger: a pump per feed range that this host holds the lease of.

A page of changes is one invocation. The lease's position moves on when the function
succeeded or its retries are spent; not when the host stops or the lease goes elsewhere.
"""

import asyncio
import contextlib
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from azure.core.exceptions import AzureError
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient

from local.functions.change_feed import ChangeFeed
from local.functions.cosmos_leases import Lease, LeaseLost, Leases
from local.functions.invoke import Call, Invoker
from local.functions.listening import keep_listening, wait
from local.functions.triggers import CosmosTrigger
from local.functions.worker import Function, as_json
from local.service import Clock

log = logging.getLogger("host.cosmosdb")

_PAUSE_S = 1.0
_FAULTS_ALLOWED = 4


@dataclass(frozen=True, slots=True)
class Connections:
    """Connection strings of the monitored container and of the lease container."""

    monitored: str
    leases: str


@dataclass(slots=True)
class _Pump:
    lease: Lease
    task: asyncio.Task[None]
    revoked: asyncio.Event
    turn: asyncio.Lock


class CosmosListener:
    """Feeds one function from one container."""

    def __init__(
        self,
        function: Function,
        trigger: CosmosTrigger,
        connections: Connections,
        *,
        invoker: Invoker,
        owner_id: str,
        lease_s: float,
        clock: Clock,
    ) -> None:
        self.function = function
        self._trigger = trigger
        self._connections = connections
        self._invoker = invoker
        self._owner_id = f"{owner_id}/{function.name}"
        self._lease_s = lease_s
        self._clock = clock
        self._pumps: dict[str, _Pump] = {}
        self._stopping = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._listening = asyncio.create_task(
            keep_listening(self.function.name, self._listen, self._stopping)
        )

    async def stop(self, patience_s: float) -> None:
        """Let invocations finish for `patience_s`, then release the leases."""
        self._stopping.set()
        for pump in self._pumps.values():
            pump.revoked.set()
        if self._listening is not None:
            await asyncio.wait([self._listening], timeout=patience_s + 2)
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening

    async def _listen(self) -> None:
        trigger = self._trigger
        async with AsyncExitStack() as stack:
            source = await _open(stack, self._connections.monitored)
            keeper = await _open(stack, self._connections.leases)
            monitored = source.get_database_client(trigger.database_name).get_container_client(
                trigger.container_name
            )
            properties = await monitored.read()
            feed = ChangeFeed(monitored, trigger)
            leases = Leases(
                await self._lease_container(keeper),
                f"{trigger.lease_container_prefix}{trigger.database_name}_{properties['_rid']}",
                self._owner_id,
                expires_s=self._lease_s,
                clock=self._clock,
            )
            ids = await leases.create_missing(await feed.ranges())
            try:
                faults = 0
                while not self._stopping.is_set():
                    try:
                        await self._balance(leases, feed, ids)
                        faults = 0
                    except (AzureError, OSError):
                        # Short outages are the pumps' to bear; after long ones everything is looked up again.
                        faults += 1
                        if faults > _FAULTS_ALLOWED:
                            raise
                    await wait(self._stopping, self._lease_s / 4)
            finally:
                await self._end(leases)

    async def _lease_container(self, keeper: CosmosClient) -> ContainerProxy:
        database = keeper.get_database_client(
            self._trigger.lease_database_name or self._trigger.database_name
        )
        name = self._trigger.lease_container_name
        if self._trigger.create_lease_container_if_not_exists:
            return await database.create_container_if_not_exists(name, PartitionKey("/id"))
        container = database.get_container_client(name)
        await container.read()
        return container

    async def _balance(self, leases: Leases, feed: ChangeFeed, ids: list[str]) -> None:
        """Renew what is held, drop what is lost, take what is due."""
        for lease_id, pump in list(self._pumps.items()):
            if pump.task.done():
                del self._pumps[lease_id]
                await pump.task
                continue
            try:
                async with pump.turn:
                    await leases.save(pump.lease)
            except LeaseLost:
                # It stays in the table, so that no second pump begins before its invocation has ended.
                pump.revoked.set()
        for lease in await leases.acquire(ids, set(self._pumps)):
            revoked, turn = asyncio.Event(), asyncio.Lock()
            task = asyncio.create_task(self._pump(leases, feed, lease, revoked, turn))
            self._pumps[lease.id] = _Pump(lease, task, revoked, turn)

    async def _pump(
        self, leases: Leases, feed: ChangeFeed, lease: Lease, revoked: asyncio.Event, turn: asyncio.Lock
    ) -> None:
        """Read, run, move on. `turn` keeps position and renewal from overtaking each other."""
        poll_s = self._trigger.feed_poll_delay / 1000
        while not revoked.is_set():
            try:
                documents, position = await feed.page(lease.feed_range, lease.continuation)
                if documents and not await self._invoker.settle(self._call(documents), revoked):
                    return
                if documents or lease.continuation is None:
                    async with turn:
                        await leases.save(lease, position)
                if not documents:
                    await wait(revoked, poll_s)
            except LeaseLost:
                log.info("%s: the lease %s went to another host", self.function.name, lease.id)
                return
            except (AzureError, OSError) as exc:
                log.warning("The listener for function 'Functions.%s': %s", self.function.name, exc)
                await wait(revoked, _PAUSE_S)

    def _call(self, documents: list[dict[str, object]]) -> Call:
        moment = datetime.fromtimestamp(self._clock(), UTC).isoformat()
        reason = f"New changes on container {self._trigger.container_name} at {moment}"
        return Call(self.function, as_json(orjson.dumps(documents)), {}, reason, routine=True)

    async def _end(self, leases: Leases) -> None:
        """Wait for the pumps' invocations, then release. A service that is down will see leases expire."""
        for pump in self._pumps.values():
            pump.revoked.set()
        if self._pumps:
            await asyncio.wait([pump.task for pump in self._pumps.values()])
        for pump in self._pumps.values():
            with contextlib.suppress(LeaseLost, AzureError, OSError):
                await leases.release(pump.lease)
        self._pumps.clear()


async def _open(stack: AsyncExitStack, connection: str) -> CosmosClient:
    """A client that the stack closes, also when the account cannot be reached."""
    client = CosmosClient.from_connection_string(connection)
    stack.push_async_exit(client)
    return await client.__aenter__()
