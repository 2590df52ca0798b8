"""Runs a recording through the whole backend, undisturbed or with processes killed all the time."""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp

from local.backend import Backend
from local.home import Home
from shared.state_document import unpack
from tests.journeys.recording import START, Recorded, feed
from tests.journeys.sink import EventSink
from tests.journeys.storm import Storm, messages_read

FACTORY = Path(__file__).parents[2] / "factories" / "smart-factory.yaml"
NEVER = "0 0 0 1 1 *"
"""Timers are inputs of their own; a recording holds none, so none may fire."""
LEASE_S = "2"
"""How long a dead host keeps what it held: the shorter, the more happens between two kills."""
_DRAINED_S = 180.0


@dataclass(slots=True)
class Outcome:
    """What a run left behind."""

    documents: dict[str, Any] = field(default_factory=dict[str, Any])
    outbox: dict[str, Any] = field(default_factory=dict[str, Any])
    events: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    kills: dict[str, int] = field(default_factory=dict[str, int])
    between_commit_and_checkpoint: int = 0
    seconds: float = 0.0


async def run(home: Path, recording: Sequence[Recorded], *, kills: int = 0, seed: int = 1) -> Outcome:
    """Feed the recording to two hosts; with `kills`, kill -9 one process after the other meanwhile."""
    outcome = Outcome()
    started = time.monotonic()
    async with (
        EventSink() as sink,
        Backend(
            Home.at(home),
            factory=FACTORY,
            workers=2,
            ports_from=0,
            applied_at=START - 60_000,
            environment={
                "MILLWRIGHT_DUE_SCHEDULE": NEVER,
                "MILLWRIGHT_EVENT_GRID_RETRY_FACTOR": "0.02",
                "MILLWRIGHT_FUNCTIONS_LEASE_S": LEASE_S,
            },
        ) as backend,
        aiohttp.ClientSession() as http,
    ):
        cloud = backend.cloud
        await sink.subscribe(cloud.endpoints["eventGrid"])
        hub = cloud.endpoints["eventHubsCreate"]
        storm = Storm(backend, seed)
        # A share of the recording before each kill and one after the last.
        cuts = [round(len(recording) * part / (kills + 1)) for part in range(kills + 2)]
        for number, (begin, end) in enumerate(pairwise(cuts), start=1):
            await feed(http, hub, recording[begin:end])
            if number <= kills:
                await storm.strike(fed=end)
        await storm.end()
        await drained(backend, sink, len(recording))
        outcome.kills = dict(storm.kills)
        outcome.between_commit_and_checkpoint = storm.between_commit_and_checkpoint
        await _collect(backend, outcome)
        outcome.events = sink.contents
    outcome.seconds = time.monotonic() - started
    return outcome


async def drained(backend: Backend, sink: EventSink, messages: int) -> None:
    """Wait until the hosts have read everything and every event of every outbox has arrived."""
    home = backend.home.path
    deadline = time.monotonic() + _DRAINED_S
    while True:
        read = messages_read(home)
        outbox = await outbox_events(backend)
        if read == messages and outbox.keys() <= sink.contents.keys():
            return
        if time.monotonic() > deadline:
            missing = sorted(outbox.keys() - sink.contents.keys())
            raise AssertionError(f"read {read} of {messages} messages; events missing: {missing[:10]}")
        await asyncio.sleep(0.25)


async def outbox_events(backend: Backend) -> dict[str, Any]:
    found = backend.store.documents.query("machines", "SELECT * FROM c WHERE c.type = 'outbox'", {})
    return {event["id"]: event async for document in found for event in document["events"]}


async def _collect(backend: Backend, outcome: Outcome) -> None:
    """Every document but what the service makes and how events are grouped into outboxes."""
    for container in ("machines", "late", "quarantine"):
        async for document in backend.store.documents.query(container, "SELECT * FROM c", {}):
            if document.get("type") != "outbox":
                key = f"{container}/{document.get('machineId')}/{_one_hub(document['id'])}"
                plain = {name: value for name, value in document.items() if not name.startswith("_")}
                if document.get("type") == "state":
                    plain["data"] = unpack(document)
                outcome.documents[key] = _one_hub(plain)
    outcome.outbox = await outbox_events(backend)


def _one_hub(value: Any) -> Any:
    """Positions without the hub's generation: each run has a hub of its own."""
    if isinstance(value, dict):
        return {_one_hub(name): _one_hub(item) for name, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_one_hub(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, str):
        return re.sub(r"telemetry([/~])\d+([/~])", r"telemetry\1G\2", value)
    return value
