"""Passes device messages on to an Event Hub, in order, and keeps them while it is away.

A message counts as taken once it is persisted: in the Event Hub, or in IoT Hub's own backlog. One
request is on its way at a time and the backlog always goes first, so the order of each device's
messages holds. An append whose answer was lost is repeated: delivery is at least once, as in Azure.
"""

import asyncio
import logging
import struct
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from local.iot_hub.devices import Json
from local.iot_hub.store import Store
from local.iot_hub.telemetry import Source, notice
from local.service import Clock

LOG = logging.getLogger(__name__)
BATCH_COUNT = 1_000
BATCH_BYTES = 700_000
BACKLOG_BYTES = 1 << 29
"""Beyond 512 MB no message is taken: devices wait for their acknowledgement."""
PENDING_BYTES = 1 << 25
RETRY_S = 0.25
TIMEOUT_S = 10


class Sender(Protocol):
    def persisted(self, packet_ids: list[int], size: int) -> None:
        """These messages, `size` bytes together, will survive a crash; QoS 0 has packet id 0."""
        ...


@dataclass(frozen=True, slots=True)
class Pending:
    device_id: str
    message: bytes
    sender: Sender
    packet_id: int
    size: int


class Outlet:
    def __init__(self, store: Store, url: str | None) -> None:
        self._store, self._url = store, url
        self._pending: deque[Pending] = deque()
        self._pending_bytes = 0
        self._offered, self._kept = asyncio.Event(), asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def full(self) -> bool:
        """Whether senders should wait before they offer more."""
        return self._pending_bytes > PENDING_BYTES

    def offer(self, message: Pending) -> None:
        self._pending.append(message)
        self._pending_bytes += message.size
        self._offered.set()

    async def run(self) -> None:
        """Persist what is offered and pass it on, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as http, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._take(http))
            if self._url is not None:
                tasks.create_task(self._drain(http, self._url))

    def stored(self) -> None:
        """Somebody has put messages into the backlog."""
        self._kept.set()

    def keep_pending(self) -> None:
        """Put everything offered into the backlog: for a clean stop."""
        while self._pending:
            self._keep(self._batch())

    async def _take(self, http: aiohttp.ClientSession) -> None:
        """New messages: straight to the Event Hub if nothing waits before them, else to the backlog."""
        while True:
            self._offered.clear()
            if not self._pending:
                await self._offered.wait()
            if self._store.backlog_bytes > BACKLOG_BYTES:
                self._room.clear()
                await self._room.wait()
            batch = self._batch()
            if self._url is not None and not self._store.backlog_count:
                records = [(message.device_id, message.message) for message in batch]
                try:
                    problem = await append(http, self._url, records)
                except asyncio.CancelledError:
                    self._keep(batch)
                    raise
                if problem is None:
                    self._acknowledge(batch)
                    continue
                LOG.warning("the Event Hub did not take device messages, which are kept: %s", problem)
            self._keep(batch)

    async def _drain(self, http: aiohttp.ClientSession, url: str) -> None:
        """The backlog, oldest first. While it has anything, nobody else sends."""
        while True:
            self._kept.clear()
            head = self._store.oldest(BATCH_COUNT, BATCH_BYTES)
            if not head:
                await self._kept.wait()
                continue
            if await append(http, url, [(device_id, message) for _, device_id, message in head]) is None:
                self._store.forget(head)
                self._room.set()
            else:
                await asyncio.sleep(RETRY_S)

    def _batch(self) -> list[Pending]:
        batch: list[Pending] = []
        size = 0
        while self._pending and len(batch) < BATCH_COUNT and size < BATCH_BYTES:
            message = self._pending.popleft()
            self._pending_bytes -= message.size
            size += len(message.message)
            batch.append(message)
        return batch

    def _keep(self, batch: list[Pending]) -> None:
        self._store.keep((message.device_id, message.message) for message in batch)
        self._kept.set()
        self._acknowledge(batch)

    def _acknowledge(self, batch: list[Pending]) -> None:
        by_sender: dict[Sender, tuple[list[int], list[int]]] = {}
        for message in batch:
            ids, sizes = by_sender.setdefault(message.sender, ([], []))
            ids.append(message.packet_id)
            sizes.append(message.size)
        for sender, (ids, sizes) in by_sender.items():
            sender.persisted(ids, sum(sizes))


class Notices:
    """The hub's own messages: on twins, identities, connections. Each is stored in the transaction that
    makes it true, so that no crash loses one; only those of `routes` are made, as only they have a route.
    """

    def __init__(self, store: Store, outlet: Outlet, routes: Collection[str], clock: Clock) -> None:
        self._store, self._outlet, self._routes, self._clock = store, outlet, routes, clock

    def add(self, source: Source, operation: str, device_id: str, module_id: str | None, body: Json) -> None:
        if source.route not in self._routes:
            return
        message = notice(
            source, operation, device_id=device_id, module_id=module_id, body=body, now=self._clock()
        )
        self._store.keep([(device_id, message)])
        self._outlet.stored()


async def append(http: aiohttp.ClientSession, url: str, records: list[tuple[str, bytes]]) -> str | None:
    """Append (partition key, AMQP message) to an Event Hub. None once persisted, else what went wrong."""
    body = bytearray()
    for key, message in records:
        encoded = key.encode()
        body += struct.pack(">HI", len(encoded), len(message))
        body += encoded
        body += message
    headers = {"Content-Type": "application/octet-stream"}
    try:
        async with http.post(url, data=bytes(body), headers=headers) as answer:
            return None if answer.status == 204 else f"{answer.status} {(await answer.text())[:200]}"
    except (aiohttp.ClientError, TimeoutError) as exc:
        return repr(exc)
