"""What the Event Hubs tests share: a service with hubs, and receiving a known number of events."""

import asyncio
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from azure.eventhub import EventData, EventHubConsumerClient
from azure.eventhub.aio import EventHubConsumerClient as AsyncConsumerClient

BRISK = {"socket_timeout": 0.02}
"""The SDK polls its socket: an empty poll takes this long (0.2 s by default), and a link needs many."""

QUICK = {"retry_total": 0, "auth_timeout": 60, **BRISK}
"""For clients whose failure is what a test waits for."""


class Process(Protocol):
    """What the launch fixture hands out."""

    ports: dict[str, int]
    endpoints: dict[str, str]
    meter: dict[str, float]
    pid: int

    def start(self) -> "Process": ...
    def kill(self) -> None: ...
    def stop(self) -> None: ...


_names = count()


@dataclass
class Namespace:
    """A running service and its HTTP side."""

    process: Process
    folder: Any = field(default=None)

    @property
    def connection(self) -> str:
        return self.process.endpoints["eventHubs"]

    def make(self, partitions: int = 1, groups: list[str] | None = None, name: str | None = None) -> str:
        """A new hub's name."""
        name = name or f"hub-{next(_names)}"
        body = {"name": name, "partitionCount": partitions, "consumerGroups": groups or []}
        status, _ = self.http("POST", "", json.dumps(body).encode())
        assert status in (200, 201)
        return name

    def http(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body of a call below /hubs."""
        return call(method, self.process.endpoints["eventHubsCreate"] + path, body)

    def meter(self) -> dict[str, float]:
        url = self.process.endpoints["eventHubsCreate"].removesuffix("/hubs") + "/meter"
        return json.loads(call("GET", url, None)[1])


def call(method: str, url: str, body: bytes | None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=body, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.read()


def until(condition: Callable[[], bool], what: str, timeout_s: float = 60) -> None:
    """Wait for a condition."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"waited {timeout_s} s for {what}"
        time.sleep(0.02)


async def eventually(condition: Callable[[], bool], what: str, timeout_s: float = 60) -> None:
    """Wait for a condition on the loop."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"waited {timeout_s} s for {what}"
        await asyncio.sleep(0.02)


class Closing:
    """Consumers take the SDK over a second to close: they do so aside, and a module waits for them once."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._tasks: list[asyncio.Task[None]] = []

    def aside(self, client: EventHubConsumerClient, receiving: threading.Thread) -> None:
        def close() -> None:
            client.close()
            receiving.join(60)

        thread = threading.Thread(target=close)
        thread.start()
        self._threads.append(thread)

    def later(self, client: AsyncConsumerClient, receiving: "asyncio.Task[None]") -> None:
        async def close() -> None:
            await client.close()
            await receiving

        self._tasks.append(asyncio.create_task(close()))

    async def wait(self) -> None:
        tasks, self._tasks = self._tasks, []
        threads, self._threads = self._threads, []
        await asyncio.gather(*tasks)
        for thread in threads:
            await asyncio.to_thread(thread.join, 60)


closing = Closing()


def receive(
    connection: str, hub: str, wanted: int, *, group: str = "$Default", **how: Any
) -> list[EventData]:
    """`wanted` events by the synchronous client, from the beginning unless `how` says otherwise."""
    client = EventHubConsumerClient.from_connection_string(
        connection, group, eventhub_name=hub, load_balancing_interval=0.2, **BRISK
    )
    how = {"starting_position": "-1", "max_wait_time": 0.2} | how
    got: list[EventData] = []
    thread = threading.Thread(
        target=client.receive_batch, args=(lambda _, events: got.extend(events),), kwargs=how
    )
    thread.start()
    try:
        until(lambda: len(got) >= wanted, f"{wanted} events")
    finally:
        closing.aside(client, thread)
    return list(got)


async def areceive(
    connection: str, hub: str, wanted: int, *, group: str = "$Default", **how: Any
) -> list[EventData]:
    """`wanted` events by the asynchronous client, from the beginning unless `how` says otherwise."""
    return [event for _, event in await areceive_places(connection, hub, wanted, group=group, **how)]


async def areceive_places(
    connection: str, hub: str, wanted: int, *, group: str = "$Default", **how: Any
) -> list[tuple[str, EventData]]:
    """As `areceive`, each event with its partition."""
    how = {"starting_position": "-1", "max_wait_time": 0.2} | how
    got: list[tuple[str, EventData]] = []

    async def keep(context: Any, events: list[EventData]) -> None:
        got.extend((context.partition_id, event) for event in events)

    client = consumer(connection, hub, group)
    task = asyncio.create_task(client.receive_batch(keep, **how))
    try:
        await eventually(lambda: len(got) >= wanted or task.done(), f"{wanted} events of {hub}")
    finally:
        closing.later(client, task)
    return list(got)


def receive_error(connection: str, hub: str, *, group: str = "$Default", **how: Any) -> Exception:
    """The error that a receiver of partition 0 is told of, by the synchronous client: the asynchronous one
    tries a refused link again for ever, and says nothing."""
    errors: list[Exception] = []
    client = EventHubConsumerClient.from_connection_string(
        connection, group, eventhub_name=hub, load_balancing_interval=0.2, **QUICK
    )
    how = {"starting_position": "-1", "partition_id": "0"} | how
    thread = threading.Thread(
        target=client.receive_batch,
        args=(lambda *_: None,),
        kwargs={"on_error": lambda _, error: errors.append(error), **how},
    )
    thread.start()
    try:
        until(lambda: bool(errors), "an error")
    finally:
        closing.aside(client, thread)
    return errors[0]


def consumer(connection: str, hub: str, group: str = "$Default", **options: Any) -> AsyncConsumerClient:
    """An asynchronous consumer client that notices quickly that it is closed."""
    return AsyncConsumerClient.from_connection_string(
        connection, group, eventhub_name=hub, **{"load_balancing_interval": 0.2, **BRISK, **options}
    )
