"""A client that receives one partition's events, and the rules of ownership among such clients."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from local.event_hubs import errors
from local.event_hubs.amqp import message as m
from local.event_hubs.amqp import types as t
from local.event_hubs.amqp.encoding import encode
from local.event_hubs.amqp.errors import AmqpError
from local.event_hubs.amqp.link import OutgoingLink
from local.event_hubs.partition import Chunk, Partition
from local.event_hubs.store import Store
from local.meter import Meter

MAX_RECEIVERS = 5
"""Receivers without an owner level, per partition and consumer group."""

_WRITE_EVENTS = 500
_WRITE_BYTES = 256 * 1024
_SELECTOR = re.compile(
    r"\s*amqp\.annotation\.x-opt-(offset|sequence-number|enqueued-time(?:-utc)?)\s*(>=?)\s*'(@latest|-?\d+)'\s*"
)


def start_sequence(store: Store, partition: Partition, selector: str | None) -> int:
    """Where a receiver begins. An offset or sequence number beyond the end is refused."""
    if not selector:
        return partition.begin_sequence
    match = _SELECTOR.fullmatch(selector)
    if match is None:
        raise errors.bad_filter(selector)
    kind, inclusive, text = match[1], match[2] == ">=", match[3]
    if text == "@latest":
        return partition.next_sequence - (1 if inclusive and not partition.is_empty else 0)
    value = int(text)
    if kind.startswith("enqueued-time"):
        return store.pages.sequence_after_time(partition, value, inclusive=inclusive)
    if kind == "offset":
        if value > max(partition.last_offset, -1):
            raise errors.offset_beyond_end(value, partition.last_offset)
        return store.pages.sequence_after_offset(partition, value, inclusive=inclusive)
    if value > partition.next_sequence - 1:
        raise errors.sequence_number_beyond_end(value, partition.next_sequence - 1)
    return max(value if inclusive else value + 1, partition.begin_sequence)


class Claim(NamedTuple):
    """Who receives: consumer group (lower case), owner level (None for none), and its name."""

    group: str
    epoch: int | None
    name: str


@dataclass(eq=False, slots=True)
class EventSource:
    """Handler of a receiving link: reads pages of events while there is credit, and sleeps otherwise.

    Holds one page at most; a slow client makes nothing grow.
    """

    store: Store
    meter: Meter
    partition: Partition
    link: OutgoingLink
    claim: Claim
    sequence: int
    wants_metrics: bool = False
    page: Chunk | None = None

    def join(self) -> None:
        """Take the partition, by the rules of owner levels; AmqpError if another owner stands above."""
        group, epoch, name = self.claim
        rivals = [
            other
            for other in self.partition.listeners
            if isinstance(other, EventSource) and other.claim.group == group
        ]
        owner = max((r for r in rivals if r.claim.epoch is not None), key=_epoch, default=None)
        if epoch is None:
            if owner is not None:
                raise errors.epoch_receiver_exists(_epoch(owner))
            if len(rivals) >= MAX_RECEIVERS:
                raise errors.too_many_receivers(MAX_RECEIVERS, [r.claim.name for r in rivals])
        elif owner is not None and _epoch(owner) > epoch:
            raise errors.higher_epoch_exists(
                owner=owner.claim.name, owner_epoch=_epoch(owner), name=name, epoch=epoch
            )
        else:
            for rival in rivals:
                rival.link.detach(
                    errors.receiver_replaced(
                        name=name, epoch=epoch, old_name=rival.claim.name, old_epoch=rival.claim.epoch or 0
                    )
                )
        self.partition.listeners.add(self)

    def on_credit(self) -> None:
        self.on_events()

    def on_events(self) -> None:
        """Send what there is, up to credit, window and socket."""
        while (room := self.link.sendable()) > 0:
            chunk = self._turn_to_page()
            if chunk is None:
                return
            count = min(room, _WRITE_EVENTS, max(1, _WRITE_BYTES * len(chunk.ends) // len(chunk.body)))
            events = chunk.events(self.sequence, count)
            self.sequence += len(events)
            self.meter.add("egress_events", len(events))
            if self.wants_metrics:
                metrics = self._metrics()
                events = [_with_delivery_annotations(event, metrics) for event in events]
            self.link.send(events)

    def _turn_to_page(self) -> Chunk | None:
        """The page with the next event; past what retention has removed, the first page that is left."""
        self.sequence = max(self.sequence, self.partition.begin_sequence)
        if self.page is None or not self.page.first_sequence <= self.sequence < self.page.next_sequence:
            self.page = self.store.pages.read(self.partition, self.sequence)
        return self.page

    def _metrics(self) -> bytes:
        partition = self.partition
        values: dict[t.Value, t.Value] = {
            t.Symbol("last_enqueued_sequence_number"): t.Long(partition.next_sequence - 1),
            t.Symbol("last_enqueued_offset"): str(partition.last_offset),
            t.Symbol("last_enqueued_time_utc"): t.Timestamp(partition.last_enqueued_ms),
            t.Symbol("runtime_info_retrieval_time_utc"): t.Timestamp(self.store.now_ms()),
        }
        return m.section(m.DELIVERY_ANNOTATIONS, encode(values))

    def on_hub_deleted(self) -> None:
        self.link.detach(errors.entity_deleted(self.partition.hub))

    def on_detach(self) -> None:
        self.partition.listeners.discard(self)


def _epoch(source: EventSource) -> int:
    return -1 if source.claim.epoch is None else source.claim.epoch


def _with_delivery_annotations(event: bytes, annotations: bytes) -> bytes:
    """Insert the section at its place: behind the header, if there is one."""
    code, _, _, stop = next(m.sections(event))
    at = stop if code == m.HEADER else 0
    return event[:at] + annotations + event[at:]


def epoch_of(value: t.Value) -> int | None:
    """The owner level in a link's properties."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise AmqpError(errors.ARGUMENT_ERROR, "The epoch is not a number.")
