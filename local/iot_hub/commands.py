"""Cloud-to-device messages, and the feedback that their senders asked for.

A message is kept until its device has acknowledged it, it expires, it has been delivered too often, or it
is purged the queue.

Source: "Understand cloud-to-device messaging from an IoT hub".
"""

import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from urllib.parse import quote

import orjson

from local.iot_hub import errors, rules
from local.iot_hub.devices import Device, Json, stamp
from local.iot_hub.session import Session
from local.iot_hub.store import Store
from local.iot_hub.twinning import Sessions
from local.service import Clock

QUEUE_LIMIT = 50
DELIVERY_LIMIT = 10
TIME_TO_LIVE_S = 3600
MESSAGE_LIMIT = 64 * 1024
FEEDBACK_LIMIT = 10_000
"""Feedback records that nobody fetches; the oldest go first."""

FEEDBACK_BATCH = 64
LOCK_S = 60
POSITIVE, NEGATIVE = ("positive", "full"), ("negative", "full")
ACKS = ("none", "positive", "negative", "full")

SCHEMA = """
CREATE TABLE IF NOT EXISTS commands (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, device_id TEXT NOT NULL, expires_at REAL NOT NULL,
    deliveries INTEGER NOT NULL, record TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS commands_by_device ON commands (device_id, seq);
CREATE TABLE IF NOT EXISTS feedback (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, record TEXT NOT NULL, lock TEXT,
    locked_until REAL NOT NULL DEFAULT 0);
"""


@dataclass(frozen=True, slots=True)
class Command:
    """What a back end sends; `properties` by their names in the topic (`$.mid`, or the sender's own)."""

    message_id: str
    ack: str
    generation_id: str
    properties: dict[str, str]


class Commands:
    def __init__(self, store: Store, sessions: Sessions, clock: Clock) -> None:
        self._store, self._sessions, self._clock = store, sessions, clock
        self._db = store.db
        self._db.executescript(SCHEMA)
        self._in_flight: dict[str, dict[int, int]] = {}
        """By device: packet id to place in the queue."""

        self.feedback_readers: set[Callable[[], None]] = set()
        """Called when there may be feedback."""

    def count(self, device_id: str) -> int:
        query = "SELECT count(*) FROM commands WHERE device_id = ?"
        return self._db.execute(query, (device_id,)).fetchone()[0]

    def send(
        self,
        device: Device,
        *,
        message_id: str,
        ack: str,
        expires_at: float | None,
        properties: Json,
        body: bytes,
    ) -> None:
        """Queue a message; it goes out at once if the device listens. HubError when the queue is full."""
        size = len(body) + sum(len(name) + len(str(value)) for name, value in properties.items())
        if size > MESSAGE_LIMIT:
            raise errors.too_large(MESSAGE_LIMIT)
        if ack not in ACKS:
            raise errors.invalid(f"iothub-ack must be one of {', '.join(ACKS)}.")
        self.expire()
        if self.count(device.device_id) >= QUEUE_LIMIT:
            raise errors.queue_full(QUEUE_LIMIT)
        named = {
            "$.to": f"/devices/{device.device_id}/messages/devicebound",
            "$.mid": message_id,
            **properties,
        }
        if ack != "none":
            named["iothub-ack"] = ack
        command = Command(message_id, ack, device.generation_id, {k: str(v) for k, v in named.items()})
        self._db.execute(
            "INSERT INTO commands (device_id, expires_at, deliveries, record, body) VALUES (?, ?, 0, ?, ?)",
            (
                device.device_id,
                self._clock() + TIME_TO_LIVE_S if expires_at is None else expires_at,
                orjson.dumps(asdict(command)).decode(),
                body,
            ),
        )
        self.deliver(device.device_id)

    def deliver(self, device_id: str) -> None:
        """Send what waits to the device, if it listens: oldest first, each once a connection."""
        self.expire()
        session = self._sessions(device_id)
        qos = session.granted_qos(rules.commands_filter(device_id)) if session else None
        if session is None or qos is None:
            return
        in_flight = self._in_flight.setdefault(device_id, {})
        sent = set(in_flight.values())
        query = "SELECT seq, deliveries, record, body FROM commands WHERE device_id = ? ORDER BY seq"
        for seq, deliveries, record, body in self._db.execute(query, (device_id,)).fetchall():
            if seq in sent:
                continue
            if deliveries >= DELIVERY_LIMIT:
                self._end(seq, device_id, record, "DeliveryCountExceeded")
                continue
            self._db.execute("UPDATE commands SET deliveries = deliveries + 1 WHERE seq = ?", (seq,))
            self._hand_over(session, device_id, seq, record, body, acknowledged=qos == 1)

    def _hand_over(
        self, session: Session, device_id: str, seq: int, record: str, body: bytes, *, acknowledged: bool
    ) -> None:
        properties: dict[str, str] = orjson.loads(record)["properties"]
        bag = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in properties.items())
        topic = f"devices/{device_id}/messages/devicebound/{bag}"
        if acknowledged:
            self._in_flight[device_id][session.publish_acknowledged(topic, body)] = seq
        else:
            session.publish(topic, body)
            self._end(seq, device_id, record, "Success")

    def acknowledged(self, device_id: str, packet_id: int) -> None:
        """The device has got a message."""
        seq = self._in_flight.get(device_id, {}).pop(packet_id, None)
        row = self._db.execute("SELECT record FROM commands WHERE seq = ?", (seq,)).fetchone()
        if row and seq is not None:
            self._end(seq, device_id, row[0], "Success")

    def gone(self, device_id: str) -> None:
        """The device's connection has ended: what it did not acknowledge will be sent again."""
        self._in_flight.pop(device_id, None)

    def purge(self, device_id: str) -> int:
        """Drop everything that waits for a device; returns how many."""
        query = "SELECT seq, record FROM commands WHERE device_id = ?"
        rows = self._db.execute(query, (device_id,)).fetchall()
        for seq, record in rows:
            self._end(seq, device_id, record, "Purged")
        return len(rows)

    def forget(self, device_id: str) -> None:
        """The device was deleted."""
        self._db.execute("DELETE FROM commands WHERE device_id = ?", (device_id,))
        self.gone(device_id)

    def expire(self) -> None:
        query = "SELECT seq, device_id, record FROM commands WHERE expires_at <= ?"
        for seq, device_id, record in self._db.execute(query, (self._clock(),)).fetchall():
            self._end(seq, device_id, record, "Expired")

    def _end(self, seq: int, device_id: str, record: str, outcome: str) -> None:
        """Remove a message, with the feedback that its sender asked for."""
        command: Json = orjson.loads(record)
        with self._store.transaction():
            self._db.execute("DELETE FROM commands WHERE seq = ?", (seq,))
            if command["ack"] in (POSITIVE if outcome == "Success" else NEGATIVE):
                feedback = {
                    "originalMessageId": command["message_id"],
                    "enqueuedTimeUtc": stamp(self._clock()),
                    "statusCode": outcome,
                    "description": outcome,
                    "deviceId": device_id,
                    "deviceGenerationId": command["generation_id"],
                }
                self._db.execute(
                    "INSERT INTO feedback (record) VALUES (?)", (orjson.dumps(feedback).decode(),)
                )
                self._db.execute(
                    "DELETE FROM feedback WHERE seq <= (SELECT max(seq) FROM feedback) - ?", (FEEDBACK_LIMIT,)
                )
        for reader in list(self.feedback_readers):
            reader()

    def lock_feedback(self) -> tuple[str, list[Json]] | None:
        """The next feedback message and its lock token; None when there is none."""
        now = self._clock()
        query = "SELECT seq, record FROM feedback WHERE locked_until <= ? ORDER BY seq LIMIT ?"
        rows = self._db.execute(query, (now, FEEDBACK_BATCH)).fetchall()
        if not rows:
            return None
        lock = secrets.token_hex(16)
        places = [(lock, now + LOCK_S, seq) for seq, _ in rows]
        with self._store.transaction():
            self._db.executemany("UPDATE feedback SET lock = ?, locked_until = ? WHERE seq = ?", places)
        return lock, [orjson.loads(record) for _, record in rows]

    def settle_feedback(self, lock: str, *, done: bool) -> None:
        """Complete a feedback message, or hand it back. HubError 412 when its lock is lost."""
        change = "DELETE FROM feedback" if done else "UPDATE feedback SET locked_until = 0"
        where = " WHERE lock = ? AND locked_until > ?"
        if not self._db.execute(change + where, (lock, self._clock())).rowcount:
            raise errors.lock_lost()
