"""Kills processes of a running backend, one after the other, and preferably where it hurts most."""

import asyncio
import random
import sqlite3
import time
from collections import Counter
from pathlib import Path

from local.backend import Backend
from shared.state_document import unpack

HOSTS = ("functions", "functions-2")
SERVICES = ("cosmos", "event-hubs", "event-grid", "digital-twins")
_PATIENCE_S = 4.0
"""How long to wait for a host to be between a commit and its checkpoint before killing it anyway."""
_SETTLING_S = 0.3
"""A gap of the host that lives closes within this; that of the dead one stays until its lease ends."""


class Storm:
    """`kills` counts by process; `between_commit_and_checkpoint` those that left committed messages unread.

    A killed service is back before the next thing happens. A killed host starts again while the other
    one goes on, takes its partitions over, and may be killed in its turn.
    """

    def __init__(self, backend: Backend, seed: int) -> None:
        self.kills: Counter[str] = Counter()
        self.between_commit_and_checkpoint = 0
        self._backend = backend
        self._fate = random.Random(seed)
        self._restarts: dict[str, asyncio.Task[None]] = {}

    async def strike(self, fed: int) -> None:
        """Kill one process while the hosts are at work on the messages fed so far."""
        fate, cloud = self._fate, self._backend.cloud
        if fate.random() < 0.4:
            victim = fate.choice(SERVICES)
            await asyncio.sleep(fate.uniform(0.0, 0.5))
            await cloud.kill(victim)
            await cloud.start(victim)
        else:
            victim = fate.choice([host for host in HOSTS if self._is_up(host)] or HOSTS)
            await self._wait_until_up(victim)
            await self._wait_for_a_gap(fed)
            await cloud.kill(victim)
            gaps = await self._gaps()
            await asyncio.sleep(_SETTLING_S)
            self.between_commit_and_checkpoint += bool(gaps & await self._gaps())
            self._restarts[victim] = asyncio.create_task(cloud.start(victim))
        self.kills[victim] += 1

    async def end(self) -> None:
        """Wait until everything is up again."""
        for host in HOSTS:
            await self._wait_until_up(host)

    def _is_up(self, host: str) -> bool:
        return host not in self._restarts or self._restarts[host].done()

    async def _wait_until_up(self, host: str) -> None:
        if host in self._restarts:
            await self._restarts.pop(host)

    async def _wait_for_a_gap(self, fed: int) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline and messages_read(self._backend.home.path) < fed:
            if await self._gaps():
                return

    async def _gaps(self) -> set[tuple[str, int, int]]:
        """(partition, folded, checkpoint) wherever some machine has folded more than the checkpoint says."""
        states = self._backend.store.documents.query("machines", "SELECT * FROM c WHERE c.type = 'state'", {})
        folded: dict[str, int] = {}
        async for state in states:
            for source, (sequence, _) in unpack(state)["positions"].items():
                if source.startswith("telemetry/"):
                    partition = source.rpartition("/")[2]
                    folded[partition] = max(folded.get(partition, -1), sequence)
        # Read after the states: a checkpoint that moved meanwhile closes a gap and opens none.
        read = checkpoints(self._backend.home.path)
        return {
            (partition, sequence, read.get(partition, -1))
            for partition, sequence in folded.items()
            if sequence > read.get(partition, -1)
        }


def messages_read(home: Path) -> int:
    """How many messages the hosts are done with, by their checkpoints."""
    return sum(sequence + 1 for sequence in checkpoints(home).values())


def checkpoints(home: Path) -> dict[str, int]:
    """Partition -> sequence number that is done."""
    with sqlite3.connect(home / "functions.sqlite") as database:
        rows = database.execute(
            "SELECT partition_id, sequence_number FROM checkpoint WHERE consumer_group = 'ingest'"
        ).fetchall()
    database.close()
    return dict(rows)
