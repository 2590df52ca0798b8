"""Throughput of the local Cosmos DB through azure-cosmos's asynchronous client.

`python -m bench.cosmos [--json]`: the server runs in its own process on a fresh folder, this process is the
client.
Each figure is the best of three rounds.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient

type Document = dict[str, object]
type BatchOperation = tuple[str, tuple[Document]]

ROUNDS = 3
CONCURRENCY = 16


@contextmanager
def server(folder: str) -> Generator[tuple[str, str]]:
    """Address and key of a fresh service."""
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
        yield endpoints["cosmos"], endpoints["cosmosKey"]
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


async def measure(address: str, key: str) -> dict[str, float]:
    figures: dict[str, float] = {}
    async with CosmosClient(address, key) as client:
        database = await client.create_database("bench")
        container = await database.create_container("documents", PartitionKey("/machineId"))
        await container.upsert_item(reading(0, "m0"))
        figures["upserts/s"] = await best(2000, lambda n: container.upsert_item(reading(n, f"m{n % 50}")))
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
    with tempfile.TemporaryDirectory() as folder, server(folder) as (address, key):
        figures = asyncio.run(measure(address, key))
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:50} {value:12,.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
