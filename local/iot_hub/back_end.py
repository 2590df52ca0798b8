"""AMQP for back ends: cloud-to-device messages in, feedback out. azure-iot-hub sends through it (uamqp).

The engine and the request nodes are those of local/event_hubs; the rules here are IoT Hub's.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import unquote
from uuid import UUID

import orjson

from local.event_hubs.amqp import message as m
from local.event_hubs.amqp import performatives as p
from local.event_hubs.amqp import types as t
from local.event_hubs.amqp.addresses import path_of
from local.event_hubs.amqp.connection import Connection, Limits
from local.event_hubs.amqp.errors import (
    INVALID_FIELD,
    MESSAGE_SIZE_EXCEEDED,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_IMPLEMENTED,
    RESOURCE_LIMIT_EXCEEDED,
    UNAUTHORIZED_ACCESS,
    AmqpError,
)
from local.event_hubs.amqp.link import (
    Delivery,
    IncomingHandler,
    IncomingLink,
    Link,
    OutgoingHandler,
    OutgoingLink,
)
from local.event_hubs.authorization import TokenRefused
from local.event_hubs.messages import encode_message
from local.event_hubs.request_reply import Reply, ReplyLink, RequestNode
from local.iot_hub.commands import MESSAGE_LIMIT, Commands
from local.iot_hub.errors import HubError
from local.iot_hub.rules import HUB_POLICY
from local.iot_hub.sas import BadToken, Token
from local.iot_hub.store import Store
from local.iot_hub.telemetry import HUB_NAME

MECHANISMS = ("MSSBCBS", "ANONYMOUS", "EXTERNAL")
LIMITS = Limits(container_id="millwright-iot-hub", max_message_size=MESSAGE_LIMIT + 4096, link_credit=100)
"""A message's body and properties are checked to the byte; the rest is room for AMQP's own."""

SENDS = re.compile(r"/?messages/devicebound", re.IGNORECASE)
RECEIVES = re.compile(r"/?messages/servicebound/feedback", re.IGNORECASE)
_TO = re.compile(r"/?devices/([^/]+)/messages/devicebound", re.IGNORECASE)
_CONDITIONS = {403: RESOURCE_LIMIT_EXCEEDED, 404: NOT_FOUND, 413: MESSAGE_SIZE_EXCEEDED}


class Hub(Protocol):
    store: Store
    commands: Commands

    def clock(self) -> float: ...


class BackEnd:
    """One back end's connection (a `Peer` of the AMQP engine)."""

    def __init__(self, connection: Connection, hub: Hub) -> None:
        self._hub, self._connection = hub, connection
        self._until = 0.0
        self._guarded: set[Link] = set()
        self._replies: list[ReplyLink] = []

    def authenticate(self, mechanism: str, response: bytes) -> bool:
        """Everyone; what counts is the token, on $cbs."""
        return True

    def open_incoming(self, link: IncomingLink) -> IncomingHandler:
        path = _path(link.attach.target)
        if path.rsplit("/", 1)[-1].lower() == "$cbs":
            return RequestNode(self._put_token, self._reply_link)
        if not SENDS.fullmatch(path):
            raise AmqpError(NOT_IMPLEMENTED, f"The local IoT Hub takes nothing at '{path}'.")
        self._guard(link)
        return CommandSink(self._hub)

    def open_outgoing(self, link: OutgoingLink) -> OutgoingHandler:
        path = _path(link.attach.source)
        if path.rsplit("/", 1)[-1].lower() == "$cbs":
            self._replies = [reply for reply in self._replies if reply.alive]
            self._replies.append(ReplyLink(link))
            return self._replies[-1]
        if not RECEIVES.fullmatch(path):
            raise AmqpError(NOT_IMPLEMENTED, f"The local IoT Hub gives nothing at '{path}'.")
        self._guard(link)
        return FeedbackSource(self._hub, link)

    def _reply_link(self, properties: t.Value) -> ReplyLink | None:
        return next((reply for reply in reversed(self._replies) if reply.alive), None)

    def closed(self) -> None:
        self._replies.clear()
        self._guarded.clear()

    def expire(self) -> None:
        """End links whose token has run out. Called about once a second."""
        self._guarded = {link for link in self._guarded if link.handler is not None}
        if self._guarded and self._until <= self._hub.clock():
            for link in self._guarded:
                link.detach(AmqpError(UNAUTHORIZED_ACCESS, "ExpiredToken: The token is expired."))

    def _guard(self, link: Link) -> None:
        if self._until <= self._hub.clock():
            raise AmqpError(UNAUTHORIZED_ACCESS, "ErrorCode:IotHubUnauthorizedAccess;Unauthorized")
        self._guarded.add(link)

    def _put_token(self, asked: Mapping[str, t.Value], body: t.Value) -> t.Value:
        if asked.get("operation") != "put-token":
            raise Reply(400, f"The operation '{asked.get('operation')}' is not supported.")
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
        if not isinstance(text, str):
            raise Reply(400, "A put-token request needs a token.")
        try:
            token = Token.parse(text)
        except BadToken as exc:
            raise TokenRefused(401, f"MalformedToken: {exc}") from exc
        good = token.policy == HUB_POLICY and token.signed_with(self._hub.store.hub_key)
        if not good or not token.covers("messages/devicebound") or token.expires_at <= self._hub.clock():
            raise TokenRefused(401, "ErrorCode:IotHubUnauthorizedAccess;Unauthorized")
        self._until = token.expires_at
        return None


class CommandSink:
    """Handler of the link on which a back end sends to devices."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def on_message(self, delivery: Delivery) -> None:
        """Accepted once queued. AmqpError for what is refused."""
        if delivery.message_format:
            raise AmqpError(NOT_ALLOWED, "Batches are not taken.")
        parts = m.parse(delivery.body)
        properties = parts.get(m.PROPERTIES)
        fields: list[t.Value] = [*(properties if isinstance(properties, list) else []), *[None] * 13]
        match = _TO.fullmatch(fields[2]) if isinstance(fields[2], str) else None
        device = self._hub.store.device(unquote(match[1])) if match else None
        if device is None:
            raise AmqpError(NOT_FOUND, f"ErrorCode:DeviceNotFound;{match[1] if match else fields[2]}")
        given = parts.get(m.APPLICATION_PROPERTIES)
        application = {str(k): v for k, v in given.items()} if isinstance(given, dict) else {}
        ack = application.pop("iothub-ack", "none")
        expiry = fields[8]
        try:
            self._hub.commands.send(
                device,
                message_id=_text(fields[0]) or "",
                ack=_text(ack) or "none",
                expires_at=expiry / 1000 if isinstance(expiry, int) and expiry else None,
                properties=_named(fields) | {name: _text(value) or "" for name, value in application.items()},
                body=_body(parts),
            )
        except HubError as exc:
            condition = _CONDITIONS.get(exc.status, INVALID_FIELD)
            raise AmqpError(condition, f"ErrorCode:{exc.code};{exc.words}") from exc
        delivery.accept()

    def on_detach(self) -> None:
        """Nothing is kept."""


class FeedbackSource:
    """Handler of the link on which a back end hears what became of its messages. What was sent is done."""

    def __init__(self, hub: Hub, link: OutgoingLink) -> None:
        self._hub, self._link = hub, link
        hub.commands.feedback_readers.add(self.on_credit)

    def on_credit(self) -> None:
        while self._link.sendable() > 0:
            found = self._hub.commands.lock_feedback()
            if found is None:
                return
            lock, records = found
            now = datetime.fromtimestamp(self._hub.clock(), UTC)
            message = encode_message(
                orjson.dumps(records),
                properties={
                    "message-id": lock,
                    "user-id": HUB_NAME,
                    "content-type": "application/vnd.microsoft.iothub.feedback.json",
                    "creation-time": now,
                },
            )
            self._link.send([message])
            self._hub.commands.settle_feedback(lock, done=True)

    def on_detach(self) -> None:
        self._hub.commands.feedback_readers.discard(self.on_credit)


def _path(terminus: p.Terminus | None) -> str:
    address = None if terminus is None else terminus.address
    if not address:
        raise AmqpError(INVALID_FIELD, "The link has no address.")
    return path_of(address)


_TOPIC_NAMES = {5: "$.cid", 1: "$.uid", 6: "$.ct", 7: "$.ce"}


def _named(fields: list[t.Value]) -> dict[str, str]:
    """AMQP's properties by their names on a device's topic."""
    found = {name: text for place, name in _TOPIC_NAMES.items() if (text := _text(fields[place]))}
    expiry = fields[8]
    if isinstance(expiry, int) and expiry:
        found["$.exp"] = datetime.fromtimestamp(expiry / 1000, UTC).isoformat().replace("+00:00", "Z")
    return found


def _text(value: t.Value) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float | UUID) else None


def _body(parts: dict[int, t.Value]) -> bytes:
    value = parts.get(m.DATA, parts.get(m.VALUE))
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    raise AmqpError(NOT_ALLOWED, "A message needs a body of bytes.")
