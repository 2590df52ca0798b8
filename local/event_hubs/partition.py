"""A partition in memory: its counters, the newest events, and who waits for the next ones."""

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple, Protocol

TAIL_BYTES = 48 * 1024 * 1024
"""Newest events of all partitions together that stay in memory, shared by all receivers."""


class Chunk(NamedTuple):
    """Events that were committed together: one row, one page of reading. At most about 1 MB, or one batch."""

    first_sequence: int
    first_offset: int
    enqueued_ms: int
    ends: list[int]
    """Where each event ends in `body`."""
    body: bytes

    @property
    def next_sequence(self) -> int:
        return self.first_sequence + len(self.ends)

    def events(self, sequence: int, count: int) -> list[bytes]:
        """At most `count` events from `sequence` on."""
        index = sequence - self.first_sequence
        start = self.ends[index - 1] if index else 0
        out: list[bytes] = []
        for end in self.ends[index : index + count]:
            out.append(self.body[start:end])
            start = end
        return out

    def sequence_after_offset(self, offset: int, *, inclusive: bool) -> int:
        """The first event at (inclusive) or behind an offset that lies in or before this chunk."""
        starts = [self.first_offset, *(self.first_offset + end for end in self.ends[:-1])]
        index = sum(1 for start in starts if (start < offset if inclusive else start <= offset))
        return self.first_sequence + index


def chunk_of(first_sequence: int, first_offset: int, enqueued_ms: int, events: list[bytes]) -> Chunk:
    """A chunk around stamped events."""
    return Chunk(
        first_sequence, first_offset, enqueued_ms, list(accumulate(map(len, events))), b"".join(events)
    )


class Listener(Protocol):
    """A link that ends with its hub."""

    def on_hub_deleted(self) -> None: ...


class Reader(Listener, Protocol):
    """A receiver, which also wants to know of new events."""

    def on_events(self) -> None: ...


@dataclass(eq=False, slots=True)
class Partition:
    """What is committed: positions are sequence numbers, offsets are bytes from the beginning."""

    row_id: int
    hub: str
    number: int
    next_sequence: int = 0
    next_offset: int = 0
    last_offset: int = -1
    last_enqueued_ms: int = 0
    begin_sequence: int = 0
    tail: deque[Chunk] = field(default_factory=deque[Chunk])
    listeners: set[Reader] = field(default_factory=set[Reader])

    @property
    def is_empty(self) -> bool:
        return self.begin_sequence == self.next_sequence

    def cached(self, sequence: int) -> Chunk | None:
        """The chunk with this event, if it is among the newest."""
        tail = self.tail
        if not tail or sequence < tail[0].first_sequence:
            return None
        newest = tail[-1]
        if sequence >= newest.first_sequence:
            return newest
        return tail[bisect_right(tail, sequence, key=lambda chunk: chunk.first_sequence) - 1]


class Tails:
    """Bounds the memory of all partitions' tails together: the oldest chunk anywhere goes first."""

    def __init__(self, limit_bytes: int = TAIL_BYTES) -> None:
        self._limit = limit_bytes
        self._size = 0
        self._order: deque[tuple[Partition, Chunk]] = deque()

    def add(self, partition: Partition, chunk: Chunk) -> None:
        partition.tail.append(chunk)
        self._order.append((partition, chunk))
        self._size += _weight(chunk)
        while self._size > self._limit and len(self._order) > 1:
            self._forget_oldest()

    def forget_removed(self) -> None:
        """Let go of the oldest events as far as retention has removed them."""
        while self._order and self._order[0][1].first_sequence < self._order[0][0].begin_sequence:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        owner, oldest = self._order.popleft()
        self._size -= _weight(oldest)
        if owner.tail and owner.tail[0] is oldest:
            owner.tail.popleft()


def _weight(chunk: Chunk) -> int:
    """Bytes of memory: the events, a number and its place in a list for each, and the objects around them."""
    return len(chunk.body) + 40 * len(chunk.ends) + 500
