"""Events a second through the local Event Grid: published by azure-eventgrid, delivered to a webhook.

    python -m bench.event_grid [--events 10000] [--best-of 3] [--json]

CloudEvents of about 500 B in batches of 100, persisted before the answer; delivery is one event a
request. Publisher and webhook are processes of their own. "delivered" counts from the first delivery
to the last, so it includes the time in which events were still being published.
"""

import argparse
import asyncio
import json
import multiprocessing as mp
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import asdict, dataclass
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from aiohttp import web
from azure.core.credentials import AzureKeyCredential
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridPublisherClient

BATCH = 100
DATA = {"machine": "press-1", "text": "x" * 350}


@dataclass(frozen=True)
class Figures:
    published_per_s: float
    delivered_per_s: float
    service_cpu_ms_per_1000: float


def webhook(ready: "Synchronized[int]", got: "Synchronized[int]") -> None:
    """Agree to everything, count what arrives. Says its port once it listens."""

    async def agree(request: web.Request) -> web.Response:
        return web.Response(headers={"WebHook-Allowed-Origin": request.headers["WebHook-Request-Origin"]})

    async def count(request: web.Request) -> web.Response:
        await request.read()
        with got.get_lock():
            got.value += 1
        return web.Response()

    async def serve() -> None:
        app = web.Application()
        app.router.add_options("/hook", agree)
        app.router.add_post("/hook", count)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ready.value = runner.addresses[0][1]
        await asyncio.Event().wait()

    asyncio.run(serve())


def publish(endpoint: str, key: str, count: int, took: "Synchronized[float]") -> None:
    """Send batches one after another; says how long it took."""
    with EventGridPublisherClient(endpoint, AzureKeyCredential(key)) as client:
        began = time.time()
        for _ in range(0, count, BATCH):
            client.send([CloudEvent(source="/press-1", type="t", data=DATA) for _ in range(BATCH)])
        took.value = time.time() - began


class Service:
    """Event Grid in a process of its own."""

    def __init__(self, folder: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local", "serve", "event-grid", f"--dir={folder}", "--port=http=0"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        assert self._process.stdout is not None
        endpoints = json.loads(self._process.stdout.readline())["endpoints"]
        self.endpoint: str = endpoints["eventGrid"]
        self.key: str = endpoints["eventGridKey"]

    def subscribe(self, url: str) -> None:
        where = self.endpoint.replace("/api/events", "/eventSubscriptions/bench")
        body = {
            "properties": {"destination": {"endpointType": "WebHook", "properties": {"endpointUrl": url}}}
        }
        request = urllib.request.Request(where, json.dumps(body).encode(), method="PUT")
        urllib.request.urlopen(request).close()

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)


def measure(service: Service, got: "Synchronized[int]", count: int) -> Figures:
    """Publish `count` events and wait until the webhook has them all."""
    took = mp.Value("d", 0.0)
    publisher = mp.Process(target=publish, args=(service.endpoint, service.key, count, took))
    first, cpu = got.value, service.cpu_s()
    publisher.start()
    while got.value == first:
        time.sleep(0.001)
    began = time.time()
    while got.value < first + count:
        time.sleep(0.005)
    delivered_s, cpu = time.time() - began, service.cpu_s() - cpu
    publisher.join()
    return Figures(count / took.value, count / delivered_s, cpu / count * 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--best-of", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="one line for machines")
    options = parser.parse_args()
    port, got = mp.Value("i", 0), mp.Value("q", 0)
    hook = mp.Process(target=webhook, args=(port, got), daemon=True)
    hook.start()
    while port.value == 0:
        time.sleep(0.01)
    with tempfile.TemporaryDirectory() as folder:
        service = Service(folder)
        service.subscribe(f"http://127.0.0.1:{port.value}/hook")
        runs = [measure(service, got, options.events) for _ in range(options.best_of)]
        service.stop()
    hook.terminate()
    hook.join()
    best = max(runs, key=lambda figures: figures.delivered_per_s)
    if options.json:
        print(json.dumps(asdict(best)))
        return
    print(f"{'published/s':>12}{'delivered/s':>12}{'service CPU ms/1,000':>24}")
    print(
        f"{best.published_per_s:>12,.0f}{best.delivered_per_s:>12,.0f}{best.service_cpu_ms_per_1000:>24,.0f}"
    )


if __name__ == "__main__":
    main()
