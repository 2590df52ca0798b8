"""The SQLite file: schema, pragmas, and keeping its write-ahead log short without stopping the event loop."""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

WAL_SOFT_BYTES = 8 * 1024 * 1024
"""Written bytes after which a checkpoint starts in its own thread."""
WAL_HARD_BYTES = 64 * 1024 * 1024
"""Log size at which the loop itself finishes the checkpoint, so that the log starts over."""

PAGE_BYTES = 8192
PAGES_PER_CHUNK = 2
"""Pages that a commit logs beside the events: the end of the last one, and the partition's counters."""

SEQUENCE_BITS = 40
"""A chunk's row id is its partition's row id, shifted, and its first sequence number."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hubs (
    hub_id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    created_ms INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS consumer_groups (
    hub_id INTEGER NOT NULL, name TEXT NOT NULL COLLATE NOCASE, PRIMARY KEY (hub_id, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS partitions (
    partition_id INTEGER PRIMARY KEY AUTOINCREMENT,
    hub_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    next_sequence INTEGER NOT NULL DEFAULT 0,
    next_offset INTEGER NOT NULL DEFAULT 0,
    last_offset INTEGER NOT NULL DEFAULT -1,
    last_enqueued_ms INTEGER NOT NULL DEFAULT 0,
    begin_sequence INTEGER NOT NULL DEFAULT 0
);
-- One row per commit and partition. id = partition_id << 40 | first sequence number: rows of a partition lie
-- together in order. Small columns first, so that a search does not read the events.
CREATE TABLE IF NOT EXISTS chunks (
    id INTEGER PRIMARY KEY,
    first_offset INTEGER NOT NULL,
    enqueued_ms INTEGER NOT NULL,
    lengths BLOB NOT NULL,
    body BLOB NOT NULL
);
-- Partitions of deleted hubs whose chunks are still to be removed.
CREATE TABLE IF NOT EXISTS doomed (partition_id INTEGER PRIMARY KEY);
"""


def connect(path: Path) -> sqlite3.Connection:
    """Open (or make) the database. Transactions are explicit: BEGIN ... COMMIT."""
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    database.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("PRAGMA wal_autocheckpoint = 0")
    database.execute("PRAGMA cache_size = -16000")
    database.executescript(_SCHEMA)
    return database


class Checkpointer:
    """Moves the log into the database. Commits only append to the log; the syncing happens in a thread."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self._database = database
        self._path = path
        self._log = Path(f"{path}-wal")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="event-hubs-checkpoint")
        self._written = 0
        self._running: asyncio.Future[None] | None = None

    def wrote(self, size: int) -> None:
        """Account for a commit of about this many bytes."""
        self._written += size
        if self._written < WAL_SOFT_BYTES or self._running is not None:
            return
        self._written = 0
        self._running = asyncio.get_running_loop().run_in_executor(self._thread, self._checkpoint)
        self._running.add_done_callback(self._finished)

    def _checkpoint(self) -> None:
        other = sqlite3.connect(self._path, isolation_level=None)
        try:
            other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        finally:
            other.close()

    def _finished(self, done: "asyncio.Future[None]") -> None:
        self._running = None
        done.result()
        if self._log.exists() and self._log.stat().st_size > WAL_HARD_BYTES:
            # Nearly all is in the database already: what is left is short, and the log can start over.
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    async def close(self) -> None:
        """Wait for a running checkpoint, then write everything back."""
        if self._running is not None:
            await asyncio.wait([self._running])
        self._thread.shutdown()
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


class Transaction:
    """BEGIN ... COMMIT, or ROLLBACK if anything is raised."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._database.execute("ROLLBACK")
            return
        try:
            self._database.execute("COMMIT")
        except sqlite3.Error:
            self._database.execute("ROLLBACK")
            raise
