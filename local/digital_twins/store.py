"""Models, twins and relationships in SQLite, and the group commit.

Writes that arrive in one turn of the event loop share one transaction. Nobody is answered,
readers included, before what they saw is committed: what was acknowledged survives kill -9.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from local.digital_twins.catalog import Catalog
from local.digital_twins.interfaces import parse_interface
from local.digital_twins.jsontypes import Json, JsonObject, dump, parse

_SCHEMA = """
CREATE TABLE IF NOT EXISTS models (
    id TEXT PRIMARY KEY, document BLOB NOT NULL, uploaded TEXT NOT NULL,
    decommissioned INTEGER NOT NULL DEFAULT 0, number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS twins (
    id TEXT PRIMARY KEY, model TEXT NOT NULL, document TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS twins_by_model ON twins (model, id);
CREATE TABLE IF NOT EXISTS relationships (
    source TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, target TEXT NOT NULL,
    document TEXT NOT NULL, PRIMARY KEY (source, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS relationships_by_target ON relationships (target, source, id);
"""

type Value = str | int | float | bytes
type Row = tuple[Value, ...]


class Store:
    """The database, and the models in it as a catalog."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(_SCHEMA)
        self._pending: asyncio.Future[None] | None = None
        self.catalog = Catalog()
        self.catalog.put(
            parse_interface(parse(bytes(document)))
            for (document,) in self._database.execute("SELECT document FROM models")
        )

    def close(self) -> None:
        if self._pending is not None:
            self._commit(self._pending)
        self._database.close()

    def rows(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        return self._database.execute(sql, parameters).fetchall()

    def write(self, *statements: tuple[str, Sequence[Value]]) -> None:
        """Run statements in the turn's transaction; `settled` tells when they are durable."""
        if self._pending is None:
            loop = asyncio.get_running_loop()
            self._pending = loop.create_future()
            self._database.execute("BEGIN IMMEDIATE")
            loop.call_soon(self._commit, self._pending)
        for sql, parameters in statements:
            self._database.execute(sql, parameters)

    async def settled(self) -> None:
        """Wait until everything written so far is committed."""
        if self._pending is not None:
            await asyncio.shield(self._pending)

    def _commit(self, pending: asyncio.Future[None]) -> None:
        if pending.done():
            return
        self._pending = None
        try:
            self._database.execute("COMMIT")
        except sqlite3.Error as exc:
            self._database.execute("ROLLBACK")
            pending.set_exception(exc)
        else:
            pending.set_result(None)

    # Models

    def model(self, model_id: str) -> Row | None:
        """(id, document, uploaded, decommissioned)"""
        found = self.rows(
            "SELECT id, document, uploaded, decommissioned FROM models WHERE id = ?", (model_id,)
        )
        return found[0] if found else None

    def models(self, after: int, limit: int) -> list[Row]:
        """(id, document, uploaded, decommissioned, number) in the order of upload, from `after` on."""
        return self.rows(
            "SELECT id, document, uploaded, decommissioned, number FROM models WHERE number > ? "
            "ORDER BY number LIMIT ?",
            (after, limit),
        )

    def add_models(self, documents: Sequence[JsonObject], uploaded: str) -> None:
        (last,) = self.rows("SELECT coalesce(max(number), 0) FROM models")[0]
        self.write(
            *(
                (
                    "INSERT INTO models (id, document, uploaded, number) VALUES (?, ?, ?, ?)",
                    (str(document["@id"]), dump(document), uploaded, int(last) + number),
                )
                for number, document in enumerate(documents, 1)
            )
        )
        self.catalog.put(parse_interface(document) for document in documents)

    def set_decommissioned(self, model_id: str, flag: bool) -> None:
        self.write(("UPDATE models SET decommissioned = ? WHERE id = ?", (int(flag), model_id)))

    def delete_model(self, model_id: str) -> None:
        self.write(("DELETE FROM models WHERE id = ?", (model_id,)))
        self.catalog.remove(model_id)

    # Twins

    def twin(self, twin_id: str) -> JsonObject | None:
        return self._document("SELECT document FROM twins WHERE id = ?", (twin_id,))

    def put_twin(self, twin_id: str, model_id: str, text: bytes) -> None:
        self.write(
            (
                "INSERT INTO twins (id, model, document) VALUES (?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET model = excluded.model, document = excluded.document",
                (twin_id, model_id, text.decode()),
            )
        )

    def delete_twin(self, twin_id: str) -> None:
        self.write(("DELETE FROM twins WHERE id = ?", (twin_id,)))

    def has_relationships(self, twin_id: str) -> bool:
        return bool(
            self.rows(
                "SELECT 1 WHERE EXISTS (SELECT 1 FROM relationships WHERE source = ?) "
                "OR EXISTS (SELECT 1 FROM relationships WHERE target = ?)",
                (twin_id, twin_id),
            )
        )

    # Relationships

    def relationship(self, source: str, relationship_id: str) -> JsonObject | None:
        return self._document(
            "SELECT document FROM relationships WHERE source = ? AND id = ?", (source, relationship_id)
        )

    def put_relationship(self, document: JsonObject) -> None:
        self.write(
            (
                "INSERT INTO relationships (source, id, name, target, document) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (source, id) DO UPDATE SET name = excluded.name, target = excluded.target, "
                "document = excluded.document",
                (
                    str(document["$sourceId"]),
                    str(document["$relationshipId"]),
                    str(document["$relationshipName"]),
                    str(document["$targetId"]),
                    dump(document).decode(),
                ),
            )
        )

    def delete_relationship(self, source: str, relationship_id: str) -> None:
        self.write(("DELETE FROM relationships WHERE source = ? AND id = ?", (source, relationship_id)))

    def outgoing(self, source: str, name: str | None, after: str, limit: int) -> list[JsonObject]:
        named, parameters = ("AND name = ?", (name,)) if name else ("", ())
        return self._documents(
            f"SELECT document FROM relationships WHERE source = ? AND id > ? {named} ORDER BY id LIMIT ?",
            (source, after, *parameters, limit),
        )

    def incoming(self, target: str, after: tuple[str, str], limit: int) -> list[JsonObject]:
        return self._documents(
            "SELECT document FROM relationships WHERE target = ? AND (source, id) > (?, ?) "
            "ORDER BY source, id LIMIT ?",
            (target, *after, limit),
        )

    def _document(self, sql: str, parameters: Sequence[Value]) -> JsonObject | None:
        found = self._documents(sql, parameters)
        return found[0] if found else None

    def _documents(self, sql: str, parameters: Sequence[Value]) -> list[JsonObject]:
        return self.parsed(self.rows(sql, parameters))

    def parsed(self, rows: Sequence[Row]) -> list[JsonObject]:
        """The documents in the first column."""
        return [as_object(parse(str(row[0]).encode())) for row in rows]


def as_object(value: Json) -> JsonObject:
    """What this service stored as an object is one."""
    assert isinstance(value, dict)
    return value
