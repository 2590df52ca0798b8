"""What IoT Hub remembers: its own key, the device registry, messages and announcements not yet passed on.

One SQLite file in WAL mode. A commit has reached the operating system, so it outlives the process.
"""

import sqlite3
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

import orjson

from local.iot_hub import sas
from local.iot_hub.devices import Device

SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS devices (device_id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS backlog (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, device_id TEXT NOT NULL, message BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS announcements (seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL);
"""


class Store:
    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)
        self.backlog_count, self.backlog_bytes = self._db.execute(
            "SELECT count(*), coalesce(sum(length(message)), 0) FROM backlog"
        ).fetchone()
        self.hub_key = self.setting("hub_key", sas.new_key())

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All or nothing. Nested calls join the outer one."""
        if self._db.in_transaction:
            yield
            return
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

    def set_setting(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    def device(self, device_id: str) -> Device | None:
        row = self._db.execute("SELECT record FROM devices WHERE device_id = ?", (device_id,)).fetchone()
        return Device.from_record(orjson.loads(row[0])) if row else None

    def devices(self, top: int) -> list[Device]:
        rows = self._db.execute("SELECT record FROM devices ORDER BY device_id LIMIT ?", (top,))
        return [Device.from_record(orjson.loads(record)) for (record,) in rows]

    def count_devices(self) -> dict[str, int]:
        """How many there are: `total`, `enabled`, `connected`."""
        total, enabled, connected = self._db.execute(
            "SELECT count(*), coalesce(sum(record ->> 'status' = 'enabled'), 0),"
            " coalesce(sum(record ->> 'connected'), 0) FROM devices"
        ).fetchone()
        return {"total": total, "enabled": enabled, "connected": connected}

    def connected_devices(self) -> list[Device]:
        rows = self._db.execute("SELECT record FROM devices WHERE record ->> 'connected'")
        return [Device.from_record(orjson.loads(record)) for (record,) in rows]

    def put_device(self, device: Device) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO devices VALUES (?, ?)",
            (device.device_id, orjson.dumps(device.record()).decode()),
        )

    def delete_device(self, device_id: str) -> None:
        self._db.execute("DELETE FROM devices WHERE device_id = ?", (device_id,))

    def keep(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Put device messages (device id, AMQP message) at the end of the backlog."""
        batch = list(messages)
        with self.transaction():
            self._db.executemany("INSERT INTO backlog (device_id, message) VALUES (?, ?)", batch)
        self.backlog_count += len(batch)
        self.backlog_bytes += sum(len(message) for _, message in batch)

    def oldest(self, count: int, size: int) -> list[tuple[int, str, bytes]]:
        """The head of the backlog (place, device id, message), at most `count` and about `size` bytes."""
        head: list[tuple[int, str, bytes]] = []
        query = "SELECT seq, device_id, message FROM backlog ORDER BY seq LIMIT ?"
        for row in self._db.execute(query, (count,)):
            if head and size < len(row[2]):
                break
            size -= len(row[2])
            head.append(row)
        return head

    def forget(self, head: list[tuple[int, str, bytes]]) -> None:
        """Drop the head of the backlog: it has been passed on."""
        self._db.execute("DELETE FROM backlog WHERE seq <= ?", (head[-1][0],))
        self.backlog_count -= len(head)
        self.backlog_bytes -= sum(len(message) for _, _, message in head)

    def announce(self, event: bytes, *, limit: int) -> None:
        """Store an announcement; beyond `limit` the oldest goes."""
        place = self._db.execute("INSERT INTO announcements (event) VALUES (?)", (event.decode(),)).lastrowid
        assert place is not None
        self._db.execute("DELETE FROM announcements WHERE seq <= ?", (place - limit,))

    def announcements(self, count: int) -> list[tuple[int, str]]:
        query = "SELECT seq, event FROM announcements ORDER BY seq LIMIT ?"
        return self._db.execute(query, (count,)).fetchall()

    def announced(self, up_to: int) -> None:
        self._db.execute("DELETE FROM announcements WHERE seq <= ?", (up_to,))
