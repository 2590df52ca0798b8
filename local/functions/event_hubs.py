"""The Event Hubs trigger: Microsoft's receiver, one lane per partition, a checkpoint behind each invocation.

Balancing, ownership and epochs are the SDK's own, over the shared store. A lane runs one
invocation at a time and moves the checkpoint on when the function succeeded or its retries
are spent; it does not when the host stops or the partition goes to another host.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from azure.eventhub import CloseReason, EventData
from azure.eventhub.aio import EventHubConsumerClient, PartitionContext

from local.functions import event_data
from local.functions.host_json import EventHubs, InitialOffset
from local.functions.invoke import Call, Invoker
from local.functions.listening import keep_listening
from local.functions.partition_leases import OwnershipLost, PartitionLeases
from local.functions.store import Store
from local.functions.triggers import EventHubTrigger
from local.functions.worker import Function
from local.service import Clock

log = logging.getLogger("host.eventhubs")


@dataclass(slots=True)
class _Lane:
    """One partition while this host owns it."""

    context: Mapping[str, str]
    revoked: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: list[EventData] = field(default_factory=list[EventData])
    waiting_since: float = 0.0
    last_sequence: int = -1
    batches_since_checkpoint: int = 0


class EventHubListener:
    """Feeds one function from one consumer group of one hub."""

    def __init__(
        self,
        function: Function,
        trigger: EventHubTrigger,
        connection: str,
        *,
        options: EventHubs,
        invoker: Invoker,
        store: Store,
        lease_s: float,
        clock: Clock,
    ) -> None:
        self.function = function
        self._trigger = trigger
        self._connection = connection
        self._options = options
        self._invoker = invoker
        self._leases = PartitionLeases(store, clock)
        self._lease_s = lease_s
        self._lanes: dict[str, _Lane] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._receiving: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._receiving = asyncio.create_task(
            keep_listening(self.function.name, self._receive, self._stopping)
        )

    async def stop(self, patience_s: float) -> None:
        """Begin nothing new, let invocations finish for `patience_s`, then give the partitions back.

        What is interrupted here is delivered again: no checkpoint moves from now on.
        """
        self._stopping.set()
        for lane in self._lanes.values():
            lane.revoked.set()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=patience_s)
        if self._receiving is not None:
            self._receiving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._receiving

    async def _receive(self) -> None:
        client = EventHubConsumerClient.from_connection_string(
            self._connection,
            self._trigger.consumer_group,
            eventhub_name=self._trigger.event_hub_name,
            checkpoint_store=self._leases,
            load_balancing_interval=self._lease_s / 4,
            partition_ownership_expiration_interval=self._lease_s,
            retry_backoff_max=5,
        )
        options = self._options
        async with client:
            await client.receive_batch(
                self._on_events,
                max_batch_size=options.max_event_batch_size,
                max_wait_time=min(options.max_wait_time, 1.0) if options.min_event_batch_size > 1 else None,
                prefetch=options.prefetch_count,
                starting_position=_start(options.initial_offset_options),
                on_partition_initialize=self._on_claimed,
                on_partition_close=self._on_closed,
                on_error=self._on_error,
            )

    async def _on_claimed(self, partition: PartitionContext) -> None:
        self._lanes[partition.partition_id] = _Lane(
            context={
                "PartitionId": partition.partition_id,
                "EventHubName": partition.eventhub_name,
                "ConsumerGroup": partition.consumer_group,
                "FullyQualifiedNamespace": partition.fully_qualified_namespace,
            }
        )

    async def _on_closed(self, partition: PartitionContext, reason: CloseReason) -> None:
        if lane := self._lanes.pop(partition.partition_id, None):
            lane.revoked.set()
        log.debug("%s partition %s closed: %s", self.function.name, partition.partition_id, reason.name)

    async def _on_error(self, partition: PartitionContext | None, error: Exception) -> None:
        if isinstance(error, OwnershipLost):
            log.info("%s: %s", self.function.name, error)
            return
        where = f"partition {partition.partition_id}" if partition else "balancing"
        log.warning("The listener for function 'Functions.%s' (%s): %s", self.function.name, where, error)

    async def _on_events(self, partition: PartitionContext, events: list[EventData]) -> None:
        """What raises here makes the SDK close the partition and claim it afresh, from its checkpoint."""
        lane = self._lanes[partition.partition_id]
        if lane.revoked.is_set() and not self._stopping.is_set():
            raise OwnershipLost(f"partition {partition.partition_id} was lost meanwhile")
        work = asyncio.create_task(self._dispatch(partition, lane, events))
        self._under_way.add(work)
        work.add_done_callback(self._under_way.discard)
        try:
            await asyncio.shield(work)
        except OwnershipLost:
            lane.revoked.set()
            raise
        except asyncio.CancelledError:
            # The partition was taken away: the invocation ends by itself, and moves nothing.
            lane.revoked.set()
            raise

    async def _dispatch(self, partition: PartitionContext, lane: _Lane, events: list[EventData]) -> None:
        now = asyncio.get_running_loop().time()
        if not lane.waiting:
            lane.waiting_since = now
        # After a reconnect the receiver may deliver again what it had buffered.
        for event in events:
            if (event.sequence_number or 0) > lane.last_sequence:
                lane.last_sequence = event.sequence_number or 0
                lane.waiting.append(event)
        if not lane.waiting:
            return
        full = len(lane.waiting) >= self._options.min_event_batch_size
        if not full and now - lane.waiting_since < self._options.max_wait_time:
            return
        size = self._options.max_event_batch_size
        # A partition that left and came back may still have an invocation under way here.
        async with self._turns.setdefault(partition.partition_id, asyncio.Lock()):
            while lane.waiting and not self._stopping.is_set() and not lane.revoked.is_set():
                batch, lane.waiting = lane.waiting[:size], lane.waiting[size:]
                if await self._settled(lane, batch):
                    await self._move_on(partition, lane, batch[-1])

    async def _settled(self, lane: _Lane, batch: list[EventData]) -> bool:
        """Whether the batch is done with: every invocation succeeded or has no retries left."""
        binary = self._trigger.data_type == "BINARY"
        if self._trigger.cardinality == "MANY":
            parts = [event_data.many(batch, binary=binary, context=lane.context)]
        else:
            parts = [event_data.one(event, binary=binary, context=lane.context) for event in batch]
        reason = (
            f"Event Hubs partition {lane.context['PartitionId']}, "
            f"sequence numbers {batch[0].sequence_number} to {batch[-1].sequence_number}, count {len(batch)}"
        )
        for datum, metadata in parts:
            if not await self._invoker.settle(
                Call(self.function, datum, metadata, reason, routine=True), lane.revoked
            ):
                return False
        return True

    async def _move_on(self, partition: PartitionContext, lane: _Lane, last: EventData) -> None:
        lane.batches_since_checkpoint += 1
        if lane.batches_since_checkpoint < self._options.batch_checkpoint_frequency:
            return
        await partition.update_checkpoint(last)
        lane.batches_since_checkpoint = 0


def _start(options: InitialOffset) -> str | datetime:
    if options.type == "fromEnqueuedTime" and options.enqueued_time_utc is not None:
        return options.enqueued_time_utc
    return "@latest" if options.type == "fromEnd" else "-1"
