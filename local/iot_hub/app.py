"""IoT Hub as a service: MQTT for devices, HTTPS and AMQP for back ends, all over TLS on loopback; MQTT and
AMQP over web sockets too, on the HTTPS port.

The Device Provisioning Service is beside it, on the same ports.
"""

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from typing import ClassVar

from aiohttp import web

from local import web_sockets
from local.dps.app import Provisioning
from local.event_hubs.amqp.connection import Connection
from local.home import Home
from local.iot_hub import http_api, rules, telemetry
from local.iot_hub.back_end import LIMITS, MECHANISMS, BackEnd
from local.iot_hub.client_certificates import OpenTlsContext
from local.iot_hub.commands import Commands
from local.iot_hub.device import DeviceClient
from local.iot_hub.devices import Device, Json, stamp
from local.iot_hub.forward import Notices, Outlet, Pending
from local.iot_hub.lifecycle import Announcer
from local.iot_hub.methods import Methods
from local.iot_hub.packets import Connect, Publish, Will
from local.iot_hub.registry import Registry
from local.iot_hub.rules import HUB_POLICY, Admitted
from local.iot_hub.session import Client, Session
from local.iot_hub.store import Store
from local.iot_hub.twinning import Twins
from local.iot_hub.twins import Twin
from local.iot_hub.twins_api import TwinsApi
from local.meter import Meter
from local.service import Clock, bind

LOG = logging.getLogger(__name__)
EVENTS = "MILLWRIGHT_IOT_HUB_EVENTS"
"""URL at which an Event Hub takes encoded messages; unset, they wait in the backlog."""
EVENTS_CONNECTION = "MILLWRIGHT_IOT_HUB_EVENTS_CONNECTION"
ROUTES = "MILLWRIGHT_IOT_HUB_ROUTES"
"""Which of the hub's own messages go to that Event Hub, by their sources' names; none unless said."""
EVENT_GRID = "MILLWRIGHT_IOT_HUB_EVENT_GRID"
EVENT_GRID_KEY = "MILLWRIGHT_IOT_HUB_EVENT_GRID_KEY"
HANDSHAKE_S = 10
SHUTDOWN_S = 5.0
"""How long a stop waits for requests and web sockets that do not end."""
TICK_S = 1.0
WEB_SOCKET_PATHS = ("/$iothub/websocket", "/$servicebus/websocket", "/$servicebus/websocket/")
"""Where devices look, and where azure-iot-hub's AMQP library does."""
DEFAULT_MQTT_PORT = 8883


class IoTHub:
    """One hub. Its folder holds `iot-hub.sqlite` and the local CA."""

    name: ClassVar[str] = "iot-hub"
    default_ports: ClassVar[Mapping[str, int]] = {"mqtt": DEFAULT_MQTT_PORT, "https": 8443, "amqps": 5673}

    def __init__(self, home: Home, ports: Mapping[str, int], clock: Clock = time.time) -> None:
        self._home, self._ports, self.clock = home, dict(ports), clock
        self.billed = Meter()
        self.store = Store(home.database(self.name))
        self._sessions: dict[str, Session] = {}
        self._open: set[Session] = set()
        self._last_closed = asyncio.Event()
        self._outlet = Outlet(self.store, os.environ.get(EVENTS) or None)
        notices = Notices(self.store, self._outlet, _routes(), clock)
        self._announcer = Announcer(
            self.store, notices, os.environ.get(EVENT_GRID) or None, os.environ.get(EVENT_GRID_KEY, ""), clock
        )
        self.twins = Twins(self.store, self._sessions.get, notices, clock)
        self.methods = Methods(self._sessions.get, clock)
        self.commands = Commands(self.store, self._sessions.get, clock)
        self.provisioning = Provisioning(self)
        self._back_ends: dict[Connection, BackEnd] = {}
        self._connections: set[Connection] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._servers: list[asyncio.Server] = []
        self._https: web.AppRunner | None = None

    async def start(self) -> dict[str, str]:
        sockets = {port: bind(self.name, port, number) for port, number in self._ports.items()}
        self._ports = {port: sock.getsockname()[1] for port, sock in sockets.items()}
        for device in self.store.connected_devices():
            self._set_connection(device.device_id, device.module_id, connected=False)
        tls = self._home.server_tls()
        loop = asyncio.get_running_loop()
        listening: list[tuple[str, web_sockets.MakeProtocol]] = [
            ("mqtt", self._mqtt),
            ("amqps", self._amqp),
        ]
        for port, protocol in listening:
            context = OpenTlsContext.serve(self._home.path / "server.pem") if port == "mqtt" else tls
            self._servers.append(
                await loop.create_server(
                    protocol, sock=sockets[port], ssl=context, ssl_handshake_timeout=HANDSHAKE_S
                )
            )
        self._https = web.AppRunner(self._application(), access_log=None, shutdown_timeout=SHUTDOWN_S)
        await self._https.setup()
        await web.SockSite(self._https, sockets["https"], ssl_context=tls).start()
        self._tasks = [
            asyncio.create_task(self._outlet.run()),
            asyncio.create_task(self._announcer.run()),
            asyncio.create_task(self._tick()),
        ]
        for task in self._tasks:
            task.add_done_callback(_ended)
        return self._endpoints()

    def _application(self) -> web.Application:
        answering = http_api.Answering(self)
        hub = [*Registry(self).routes(), *TwinsApi(self).routes(), http_api.UNKNOWN]
        app = web.Application(client_max_size=http_api.BODY_LIMIT)
        web_socket = web_sockets.handler({"mqtt": self._mqtt, "AMQPWSB10": self._amqp})
        app.add_routes(web.get(path, web_socket) for path in WEB_SOCKET_PATHS)
        app.add_routes(self.provisioning.routes())
        app.add_routes(web.route(r.method, r.path, answering.around(r.handler)) for r in hub)
        return app

    def _mqtt(self) -> asyncio.Protocol:
        return Session(self)

    def _amqp(self) -> asyncio.Protocol:
        return Connection(LIMITS, MECHANISMS, self._back_end, self._connections)

    def _back_end(self, connection: Connection) -> BackEnd:
        peer = BackEnd(connection, self)
        self._back_ends[connection] = peer
        return peer

    async def _tick(self) -> None:
        """What passes with time: commands, tokens and silence of back ends."""
        while True:
            await asyncio.sleep(TICK_S)
            self.commands.expire()
            now = time.monotonic()
            for connection in list(self._connections):
                connection.tick(now)
            self._back_ends = {c: peer for c, peer in self._back_ends.items() if c in self._connections}
            for peer in self._back_ends.values():
                peer.expire()

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            connection.close(None)
        for server in self._servers:
            server.abort_clients()
        for session in list(self._open):
            session.close("the hub stops")
        while self._open:
            self._last_closed.clear()
            await self._last_closed.wait()
        if self._https:
            await self._https.cleanup()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._outlet.keep_pending()
        self.store.close()

    def actual_ports(self) -> dict[str, int]:
        return dict(self._ports)

    def meter(self) -> dict[str, float]:
        return self.billed.snapshot()

    def _endpoints(self) -> dict[str, str]:
        endpoints = {
            "iotHub": f"HostName=localhost:{self._ports['https']};SharedAccessKeyName={HUB_POLICY}"
            f";SharedAccessKey={self.store.hub_key}",
            "iotHubDevicePort": str(self._ports["mqtt"]),
            "iotHubAmqpPort": str(self._ports["amqps"]),
            "iotHubWebSocketPort": str(self._ports["https"]),
        }
        if events := os.environ.get(EVENTS_CONNECTION):
            endpoints["iotHubEvents"] = events
        return endpoints | self.provisioning.endpoints(self._ports["https"])

    def device_connection_string(self, device: Device) -> str:
        """What a device client is made from. The port is apart: see device_port.py."""
        return f"HostName=localhost;DeviceId={device.device_id};SharedAccessKey={device.primary_key}"

    def opened(self, session: Session) -> None:
        self._open.add(session)

    def closed(self, session: Session) -> None:
        self._open.discard(session)
        self._last_closed.set()

    def connect(self, session: Session, connect: Connect) -> Client:
        """Admit a device. A newer connection of the same device ends the older one."""
        if self.provisioning.is_meant(connect):
            return self.provisioning.admit(session, connect)
        admitted = rules.admit(connect, session.certificate(), self.store, self.clock())
        if older := self._sessions.pop(admitted.key, None):
            self._parted(admitted)
            older.close("the device connected again")
        self._sessions[admitted.key] = session
        self._set_connection(
            admitted.device_id, admitted.module_id, connected=True, model_id=admitted.model_id
        )
        self.billed.add("connections")
        return DeviceClient(self, admitted)

    def gone(self, session: Session, admitted: Admitted) -> None:
        if self._sessions.get(admitted.key) is session:
            del self._sessions[admitted.key]
            self._parted(admitted)

    def _parted(self, admitted: Admitted) -> None:
        self.commands.gone(admitted.key)
        self._set_connection(admitted.device_id, admitted.module_id, connected=False)

    def identity(self, admitted: Admitted) -> Device | None:
        """As the registry has it now; None if it was deleted."""
        return self.store.device(admitted.device_id, admitted.module_id)

    def telemetry(self, session: Session, admitted: Admitted, packet: Publish | Will, packet_id: int) -> None:
        encoded, size = telemetry.message(
            admitted,
            packet.topic,
            packet.payload,
            retain=packet.retain,
            will=isinstance(packet, Will),
            now=self.clock(),
        )
        session.taken(size)
        self._outlet.offer(Pending(admitted.device_id, encoded, session, packet_id, size))
        self.billed.add("messages")
        self.billed.add("messages_4kb", telemetry.blocks(size))

    def crowded(self) -> bool:
        return self._outlet.full

    def put(self, device: Device, *, before: Device | None) -> None:
        """Store an identity. One that has changed has to connect anew. Call inside a transaction."""
        self.store.put_device(device)
        if before is None:
            self.store.put_twin(device.key, Twin.new(stamp(self.clock())))
            self._announcer.created(device, self._announced(device))
            return
        keys = [device.key]
        if device.module_id is None:
            keys += [module.key for module in self.store.modules(device.device_id)]
        for key in keys:
            if session := self._sessions.get(key):
                session.close("the identity changed")

    def delete(self, device: Device) -> None:
        """Remove an identity with all that belongs to it. Call inside a transaction."""
        modules = self.store.modules(device.device_id) if device.module_id is None else []
        for gone in (*modules, device):
            self._announcer.deleted(gone, self._announced(gone))
            self.store.delete_device(gone)
            if gone.module_id is None:
                self.commands.forget(gone.device_id)
            if session := self._sessions.pop(gone.key, None):
                session.close("the identity was deleted")
                self._announcer.disconnected(gone)

    def _announced(self, device: Device) -> Json:
        """The twin as announcements show it."""
        return self.twins.document(device)

    def _set_connection(
        self, device_id: str, module_id: str | None, *, connected: bool, model_id: str | None = None
    ) -> None:
        with self.store.transaction():
            device = self.store.device(device_id, module_id)
            if device is None:
                return
            now = stamp(self.clock())
            device.connected, device.connection_updated_at, device.last_activity_at = connected, now, now
            device.model_id = model_id if connected else device.model_id
            self.store.put_device(device)
            if connected:
                self._announcer.connected(device)
            else:
                self._announcer.disconnected(device)


def _routes() -> frozenset[str]:
    """The sources that have a route. ValueError names one that is none."""
    names = {name.strip() for name in os.environ.get(ROUTES, "").split(",") if name.strip()}
    known = {source.route for source in telemetry.OWN_SOURCES}
    if unknown := names - known:
        raise ValueError(f"{ROUTES}: {', '.join(sorted(unknown))}: give some of {', '.join(sorted(known))}")
    return frozenset(names)


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (problem := task.exception()):
        LOG.critical("passing messages on has ended: restart the hub", exc_info=problem)
