"""The nodes that answer questions: $cbs (put-token) and $management (READ of a hub or a partition).

A client attaches a sending and a receiving link to the same node in one session; the reply to a request goes
out on the receiving one, with the request's message-id as correlation-id.
"""

from collections import deque
from collections.abc import Mapping
from typing import Protocol

from local.event_hubs.amqp import message as m
from local.event_hubs.amqp import types as t
from local.event_hubs.amqp.errors import NOT_FOUND, UNAUTHORIZED_ACCESS, AmqpError
from local.event_hubs.amqp.link import Delivery, OutgoingLink
from local.event_hubs.authorization import TokenRefused
from local.event_hubs.store import Hub, Store

MAX_WAITING_REPLIES = 100
"""Replies to a client that grants no credit; the oldest go first."""

YEAR_ONE_MS = -62_135_596_800_000
"""What the service says for "never": 0001-01-01."""

_STATUS = {NOT_FOUND: 404, UNAUTHORIZED_ACCESS: 401}


class ReplyLink:
    """Handler of the link that a client receives replies on."""

    def __init__(self, link: OutgoingLink) -> None:
        self._link = link
        self._waiting: deque[bytes] = deque(maxlen=MAX_WAITING_REPLIES)
        self.alive = True

    def send(self, reply: bytes) -> None:
        self._waiting.append(reply)
        self.on_credit()

    def on_credit(self) -> None:
        while self._waiting and self._link.sendable() > 0:
            self._link.send([self._waiting.popleft()])

    def on_detach(self) -> None:
        self.alive = False
        self._waiting.clear()


class Reply(Exception):
    """An answer other than success: status and description."""

    def __init__(self, status: int, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.description = description


class Answer(Protocol):
    """Answers a request's application properties and body with a value. Reply or AmqpError for a refusal."""

    def __call__(self, asked: Mapping[str, t.Value], body: t.Value) -> t.Value: ...


class RequestNode:
    """Handler of the link that a client sends requests on."""

    def __init__(self, answer: Answer, replies: "ReplyFinder") -> None:
        self._answer = answer
        self._replies = replies

    def on_message(self, delivery: Delivery) -> None:
        """AmqpError amqp:decode-error when the request is no message."""
        parts = m.parse(delivery.body)
        asked = parts.get(m.APPLICATION_PROPERTIES)
        properties = parts.get(m.PROPERTIES)
        status, description, value = self._ask(asked if isinstance(asked, dict) else {}, parts.get(m.VALUE))
        delivery.accept()  # before the reply: some clients insist on that order
        replies = self._replies(properties)
        if replies is None:
            return
        replies.send(
            m.encode_request_reply(
                correlation_id=properties[0] if isinstance(properties, list) and properties else None,
                application_properties={"status-code": t.Int(status), "status-description": description},
                value=value,
            )
        )

    def _ask(self, asked: Mapping[t.Value, t.Value], body: t.Value) -> tuple[int, str, t.Value]:
        named = {key: value for key, value in asked.items() if isinstance(key, str)}
        try:
            return 200, "OK", self._answer(named, body)
        except Reply as exc:
            return exc.status, exc.description, None
        except TokenRefused as exc:
            return exc.status, exc.description, None
        except AmqpError as exc:
            return _STATUS.get(exc.condition, 400), exc.description, None

    def on_detach(self) -> None:
        """Nothing is kept."""


class ReplyFinder(Protocol):
    """The reply link for a request with these properties; None if the client has attached none."""

    def __call__(self, properties: t.Value) -> ReplyLink | None: ...


def describe_hub(hub: Hub) -> dict[t.Value, t.Value]:
    """The body of a READ of com.microsoft:eventhub."""
    return {
        "name": hub.name,
        "type": "com.microsoft:eventhub",
        "created_at": t.Timestamp(hub.created_ms),
        "partition_count": t.Int(len(hub.partitions)),
        "partition_ids": t.Array(0xB1, [str(p.number) for p in hub.partitions]),
        "georeplication_factor": t.Int(1),
    }


def describe_partition(hub: Hub, number: str) -> dict[t.Value, t.Value]:
    """The body of a READ of com.microsoft:partition. Reply 404 for one that the hub does not have."""
    partition = hub.partition(number)
    if partition is None:
        raise Reply(404, f"The messaging entity '{hub.name}/Partitions/{number}' could not be found.")
    never = partition.next_sequence == 0
    return {
        "name": hub.name,
        "type": "com.microsoft:partition",
        "partition": str(partition.number),
        "begin_sequence_number": t.Long(partition.begin_sequence),
        "last_enqueued_sequence_number": t.Long(partition.next_sequence - 1),
        "last_enqueued_offset": str(partition.last_offset),
        "last_enqueued_time_utc": t.Timestamp(YEAR_ONE_MS if never else partition.last_enqueued_ms),
        "is_partition_empty": partition.is_empty,
    }


def read_entity(store: Store, asked: Mapping[str, t.Value]) -> t.Value:
    """$management's answer to a READ."""
    operation, kind, name = asked.get("operation"), asked.get("type"), asked.get("name")
    if operation != "READ":
        raise Reply(501, f"The operation '{operation}' is not implemented.")
    if not isinstance(name, str):
        raise Reply(400, "The request names no entity.")
    hub = store.hub(name)
    if kind == "com.microsoft:eventhub":
        return describe_hub(hub)
    if kind == "com.microsoft:partition":
        return describe_partition(hub, str(asked.get("partition", "")))
    raise Reply(501, f"The type '{kind}' is not implemented.")
