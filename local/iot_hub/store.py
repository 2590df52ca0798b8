"""What IoT Hub remembers: keys, the registry with its twins, messages and announcements not yet passed on.

One SQLite file in WAL mode. A commit has reached the operating system, so it outlives the process.
"""

import sqlite3
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path

import orjson

from local.iot_hub import sas
from local.iot_hub.devices import Device, identity_key
from local.iot_hub.twins import Twin

SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS devices (device_id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS twins (identity TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS backlog (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, device_id TEXT NOT NULL, message BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS subscriptions (identity TEXT PRIMARY KEY, topics TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS announcements (seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL);
"""
_DEVICES = "instr(device_id, '/') = 0"
"""Modules stand in the same table, as `device/module`."""


class Store:
    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=NORMAL")
        self.db.executescript(SCHEMA)
        self.backlog_count, self.backlog_bytes = self.db.execute(
            "SELECT count(*), coalesce(sum(length(message)), 0) FROM backlog"
        ).fetchone()
        self.hub_key = self.setting("hub_key", sas.new_key())

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All or nothing. Nested calls join the outer one."""
        if self.db.in_transaction:
            yield
            return
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def setting(self, name: str, first: str) -> str:
        """The stored value, which is `first` from the first call on."""
        self.db.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, first))
        (value,) = self.db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return value

    def set_setting(self, name: str, value: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    def device(self, device_id: str, module_id: str | None = None) -> Device | None:
        query = "SELECT record FROM devices WHERE device_id = ?"
        row = self.db.execute(query, (identity_key(device_id, module_id),)).fetchone()
        return Device.from_record(orjson.loads(row[0])) if row else None

    def devices(self, top: int) -> list[Device]:
        query = f"SELECT record FROM devices WHERE {_DEVICES} ORDER BY device_id LIMIT ?"
        return _devices(self.db.execute(query, (top,)))

    def modules(self, device_id: str) -> list[Device]:
        query = "SELECT record FROM devices WHERE device_id > ? AND device_id < ? ORDER BY device_id"
        return _devices(self.db.execute(query, (f"{device_id}/", f"{device_id}0")))

    def identities(self, *, modules: bool) -> list[tuple[Device, Twin | None]]:
        """Every device, or every module, with its twin."""
        rows = self.db.execute(
            "SELECT devices.record, twins.record FROM devices LEFT JOIN twins ON identity = device_id"
            f" WHERE {'NOT ' if modules else ''}{_DEVICES} ORDER BY device_id"
        )
        return [
            (
                Device.from_record(orjson.loads(device)),
                Twin.from_record(orjson.loads(twin)) if twin else None,
            )
            for device, twin in rows
        ]

    def count_devices(self) -> dict[str, int]:
        """How many there are: `total`, `enabled`, `connected`."""
        total, enabled, connected = self.db.execute(
            "SELECT count(*), coalesce(sum(record ->> 'status' = 'enabled'), 0),"
            f" coalesce(sum(record ->> 'connected'), 0) FROM devices WHERE {_DEVICES}"
        ).fetchone()
        return {"total": total, "enabled": enabled, "connected": connected}

    def connected_devices(self) -> list[Device]:
        """Devices and modules."""
        return _devices(self.db.execute("SELECT record FROM devices WHERE record ->> 'connected'"))

    def put_device(self, device: Device) -> None:
        self.db.execute(
            "INSERT OR REPLACE INTO devices VALUES (?, ?)",
            (device.key, orjson.dumps(device.record()).decode()),
        )

    def delete_device(self, device: Device) -> None:
        """Remove an identity, its twin and its subscriptions."""
        self.db.execute("DELETE FROM devices WHERE device_id = ?", (device.key,))
        self.db.execute("DELETE FROM twins WHERE identity = ?", (device.key,))
        self.keep_subscriptions(device.key, None)

    def twin(self, key: str) -> Twin | None:
        row = self.db.execute("SELECT record FROM twins WHERE identity = ?", (key,)).fetchone()
        return Twin.from_record(orjson.loads(row[0])) if row else None

    def put_twin(self, key: str, twin: Twin) -> None:
        self.db.execute("INSERT OR REPLACE INTO twins VALUES (?, ?)", (key, orjson.dumps(twin).decode()))

    def subscriptions(self, key: str) -> dict[str, int] | None:
        """QoS by topic filter, as an identity's last session left them; None if it kept no session."""
        row = self.db.execute("SELECT topics FROM subscriptions WHERE identity = ?", (key,)).fetchone()
        return orjson.loads(row[0]) if row else None

    def keep_subscriptions(self, key: str, topics: Mapping[str, int] | None) -> None:
        """For the identity's next session; None for nothing."""
        if topics is None:
            self.db.execute("DELETE FROM subscriptions WHERE identity = ?", (key,))
            return
        text = orjson.dumps(topics).decode()
        self.db.execute("INSERT OR REPLACE INTO subscriptions VALUES (?, ?)", (key, text))

    def keep(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Put messages for the Event Hub (device id, AMQP message) at the end of the backlog."""
        batch = list(messages)
        with self.transaction():
            self.db.executemany("INSERT INTO backlog (device_id, message) VALUES (?, ?)", batch)
        self.backlog_count += len(batch)
        self.backlog_bytes += sum(len(message) for _, message in batch)

    def oldest(self, count: int, size: int) -> list[tuple[int, str, bytes]]:
        """The head of the backlog (place, device id, message), at most `count` and about `size` bytes."""
        head: list[tuple[int, str, bytes]] = []
        query = "SELECT seq, device_id, message FROM backlog ORDER BY seq LIMIT ?"
        for row in self.db.execute(query, (count,)):
            if head and size < len(row[2]):
                break
            size -= len(row[2])
            head.append(row)
        return head

    def forget(self, head: list[tuple[int, str, bytes]]) -> None:
        """Drop the head of the backlog: it has been passed on."""
        self.db.execute("DELETE FROM backlog WHERE seq <= ?", (head[-1][0],))
        self.backlog_count -= len(head)
        self.backlog_bytes -= sum(len(message) for _, _, message in head)

    def announce(self, event: bytes, *, limit: int) -> None:
        """Store an announcement; beyond `limit` the oldest goes."""
        place = self.db.execute("INSERT INTO announcements (event) VALUES (?)", (event.decode(),)).lastrowid
        assert place is not None
        self.db.execute("DELETE FROM announcements WHERE seq <= ?", (place - limit,))

    def announcements(self, count: int) -> list[tuple[int, str]]:
        query = "SELECT seq, event FROM announcements ORDER BY seq LIMIT ?"
        return self.db.execute(query, (count,)).fetchall()

    def announced(self, up_to: int) -> None:
        self.db.execute("DELETE FROM announcements WHERE seq <= ?", (up_to,))


def _devices(rows: Iterable[tuple[str]]) -> list[Device]:
    return [Device.from_record(orjson.loads(record)) for (record,) in rows]
