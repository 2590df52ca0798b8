"""Half an hour of ordinary work through Event Hubs, IoT Hub and Event Grid: does their memory stay flat?

    python -m bench.soak [--minutes 30] [--devices 20] [--json]

Devices connect, send, report properties and leave again; each message goes on to the Event Hub; events go to
Event Grid, whose subscriber is a webhook that fails now and then. Resident memory is read every few seconds,
the last quarter's median compared with the second's: the first is warming up. Exit code 1 above 10 % + 8 MB.
"""

import argparse
import asyncio
import json
import ssl
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from azure.core.credentials import AzureKeyCredential
from azure.core.messaging import CloudEvent
from azure.eventgrid.aio import EventGridPublisherClient
from azure.iot.device.aio import IoTHubDeviceClient

from local.home import Home
from local.iot_hub.device_port import device_port
from local.launcher import LocalCloud

SERVICES = ("event-hubs", "event-grid", "iot-hub")
SAMPLE_S = 2.0
ROUND = 50
"""Messages that a device sends before it leaves and comes back."""


@dataclass(frozen=True)
class Memory:
    service: str
    before_mb: float
    after_mb: float

    @property
    def flat(self) -> bool:
        return self.after_mb <= 1.1 * self.before_mb + 8


def resident_mb(pid: int) -> float:
    """Of a process, from /proc."""
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS")) / 1024


async def device(cloud: LocalCloud, string: str, counts: dict[str, int]) -> None:
    """One device's life, until cancelled."""
    while True:
        client: Any = IoTHubDeviceClient.create_from_connection_string(
            string, server_verification_cert=cloud.home.ca.read_text()
        )
        try:
            await client.connect()
            for number in range(ROUND):
                await client.send_message(json.dumps({"n": number, "pad": "x" * 200}))
                counts["messages"] += 1
            await client.patch_twin_reported_properties({"round": counts["messages"]})
        finally:
            await client.shutdown()
        counts["rounds"] += 1


async def publisher(cloud: LocalCloud, counts: dict[str, int]) -> None:
    credential = AzureKeyCredential(cloud.endpoints["eventGridKey"])
    async with EventGridPublisherClient(cloud.endpoints["eventGrid"], credential) as client:
        while True:
            await client.send([CloudEvent(source="/soak", type="t", data={"n": n}) for n in range(20)])
            counts["events"] += 20
            await asyncio.sleep(0.1)


async def webhook(cloud: LocalCloud, counts: dict[str, int]) -> web.AppRunner:
    async def notify(request: web.Request) -> web.Response:
        await request.read()
        counts["deliveries"] += 1
        return web.Response(status=500 if counts["deliveries"] % 50 == 0 else 200)

    async def agree(request: web.Request) -> web.Response:
        return web.Response(headers={"WebHook-Allowed-Origin": request.headers["WebHook-Request-Origin"]})

    app = web.Application()
    app.add_routes([web.post("/", notify), web.options("/", agree)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    topic = cloud.endpoints["eventGrid"].removesuffix("/api/events")
    body = {"properties": {"destination": {"endpointType": "WebHook", "properties": {"endpointUrl": url}}}}
    async with (
        aiohttp.ClientSession() as http,
        http.put(f"{topic}/eventSubscriptions/soak", json=body) as answered,
    ):
        answered.raise_for_status()
    return runner


async def soak(minutes: float, devices: int) -> tuple[list[Memory], dict[str, int]]:
    counts: dict[str, int] = {"messages": 0, "rounds": 0, "events": 0, "deliveries": 0}
    samples: dict[str, list[float]] = {name: [] for name in SERVICES}
    environment = {"MILLWRIGHT_EVENT_GRID_RETRY_FACTOR": "0.01", "MILLWRIGHT_EVENT_HUBS_RETENTION_S": "60"}
    with tempfile.TemporaryDirectory() as folder:
        home = Home.at(folder)
        async with LocalCloud(home, ports_from=0, services=SERVICES, environment=environment) as cloud:
            with device_port(int(cloud.endpoints["iotHubDevicePort"])):
                strings = await _strings(cloud, [f"soak-{number}" for number in range(devices)])
                hook = await webhook(cloud, counts)
                work = [asyncio.create_task(device(cloud, string, counts)) for string in strings]
                work.append(asyncio.create_task(publisher(cloud, counts)))
                until = time.monotonic() + 60 * minutes
                while time.monotonic() < until and not any(task.done() for task in work):
                    for name, values in samples.items():
                        values.append(resident_mb(cloud.processes[name].pid))
                    await asyncio.sleep(SAMPLE_S)
                ended = [task for task in work if task.done()]
                for task in work:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)
                await hook.cleanup()
                for task in ended:
                    task.result()
    return [_memory(name, values) for name, values in samples.items()], counts


def _memory(name: str, values: list[float]) -> Memory:
    quarter = max(1, len(values) // 4)
    before, after = values[quarter : 2 * quarter] or values, values[-quarter:]
    return Memory(name, round(statistics.median(before), 1), round(statistics.median(after), 1))


async def _strings(cloud: LocalCloud, names: list[str]) -> list[str]:
    address = cloud.endpoints["iotHub"].partition("HostName=")[2].partition(";")[0]
    tls = ssl.create_default_context(cafile=str(cloud.home.ca))
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"https://{address}/_local/devices", json={"devices": names}, ssl=tls) as answer,
    ):
        return list((await answer.json()).values())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--devices", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    memories, counts = asyncio.run(soak(options.minutes, options.devices))
    if options.json:
        print(json.dumps({"memory": [asdict(memory) for memory in memories], "counts": counts}))
    else:
        print(", ".join(f"{count} {name}" for name, count in counts.items()))
        for memory in memories:
            print(f"{memory.service:<12} {memory.before_mb:7.1f} MB  then {memory.after_mb:7.1f} MB")
    return 0 if all(memory.flat for memory in memories) else 1


if __name__ == "__main__":
    sys.exit(main())
