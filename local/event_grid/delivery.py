"""Delivers events to one subscription: at least once, several at a time, apart from all others.

Each subscription has a courier of its own with its own connections, so a dead webhook delays nobody
else. Outcomes are written in groups; a crash before the writing repeats a delivery and never loses one.
"""

import asyncio
import logging
import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import aiohttp
import orjson

from local.event_grid.answer import beginning
from local.event_grid.deadletter import Failure, bury
from local.event_grid.retry import Again, Done, GivenUp, outcome, verdict
from local.event_grid.schema import Json, Schema, delivered
from local.event_grid.store import Delivery, Store, Stored
from local.event_grid.subscriptions import Subscription
from local.meter import Meter
from local.service import Clock

LOG = logging.getLogger(__name__)
AT_A_TIME = 16
AHEAD = 64
"""Deliveries taken from the store at a time."""
SETTLE_COUNT = 32
ANSWER_S = 30
BLOCK = 64 * 1024
JSON_TYPE = "application/json; charset=utf-8"
CLOUD_TYPE = "application/cloudevents+json; charset=utf-8"
CLOUD_BATCH_TYPE = "application/cloudevents-batch+json; charset=utf-8"
KB = 1024


@dataclass(frozen=True, slots=True)
class Setting:
    """What couriers share."""

    store: Store
    clock: Clock
    meter: Meter
    retry_factor: float
    dead_letters: Path


@dataclass(frozen=True, slots=True)
class Item:
    """An event about to be delivered, in the subscription's schema."""

    delivery: Delivery
    stored: Stored
    event: Json

    @property
    def size(self) -> int:
        return len(self.stored.body)


class Courier:
    def __init__(self, key: int, subscription: Subscription, setting: Setting) -> None:
        self._key, self._subscription, self._setting = key, subscription, setting
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue()
        self._in_hand: set[tuple[int, float]] = set()
        self._done: list[Delivery] = []
        self._again: list[tuple[Delivery, float]] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._ended)

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (problem := task.exception()):
            LOG.critical("delivery to %s has ended", self._subscription.name, exc_info=problem)

    async def stop(self) -> None:
        """Attempts under way are abandoned and made again after the next start."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._settle()

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        connector = aiohttp.TCPConnector(limit=AT_A_TIME)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as http,
            asyncio.TaskGroup() as tasks,
        ):
            for _ in range(AT_A_TIME):
                tasks.create_task(self._deliver(http))
            await self._feed()

    async def _feed(self) -> None:
        """Keep the queue filled with what is due; write outcomes down."""
        store, clock = self._setting.store, self._setting.clock
        while True:
            self._wake.clear()
            self._settle()
            now = clock()
            if self._queue.qsize() < AHEAD // 2:
                for delivery in store.due(self._key, now, AHEAD + len(self._in_hand)):
                    if (mark := (delivery.seq, delivery.due_at)) not in self._in_hand:
                        self._in_hand.add(mark)
                        self._queue.put_nowait(delivery)
            next_at = store.next_due_at(self._key, now)
            with suppress(TimeoutError):
                async with asyncio.timeout(None if next_at is None else max(next_at - clock(), 0.001)):
                    await self._wake.wait()

    def _settle(self) -> None:
        if self._done or self._again:
            self._setting.store.settle(self._key, self._done, self._again)
            for delivery in (*self._done, *(delivery for delivery, _ in self._again)):
                self._in_hand.discard((delivery.seq, delivery.due_at))
            self._done, self._again = [], []

    async def _deliver(self, http: aiohttp.ClientSession) -> None:
        while True:
            batch = [self._item(await self._queue.get())]
            size = batch[0].size
            while len(batch) < self._subscription.batch_count and not self._queue.empty():
                item = self._item(self._queue.get_nowait())
                size += item.size
                if size > KB * self._subscription.batch_kb:
                    self._queue.put_nowait(item.delivery)
                    break
                batch.append(item)
            status = await self._post(http, [item.event for item in batch], batch[0].delivery.attempts)
            for item in batch:
                self._judge(item.delivery, item.stored, item.event, status)
            if self._queue.empty() or len(self._done) + len(self._again) >= SETTLE_COUNT:
                self._wake.set()

    def _item(self, delivery: Delivery) -> "Item":
        stored = self._setting.store.event(delivery.seq)
        event = delivered(orjson.loads(stored.body), stored.schema, self._subscription.schema)
        return Item(delivery, stored, event)

    async def _post(self, http: aiohttp.ClientSession, events: list[Json], attempts: int) -> int | None:
        """The webhook's status, None when it did not answer. Batches are wrapped in an array, even of one."""
        cloud, batched = self._subscription.schema is Schema.CLOUD_EVENTS, self._subscription.batch_count > 1
        body = orjson.dumps(events[0] if cloud and not batched else events)
        self._setting.meter.add("operations", sum(map(blocks, events)))
        self._setting.meter.add("delivery_attempts", len(events))
        event = events[0] if self._subscription.schema is not Schema.CUSTOM else {}
        cloud_type = CLOUD_BATCH_TYPE if batched else CLOUD_TYPE
        headers = {
            "Content-Type": cloud_type if cloud else JSON_TYPE,
            "aeg-event-type": "Notification",
            "aeg-subscription-name": self._subscription.name.upper(),
            "aeg-delivery-count": str(attempts),
            "aeg-metadata-version": "1",
            "aeg-data-version": _header(event.get("dataversion" if cloud else "dataVersion")),
        }
        try:
            async with http.post(
                self._subscription.url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                await beginning(answer)
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            LOG.info("%s did not answer: %r", self._subscription.name, exc)
            return None

    def _judge(self, delivery: Delivery, stored: Stored, event: Json, status: int | None) -> None:
        subscription, now = self._subscription, self._setting.clock()
        attempts = delivery.attempts + 1
        match verdict(
            status,
            attempts=attempts,
            most=subscription.attempts,
            expires_at=stored.published_at + 60 * subscription.time_to_live_min,
            now=now,
            factor=self._setting.retry_factor,
        ):
            case Done():
                self._setting.meter.add("delivered")
                self._done.append(delivery)
            case Again(at):
                self._again.append((delivery, at))
            case GivenUp(reason):
                failure = Failure(reason, attempts, outcome(status), stored.published_at, now)
                if subscription.dead_letters:
                    bury(self._setting.dead_letters, subscription, event, failure)
                    self._setting.meter.add("dead_lettered")
                else:
                    self._setting.meter.add("dropped")
                    LOG.warning("%s: event %s is dropped: %s", subscription.name, event.get("id"), reason)
                self._done.append(delivery)


def _header(version: object) -> str:
    """A version as a header's text; a publisher may have put anything there."""
    return quote(str(version or ""), safe=" !\"#$&'()*+,/:;<=>?@[\\]^`{|}~")


def blocks(event: Json) -> int:
    """Operations billed for one event: one for each 64 KB begun."""
    return max(1, math.ceil(len(orjson.dumps(event)) / BLOCK))
