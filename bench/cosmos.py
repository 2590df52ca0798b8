"""Throughput of the local Cosmos DB through azure-cosmos's asynchronous client.

`python -m bench.cosmos [--json]`: the server runs in its own process on a fresh folder, this process is the
client. Each figure is the best of three rounds. Because one azure-cosmos client takes more CPU time for an
upsert than the service does, upserts are also measured with two client processes, and with a bare HTTP client
that signs its requests once; and the service's own CPU time for an upsert is taken beside.
"""

import argparse
import asyncio
import base64
import hmac
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import quote

import aiohttp
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient

type Document = dict[str, object]
type BatchOperation = tuple[str, tuple[Document]]

ROUNDS = 3
CONCURRENCY = 16
PER_CLIENT = 2000
"""Upserts of each client process in a round."""


@contextmanager
def server(folder: str) -> Generator[tuple[str, str]]:
    """Address and key of a fresh service."""
    with server_process(folder) as (address, key, _):
        yield address, key


@contextmanager
def server_process(folder: str) -> Generator[tuple[str, str, int]]:
    """Address, key and process id of a fresh service."""
    process = subprocess.Popen(
        [sys.executable, "-m", "local", "serve", "cosmos", f"--dir={folder}", "--port=http=0"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
        cwd=Path(__file__).parents[1],
    )
    assert process.stdout is not None
    endpoints = json.loads(process.stdout.readline())["endpoints"]
    try:
        yield endpoints["cosmos"], endpoints["cosmosKey"], process.pid
    finally:
        process.terminate()
        process.wait(timeout=20)


async def spread(count: int, work: Callable[[int], Awaitable[object]]) -> float:
    """Seconds to do `count` pieces of work, CONCURRENCY at a time."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    return time.perf_counter() - started


async def best(per_round: int, work: Callable[[int], Awaitable[object]]) -> float:
    """Pieces of work a second, best of ROUNDS."""
    return max([per_round / await spread(per_round, work) for _ in range(ROUNDS)])


def reading(number: int, machine: str) -> Document:
    return {"id": f"r{number}", "machineId": machine, "type": "reading", "value": number * 0.5, "unit": "c"}


def state(number: int, machine: str) -> Document:
    """A document of about 9 KB."""
    panes = [
        {"n": i, "sum": i * 1.5, "sumOfSquares": i * 2.25, "at": f"2026-01-01T00:{i % 60:02}:00Z"}
        for i in range(120)
    ]
    return {
        "id": "state",
        "machineId": machine,
        "type": "state",
        "nextDueAt": f"2026-01-01T{number % 24:02}",
        "panes": panes,
    }


async def batches(container: ContainerProxy, number: int, size: int) -> None:
    machine = f"m{number % 50}"
    operations: list[BatchOperation] = [
        ("upsert", (reading(number * size + i, machine),)) for i in range(size)
    ]
    await container.execute_item_batch(operations, partition_key=machine)


async def commit(container: ContainerProxy, number: int) -> None:
    """What a commit of the backend writes: state, a document, the outbox."""
    machine = f"m{number % 50}"
    operations: list[BatchOperation] = [
        ("upsert", (state(number, machine),)),
        ("create", ({**reading(number, machine), "id": f"d{time.time_ns()}-{number}"},)),
        ("create", ({**reading(number, machine), "id": f"o{time.time_ns()}-{number}", "type": "outbox"},)),
    ]
    await container.execute_item_batch(operations, partition_key=machine)


async def due_query(container: ContainerProxy) -> tuple[int, float]:
    """Milliseconds for a page of the due machines among 100,000 documents; the median of 20."""
    times: list[float] = []
    found = 0
    for _ in range(20):
        started = time.perf_counter()
        pages = container.query_items(
            "SELECT * FROM c WHERE c.type='state' AND c.nextDueAt <= @t ORDER BY c.nextDueAt",
            parameters=[{"name": "@t", "value": "2026-01-01T00:01:00Z"}],
            max_item_count=100,
        ).by_page()
        page = await anext(pages)
        found = len([item async for item in page])
        times.append((time.perf_counter() - started) * 1000)
    return found, sorted(times)[len(times) // 2]


async def fill(container: ContainerProxy, documents: int) -> None:
    async def one(number: int) -> None:
        machine = f"q{number}"
        operations: list[BatchOperation] = [
            ("upsert", (reading(number * 100 + i, machine),)) for i in range(90)
        ] + [
            (
                "upsert",
                (
                    {
                        "id": f"s{i}",
                        "machineId": machine,
                        "type": "state",
                        "nextDueAt": f"2026-01-01T00:{i:02}:{number % 60:02}Z",
                    },
                ),
            )
            for i in range(10)
        ]
        await container.execute_item_batch(operations, partition_key=machine)

    await spread(documents // 100, one)


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has taken (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _client_upserts(address: str, key: str, client_number: int) -> tuple[float, float]:
    """When one client's upserts began and ended."""
    async with CosmosClient(address, key) as client:
        container = client.get_database_client("bench").get_container_client("documents")
        await container.upsert_item(reading(0, f"c{client_number}"))
        began = time.time()
        await spread(PER_CLIENT, lambda n: container.upsert_item(reading(n, f"c{client_number}-{n % 50}")))
        return began, time.time()


def client_process(address: str, key: str, client_number: int) -> tuple[float, float]:
    return asyncio.run(_client_upserts(address, key, client_number))


def upserts_of_processes(address: str, key: str, clients: int) -> float:
    """Upserts a second of several client processes together, from the first to begin to the last to end."""
    with ProcessPoolExecutor(clients, mp_context=get_context("spawn")) as pool:
        rates: list[float] = []
        for _ in range(ROUNDS):
            spans = [
                one.result() for one in [pool.submit(client_process, address, key, n) for n in range(clients)]
            ]
            rates.append(
                clients * PER_CLIENT / (max(end for _, end in spans) - min(begin for begin, _ in spans))
            )
    return max(rates)


async def bare_upserts(address: str, key: str) -> float:
    """Upserts a second over HTTP without an SDK: signed once, 16 connections."""
    date = format_datetime(datetime.now(UTC), usegmt=True)
    link = "dbs/bench/colls/documents"
    text = f"post\ndocs\n{link}\n{date.lower()}\n\n"
    seal = base64.b64encode(hmac.digest(base64.b64decode(key), text.encode(), "sha256")).decode()
    headers = {
        "authorization": quote(f"type=master&ver=1.0&sig={seal}"),
        "x-ms-date": date,
        "x-ms-version": "2020-07-15",
        "x-ms-documentdb-is-upsert": "True",
        "content-type": "application/json",
    }
    async with aiohttp.ClientSession(headers=headers) as session:

        async def upsert(number: int) -> None:
            machine = f"b{number % 50}"
            given = {"x-ms-documentdb-partitionkey": json.dumps([machine])}
            body = json.dumps(reading(number, machine))
            async with session.post(f"{address}/{link}/docs", data=body, headers=given) as response:
                await response.read()
                response.raise_for_status()

        return await best(3000, upsert)


async def measure(address: str, key: str, pid: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    async with CosmosClient(address, key) as client:
        database = await client.create_database("bench")
        container = await database.create_container("documents", PartitionKey("/machineId"))
        await container.upsert_item(reading(0, "m0"))
        figures["upserts/s, one client process"] = await best(
            2000, lambda n: container.upsert_item(reading(n, f"m{n % 50}"))
        )
        figures["upserts/s, two client processes"] = await asyncio.to_thread(
            upserts_of_processes, address, key, 2
        )
        before = cpu_s(pid)
        figures["upserts/s, bare HTTP client"] = await bare_upserts(address, key)
        figures["service's CPU ms an upsert"] = (cpu_s(pid) - before) * 1000 / (3000 * ROUNDS)
        figures["point reads/s"] = await best(2000, lambda n: container.read_item(f"r{n % 50}", f"m{n % 50}"))
        figures["documents/s, 100-operation batches"] = 100 * await best(
            200, lambda n: batches(container, n, 100)
        )
        figures["3-operation batches/s, one document of 9 KB"] = await best(
            1000, lambda n: commit(container, n)
        )
        large = await database.create_container("large", PartitionKey("/machineId"))
        await fill(large, 100_000)
        started = time.perf_counter()
        await due_query(large)
        figures["due query, first use, ms"] = (time.perf_counter() - started) * 1000 / 20
        found, figures["due query of 100,000 documents, ms a page"] = await due_query(large)
        figures["due query, documents a page"] = found
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.cosmos", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, server_process(folder) as (address, key, pid):
        figures = asyncio.run(measure(address, key, pid))
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:50} {value:12,.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
