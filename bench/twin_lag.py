"""How long twins differ from their `twin` documents: what feed, relay and Digital Twins take together.

Both stand in the services' own files, which are read beside the services. Two instants are compared:
when a document was first found committed, and when its twin was first found equal to the document
that is the newest by then. So a twin that is overtaken by the next document counts as behind from
the first one on. A document that changes nothing of its twin counts for nothing.
"""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import orjson

from shared.ports import Document
from shared.relay.twin_patch import Projection, changes, owned, projection

LOOK_S = 0.1
_AT_ONCE = 500
_TWINS = "SELECT id, document FROM twins WHERE id IN (SELECT value FROM json_each(?))"


class TwinLag:
    """Told of documents as they are committed; looks until their twins are equal."""

    def __init__(self, home: Path, machine_ids: set[str]) -> None:
        self._file = home / "digital-twins.sqlite"
        self.lags_s: list[float] = []
        self.patch_count = 0
        """Of machines. A twin that is patched twice between two looks counts once: the relay leaves
        a second between them."""
        self._newest: dict[str, Projection] = {}
        self._behind_since: dict[str, list[float]] = {}
        self._machine_ids = machine_ids
        self._etags: dict[str, str] = {}

    @property
    def behind_count(self) -> int:
        """Twins that are not equal to their documents yet."""
        return len(self._behind_since)

    def committed(self, document: Document, at: float) -> None:
        """A `twin` document was found in the store at `at`, s since the epoch."""
        projected = projection(document)
        assert projected is not None
        self._newest[projected.twin_id] = projected
        self._behind_since.setdefault(projected.twin_id, []).append(at)

    async def look(self) -> None:
        """Until cancelled. What was patched before is not counted."""
        with self._database() as database:
            for twin_id, twin in _read(database, list(self._machine_ids)):
                self._etags[twin_id] = str(twin["$etag"])
            while True:
                names = list(self._behind_since)
                for start in range(0, len(names), _AT_ONCE):
                    found = _read(database, names[start : start + _AT_ONCE])
                    now = time.time()
                    for twin_id, twin in found:
                        self._compare(twin_id, twin, now)
                await asyncio.sleep(LOOK_S)

    def _compare(self, twin_id: str, twin: Document, now: float) -> None:
        etag = str(twin["$etag"])
        patched = etag != self._etags.get(twin_id)
        self._etags[twin_id] = etag
        self.patch_count += patched
        projected = self._newest[twin_id]
        if not changes(owned(twin, projected.optional | projected.wanted.keys()), projected):
            since = self._behind_since.pop(twin_id)
            if patched:
                self.lags_s += [now - at for at in since]

    def _database(self) -> "closing[sqlite3.Connection]":
        return closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True))


def _read(database: sqlite3.Connection, names: list[str]) -> list[tuple[str, Document]]:
    rows = database.execute(_TWINS, (orjson.dumps(names).decode(),)).fetchall()
    return [(twin_id, orjson.loads(text)) for twin_id, text in rows]
