"""IoT Hub as a service: MQTT for devices, HTTPS for back ends, both over TLS on loopback."""

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from typing import ClassVar

from aiohttp import web

from local.home import Home
from local.iot_hub import registry, rules, telemetry
from local.iot_hub.devices import Device, stamp
from local.iot_hub.forward import Outlet, Pending
from local.iot_hub.lifecycle import Announcer
from local.iot_hub.packets import Connect, Publish, Will
from local.iot_hub.rules import HUB_POLICY, Admitted
from local.iot_hub.session import Session
from local.iot_hub.store import Store
from local.meter import Meter
from local.service import Clock, bind

LOG = logging.getLogger(__name__)
EVENTS = "MILLWRIGHT_IOT_HUB_EVENTS"
"""URL at which an Event Hub takes encoded messages; unset, they wait in the backlog."""
EVENTS_CONNECTION = "MILLWRIGHT_IOT_HUB_EVENTS_CONNECTION"
EVENT_GRID = "MILLWRIGHT_IOT_HUB_EVENT_GRID"
EVENT_GRID_KEY = "MILLWRIGHT_IOT_HUB_EVENT_GRID_KEY"
HANDSHAKE_S = 10
DEFAULT_MQTT_PORT = 8883


class IoTHub:
    """One hub. Its folder holds `iot-hub.sqlite` and the local CA."""

    name: ClassVar[str] = "iot-hub"
    default_ports: ClassVar[Mapping[str, int]] = {"mqtt": DEFAULT_MQTT_PORT, "https": 8443}

    def __init__(self, home: Home, ports: Mapping[str, int], clock: Clock = time.time) -> None:
        self._home, self._ports, self.clock = home, dict(ports), clock
        self.billed = Meter()
        self.store = Store(home.database(self.name))
        self._sessions: dict[str, Session] = {}
        self._open: set[Session] = set()
        self._last_closed = asyncio.Event()
        self._outlet = Outlet(self.store, os.environ.get(EVENTS) or None)
        self._announcer = Announcer(
            self.store, os.environ.get(EVENT_GRID) or None, os.environ.get(EVENT_GRID_KEY, ""), clock
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._mqtt: asyncio.Server | None = None
        self._https: web.AppRunner | None = None

    async def start(self) -> dict[str, str]:
        mqtt = bind(self.name, "mqtt", self._ports["mqtt"])
        https = bind(self.name, "https", self._ports["https"])
        self._ports = {"mqtt": mqtt.getsockname()[1], "https": https.getsockname()[1]}
        for device in self.store.connected_devices():
            self._disconnected(device.device_id)
        tls = self._home.server_tls()
        self._mqtt = await asyncio.get_running_loop().create_server(
            lambda: Session(self), sock=mqtt, ssl=tls, ssl_handshake_timeout=HANDSHAKE_S
        )
        self._https = web.AppRunner(registry.application(self), access_log=None)
        await self._https.setup()
        await web.SockSite(self._https, https, ssl_context=tls).start()
        self._tasks = [
            asyncio.create_task(self._outlet.run()),
            asyncio.create_task(self._announcer.run()),
        ]
        for task in self._tasks:
            task.add_done_callback(_ended)
        return self._endpoints()

    async def stop(self) -> None:
        if self._mqtt:
            self._mqtt.close()
            self._mqtt.abort_clients()
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
        }
        if events := os.environ.get(EVENTS_CONNECTION):
            endpoints["iotHubEvents"] = events
        return endpoints

    def device_connection_string(self, device: Device) -> str:
        """What a device client is made from. The port is apart: see device_port.py."""
        return f"HostName=localhost;DeviceId={device.device_id};SharedAccessKey={device.primary_key}"

    def opened(self, session: Session) -> None:
        self._open.add(session)

    def closed(self, session: Session) -> None:
        self._open.discard(session)
        self._last_closed.set()

    def connect(self, session: Session, connect: Connect) -> Admitted:
        """Admit a device. A newer connection of the same device ends the older one."""
        device = rules.admit(connect, self.store, self.clock())
        if older := self._sessions.pop(device.device_id, None):
            self._disconnected(device.device_id)
            older.close("the device connected again")
        self._sessions[device.device_id] = session
        self._set_connection(device.device_id, connected=True)
        self.billed.add("connections")
        return device

    def gone(self, session: Session, device: Admitted) -> None:
        if self._sessions.get(device.device_id) is session:
            del self._sessions[device.device_id]
            self._disconnected(device.device_id)

    def telemetry(self, session: Session, packet: Publish | Will, packet_id: int) -> int:
        encoded, size = telemetry.message(
            session.device,
            packet.topic,
            packet.payload,
            retain=packet.retain,
            will=isinstance(packet, Will),
            now=self.clock(),
        )
        self._outlet.offer(Pending(session.device.device_id, encoded, session, packet_id, size))
        self.billed.add("messages")
        self.billed.add("messages_4kb", telemetry.blocks(size))
        return size

    def crowded(self) -> bool:
        return self._outlet.full

    def created(self, device: Device) -> None:
        self._announcer.created(device)

    def changed(self, device: Device) -> None:
        """A disabled device, or one with other keys, has to connect anew."""
        if session := self._sessions.get(device.device_id):
            session.close("the device's identity changed")

    def deleted(self, device: Device) -> None:
        self._announcer.deleted(device)
        if session := self._sessions.pop(device.device_id, None):
            session.close("the device was deleted")
            self._announcer.disconnected(device.device_id)

    def _disconnected(self, device_id: str) -> None:
        self._set_connection(device_id, connected=False)

    def _set_connection(self, device_id: str, *, connected: bool) -> None:
        with self.store.transaction():
            device = self.store.device(device_id)
            if device is None:
                return
            now = stamp(self.clock())
            device.connected, device.connection_updated_at, device.last_activity_at = connected, now, now
            self.store.put_device(device)
            if connected:
                self._announcer.connected(device_id)
            else:
                self._announcer.disconnected(device_id)


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (problem := task.exception()):
        LOG.critical("passing messages on has ended: restart the hub", exc_info=problem)
