"""Runs a recording through the whole backend, undisturbed or with processes killed all the time."""

import asyncio
import random
import re
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from local.backend import Backend
from local.home import Home
from local.launcher import LocalCloud
from tests.journeys.recording import START, Recorded, feed
from tests.journeys.sink import EventSink

FACTORY = Path(__file__).parents[2] / "factories" / "smart-factory.yaml"
HOSTS = ("functions", "functions-2")
SERVICES = ("cosmos", "event-hubs", "event-grid", "digital-twins")
NEVER = "0 0 0 1 1 *"
"""Timers are inputs of their own; a recording holds none, so none may fire."""
_DRAINED_S = 120.0


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
    fate = random.Random(seed)
    started = time.monotonic()
    async with (
        EventSink() as sink,
        Backend(
            Home.at(home),
            factory=FACTORY,
            workers=2,
            ports_from=0,
            applied_at=START - 60_000,
            environment={"MILLWRIGHT_DUE_SCHEDULE": NEVER, "MILLWRIGHT_EVENT_GRID_RETRY_FACTOR": "0.02"},
        ) as backend,
        aiohttp.ClientSession() as http,
    ):
        cloud = backend.cloud
        await sink.subscribe(cloud.endpoints["eventGrid"])
        hub = cloud.endpoints["eventHubsCreate"]
        chunk = len(recording) // max(1, kills) + 1
        for start in range(0, len(recording), chunk):
            await feed(http, hub, recording[start : start + chunk])
            if kills:
                await asyncio.sleep(fate.uniform(0.1, 0.9))
                await _kill_one(cloud, backend, outcome, fate)
        await drained(backend, sink, len(recording))
        await _collect(backend, outcome)
        outcome.events = sink.contents
    outcome.seconds = time.monotonic() - started
    return outcome


async def _kill_one(cloud: LocalCloud, backend: Backend, outcome: Outcome, fate: random.Random) -> None:
    victim = fate.choice(HOSTS if fate.random() < 0.6 else SERVICES)
    await cloud.kill(victim)
    outcome.kills[victim] = outcome.kills.get(victim, 0) + 1
    if victim in HOSTS and await _is_behind(cloud.home.path, backend):
        outcome.between_commit_and_checkpoint += 1
    await asyncio.sleep(fate.uniform(0.0, 0.4))
    await cloud.start(victim)


async def _is_behind(home: Path, backend: Backend) -> bool:
    """Whether some machine has folded more of a partition than the partition's checkpoint says."""
    checkpoints = _checkpoints(home)
    folded: dict[str, int] = {}
    states = backend.store.documents.query("machines", "SELECT * FROM c WHERE c.type = 'state'", {})
    async for state in states:
        for source, (sequence, _) in state["data"]["positions"].items():
            if source.startswith("telemetry/"):
                partition = source.rpartition("/")[2]
                folded[partition] = max(folded.get(partition, -1), sequence)
    return any(sequence > checkpoints.get(partition, -1) for partition, sequence in folded.items())


def messages_read(home: Path) -> int:
    """How many messages the hosts are done with, by their checkpoints."""
    return sum(sequence + 1 for sequence in _checkpoints(home).values())


def _checkpoints(home: Path) -> dict[str, int]:
    with sqlite3.connect(home / "functions.sqlite") as database:
        rows = database.execute(
            "SELECT partition_id, sequence_number FROM checkpoint WHERE consumer_group = 'ingest'"
        ).fetchall()
    database.close()
    return dict(rows)


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
