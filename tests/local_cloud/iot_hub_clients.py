"""What the IoT Hub tests have in common: clients pointed at a local hub, and raw MQTT for bad input."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import socket
import ssl
import struct
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from azure.eventhub.aio import EventHubConsumerClient
from azure.iot.device.aio import IoTHubDeviceClient
from azure.iot.hub import IoTHubRegistryManager

from local.iot_hub.device_port import back_end_port, device_port

EVENTS = "MILLWRIGHT_IOT_HUB_EVENTS"


@dataclass
class Plant:
    """A hub, and the Event Hub that gets its messages."""

    hub: Any
    event_hubs: Any
    name: str = "telemetry"
    _reader: "Reader | None" = None

    def __enter__(self) -> "Plant":
        return self

    def __exit__(self, *_: object) -> None:
        """Stop reading; the services end with the test run."""
        if self._reader:
            self._reader.close()

    @property
    def ca(self) -> Path:
        return self.hub.folder / "ca.pem"

    def registry(self, connection_string: str | None = None) -> IoTHubRegistryManager:
        manager = IoTHubRegistryManager.from_connection_string(
            connection_string or self.hub.endpoints["iotHub"]
        )
        manager.protocol.config.connection.verify = str(self.ca)
        return manager

    def create(self, *device_ids: str) -> dict[str, str]:
        """Device connection strings by id."""
        url = f"https://localhost:{self.hub.ports['https']}/_local/devices"
        body = json.dumps({"devices": device_ids}).encode()
        with urllib.request.urlopen(url, body, context=self.client_tls()) as answer:
            return json.load(answer)

    def client_tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))

    def client(self, connection_string: str, **options: Any) -> IoTHubDeviceClient:
        return IoTHubDeviceClient.create_from_connection_string(
            connection_string, server_verification_cert=self.ca.read_text(), **options
        )

    def received(self, enough: Callable[[list[Any]], bool], within_s: float = 60) -> list[Any]:
        """Events of the Event Hub from its beginning, as soon as there are enough."""
        if self._reader is None:
            self._reader = Reader(self.event_hubs.endpoints["eventHubs"], self.name)
        return self._reader.wait_for(enough, within_s)

    def meter(self) -> dict[str, float]:
        url = f"https://localhost:{self.hub.ports['https']}/_local/meter"
        with urllib.request.urlopen(url, context=self.client_tls()) as answer:
            return json.load(answer)


@contextlib.contextmanager
def plant_with_web_sockets(launch: Callable[..., Any]) -> Iterator[Plant]:
    """A hub and its Event Hub; the SDKs' clients find the hub's ports, those of web sockets too."""
    event_hubs = launch("event-hubs")
    hub = launch("iot-hub", environment={EVENTS: make_hub(event_hubs, "telemetry", 1)})
    web_sockets = hub.ports["https"]
    with (
        Plant(hub, event_hubs) as plant,
        device_port(hub.ports["mqtt"], web_sockets),
        back_end_port(hub.ports["amqps"], plant.ca, web_sockets),
    ):
        yield plant


class Reader:
    """Reads a whole Event Hub in a thread of its own and keeps what came."""

    def __init__(self, connection_string: str, name: str) -> None:
        self.events: list[Any] = []
        self._came, self._loop = threading.Condition(), asyncio.new_event_loop()
        self._client = EventHubConsumerClient.from_connection_string(
            connection_string, "$Default", eventhub_name=name
        )
        self._reading = self._loop.create_task(self._read())
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._reading,))
        self._thread.start()

    async def _read(self) -> None:
        async with self._client:
            with contextlib.suppress(asyncio.CancelledError):
                await self._client.receive(self._keep, starting_position="-1")

    async def _keep(self, _: Any, event: Any) -> None:
        with self._came:
            self.events.append(event)
            self._came.notify()

    def wait_for(self, enough: Callable[[list[Any]], bool], within_s: float) -> list[Any]:
        with self._came:
            assert self._came.wait_for(lambda: enough(self.events), within_s), f"{len(self.events)} events"
            return list(self.events)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._reading.cancel)
        self._thread.join(60)
        self._loop.close()


def make_hub(event_hubs: Any, name: str, partitions: int) -> str:
    """Make an Event Hub; returns the URL at which it takes IoT Hub's messages."""
    url = event_hubs.endpoints["eventHubsCreate"]
    body = json.dumps({"name": name, "partitionCount": partitions}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request):
        return f"{url}/{name}/messages"


def key_of(connection_string: str) -> str:
    return connection_string.partition("SharedAccessKey=")[2].partition(";")[0]


def sas(resource: str, key: str, *, expires_at: float | None = None, policy: str | None = None) -> str:
    """A shared access signature, as any client without an SDK makes one."""
    encoded, expiry = quote(resource, safe=""), int(expires_at or time.time() + 3600)
    digest = hmac.digest(base64.b64decode(key), f"{encoded}\n{expiry}".encode(), hashlib.sha256)
    signature = quote(base64.b64encode(digest), safe="")
    token = f"SharedAccessSignature sr={encoded}&sig={signature}&se={expiry}"
    return f"{token}&skn={policy}" if policy else token


def text(value: str) -> bytes:
    return struct.pack(">H", len(value.encode())) + value.encode()


def packet(first: int, body: bytes) -> bytes:
    digits = bytearray()
    length = len(body)
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | (0x80 if length else 0))
        if not length:
            return bytes([first]) + digits + body


def connect_packet(
    device_id: str,
    password: str,
    *,
    username: str | None = None,
    protocol: str = "MQTT",
    level: int = 4,
    keep_alive_s: int = 60,
    will: tuple[str, bytes] | None = None,
    clean_session: bool = True,
) -> bytes:
    username = f"localhost/{device_id}/?api-version=2021-04-12" if username is None else username
    flags = 0xC0 | (0x02 if clean_session else 0) | (0x04 if will else 0)
    body = text(protocol) + struct.pack(">BBH", level, flags, keep_alive_s) + text(device_id)
    if will:
        body += text(will[0]) + struct.pack(">H", len(will[1])) + will[1]
    return packet(0x10, body + text(username) + text(password))


def publish_packet(
    topic: str, payload: bytes, *, qos: int = 1, packet_id: int = 1, retain: bool = False
) -> bytes:
    number = struct.pack(">H", packet_id) if qos else b""
    return packet(0x30 | qos << 1 | retain, text(topic) + number + payload)


class RawClient:
    """A TLS socket that speaks bytes. `read` returns b"" once the hub has closed the connection."""

    def __init__(self, plant: Plant, *, tls: bool = True) -> None:
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", plant.hub.ports["mqtt"]), 60)
        if tls:
            self.socket = plant.client_tls().wrap_socket(self.socket, server_hostname="localhost")

    def send(self, data: bytes) -> "RawClient":
        self.socket.sendall(data)
        return self

    def read(self, count: int = 4096) -> bytes:
        try:
            return self.socket.recv(count)
        except (ConnectionResetError, ssl.SSLEOFError):
            return b""

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
