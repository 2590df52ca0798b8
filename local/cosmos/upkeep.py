"""What the service does unasked: purge expired documents, and move the write-ahead log into the database."""

import asyncio
import contextlib
from pathlib import Path

from local.cosmos.database import connect
from local.cosmos.expiry import purge
from local.cosmos.store import Store

EVERY_S = 2.0
LOG_BYTES = 8 * 1024 * 1024
"""Size of the write-ahead log from which it is moved."""


class Upkeep:
    """A task beside the requests, in slices so short that no request waits for it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        self._stopping.set()
        await self._task

    async def _run(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), EVERY_S)
            purged = purge(self._store)
            while purged:
                await asyncio.sleep(0)
                purged = purge(self._store)
            if await asyncio.to_thread(_move_log, self._store.path):
                self._store.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


def _move_log(path: Path) -> bool:
    """Copy and sync the bulk of a grown log, on a thread; True if the little that came meanwhile is left.

    Once that is moved too, the next write starts the log anew.
    """
    log = Path(f"{path}-wal")
    if not log.exists() or log.stat().st_size < LOG_BYTES:
        return False
    with contextlib.closing(connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return True
