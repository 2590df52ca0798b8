"""Law 6: a sink that is down delays only its own effects, and nothing is lost when it is back."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from local.backend import Backend
from local.home import Home
from shared.relay.twin_patch import LAST_READING_AT, owned, projection
from tests.journeys.crash import FACTORY, NEVER, drained
from tests.journeys.recording import START, feed, record
from tests.journeys.sink import EventSink
from tests.journeys.storm import messages_read


@pytest.mark.timeout(600)
async def test_machines_are_folded_while_twins_and_events_are_away_which_catch_up_later(
    tmp_path: Path,
) -> None:
    recording = record(FACTORY, seconds=240, seed=3)
    half = len(recording) // 2
    async with (
        EventSink() as sink,
        Backend(
            Home.at(tmp_path),
            factory=FACTORY,
            ports_from=0,
            applied_at=START - 60_000,
            environment={"MILLWRIGHT_DUE_SCHEDULE": NEVER, "MILLWRIGHT_EVENT_GRID_RETRY_FACTOR": "0.02"},
        ) as backend,
        aiohttp.ClientSession() as http,
    ):
        cloud = backend.cloud
        await sink.subscribe(cloud.endpoints["eventGrid"])
        hub = cloud.endpoints["eventHubsCreate"]
        await feed(http, hub, recording[:half])
        await drained(backend, sink, half)

        for service in ("digital-twins", "event-grid"):
            await cloud.kill(service)
        seen = len(sink.contents)
        await feed(http, hub, recording[half:])
        await until(lambda: _all_read(backend, len(recording)))
        assert len(sink.contents) == seen

        for service in ("digital-twins", "event-grid"):
            await cloud.start(service)
        await drained(backend, sink, len(recording))
        await until(lambda: _twins_equal(http, backend))
    assert {identity for identity, contents in sink.contents.items() if len(contents) > 1} == set()


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.25)


async def _all_read(backend: Backend, messages: int) -> bool:
    return messages_read(backend.home.path) == messages


async def _twins_equal(http: aiohttp.ClientSession, backend: Backend) -> bool:
    """Whether every machine's twin says what its `twin` document says."""
    tls = ssl.create_default_context(cafile=str(backend.home.ca))
    url = backend.cloud.endpoints["digitalTwins"]
    found = backend.store.documents.query("machines", "SELECT * FROM c WHERE c.type = 'twin'", {})
    async for document in found:
        wanted = projection(document)
        assert wanted is not None
        async with http.get(
            f"{url}/digitaltwins/{wanted.twin_id}?api-version=2023-10-31",
            headers={"Authorization": "Bearer local"},
            ssl=tls,
        ) as response:
            assert response.status == 200, await response.text()
            shown = owned(await response.json(), wanted.wanted)
        if {k: v for k, v in shown.items() if k != LAST_READING_AT} != {
            k: v for k, v in wanted.wanted.items() if k != LAST_READING_AT
        }:
            return False
    return True
