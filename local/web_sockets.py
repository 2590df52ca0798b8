"""A protocol written for a socket, spoken over a web socket: AMQP and MQTT through port 443, as in Azure.

aiohttp does the web socket; its binary messages are joined to the stream of bytes that the protocol expects.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import WSMsgType, web

HIGH_BYTES = 64 * 1024
"""Unsent bytes from which the protocol is asked to pause writing; it goes on when all are sent."""
CLOSING_S = 5.0
"""How long a peer may take to answer our close."""

type MakeProtocol = Callable[[], asyncio.Protocol]
type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def handler(offered: Mapping[str, MakeProtocol]) -> Handler:
    """Answers a GET by a conversation in the first subprotocol offered that is asked for, else by 400."""

    async def answer(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=tuple(offered), timeout=CLOSING_S, compress=False)
        asked = request.headers.get("Sec-WebSocket-Protocol", "").replace(" ", "").split(",")
        if not any(name in offered for name in asked):
            return web.Response(status=400, text=f"Sec-WebSocket-Protocol: ask for {' or '.join(offered)}.")
        await socket.prepare(request)
        await _converse(request, socket, offered[socket.ws_protocol or ""]())
        return socket

    return answer


async def _converse(request: web.Request, socket: web.WebSocketResponse, protocol: asyncio.Protocol) -> None:
    """Carry bytes both ways until either side ends, then tell the protocol, once."""
    transport = WebSocketTransport(request, socket, protocol)
    protocol.connection_made(transport)
    sending = asyncio.create_task(transport.send_all())
    try:
        while (data := await transport.receive()) is not None:
            protocol.data_received(data)
    finally:
        transport.close()
        try:
            await sending
        finally:
            protocol.connection_lost(None)


class WebSocketTransport(asyncio.Transport):
    """What a protocol sees of its web socket. `write` never waits; `send_all` sends in a task of its own."""

    def __init__(
        self, request: web.Request, socket: web.WebSocketResponse, protocol: asyncio.Protocol
    ) -> None:
        names = ("peername", "sockname", "ssl_object")
        super().__init__({name: request.get_extra_info(name) for name in names})
        self._request, self._socket, self._protocol = request, socket, protocol
        self._unsent = bytearray()
        self._high = HIGH_BYTES
        self._full = self._closing = False
        self._work = asyncio.Event()
        self._reads = asyncio.Event()
        self._reads.set()

    async def receive(self) -> bytes | None:
        """The next bytes; None at the end, or at a text message, which neither protocol has."""
        await self._reads.wait()
        if self._closing:
            return None
        message = await self._socket.receive()
        return message.data if message.type is WSMsgType.BINARY and not self._closing else None

    async def send_all(self) -> None:
        """Send what is written, until the transport is closed and all is sent."""
        while not self._closing or self._unsent:
            await self._work.wait()
            self._work.clear()
            while self._unsent:
                data, self._unsent = bytes(self._unsent), bytearray()
                try:
                    await self._socket.send_bytes(data)
                except ConnectionError:  # the peer is gone, or has said that it goes
                    self.abort()
            if self._full:
                self._full = False
                self._protocol.resume_writing()
        await self._socket.close()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing:
            return
        self._unsent += data
        self._work.set()
        if len(self._unsent) > self._high and not self._full:
            self._full = True
            self._protocol.pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = HIGH_BYTES if high is None else high

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self._reads.clear()

    def resume_reading(self) -> None:
        self._reads.set()

    def is_reading(self) -> bool:
        return self._reads.is_set()

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """Send what is written, then end."""
        self._closing = True
        self._work.set()
        self._reads.set()

    def abort(self) -> None:
        """End at once."""
        self._unsent.clear()
        self.close()
        if self._request.transport is not None:
            self._request.transport.abort()
