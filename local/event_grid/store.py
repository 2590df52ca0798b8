"""What Event Grid remembers: topics, subscriptions, events on their way. One SQLite file in WAL mode."""

import sqlite3
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from local.event_grid.mapping import Mapping
from local.event_grid.schema import Event, Schema
from local.event_grid.subscriptions import Subscription

SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS topics (name TEXT PRIMARY KEY, schema TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS mappings (topic TEXT PRIMARY KEY, fields TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS subscriptions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, name TEXT NOT NULL, record TEXT NOT NULL,
    UNIQUE (topic, name));
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, schema TEXT NOT NULL, published_at REAL NOT NULL,
    body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
    subscription INTEGER NOT NULL, due_at REAL NOT NULL, seq INTEGER NOT NULL, attempts INTEGER NOT NULL,
    PRIMARY KEY (subscription, due_at, seq)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deliveries_by_event ON deliveries (seq);
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one subscription."""

    seq: int
    due_at: float
    attempts: int
    """How often it was tried."""


@dataclass(frozen=True, slots=True)
class Stored:
    schema: Schema
    published_at: float
    body: bytes


class Store:
    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def setting(self, name: str, first: str) -> str:
        """The stored value, which is `first` from the first call on."""
        self._db.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, first))
        (value,) = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return value

    def topics(self) -> dict[str, Schema]:
        rows = self._db.execute("SELECT name, schema FROM topics ORDER BY name")
        return {name: Schema(schema) for name, schema in rows}

    def mappings(self) -> dict[str, Mapping]:
        """Of the topics with a custom schema."""
        rows = self._db.execute("SELECT topic, fields FROM mappings")
        return {topic: Mapping.from_record(orjson.loads(fields)) for topic, fields in rows}

    def put_topic(self, name: str, schema: Schema, mapping: Mapping | None = None) -> None:
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO topics VALUES (?, ?)", (name, schema))
            if mapping is not None:
                fields = orjson.dumps(mapping.record()).decode()
                self._db.execute("INSERT OR REPLACE INTO mappings VALUES (?, ?)", (name, fields))

    def delete_topic(self, name: str) -> None:
        with self._transaction():
            self._db.execute("DELETE FROM topics WHERE name = ?", (name,))
            self._db.execute("DELETE FROM mappings WHERE topic = ?", (name,))

    def subscriptions(self) -> dict[int, Subscription]:
        rows = self._db.execute("SELECT id, record FROM subscriptions ORDER BY topic, name")
        return {key: Subscription.from_record(orjson.loads(record)) for key, record in rows}

    def put_subscription(self, subscription: Subscription) -> int:
        """Create or replace; what is on its way to it stays on its way. Returns its key."""
        (key,) = self._db.execute(
            "INSERT INTO subscriptions (topic, name, record) VALUES (?, ?, ?)"
            " ON CONFLICT (topic, name) DO UPDATE SET record = excluded.record RETURNING id",
            (subscription.topic, subscription.name, orjson.dumps(subscription.record()).decode()),
        ).fetchone()
        return key

    def delete_subscription(self, key: int) -> None:
        """With what is on its way to it."""
        with self._transaction():
            self._db.execute("DELETE FROM subscriptions WHERE id = ?", (key,))
            self._db.execute("DELETE FROM deliveries WHERE subscription = ?", (key,))
            self._db.execute("DELETE FROM events WHERE seq NOT IN (SELECT seq FROM deliveries)")

    def publish(self, events: Iterable[tuple[Event, list[int]]], schema: Schema, now: float) -> None:
        """Persist events, each with the subscriptions that want it."""
        with self._transaction():
            for event, keys in events:
                body = orjson.dumps(event.document)
                seq = self._db.execute(
                    "INSERT INTO events (schema, published_at, body) VALUES (?, ?, ?)", (schema, now, body)
                ).lastrowid
                for key in keys:
                    self._db.execute("INSERT INTO deliveries VALUES (?, ?, ?, 0)", (key, now, seq))

    def due(self, key: int, now: float, count: int) -> list[Delivery]:
        """The first `count` deliveries of a subscription that are due."""
        rows = self._db.execute(
            "SELECT seq, due_at, attempts FROM deliveries WHERE subscription = ? AND due_at <= ?"
            " ORDER BY due_at, seq LIMIT ?",
            (key, now, count),
        )
        return [Delivery(*row) for row in rows]

    def next_due_at(self, key: int, after: float) -> float | None:
        """When the first delivery after that instant is due."""
        query = "SELECT min(due_at) FROM deliveries WHERE subscription = ? AND due_at > ?"
        (due_at,) = self._db.execute(query, (key, after)).fetchone()
        return due_at

    def event(self, seq: int) -> Stored:
        schema, published_at, body = self._db.execute(
            "SELECT schema, published_at, body FROM events WHERE seq = ?", (seq,)
        ).fetchone()
        return Stored(Schema(schema), published_at, body)

    def settle(self, key: int, done: list[Delivery], again: list[tuple[Delivery, float]]) -> None:
        """Deliveries that are over, and those to be tried again (with the instant)."""
        with self._transaction():
            gone = [(key, delivery.due_at, delivery.seq) for delivery in done]
            gone += [(key, delivery.due_at, delivery.seq) for delivery, _ in again]
            self._db.executemany(
                "DELETE FROM deliveries WHERE subscription = ? AND due_at = ? AND seq = ?", gone
            )
            self._db.executemany(
                "INSERT INTO deliveries VALUES (?, ?, ?, ?)",
                [(key, due_at, delivery.seq, delivery.attempts + 1) for delivery, due_at in again],
            )
            self._db.executemany(
                "DELETE FROM events WHERE seq = ?"
                " AND NOT EXISTS (SELECT 1 FROM deliveries WHERE seq = events.seq)",
                [(delivery.seq,) for delivery in done],
            )

    def waiting(self) -> int:
        """Deliveries on their way."""
        return self._db.execute("SELECT count(*) FROM deliveries").fetchone()[0]
