"""The service: ports, listeners, housekeeping; see README.md for what it covers."""

import asyncio
import contextlib
import logging
import os
import socket
import sqlite3
import ssl
import time
from collections.abc import Callable, Mapping
from typing import ClassVar

from aiohttp import web

from local import web_sockets
from local.event_hubs.amqp.connection import Connection, Limits
from local.event_hubs.authorization import Authority
from local.event_hubs.client import MECHANISMS, Client
from local.event_hubs.http_api import HttpApi
from local.event_hubs.store import Store
from local.event_hubs.throughput import Throughput
from local.home import Home
from local.meter import Meter
from local.service import Clock, bind

KEY_NAME = "RootManageSharedAccessKey"
RETENTION_SETTING = "MILLWRIGHT_EVENT_HUBS_RETENTION_S"
IDLE_SETTING = "MILLWRIGHT_EVENT_HUBS_IDLE_TIMEOUT_S"
UNITS_SETTING = "MILLWRIGHT_EVENT_HUBS_THROUGHPUT_UNITS"
DEFAULT_RETENTION_S = 7 * 24 * 3600.0
DEFAULT_IDLE_S = 240.0
OPEN_TIMEOUT_S = 60.0
SHUTDOWN_S = 5.0
"""How long a stop waits for requests and web sockets that do not end."""
WEB_SOCKET_PATH = "/$servicebus/websocket"
WEB_SOCKET_PROTOCOL = "AMQPWSB10"
_TICK_S = 1.0
_LOGGER = logging.getLogger(__name__)


class EventHubs:
    """One namespace: AMQP on two ports and over web sockets on a third, and HTTP to make hubs."""

    name: ClassVar[str] = "event-hubs"
    default_ports: ClassVar[Mapping[str, int]] = {"amqp": 5672, "amqps": 5671, "wss": 9443, "http": 9672}

    def __init__(self, home: Home, ports: Mapping[str, int], clock: Clock = time.time) -> None:
        self._home = home
        self._ports = dict(ports)
        self._clock = clock
        self._meter = Meter()
        self._retention_s = _seconds(RETENTION_SETTING, DEFAULT_RETENTION_S)
        self._idle_s = _seconds(IDLE_SETTING, DEFAULT_IDLE_S)
        self._throughput = Throughput(_number(UNITS_SETTING, "throughput units"), time.monotonic)
        self._connections: set[Connection] = set()
        self._clients: dict[Connection, Client] = {}
        self._servers: list[asyncio.Server] = []
        self._runners: list[web.AppRunner] = []
        self._store: Store | None = None
        self._ticking: asyncio.Task[None] | None = None

    async def start(self) -> dict[str, str]:
        sockets = {port: bind(self.name, port, number) for port, number in self._ports.items()}
        self._ports = {port: sock.getsockname()[1] for port, sock in sockets.items()}
        store = Store(self._home.database(self.name), self._clock, self._meter)
        self._store = store
        authority = Authority(KEY_NAME, store.key(), self._clock)
        tls = self._home.server_tls()
        connection = self._connection_factory(store, authority)
        await self._listen(sockets["amqp"], connection, None)
        await self._listen(sockets["amqps"], connection, tls)
        web_socket = web.get(WEB_SOCKET_PATH, web_sockets.handler({WEB_SOCKET_PROTOCOL: connection}))
        api = HttpApi(store, self._meter).application()
        # Plain, for clients that use the emulator's way of connecting.
        api.add_routes([web_socket])
        await self._serve(api, sockets["http"], None)
        secure = web.Application()
        secure.add_routes([web_socket])
        await self._serve(secure, sockets["wss"], tls)
        self._ticking = asyncio.create_task(self._tick(store))
        secret = f"SharedAccessKeyName={KEY_NAME};SharedAccessKey={authority.key}"
        return {
            "eventHubs": f"Endpoint=sb://127.0.0.1:{self._ports['amqp']};{secret};UseDevelopmentEmulator=true;",
            "eventHubsTls": f"Endpoint=sb://localhost:{self._ports['amqps']}/;{secret}",
            "eventHubsWebSockets": f"sb://localhost:{self._ports['wss']}",
            "eventHubsCreate": f"http://127.0.0.1:{self._ports['http']}/hubs",
        }

    def _connection_factory(self, store: Store, authority: Authority) -> Callable[[], Connection]:
        limits = Limits(
            container_id="millwright-event-hubs",
            idle_timeout_s=self._idle_s,
            open_timeout_s=min(OPEN_TIMEOUT_S, self._idle_s),
        )

        def make_peer(connection: Connection) -> Client:
            client = Client(connection, store, authority, throughput=self._throughput, meter=self._meter)
            self._clients[connection] = client
            return client

        return lambda: Connection(limits, MECHANISMS, make_peer, self._connections)

    async def _listen(
        self, sock: socket.socket, connection: Callable[[], Connection], tls: ssl.SSLContext | None
    ) -> None:
        timeout_s = min(OPEN_TIMEOUT_S, self._idle_s) if tls else None
        server = await asyncio.get_running_loop().create_server(
            connection, sock=sock, ssl=tls, ssl_handshake_timeout=timeout_s
        )
        self._servers.append(server)

    async def _serve(self, app: web.Application, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        await web.SockSite(runner, sock, ssl_context=tls).start()
        self._runners.append(runner)

    async def _tick(self, store: Store) -> None:
        """Heartbeats, time-outs, expired tokens, retention."""
        while True:
            await asyncio.sleep(min(_TICK_S, self._idle_s / 4))
            now = time.monotonic()
            for connection in list(self._connections):
                connection.tick(now)
            for connection in [known for known in self._clients if known not in self._connections]:
                del self._clients[connection]
            for client in list(self._clients.values()):
                client.expire()
            try:
                more = store.prune(int((self._clock() - self._retention_s) * 1000))
                while more:
                    await asyncio.sleep(0)
                    more = store.prune(int((self._clock() - self._retention_s) * 1000))
            except sqlite3.Error:  # a full disk, say: nothing was removed, the next turn tries again
                _LOGGER.warning("event-hubs: could not remove old events", exc_info=True)

    async def stop(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
        for server in self._servers:
            server.close()
        if self._store is not None:
            self._store.flush()
        for connection in list(self._connections):
            connection.close(None)
        for runner in self._runners:
            await runner.cleanup()
        if self._store is not None:
            await self._store.close()

    def actual_ports(self) -> dict[str, int]:
        return dict(self._ports)

    def meter(self) -> dict[str, float]:
        return self._meter.snapshot()


def _seconds(setting: str, default: float) -> float:
    """A duration from the environment. ValueError names the setting."""
    value = _number(setting, "seconds")
    return default if value is None else value


def _number(setting: str, unit: str) -> float | None:
    """What the environment says, None if nothing. ValueError names the setting."""
    text = os.environ.get(setting)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e9:
        raise ValueError(f"{setting}={text!r}: give a number of {unit} above 0")
    return value
