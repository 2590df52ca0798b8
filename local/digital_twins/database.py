"""The SQLite file: one connection that writes, in turns, and some that read beside it.

Writes that arrive in one turn of the event loop share one transaction. Nobody is answered,
readers included, before what they saw is committed: what was acknowledged survives kill -9.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local.digital_twins.tables import prepare

type Value = str | int | float | bytes
type Row = tuple[Value, ...]

_READERS = 2
_CACHE_KB = 64 * 1024
_MAPPED_BYTES = 1 << 30


class Database:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.connection = _open(f"file:{path}")
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        prepare(self.connection)
        self._pending: asyncio.Future[None] | None = None
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="query")
        self._of_thread = threading.local()
        self._opened: list[sqlite3.Connection] = []

    def close(self) -> None:
        self._readers.shutdown()
        for connection in self._opened:
            connection.close()
        if self._pending is not None:
            self._commit(self._pending)
        self.connection.close()

    def rows(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        return self.connection.execute(sql, parameters).fetchall()

    async def read[T](self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a thread, on what is committed; the event loop goes on meanwhile."""
        await self.settled()

        def run() -> T:
            connection: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
            if connection is None:
                connection = self._of_thread.connection = _open(f"file:{self._path}?mode=ro")
                self._opened.append(connection)
            return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._readers, run)

    def writing(self) -> sqlite3.Connection:
        """The connection, inside the turn's transaction; `settled` tells when it is durable."""
        if self._pending is None:
            loop = asyncio.get_running_loop()
            self._pending = loop.create_future()
            self.connection.execute("BEGIN IMMEDIATE")
            loop.call_soon(self._commit, self._pending)
        return self.connection

    def write(self, sql: str, parameters: Sequence[Value] = ()) -> None:
        self.writing().execute(sql, parameters)

    async def settled(self) -> None:
        """Wait until everything written so far is committed."""
        if self._pending is not None:
            await asyncio.shield(self._pending)

    def _commit(self, pending: asyncio.Future[None]) -> None:
        if pending.done():
            return
        self._pending = None
        try:
            self.connection.execute("COMMIT")
        except sqlite3.Error as exc:
            self.connection.execute("ROLLBACK")
            pending.set_exception(exc)
        else:
            pending.set_result(None)


def _open(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
    connection.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
    return connection
