"""Hubs, partitions and their events: the rules, and SQLite underneath.

Everything runs on the event loop. A commit appends to SQLite's log and does not wait for the disk, so it is
short; whatever was committed survives the death of the process.
"""

import asyncio
import secrets
import sqlite3
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from local.event_hubs.amqp.errors import AmqpError
from local.event_hubs.database import (
    PAGE_BYTES,
    PAGES_PER_CHUNK,
    SEQUENCE_BITS,
    Checkpointer,
    Transaction,
    connect,
)
from local.event_hubs.errors import entity_not_found, not_persisted
from local.event_hubs.events import Batch, stamp
from local.event_hubs.pages import Pages
from local.event_hubs.partition import Chunk, Listener, Partition, Tails, chunk_of
from local.event_hubs.partitioning import partition_of
from local.event_hubs.retention import prune
from local.meter import Meter
from local.service import Clock

DEFAULT_GROUP = "$Default"
MAX_PARTITIONS = 32
BILLING_BLOCK = 64 * 1024
CHUNK_BYTES = 1024 * 1024
"""Events of one commit are kept in rows of about this size: a reader's page."""


class HubConflict(Exception):
    """A hub of that name exists with another number of partitions."""


@dataclass(eq=False, slots=True)
class Hub:
    """An event hub. Names of hubs and groups compare without case."""

    row_id: int
    name: str
    created_ms: int
    partitions: list[Partition]
    groups: dict[str, str]
    """Lower case -> as given."""
    next_partition: int = 0
    senders: set[Listener] = field(default_factory=set[Listener])
    """Whose links end with the hub."""

    def partition(self, number: str) -> Partition | None:
        """By its id in an address; None if there is none."""
        if number.isascii() and number.isdigit() and int(number) < len(self.partitions):
            return self.partitions[int(number)]
        return None

    def choose(self, partition_key: str | None) -> Partition:
        """By key, or the next one in turn."""
        count = len(self.partitions)
        if partition_key is not None:
            return self.partitions[partition_of(partition_key, count)]
        self.next_partition = (self.next_partition + 1) % count
        return self.partitions[self.next_partition]


@dataclass(frozen=True, slots=True)
class _Pending:
    partition: Partition
    batch: Batch
    done: Callable[[AmqpError | None], None]


class Store:
    """All hubs of one namespace."""

    def __init__(self, path: Path, clock: Clock, meter: Meter) -> None:
        self._database = connect(path)
        self._checkpointer = Checkpointer(path, self._database)
        self.pages = Pages(self._database)
        self._clock = clock
        self._meter = meter
        self._tails = Tails()
        self._pending: list[_Pending] = []
        self._hubs: dict[str, Hub] = {hub.name.lower(): hub for hub in self._load()}

    def setting(self, name: str, default: Callable[[], str]) -> str:
        """A value made once and kept."""
        self._database.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, default()))
        return self._database.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()[0]

    def key(self) -> str:
        """The namespace's shared access key."""
        return self.setting("key", lambda: secrets.token_urlsafe(32))

    # hubs

    def hubs(self) -> list[Hub]:
        return sorted(self._hubs.values(), key=lambda hub: hub.name)

    def hub(self, name: str) -> Hub:
        """AmqpError amqp:not-found for an unknown one."""
        hub = self._hubs.get(name.lower())
        if hub is None:
            raise entity_not_found(name)
        return hub

    def create(self, name: str, partition_count: int, groups: Iterable[str]) -> tuple[Hub, bool]:
        """Make a hub; True if it is new. On an existing one, groups are added; HubConflict if its partition
        count differs."""
        found = self._hubs.get(name.lower())
        if found is not None and len(found.partitions) != partition_count:
            raise HubConflict(name)
        with Transaction(self._database):
            hub = found or self._insert(name, partition_count)
            for group in (DEFAULT_GROUP, *groups):
                if group.lower() not in hub.groups:
                    self._database.execute("INSERT INTO consumer_groups VALUES (?, ?)", (hub.row_id, group))
        for group in (DEFAULT_GROUP, *groups):
            hub.groups.setdefault(group.lower(), group)
        self._hubs[name.lower()] = hub
        return hub, found is None

    def _insert(self, name: str, partition_count: int) -> Hub:
        created_ms = self.now_ms()
        cursor = self._database.execute(
            "INSERT INTO hubs (name, created_ms) VALUES (?, ?)", (name, created_ms)
        )
        hub = Hub(_row_id(cursor), name, created_ms, [], {})
        for number in range(partition_count):
            cursor = self._database.execute(
                "INSERT INTO partitions (hub_id, number) VALUES (?, ?)", (hub.row_id, number)
            )
            hub.partitions.append(Partition(_row_id(cursor), name, number))
        return hub

    def delete(self, name: str) -> bool:
        """Remove a hub with all its events and end its links. False if there is none."""
        hub = self._hubs.pop(name.lower(), None)
        if hub is None:
            return False
        self.flush()
        with Transaction(self._database):
            self._database.execute(
                "INSERT INTO doomed SELECT partition_id FROM partitions WHERE hub_id = ?", (hub.row_id,)
            )
            for table in ("partitions", "consumer_groups", "hubs"):
                self._database.execute(f"DELETE FROM {table} WHERE hub_id = ?", (hub.row_id,))
        for sender in list(hub.senders):
            sender.on_hub_deleted()
        for partition in hub.partitions:
            partition.begin_sequence = partition.next_sequence
            for listener in list(partition.listeners):
                listener.on_hub_deleted()
        self._tails.forget_removed()
        return True

    def _load(self) -> Iterable[Hub]:
        for row_id, name, created_ms in self._database.execute("SELECT hub_id, name, created_ms FROM hubs"):
            rows = self._database.execute(
                "SELECT partition_id, number, next_sequence, next_offset, last_offset, last_enqueued_ms, "
                "begin_sequence FROM partitions WHERE hub_id = ? ORDER BY number",
                (row_id,),
            )
            partitions = [Partition(row[0], name, *row[1:]) for row in rows]
            groups = self._database.execute("SELECT name FROM consumer_groups WHERE hub_id = ?", (row_id,))
            yield Hub(row_id, name, created_ms, partitions, {group.lower(): group for (group,) in groups})

    # events in

    def now_ms(self) -> int:
        return int(self._clock() * 1000)

    def append(self, partition: Partition, batch: Batch, done: Callable[[AmqpError | None], None]) -> None:
        """Queue events for the next commit, which follows as soon as the loop has read what is waiting.

        `done(None)` is called once they are committed, `done(error)` if they were not.
        """
        if not self._pending:
            asyncio.get_running_loop().call_soon(self.flush)
        self._pending.append(_Pending(partition, batch, done))

    def flush(self) -> None:
        """Commit everything queued, in one transaction."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        chunks = self._stamp(pending)
        try:
            with Transaction(self._database):
                size = self._write(chunks)
        except sqlite3.Error:
            for entry in pending:
                entry.done(not_persisted())
            return
        for partition, chunk in chunks:
            _advance(partition, chunk)
            self._tails.add(partition, chunk)
        for entry in pending:
            entry.done(None)
        for partition in dict.fromkeys(partition for partition, _ in chunks):
            for listener in list(partition.listeners):
                listener.on_events()
        self._checkpointer.wrote(size)

    def _stamp(self, pending: list[_Pending]) -> list[tuple[Partition, Chunk]]:
        """Give each event its place; counters move only after the commit."""
        by_partition: dict[Partition, list[Batch]] = {}
        for entry in pending:
            by_partition.setdefault(entry.partition, []).append(entry.batch)
        chunks: list[tuple[Partition, Chunk]] = []
        now_ms = self.now_ms()
        for partition, batches in by_partition.items():
            sequence, offset = partition.next_sequence, partition.next_offset
            enqueued_ms = max(now_ms, partition.last_enqueued_ms)
            events: list[bytes] = []
            size = 0
            for batch in batches:
                stamped = stamp(
                    batch.events,
                    partition_key=batch.partition_key,
                    sequence=sequence + len(events),
                    offset=offset + size,
                    enqueued_ms=enqueued_ms,
                )
                events += stamped
                size += sum(map(len, stamped))
                if size >= CHUNK_BYTES:
                    chunks.append((partition, chunk_of(sequence, offset, enqueued_ms, events)))
                    sequence, offset = sequence + len(events), offset + size
                    events, size = [], 0
            if events:
                chunks.append((partition, chunk_of(sequence, offset, enqueued_ms, events)))
        return chunks

    def _write(self, chunks: list[tuple[Partition, Chunk]]) -> int:
        size = 0
        for partition, chunk in chunks:
            lengths = [end - start for start, end in zip([0, *chunk.ends], chunk.ends, strict=False)]
            self._database.execute(
                "INSERT INTO chunks VALUES (?, ?, ?, ?, ?)",
                (
                    partition.row_id << SEQUENCE_BITS | chunk.first_sequence,
                    chunk.first_offset,
                    chunk.enqueued_ms,
                    struct.pack(f"<{len(lengths)}I", *lengths),
                    chunk.body,
                ),
            )
            self._database.execute(
                "UPDATE partitions SET next_sequence = ?, next_offset = ?, last_offset = ?, "
                "last_enqueued_ms = ? WHERE partition_id = ?",
                (
                    chunk.next_sequence,
                    chunk.first_offset + len(chunk.body),
                    _last_offset(chunk),
                    chunk.enqueued_ms,
                    partition.row_id,
                ),
            )
            size += len(chunk.body) + 4 * len(lengths) + PAGES_PER_CHUNK * PAGE_BYTES
            blocks = sum(-(-length // BILLING_BLOCK) for length in lengths)
            self._meter.add("ingress_events_64kb", blocks)
            self._meter.add("ingress_bytes", len(chunk.body))
        return size

    def prune(self, older_than_ms: int) -> bool:
        """Remove some of what is past retention, or of deleted hubs; True if there may be more."""
        partitions = [partition for hub in self._hubs.values() for partition in hub.partitions]
        more = prune(self._database, partitions, older_than_ms)
        self._tails.forget_removed()
        return more

    async def close(self) -> None:
        """Commit what is queued and close the file."""
        self.flush()
        await self._checkpointer.close()
        self._database.close()


def _advance(partition: Partition, chunk: Chunk) -> None:
    partition.next_sequence = chunk.next_sequence
    partition.next_offset = chunk.first_offset + len(chunk.body)
    partition.last_offset = _last_offset(chunk)
    partition.last_enqueued_ms = chunk.enqueued_ms


def _last_offset(chunk: Chunk) -> int:
    return chunk.first_offset + (chunk.ends[-2] if len(chunk.ends) > 1 else 0)


def _row_id(cursor: sqlite3.Cursor) -> int:
    if cursor.lastrowid is None:
        raise RuntimeError("an INSERT made no row")
    return cursor.lastrowid
