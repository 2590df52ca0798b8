"""Messages a second through the local IoT Hub into the local Event Hubs.

    python -m bench.iot_hub [--seconds 8] [--best-of 3] [--json]

50 devices, QoS 1, 300 B, TLS, everything persisted.
"lean publishers" are bare MQTT clients in one process, which leave the service room to show its own limit;
"azure-iot-device" are Microsoft's clients in two processes. Only acknowledged messages count.
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import multiprocessing as mp
import os
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any
from urllib.parse import quote

from azure.iot.device import Message
from azure.iot.device.aio import IoTHubDeviceClient

from local.iot_hub.device_port import device_port

DEVICES = 50
BODY = b"x" * 300
IN_FLIGHT = 50
SETTLE_S = 2


@dataclass(frozen=True)
class Figures:
    name: str
    per_s: float
    service_cpu_ms_per_1000: float


class Process:
    """One service in a process of its own."""

    def __init__(self, name: str, folder: str, ports: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local", "serve", name, f"--dir={folder}"]
            + [f"--port={port}=0" for port in ports],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
            cwd=Path(__file__).parents[1],
        )
        assert self._process.stdout is not None
        ready = json.loads(self._process.stdout.readline())
        self.ports: dict[str, int] = ready["ports"]
        self.endpoints: dict[str, str] = ready["endpoints"]

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)


@dataclass(frozen=True)
class Hub:
    mqtt_port: int
    ca: str
    devices: dict[str, str]
    """Connection strings by device id."""


def publish_lean(hub: Hub, acknowledged: "Synchronized[int]", stop: float) -> None:
    """Bare MQTT: each device keeps up to IN_FLIGHT messages unacknowledged."""

    async def device(name: str, string: str) -> None:
        tls = ssl.create_default_context(cafile=hub.ca)
        reader, writer = await asyncio.open_connection("localhost", hub.mqtt_port, ssl=tls)
        writer.write(connect_packet(name, string))
        await reader.readexactly(4)
        topic = text(f"devices/{name}/messages/events/$.ct=application%2Fjson&$.ce=utf-8")
        parts = [topic, b"\0\1", BODY]
        length = sum(map(len, parts))
        message = b"\x32" + bytes((length & 0x7F | 0x80, length >> 7)) + b"".join(parts)
        writer.write(message * IN_FLIGHT)
        unread = 0
        while time.time() < stop:
            unread += len(await reader.read(4096))
            answers, unread = divmod(unread, len(b"\x40\x02\x00\x01"))
            with acknowledged.get_lock():
                acknowledged.value += answers
            writer.write(message * answers)
            await writer.drain()
        writer.transport.abort()

    async def all_devices() -> None:
        await asyncio.gather(*(device(name, string) for name, string in hub.devices.items()))

    asyncio.run(all_devices())


def publish_sdk(hub: Hub, acknowledged: "Synchronized[int]", stop: float) -> None:
    """azure-iot-device: each client keeps up to 10 messages unacknowledged."""
    ca = Path(hub.ca).read_text()

    async def device(string: str) -> None:
        client: Any = IoTHubDeviceClient.create_from_connection_string(string, server_verification_cert=ca)
        await client.connect()

        async def send() -> None:
            while time.time() < stop:
                await client.send_message(Message(BODY, None, "utf-8", "application/json"))
                with acknowledged.get_lock():
                    acknowledged.value += 1

        await asyncio.gather(*(send() for _ in range(10)))

    async def all_devices() -> None:
        await asyncio.gather(*map(device, hub.devices.values()))

    with device_port(hub.mqtt_port):
        asyncio.run(all_devices())
    os._exit(0)  # closing 25 clients takes longer than measuring them


def connect_packet(device_id: str, connection_string: str) -> bytes:
    key = connection_string.partition("SharedAccessKey=")[2]
    resource, expiry = quote(f"localhost/devices/{device_id}", safe=""), int(time.time() + 3600)
    digest = hmac.digest(base64.b64decode(key), f"{resource}\n{expiry}".encode(), hashlib.sha256)
    token = f"SharedAccessSignature sr={resource}&sig={quote(base64.b64encode(digest), safe='')}&se={expiry}"
    body = text("MQTT") + b"\x04\xc2\x00\xf0" + text(device_id)
    body += text(f"localhost/{device_id}/?api-version=2021-04-12") + text(token)
    return b"\x10" + bytes((len(body) & 0x7F | 0x80, len(body) >> 7)) + body


def text(value: str) -> bytes:
    return struct.pack(">H", len(value)) + value.encode()


def measure(
    name: str, work: Callable[..., None], hub: Hub, service: Process, *, processes: int, seconds: float
) -> Figures:
    """Let the devices publish, split among processes, and count for `seconds` once all are at work."""
    counter = mp.Value("q", 0)
    stop = time.time() + seconds + 15
    names = list(hub.devices)
    jobs = [
        mp.Process(
            target=work,
            args=(
                Hub(hub.mqtt_port, hub.ca, {name: hub.devices[name] for name in names[number::processes]}),
                counter,
                stop,
            ),
        )
        for number in range(processes)
    ]
    for job in jobs:
        job.start()
    while counter.value == 0:
        time.sleep(0.02)
    time.sleep(SETTLE_S)
    began, first, cpu = time.time(), counter.value, service.cpu_s()
    time.sleep(seconds)
    took, count, cpu = time.time() - began, counter.value - first, service.cpu_s() - cpu
    for job in jobs:
        job.terminate()
        job.join()
    return Figures(name, count / took, cpu / count * 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--best-of", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="one line for machines")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        event_hubs = Process("event-hubs", folder, ["amqp", "amqps", "wss", "http"], {})
        url = event_hubs.endpoints["eventHubsCreate"]
        post(url, {"name": "telemetry", "partitionCount": 4}, None)
        service = Process(
            "iot-hub", folder, ["mqtt", "https"], {"MILLWRIGHT_IOT_HUB_EVENTS": f"{url}/telemetry/messages"}
        )
        ca = f"{folder}/ca.pem"
        names = [f"device-{number}" for number in range(DEVICES)]
        strings = post(f"https://localhost:{service.ports['https']}/_local/devices", {"devices": names}, ca)
        hub = Hub(service.ports["mqtt"], ca, strings)
        runs = [
            max(
                (
                    measure(name, work, hub, service, processes=processes, seconds=options.seconds)
                    for _ in range(options.best_of)
                ),
                key=lambda figures: figures.per_s,
            )
            for name, work, processes in [
                ("lean publishers", publish_lean, 1),
                ("azure-iot-device", publish_sdk, 2),
            ]
        ]
        service.stop()
        event_hubs.stop()
    if options.json:
        print(json.dumps([asdict(run) for run in runs]))
        return
    print(f"{'50 devices, QoS 1, 300 B':<28}{'messages/s':>12}{'service CPU ms/1,000':>24}")
    for run in runs:
        print(f"{run.name:<28}{run.per_s:>12,.0f}{run.service_cpu_ms_per_1000:>24,.0f}")


def post(url: str, body: object, ca: str | None) -> Any:
    context = ssl.create_default_context(cafile=ca) if ca else None
    with urllib.request.urlopen(url, json.dumps(body).encode(), context=context) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
