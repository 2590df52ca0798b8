"""What the local Functions host adds to a function that does nothing, against the local services.

    python -m bench.functions [--best-of 3] [--json]

Event Hubs: a backlog of 60,000 events of 280 B over 4 partitions, batches of at most 100, one host.
Latency: from just before the send to the checkpoint, one event at a time. Change feed: 20,000 documents
of 300 B. HTTP: one client on 16 connections. The services share the machine's cores with the host.
"""

import argparse
import asyncio
import json
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp
from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient
from azure.eventhub import EventData
from azure.eventhub.aio import EventHubProducerClient

from local.home import Home
from local.launcher import LocalCloud

APP = Path(__file__).parent / "functions_app"
EVENTS = 60_000
DOCUMENTS = 20_000
REQUESTS = 4_000
PROBES = 30
POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Figures:
    """Rates per second; latencies in milliseconds; host processor time per thousand events in ms."""

    events_per_s: float
    host_cpu_ms_per_1000_events: float
    event_latency_p50_ms: float
    event_latency_max_ms: float
    changes_per_s: float
    http_per_s: float
    idle_cpu_percent: float


class Host:
    """One host of the cloud, seen from outside."""

    def __init__(self, cloud: LocalCloud, home: Home) -> None:
        self._pid = cloud.processes["functions"].pid
        self._positions = sqlite3.connect(home.database("functions"), isolation_level=None)

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def events_done(self) -> int:
        """Events behind a checkpoint, all partitions together."""
        query = "SELECT COALESCE(SUM(sequence_number + 1), 0) FROM checkpoint"
        return self._positions.execute(query).fetchone()[0]

    def close(self) -> None:
        self._positions.close()


async def reach(what: Callable[[], int], goal: int) -> None:
    while what() < goal:  # noqa: ASYNC110 - it happens in another process, there is no event to wait for
        await asyncio.sleep(POLL_S)


async def event_hubs(cloud: LocalCloud, home: Home) -> tuple[float, float, list[float], float]:
    """Drain a backlog, then probe single events, then watch an idle host for five seconds."""
    connection = cloud.endpoints["eventHubs"]
    async with EventHubProducerClient.from_connection_string(connection, eventhub_name="telemetry") as client:
        for number in range(EVENTS // 500):
            await client.send_batch([EventData(b"x" * 280) for _ in range(500)], partition_id=str(number % 4))
        await cloud.add_host()
        host = Host(cloud, home)
        await reach(host.events_done, 1)
        began, done, cpu = time.perf_counter(), host.events_done(), host.cpu_s()
        await reach(host.events_done, EVENTS)
        rate = (EVENTS - done) / (time.perf_counter() - began)
        cpu_ms = 1e6 * (host.cpu_s() - cpu) / (EVENTS - done)
        latencies: list[float] = []
        for number in range(PROBES):
            sent_at = time.perf_counter()
            await client.send_batch([EventData(b"x" * 280)], partition_id=str(number % 4))
            await reach(host.events_done, EVENTS + number + 1)
            latencies.append(1000 * (time.perf_counter() - sent_at))
        cpu = host.cpu_s()
        await asyncio.sleep(5)
        idle = 100 * (host.cpu_s() - cpu) / 5
        host.close()
    return rate, cpu_ms, latencies, idle


async def fill_documents(cloud: LocalCloud) -> None:
    async with CosmosClient(cloud.endpoints["cosmos"], cloud.endpoints["cosmosKey"]) as client:
        database = await client.create_database_if_not_exists("bench")
        container = await database.create_container_if_not_exists("documents", PartitionKey("/p"))
        for number in range(DOCUMENTS // 100):
            await container.execute_item_batch(
                [("create", ({"id": str(i), "p": str(number), "body": "x" * 250},)) for i in range(100)],
                str(number),
            )


async def change_feed(cloud: LocalCloud) -> float:
    """Documents a second, from the first that the function sees to the last."""
    async with aiohttp.ClientSession() as client:
        seen = await _changes_seen(client, cloud, 1)
        began = time.perf_counter()
        await _changes_seen(client, cloud, DOCUMENTS)
        return (DOCUMENTS - seen) / (time.perf_counter() - began)


async def _changes_seen(client: aiohttp.ClientSession, cloud: LocalCloud, goal: int) -> int:
    """Wait until the function has seen `goal` documents; how many it has seen then."""
    while True:
        async with client.get(f"{cloud.endpoints['api']}/api/changes-seen") as answer:
            seen = int(await answer.text())
        if seen >= goal:
            return seen
        await asyncio.sleep(POLL_S)


async def http(cloud: LocalCloud) -> float:
    url = f"{cloud.endpoints['api']}/api/ping"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=16)) as client:

        async def ask(count: int) -> None:
            for _ in range(count):
                async with client.get(url) as answer:
                    assert await answer.read() == b"pong"

        await ask(50)
        began = time.perf_counter()
        await asyncio.gather(*(ask(REQUESTS // 16) for _ in range(16)))
        return REQUESTS / (time.perf_counter() - began)


async def measure() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        home = Home.at(folder)
        async with LocalCloud(
            home, ports_from=0, app=APP, workers=0, services=("event-hubs", "cosmos")
        ) as cloud:
            rate, cpu_ms, latencies, idle = await event_hubs(cloud, home)
            answers = await http(cloud)
            await fill_documents(cloud)
            changes = await change_feed(cloud)
    return Figures(
        events_per_s=round(rate),
        host_cpu_ms_per_1000_events=round(cpu_ms, 1),
        event_latency_p50_ms=round(statistics.median(latencies), 1),
        event_latency_max_ms=round(max(latencies), 1),
        changes_per_s=round(changes),
        http_per_s=round(answers),
        idle_cpu_percent=round(idle, 1),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--best-of", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    runs = [asyncio.run(measure()) for _ in range(options.best_of)]
    best = max(runs, key=lambda figures: figures.events_per_s)
    if options.json:
        print(json.dumps(asdict(best)))
        return
    for name, value in asdict(best).items():
        print(f"{name:<30} {value:>12,}")


if __name__ == "__main__":
    main()
