"""One direction of messages inside a session, seen from the service (part 2, section 2.6)."""

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from local.event_hubs.amqp import performatives as p
from local.event_hubs.amqp import types as t
from local.event_hubs.amqp.errors import (
    INVALID_FIELD,
    MESSAGE_SIZE_EXCEEDED,
    NOT_ALLOWED,
    RESOURCE_LIMIT_EXCEEDED,
    AmqpError,
)

if TYPE_CHECKING:
    from local.event_hubs.amqp.session import Session

MAX_REASSEMBLY_BYTES = 16 * 1024 * 1024
"""Unfinished messages that one connection may hold over all its links."""


class IncomingHandler(Protocol):
    """What a service does with messages that a peer sends."""

    def on_message(self, delivery: "Delivery") -> None:
        """Settle the delivery now or later. AmqpError rejects it."""
        ...

    def on_detach(self) -> None:
        """The link is gone, whoever ended it."""
        ...


class OutgoingHandler(Protocol):
    """What a service does for a peer that receives."""

    def on_credit(self) -> None:
        """Messages may have become sendable."""
        ...

    def on_detach(self) -> None:
        """The link is gone, whoever ended it."""
        ...


class _Link:
    """What both directions share. `handle` is used by both ends: ours is theirs."""

    def __init__(self, session: "Session", attach: p.Attach) -> None:
        self.session = session
        self.attach = attach
        self.handle = attach.handle


class Delivery:
    """One complete message from a peer; `body` is the encoded message."""

    __slots__ = ("_link", "body", "delivery_id", "message_format", "settled")

    def __init__(
        self, link: "IncomingLink", *, delivery_id: int, message_format: int, settled: bool, body: bytes
    ) -> None:
        self._link = link
        self.delivery_id = delivery_id
        self.message_format = message_format
        self.settled = settled
        self.body = body

    def accept(self) -> None:
        self._settle(p.ACCEPTED)

    def reject(self, cause: AmqpError) -> None:
        self._settle(p.rejected(cause))

    def _settle(self, state: t.Value) -> None:
        if not self.settled:
            self.settled = True
            self._link.session.send(p.disposition(self.delivery_id, self.delivery_id, state))


class IncomingLink(_Link):
    """The peer sends, we receive. Grants a fixed credit and renews it at half."""

    def __init__(self, session: "Session", attach: p.Attach, *, credit: int, max_message_size: int) -> None:
        super().__init__(session, attach)
        self.handler: IncomingHandler | None = None
        self.max_message_size = max_message_size
        self._credit = credit
        self._delivery_count = attach.initial_delivery_count
        self._used = 0
        self._parts: list[bytes] = []
        self._size = 0
        self._first: tuple[int, int, bool] | None = None

    def grant(self) -> None:
        """Renew the peer's credit in full."""
        self._used = 0
        self.session.send_flow(self.handle, delivery_count=self._delivery_count, credit=self._credit)

    def on_transfer(self, fields: p.Fields, payload: bytes) -> None:
        """One transfer frame. The message is handed on with its last frame."""
        if self._first is None:
            delivery_id = fields.number(1)
            if delivery_id is None:
                raise AmqpError(INVALID_FIELD, "The first transfer of a delivery needs a delivery-id.")
            self._first = delivery_id, fields.number(3) or 0, fields.flag(4)
        elif fields.number(1) not in (None, self._first[0]):
            raise AmqpError(NOT_ALLOWED, "A delivery began before the one before it was complete.")
        if fields.flag(9):  # aborted: the delivery is as if it had never begun
            self._reset()
            return
        self._size += len(payload)
        if self._size <= self.max_message_size:
            self._parts.append(payload)
            self._hold(len(payload))
        if not fields.flag(5):
            self._complete(self._first)

    def _complete(self, first: tuple[int, int, bool]) -> None:
        delivery_id, message_format, settled = first
        size, body = self._size, self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._reset()
        self._delivery_count = (self._delivery_count + 1) & 0xFFFFFFFF
        delivery = Delivery(
            self, delivery_id=delivery_id, message_format=message_format, settled=settled, body=body
        )
        if size > self.max_message_size:
            text = (
                f"The received message (delivery-id:{delivery_id}, size:{size} bytes) exceeds the limit "
                f"({self.max_message_size} bytes) currently allowed on the link."
            )
            delivery.reject(AmqpError(MESSAGE_SIZE_EXCEEDED, text))
        else:
            self._handle(delivery)
        self._used += 1
        if 2 * self._used >= self._credit:
            self.grant()

    def _handle(self, delivery: Delivery) -> None:
        if self.handler is None:
            return
        try:
            self.handler.on_message(delivery)
        except AmqpError as exc:
            delivery.reject(exc)

    def detach(self, cause: AmqpError) -> None:
        """End the link from this side, with the reason."""
        self.session.detach(self, cause)

    def _hold(self, size: int) -> None:
        self.session.connection.reassembly_bytes += size
        if self.session.connection.reassembly_bytes > MAX_REASSEMBLY_BYTES:
            raise AmqpError(RESOURCE_LIMIT_EXCEEDED, "Too many unfinished messages on one connection.")

    def _reset(self) -> None:
        self.session.connection.reassembly_bytes -= sum(map(len, self._parts))
        self._parts, self._size, self._first = [], 0, None

    def discard(self) -> None:
        """Forget an unfinished message: the link is gone."""
        self._reset()


class OutgoingLink(_Link):
    """We send, the peer receives and grants the credit. Everything is sent settled."""

    def __init__(self, session: "Session", attach: p.Attach) -> None:
        super().__init__(session, attach)
        self.handler: OutgoingHandler | None = None
        self.delivery_count = 0
        self._credit = 0
        self._drain = False
        prefix = b"\x00\x53\x14\xc0\x19\x0b\x70" + struct.pack(">I", self.handle) + b"\x70"
        self._head = b"\x02\x00" + struct.pack(">H", session.channel) + prefix
        self._pack = struct.Struct(f">I{len(self._head)}sI{len(_TAIL)}s").pack
        self._room = session.connection.peer_max_frame_size - _OVERHEAD
        # The session's window counts frames; a message may need as many as this.
        self._worst = -(-session.connection.limits.max_message_size // self._room)

    def detach(self, cause: AmqpError) -> None:
        """End the link from this side, with the reason."""
        self.session.detach(self, cause)

    def sendable(self) -> int:
        """How many messages may be sent now: credit, session window and socket permitting."""
        if self.session.connection.write_paused:
            return 0
        window = self.session.remote_incoming_window
        return min(self._credit, max(1, window // self._worst) if window > 0 else 0)

    def send(self, messages: Sequence[bytes]) -> None:
        """Send encoded messages, in one write. Call with no more than `sendable()`."""
        session = self.session
        delivery_id = session.next_delivery_id
        frames = 0
        parts: list[bytes] = []
        for body in messages:
            size = len(body)
            if size > self._room:
                frames += self._send_in_parts(parts, delivery_id & 0xFFFFFFFF, body)
            else:
                parts.append(self._pack(size + _OVERHEAD, self._head, delivery_id & 0xFFFFFFFF, _TAIL))
                parts.append(body)
                frames += 1
            delivery_id += 1
        self.delivery_count = (self.delivery_count + len(messages)) & 0xFFFFFFFF
        self._credit -= len(messages)
        session.sent(frames, delivery_id)
        session.connection.write(b"".join(parts))

    def _send_in_parts(self, parts: list[bytes], delivery_id: int, body: bytes) -> int:
        count = 0
        for start in range(0, len(body), self._room):
            chunk = body[start : start + self._room]
            tail = _TAIL if start + self._room >= len(body) else _TAIL_MORE
            parts.append(self._pack(len(chunk) + _OVERHEAD, self._head, delivery_id, tail))
            parts.append(chunk)
            count += 1
        return count

    def on_flow(self, fields: p.Fields) -> None:
        """The peer's new credit; with `drain`, what cannot be used at once is handed back."""
        credit = fields.number(6)
        if credit is None:
            return
        peer_count = fields.number(5)
        count = self.delivery_count if peer_count is None else peer_count
        remaining = (count + credit - self.delivery_count) & 0xFFFFFFFF
        self._credit = remaining if remaining < 0x80000000 else 0
        self.notify()
        if fields.flag(8) and self._credit:
            self.delivery_count = (self.delivery_count + self._credit) & 0xFFFFFFFF
            self._credit = 0
            self.session.send_flow(self.handle, delivery_count=self.delivery_count, credit=0, drain=True)

    def notify(self) -> None:
        """Tell the handler that it may send."""
        if self.handler is not None:
            self.handler.on_credit()


type Link = IncomingLink | OutgoingLink

# delivery-tag (settled deliveries need none that is unique), message-format 0, settled, more, 5 nulls
_TAIL = b"\xa0\x04\x00\x00\x00\x01\x43\x41\x42\x40\x40\x40\x40\x40"
_TAIL_MORE = b"\xa0\x04\x00\x00\x00\x01\x43\x41\x41\x40\x40\x40\x40\x40"
_OVERHEAD = 4 + 4 + 7 + 4 + 1 + 4 + len(_TAIL)
