"""One socket: protocol headers, SASL, open and close, heartbeats, and the sessions by their channel."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from local.event_hubs.amqp import performatives as p
from local.event_hubs.amqp import types as t
from local.event_hubs.amqp.encoding import performative
from local.event_hubs.amqp.errors import (
    CONNECTION_FORCED,
    FRAMING_ERROR,
    ILLEGAL_STATE,
    NOT_ALLOWED,
    AmqpError,
    decode_error,
)
from local.event_hubs.amqp.framing import (
    AMQP_FRAME,
    AMQP_HEADER,
    EMPTY_FRAME,
    SASL_FRAME,
    SASL_HEADER,
    Frame,
    FrameReader,
    frame,
)
from local.event_hubs.amqp.link import IncomingHandler, IncomingLink, OutgoingHandler, OutgoingLink
from local.event_hubs.amqp.session import Session, SessionEnded

CLOSING_S = 5.0
"""How long a peer may take to read our close before the socket is cut."""

MIN_FRAME_SIZE = 512


@dataclass(frozen=True, slots=True)
class Limits:
    """What this service announces and enforces."""

    container_id: str
    max_frame_size: int = 65536
    channel_max: int = 255
    handle_max: int = 255
    max_message_size: int = 1024 * 1024
    link_credit: int = 1000
    idle_timeout_s: float = 240.0
    """A peer that is silent for longer is dropped; half of it is announced, as the standard advises."""
    open_timeout_s: float = 60.0
    """From connecting to the open performative."""


class Peer(Protocol):
    """The service's rules for one connection."""

    def authenticate(self, mechanism: str, response: bytes) -> bool:
        """Whether SASL lets this client in. What it may do is decided per link."""
        ...

    def open_incoming(self, link: IncomingLink) -> IncomingHandler:
        """A client wants to send. AmqpError refuses the link."""
        ...

    def open_outgoing(self, link: OutgoingLink) -> OutgoingHandler:
        """A client wants to receive. AmqpError refuses the link."""
        ...

    def closed(self) -> None:
        """The connection is gone; every handler has been told before."""
        ...


class Connection(asyncio.Protocol):
    """State machine of one connection. All of it runs on the event loop; no method blocks."""

    def __init__(
        self,
        limits: Limits,
        mechanisms: tuple[str, ...],
        make_peer: Callable[["Connection"], Peer],
        connections: set["Connection"],
    ) -> None:
        self.limits = limits
        self.peer = make_peer(self)
        self.peer_max_frame_size = MIN_FRAME_SIZE
        self.write_paused = False
        self.reassembly_bytes = 0
        self.hostname = ""
        self._mechanisms = mechanisms
        self._connections = connections
        self._reader = FrameReader(limits.max_frame_size)
        self._step: Callable[[], bool] = self._read_header
        self._transport: asyncio.Transport | None = None
        self._sessions: dict[int, Session] = {}
        self._detached: set[tuple[int, int]] = set()
        self._opened = False
        self._sasl_done = False
        self._closing_since: float | None = None
        self._started = self._heard = self._spoke = time.monotonic()
        self._heartbeat_s: float | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=512 * 1024)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._transport = None
        self._end_sessions()
        self.peer.closed()

    def data_received(self, data: bytes) -> None:
        self._heard = time.monotonic()
        if self._closing_since is not None:
            return
        self._reader.feed(data)
        try:
            while self._closing_since is None and self._step():
                pass
        except AmqpError as exc:
            self.close(exc)

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        # A peer that does not read gets no more answers, so it may ask no more questions.
        self.write_paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._transport is not None and self._closing_since is None:
            self._transport.resume_reading()
            for session in list(self._sessions.values()):
                session.notify()

    # reading

    def _read_header(self) -> bool:
        header = self._reader.header()
        if header is None:
            return False
        if header == SASL_HEADER and not self._sasl_done:
            self.write(SASL_HEADER)
            mechanisms = t.symbols(*self._mechanisms)
            self.write(frame(0, performative(p.SASL_MECHANISMS, [mechanisms]), SASL_FRAME))
            self._step = self._read_sasl
        elif header == AMQP_HEADER:
            self.write(AMQP_HEADER)
            self._step = self._read_frame
        else:
            # 2.2: answer with a header we do speak, and hang up.
            self.write(SASL_HEADER)
            self._hang_up()
        return True

    def _read_sasl(self) -> bool:
        found = self._reader.frame()
        if found is None:
            return False
        if found.kind != SASL_FRAME:
            raise AmqpError(FRAMING_ERROR, "Expected a SASL frame.")
        code, fields, _ = p.parse(found.data, found.start, found.end)
        if code != p.SASL_INIT:
            raise AmqpError(ILLEGAL_STATE, "Expected sasl-init.")
        mechanism, response = fields.text(0) or "", fields.binary(1) or b""
        good = mechanism in self._mechanisms and self.peer.authenticate(mechanism, response)
        outcome = performative(p.SASL_OUTCOME, [t.UByte(0 if good else 1), None])
        self.write(frame(0, outcome, SASL_FRAME))
        self._sasl_done = True
        self._step = self._read_header
        if not good:
            self._hang_up()
        return True

    def _read_frame(self) -> bool:
        found = self._reader.frame()
        if found is None:
            return False
        if found.kind != AMQP_FRAME:
            raise AmqpError(FRAMING_ERROR, f"Unexpected frame type {found.kind}.")
        if found.start < found.end:
            self._on_frame(found)
        return True

    def _on_frame(self, found: Frame) -> None:
        code, fields, payload_at = p.parse(found.data, found.start, found.end)
        if code == p.OPEN:
            self._on_open(found.channel, fields)
            return
        if not self._opened:
            raise AmqpError(ILLEGAL_STATE, "The first frame must be open.")
        if code == p.CLOSE:
            self.close(None)
        elif code == p.BEGIN:
            self._on_begin(found.channel, fields)
        else:
            session = self._sessions.get(found.channel)
            if session is None:
                if code == p.END:
                    return  # the answer to our end
                raise AmqpError(NOT_ALLOWED, f"Channel {found.channel} has no session.")
            self._on_session_frame(session, code, fields, found.data[payload_at : found.end])

    def _on_session_frame(self, session: Session, code: int, fields: p.Fields, payload: bytes) -> None:
        try:
            if code == p.END:
                self._end(session, None)
            else:
                session.on_performative(code, fields, payload)
        except SessionEnded as exc:
            self._end(session, exc.cause)

    def _end(self, session: Session, cause: AmqpError | None) -> None:
        del self._sessions[session.channel]
        session.close()
        session.send(performative(p.END, [p.error(cause)]))

    def _on_open(self, channel: int, fields: p.Fields) -> None:
        if self._opened or channel != 0:
            raise AmqpError(ILLEGAL_STATE, "Open is sent once, on channel 0.")
        self.hostname = fields.text(1) or ""
        peer_size = fields.number(2)
        if peer_size is not None and peer_size < MIN_FRAME_SIZE:
            raise decode_error(f"The maximum frame size {peer_size} is below {MIN_FRAME_SIZE}.")
        self.peer_max_frame_size = min(self.limits.max_frame_size, peer_size or self.limits.max_frame_size)
        idle_ms = fields.number(4)
        self._heartbeat_s = idle_ms / 2000 if idle_ms else None
        self._opened = True
        self._send_open()

    def _send_open(self) -> None:
        limits = self.limits
        idle_ms = t.UInt(int(limits.idle_timeout_s * 500))
        fields: list[t.Value] = [limits.container_id, None, t.UInt(limits.max_frame_size)]
        fields += [t.UShort(limits.channel_max), idle_ms, None, None, None, None, None]
        self.write(frame(0, performative(p.OPEN, fields)))

    def _on_begin(self, channel: int, fields: p.Fields) -> None:
        if channel in self._sessions:
            raise AmqpError(NOT_ALLOWED, f"Channel {channel} already has a session.")
        if channel > self.limits.channel_max:
            raise AmqpError(NOT_ALLOWED, f"Channel {channel} is over the maximum {self.limits.channel_max}.")
        self._sessions[channel] = Session(self, channel, fields)

    # detached handles whose last frames may still be under way

    def remember_detached(self, channel: int, handle: int) -> None:
        self._detached.add((channel, handle))

    def forget_detached(self, channel: int, handle: int) -> None:
        self._detached.discard((channel, handle))

    def was_detached(self, channel: int, handle: int) -> bool:
        return (channel, handle) in self._detached

    # writing and ending

    def write(self, data: bytes) -> None:
        """Write bytes, unless the socket is gone."""
        if self._transport is not None:
            self._spoke = time.monotonic()
            self._transport.write(data)

    def close(self, cause: AmqpError | None) -> None:
        """Say close, with the reason if there is one, and hang up once it is written."""
        if self._closing_since is not None:
            return
        if not self._opened and self._step == self._read_frame:
            self._opened = True
            self._send_open()  # close may not come before open
        if self._opened:
            self.write(frame(0, performative(p.CLOSE, [p.error(cause)])))
        self._end_sessions()
        self._hang_up()

    def _hang_up(self) -> None:
        self._closing_since = time.monotonic()
        if self._transport is not None:
            self._transport.close()

    def _end_sessions(self) -> None:
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            session.close()

    def tick(self, now: float) -> None:
        """Called about once a second with time.monotonic(): heartbeats and time-outs."""
        if self._closing_since is not None:
            if now - self._closing_since > CLOSING_S and self._transport is not None:
                self._transport.abort()
        elif not self._opened and now - self._started > self.limits.open_timeout_s:
            self.close(AmqpError(CONNECTION_FORCED, "The connection was not opened in time."))
        elif now - self._heard > self.limits.idle_timeout_s:
            idle_ms = int(self.limits.idle_timeout_s * 1000)
            text = (
                f"The connection was inactive for more than the allowed {idle_ms} milliseconds "
                f"and is closed by container '{self.limits.container_id}'."
            )
            self.close(AmqpError(CONNECTION_FORCED, text))
        elif self._opened and self._heartbeat_s is not None and now - self._spoke >= self._heartbeat_s:
            self.write(EMPTY_FRAME)
