"""How fast the local Digital Twins service patches, creates, reads and answers queries.

`python -m bench.digital_twins [--json]`: starts the service in a folder of its own. The client
shares the machine. Raw: requests written by hand on kept-alive TLS connections, no client library.
SDK: azure-digitaltwins-core, aio. Instance rates are raised so that the server is the limit, the
rate of 10 writes/s per twin is kept by patching a thousand twins in turn.

Graph: an import job makes `--graph` machines (100,000), each with two relationships, the line it is
in a row with and one to a machine anywhere. Then queries, one at a time, as milliseconds a first
page of 100: the median, and the worst of the first run of each kind.
"""

import argparse
import asyncio
import json
import os
import random
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport
from azure.digitaltwins.core.aio import DigitalTwinsClient

from shared.adapters.credentials import credential

TWINS = 1000
BLOBS = {"input": "graph.ndjson", "output": "log.ndjson"}
CONNECTIONS = 8
MODEL = "dtmi:millwright:CncMachine;1"
COMPONENTS = {"oee": {"$metadata": {}}, "health": {"$metadata": {}}, "alarmSummary": {"$metadata": {}}}
PATCH = [
    {"op": "add", "path": "/temperatureC", "value": 41.7},
    {"op": "add", "path": "/vibrationMmS", "value": 2.31},
    {"op": "add", "path": "/powerKw", "value": 7.9},
    {"op": "add", "path": "/lastReadingAt", "value": "2026-03-02T06:00:00Z"},
    {"op": "add", "path": "/$metadata/temperatureC/sourceTime", "value": "2026-03-02T06:00:00Z"},
]


@contextmanager
def service(folder: str) -> Iterator[int]:
    """The service as its own process; gives its port."""
    command = [sys.executable, "-m", "local", "serve", "digital-twins", f"--dir={folder}", "--port=https=0"]
    environment = {**os.environ, "MILLWRIGHT_DIGITAL_TWINS_RATE_FACTOR": "1000"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["ports"]["https"]
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


class Raw:
    """One kept-alive connection that writes requests as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def request(self, method: str, path: str, body: bytes, content_type: str) -> bytes:
        head = (
            f"{method} {path}?api-version=2023-10-31 HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer x\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(answer.decode())
        length = next(
            (part for part in answer.split(b"\r\n") if part.lower().startswith(b"content-length")), b""
        )
        return await self._reader.readexactly(int(length.partition(b":")[2] or b"0"))

    async def ask(self, method: str, path: str, body: bytes, content_type: str) -> None:
        await self.request(method, path, body, content_type)


@asynccontextmanager
async def raw_connections(port: int, ca: Path) -> AsyncIterator[list[Raw]]:
    tls = ssl.create_default_context(cafile=str(ca))
    opened = [
        await asyncio.open_connection("localhost", port, ssl=tls, server_hostname="localhost")
        for _ in range(CONNECTIONS)
    ]
    yield [Raw(reader, writer) for reader, writer in opened]
    for _, writer in opened:
        writer.close()


async def rate(workers: Sequence[Callable[[int], Awaitable[None]]], total: int) -> float:
    """Operations per second; each worker takes the next number when it is done with the last."""
    numbers = iter(range(total))

    async def work(do: Callable[[int], Awaitable[None]]) -> None:
        for number in numbers:
            await do(number)

    started = time.perf_counter()
    await asyncio.gather(*(work(do) for do in workers))
    return total / (time.perf_counter() - started)


async def raw_figures(port: int, ca: Path, models: bytes) -> dict[str, float]:
    patch = json.dumps(PATCH).encode()
    twin = json.dumps({"$metadata": {"$model": MODEL}, "temperatureC": 20.5, **COMPONENTS}).encode()
    kind, patch_kind = "application/json", "application/json-patch+json"
    query = json.dumps({"query": "SELECT * FROM digitaltwins T WHERE T.temperatureC > 40"}).encode()
    async with raw_connections(port, ca) as connections:
        await connections[0].request("POST", "/models", models, kind)

        def each(method: str, body: bytes, kind: str) -> list[Callable[[int], Awaitable[None]]]:
            return [
                lambda n, c=c: c.ask(method, f"/digitaltwins/M-{n % TWINS}", body, kind) for c in connections
            ]

        figures = {"raw create": await rate(each("PUT", twin, kind), TWINS)}
        figures["raw patch"] = max([await rate(each("PATCH", patch, patch_kind), 5000) for _ in range(3)])
        figures["raw read"] = await rate(each("GET", b"", kind), 3000)
        queries = [lambda n, c=c: c.ask("POST", "/query", query, kind) for c in connections]
        figures["raw query, page of 100"] = await rate(queries, 200)
    return figures


def graph_lines(machines: int, models: list[Any]) -> Iterator[object]:
    """An import file: machines with readings out of a seeded random, and what feeds what."""
    chance = random.Random(1)
    yield from ({"Section": "Header"}, {"fileVersion": "1.0.0"}, {"Section": "Models"}, *models)
    yield {"Section": "Twins"}
    for number in range(machines):
        yield {
            "$dtId": f"G-{number}",
            "$metadata": {"$model": MODEL},
            "name": f"machine {number}",
            "temperatureC": round(chance.uniform(0, 100), 3),
            "vibrationMmS": round(chance.uniform(0, 10), 3),
            **COMPONENTS,
            "oee": {"$metadata": {}, "oee": round(chance.random(), 6)},
        }
    yield {"Section": "Relationships"}
    for number in range(machines):
        for name, target in (("row", (number + 1) % machines), ("any", chance.randrange(machines))):
            yield {
                "$dtId": f"G-{number}",
                "$relationshipId": name,
                "$relationshipName": "feeds",
                "$targetId": f"G-{target}",
            }


GRAPH_QUERIES = {
    "filtered, few of all": "SELECT * FROM DIGITALTWINS T WHERE T.temperatureC > 99.5 AND T.vibrationMmS < 5",
    "filtered, most of all": "SELECT * FROM DIGITALTWINS T WHERE T.temperatureC > 40 AND T.oee.oee > 0.1",
    "3 hops from one twin": "SELECT B FROM DIGITALTWINS MATCH (A)-[:feeds*3]->(B) WHERE A.$dtId = 'G-{}'",
    "up to 3 hops, both ways": "SELECT B FROM DIGITALTWINS MATCH (A)-[*..3]-(B) WHERE A.$dtId = 'G-{}'",
    "two JOINs": "SELECT C FROM DIGITALTWINS A JOIN B RELATED A.feeds JOIN C RELATED B.feeds "
    "WHERE A.$dtId = 'G-{}'",
}


async def graph_figures(port: int, home: Path, machines: int, models: list[Any]) -> dict[str, float]:
    """Lines a second of the import, then milliseconds of queries."""
    container = home / "blobs" / "local" / "bench"
    container.mkdir(parents=True)
    with (container / "graph.ndjson").open("w") as file:
        file.writelines(json.dumps(line) + "\n" for line in graph_lines(machines, models))
    uris = {f"{kind}BlobUri": f"https://local/bench/{name}" for kind, name in BLOBS.items()}
    async with raw_connections(port, home / "ca.pem") as (connection, *_):
        started = time.perf_counter()
        await connection.request("PUT", "/jobs/imports/graph", json.dumps(uris).encode(), "application/json")
        while True:
            job = json.loads(await connection.request("GET", "/jobs/imports/graph", b"", "application/json"))
            if job["status"] not in ("notstarted", "running"):
                break
            await asyncio.sleep(0.2)
        if job["status"] != "succeeded":
            raise RuntimeError(f"the import {job['status']}: {job.get('error')}")
        figures = {"import, lines": 3 * machines / (time.perf_counter() - started)}
        for name, text in GRAPH_QUERIES.items():
            times: list[float] = []
            for number in range(40):
                query = json.dumps({"query": text.replace("{}", str(number * 37 % machines))}).encode()
                begun = time.perf_counter()
                await connection.request("POST", "/query", query, "application/json")
                times.append((time.perf_counter() - begun) * 1000)
            figures[f"{name}, ms"] = statistics.median(times)
            figures[f"{name}, first ms"] = times[0]
    return figures


async def sdk_figures(port: int, ca: Path) -> dict[str, float]:
    """One TLS context for all: with `connection_verify=PATH` each request makes one, and a handshake."""
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(ca)))
    transport = AioHttpTransport(session=aiohttp.ClientSession(connector=connector))
    endpoint = f"https://localhost:{port}"
    async with DigitalTwinsClient(endpoint, credential("local"), transport=transport) as client:

        async def patch(number: int) -> None:
            await client.update_digital_twin(f"M-{number % TWINS}", PATCH)

        return {"SDK (aio) patch": max([await rate([patch] * 16, 1500) for _ in range(3)])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="figures as one JSON object, per second")
    parser.add_argument("--graph", type=int, default=100_000, help="machines in the graph; 0 leaves it out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, service(folder) as port:
        ca = Path(folder) / "ca.pem"
        models = [json.loads(path.read_text()) for path in Path("dtdl").glob("*.json")]
        figures = asyncio.run(raw_figures(port, ca, json.dumps(models).encode()))
        figures |= asyncio.run(sdk_figures(port, ca))
        if options.graph:
            figures |= asyncio.run(graph_figures(port, Path(folder), options.graph, models))
    if options.json:
        print(json.dumps({name: round(figure, 1) for name, figure in figures.items()}))
        return
    print(f"local Digital Twins, {TWINS} twins of {MODEL}, patches of {len(PATCH)} operations")
    for name, figure in figures.items():
        print(f"{name:<34} {figure:>8,.1f}" if name.endswith("ms") else f"{name:<34} {figure:>8,.0f}/s")


if __name__ == "__main__":
    main()
