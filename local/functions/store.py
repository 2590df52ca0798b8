"""functions.sqlite: what the hosts of one home share. Azure keeps it in blobs of AzureWebJobsStorage.

Partition ownership and checkpoints, timer locks and timer status. Every change is one
transaction that checks its own condition, so any number of host processes may work on it.
"""

import sqlite3
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_OPEN_ATTEMPTS = 50
_SCHEMA = """
CREATE TABLE IF NOT EXISTS ownership (
    namespace TEXT, hub TEXT, consumer_group TEXT, partition_id TEXT,
    owner_id TEXT NOT NULL, modified_at REAL NOT NULL, etag TEXT NOT NULL,
    PRIMARY KEY (namespace, hub, consumer_group, partition_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checkpoint (
    namespace TEXT, hub TEXT, consumer_group TEXT, partition_id TEXT,
    offset TEXT NOT NULL, sequence_number INTEGER NOT NULL,
    PRIMARY KEY (namespace, hub, consumer_group, partition_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS timer_lock (
    function TEXT PRIMARY KEY, owner_id TEXT NOT NULL, expires_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS timer_status (
    function TEXT PRIMARY KEY, last_at REAL, next_at REAL NOT NULL, updated_at REAL NOT NULL,
    schedule TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Stream:
    """One consumer group's view of a hub: the unit that hosts share partitions of."""

    namespace: str
    hub: str
    consumer_group: str

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.namespace, self.hub, self.consumer_group)


@dataclass(frozen=True, slots=True)
class Ownership:
    partition_id: str
    owner_id: str
    modified_at: float
    etag: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    partition_id: str
    offset: str
    sequence_number: int


@dataclass(frozen=True, slots=True)
class TimerStatus:
    """Unix seconds. `last_at` None: never ran."""

    last_at: float | None
    next_at: float
    updated_at: float
    schedule: str


class Store:
    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, timeout=10, isolation_level=None)
        # Switching a new file to WAL heeds no time-out, and hosts may start side by side.
        for attempt in range(_OPEN_ATTEMPTS):
            try:
                self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)
                break
            except sqlite3.OperationalError:
                if attempt == _OPEN_ATTEMPTS - 1:
                    raise
                time.sleep(0.1)

    def close(self) -> None:
        self._db.close()

    def ownerships(self, stream: Stream) -> list[Ownership]:
        rows = self._db.execute(
            "SELECT partition_id, owner_id, modified_at, etag FROM ownership"
            " WHERE namespace=? AND hub=? AND consumer_group=?",
            stream.key,
        )
        return [Ownership(*row) for row in rows]

    def claim(
        self, stream: Stream, claims: Iterable[tuple[str, str, str | None]], now: float
    ) -> list[Ownership]:
        """Take (partition, owner, etag last seen) where nobody changed the row since; returns those won."""
        won: list[Ownership] = []
        for partition_id, owner_id, etag in claims:
            claimed = Ownership(partition_id, owner_id, now, str(uuid.uuid4()))
            if etag is None:
                changed = self._db.execute(
                    "INSERT OR IGNORE INTO ownership VALUES (?,?,?,?,?,?,?)",
                    (*stream.key, partition_id, owner_id, now, claimed.etag),
                )
            else:
                changed = self._db.execute(
                    "UPDATE ownership SET owner_id=?, modified_at=?, etag=?"
                    " WHERE namespace=? AND hub=? AND consumer_group=? AND partition_id=? AND etag=?",
                    (owner_id, now, claimed.etag, *stream.key, partition_id, etag),
                )
            if changed.rowcount == 1:
                won.append(claimed)
        return won

    def checkpoints(self, stream: Stream) -> list[Checkpoint]:
        rows = self._db.execute(
            "SELECT partition_id, offset, sequence_number FROM checkpoint"
            " WHERE namespace=? AND hub=? AND consumer_group=?",
            stream.key,
        )
        return [Checkpoint(*row) for row in rows]

    def save_checkpoint(self, stream: Stream, checkpoint: Checkpoint, owner_id: str) -> bool:
        """Move the partition's position while `owner_id` owns it. False: it has another owner by now."""
        changed = self._db.execute(
            "INSERT OR REPLACE INTO checkpoint SELECT namespace, hub, consumer_group, partition_id, ?, ?"
            " FROM ownership"
            " WHERE namespace=? AND hub=? AND consumer_group=? AND partition_id=? AND owner_id=?",
            (checkpoint.offset, checkpoint.sequence_number, *stream.key, checkpoint.partition_id, owner_id),
        )
        return changed.rowcount == 1

    def lock_timer(self, function: str, owner_id: str, now: float, expires_at: float) -> bool:
        """Take or renew the one lock of a timer function. False: another host holds it."""
        changed = self._db.execute(
            "INSERT INTO timer_lock VALUES (?,?,?) ON CONFLICT (function) DO UPDATE"
            " SET owner_id=excluded.owner_id, expires_at=excluded.expires_at"
            " WHERE timer_lock.owner_id=excluded.owner_id OR timer_lock.expires_at<=?",
            (function, owner_id, expires_at, now),
        )
        return changed.rowcount == 1

    def unlock_timer(self, function: str, owner_id: str) -> None:
        self._db.execute("DELETE FROM timer_lock WHERE function=? AND owner_id=?", (function, owner_id))

    def timer_status(self, function: str) -> TimerStatus | None:
        row = self._db.execute(
            "SELECT last_at, next_at, updated_at, schedule FROM timer_status WHERE function=?", (function,)
        ).fetchone()
        return TimerStatus(*row) if row else None

    def save_timer_status(self, function: str, status: TimerStatus) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO timer_status VALUES (?,?,?,?,?)",
            (function, status.last_at, status.next_at, status.updated_at, status.schedule),
        )
