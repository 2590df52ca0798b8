"""One session: windows, and the links by their handle (part 2, section 2.5)."""

from typing import TYPE_CHECKING

from local.event_hubs.amqp import performatives as p
from local.event_hubs.amqp import types as t
from local.event_hubs.amqp.encoding import performative
from local.event_hubs.amqp.errors import HANDLE_IN_USE, NOT_ALLOWED, UNATTACHED_HANDLE, AmqpError
from local.event_hubs.amqp.framing import frame
from local.event_hubs.amqp.link import IncomingLink, Link, OutgoingLink

if TYPE_CHECKING:
    from local.event_hubs.amqp.connection import Connection

INCOMING_WINDOW = 5000
"""Transfer frames a peer may have under way, as Azure's services announce."""


class SessionEnded(Exception):
    """An error that ends the session and not the whole connection."""

    def __init__(self, cause: AmqpError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Session:
    """The service's end of a session. The channel number is the peer's, used in both directions."""

    def __init__(self, connection: "Connection", channel: int, fields: p.Fields) -> None:
        self.connection = connection
        self.channel = channel
        self.next_incoming_id = fields.required_number(1)
        self.remote_incoming_window = fields.required_number(2)
        self.next_outgoing_id = 0
        self.next_delivery_id = 0
        self._window_left = INCOMING_WINDOW
        self._links: dict[int, Link] = {}
        handle_max = min(fields.number(4) or 0xFFFFFFFF, connection.limits.handle_max)
        window = t.UInt(INCOMING_WINDOW)
        begin: list[t.Value] = [t.UShort(channel), t.UInt(0), window, window, t.UInt(handle_max)]
        self.send(performative(p.BEGIN, [*begin, None, None, None]))

    def send(self, body: bytes) -> None:
        """Send a performative on this session's channel."""
        self.connection.write(frame(self.channel, body))

    def send_flow(
        self, handle: int | None, *, delivery_count: int | None, credit: int | None, drain: bool = False
    ) -> None:
        """Send the session's windows, with one link's credit."""
        body = p.flow(
            next_incoming_id=self.next_incoming_id,
            incoming_window=INCOMING_WINDOW,
            next_outgoing_id=self.next_outgoing_id,
            outgoing_window=INCOMING_WINDOW,
            handle=handle,
            delivery_count=delivery_count,
            credit=credit,
            drain=drain,
        )
        self._window_left = INCOMING_WINDOW
        self.send(body)

    def sent(self, frames: int, next_delivery_id: int) -> None:
        """Account for transfer frames that an outgoing link has written."""
        self.next_outgoing_id = (self.next_outgoing_id + frames) & 0xFFFFFFFF
        self.remote_incoming_window -= frames
        self.next_delivery_id = next_delivery_id & 0xFFFFFFFF

    def on_performative(self, code: int, fields: p.Fields, payload: bytes) -> None:
        """Anything but begin and end."""
        if code == p.TRANSFER:
            self._on_transfer(fields, payload)
        elif code == p.FLOW:
            self._on_flow(fields)
        elif code == p.ATTACH:
            self._on_attach(p.Attach.of(fields))
        elif code == p.DETACH:
            self._on_detach(fields)
        elif code != p.DISPOSITION:  # ours are sent settled: a peer's disposition says nothing new
            raise AmqpError(NOT_ALLOWED, f"Performative {code:#x} is not allowed here.")

    def _on_transfer(self, fields: p.Fields, payload: bytes) -> None:
        self.next_incoming_id = (self.next_incoming_id + 1) & 0xFFFFFFFF
        self._window_left -= 1
        link = self._links.get(fields.required_number(0))
        if not isinstance(link, IncomingLink):
            if link is None and self.connection.was_detached(self.channel, fields.required_number(0)):
                return  # under way when we detached the link
            raise SessionEnded(AmqpError(UNATTACHED_HANDLE, "The handle of a transfer is not attached."))
        link.on_transfer(fields, payload)
        if self._window_left <= INCOMING_WINDOW // 2:
            self.send_flow(None, delivery_count=None, credit=None)

    def _on_flow(self, fields: p.Fields) -> None:
        next_incoming_id = fields.number(0)
        window = fields.required_number(1)
        begun = 0 if next_incoming_id is None else next_incoming_id
        self.remote_incoming_window = max(0, _distance(begun + window, self.next_outgoing_id))
        handle = fields.number(4)
        link = None if handle is None else self._links.get(handle)
        if isinstance(link, OutgoingLink):
            link.on_flow(fields)
        if handle is None:
            self.notify()
        if fields.flag(9):
            self.send_flow(None, delivery_count=None, credit=None)

    def notify(self) -> None:
        """Tell every outgoing link that it may send again."""
        for link in list(self._links.values()):
            if isinstance(link, OutgoingLink):
                link.notify()

    def _on_attach(self, attach: p.Attach) -> None:
        if attach.handle in self._links:
            raise SessionEnded(AmqpError(HANDLE_IN_USE, f"The handle {attach.handle} is in use."))
        if attach.handle > self.connection.limits.handle_max:
            raise AmqpError(NOT_ALLOWED, f"The handle {attach.handle} is over the maximum.")
        self.connection.forget_detached(self.channel, attach.handle)
        link = self._open(attach)
        if isinstance(link, IncomingLink):
            link.grant()

    def _open(self, attach: p.Attach) -> Link | None:
        limits = self.connection.limits
        link: Link
        try:
            if attach.receiver:
                link = OutgoingLink(self, attach)
                link.handler = self.connection.peer.open_outgoing(link)
            else:
                link = IncomingLink(
                    self, attach, credit=limits.link_credit, max_message_size=limits.max_message_size
                )
                link.handler = self.connection.peer.open_incoming(link)
        except AmqpError as exc:
            self._answer(attach, refused=True)
            self._send_detach(attach.handle, exc)
            return None
        self._links[attach.handle] = link
        self._answer(attach, refused=False)
        return link

    def _answer(self, attach: p.Attach, *, refused: bool) -> None:
        """Attach in return; a refusal has no terminus, and its detach follows (2.6.3)."""
        source, target = attach.source, attach.target
        self.send(
            performative(
                p.ATTACH,
                [
                    attach.name,
                    t.UInt(attach.handle),
                    not attach.receiver,
                    t.UByte(1) if attach.receiver else p.ubyte(attach.snd_settle_mode),
                    p.ubyte(attach.rcv_settle_mode),
                    None if refused or source is None else source.echo(),
                    None if refused or target is None else target.echo(),
                    None,
                    None,
                    t.UInt(0) if attach.receiver and not refused else None,
                    None if refused else t.ULong(self.connection.limits.max_message_size),
                    None,
                    None,
                    None,
                ],
            )
        )

    def _on_detach(self, fields: p.Fields) -> None:
        handle = fields.required_number(0)
        link = self._links.pop(handle, None)
        if link is None:
            self.connection.forget_detached(self.channel, handle)
            return  # the answer to our detach
        _gone(link)
        self._send_detach(handle, None, remember=False)

    def detach(self, link: Link, cause: AmqpError) -> None:
        """End a link from this side."""
        if self._links.get(link.handle) is link:
            del self._links[link.handle]
            _gone(link)
            self._send_detach(link.handle, cause)

    def _send_detach(self, handle: int, cause: AmqpError | None, *, remember: bool = True) -> None:
        if remember:
            self.connection.remember_detached(self.channel, handle)
        self.send(performative(p.DETACH, [t.UInt(handle), True, p.error(cause)]))

    def close(self) -> None:
        """Tell the handlers that their links are gone."""
        links, self._links = list(self._links.values()), {}
        for link in links:
            _gone(link)


def _gone(link: Link) -> None:
    if isinstance(link, IncomingLink):
        link.discard()
    handler, link.handler = link.handler, None
    if handler is not None:
        handler.on_detach()


def _distance(later: int, earlier: int) -> int:
    """later - earlier in serial-number arithmetic (RFC 1982) of 32 bits."""
    difference = (later - earlier) & 0xFFFFFFFF
    return difference if difference < 0x80000000 else difference - 0x100000000
