"""Models, twins and relationships in the database, with their indexes."""

from collections.abc import Sequence
from pathlib import Path

from local.digital_twins.catalog import Catalog
from local.digital_twins.database import Database, Row, Value
from local.digital_twins.errors import twin_not_found
from local.digital_twins.interfaces import parse_interface
from local.digital_twins.jsontypes import Json, JsonObject, dump, parse
from local.digital_twins.tables import PropertyIndex, erase_edges, write_relationship, write_twin


class Store:
    """The rows, and the models in them as a catalog."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        self._twin_index = PropertyIndex(self.database.connection, "twins")
        self._relationship_index = PropertyIndex(self.database.connection, "relationships")
        self.catalog = Catalog()
        self.catalog.put(
            parse_interface(parse(bytes(document)))
            for (document,) in self.rows("SELECT document FROM models")
            if isinstance(document, bytes)
        )

    def close(self) -> None:
        self.database.close()

    def rows(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        return self.database.rows(sql, parameters)

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
        self.database.writing().executemany(
            "INSERT INTO models (id, document, uploaded, number) VALUES (?, ?, ?, ?)",
            [
                (str(document["@id"]), dump(document), uploaded, int(last) + number)
                for number, document in enumerate(documents, 1)
            ],
        )
        self.catalog.put(parse_interface(document) for document in documents)

    def set_decommissioned(self, model_id: str, flag: bool) -> None:
        self.database.write("UPDATE models SET decommissioned = ? WHERE id = ?", (int(flag), model_id))

    def delete_model(self, model_id: str) -> None:
        self.database.write("DELETE FROM models WHERE id = ?", (model_id,))
        self.catalog.remove(model_id)

    # Twins

    def twin(self, twin_id: str) -> JsonObject | None:
        return self._document("SELECT document FROM twins WHERE id = ?", (twin_id,))

    def existing_twin(self, twin_id: str) -> JsonObject:
        """404 DigitalTwinNotFound otherwise."""
        twin = self.twin(twin_id)
        if twin is None:
            raise twin_not_found(twin_id)
        return twin

    def put_twin(
        self, twin_id: str, model_id: str, text: bytes, *, before: JsonObject | None, after: JsonObject
    ) -> None:
        database = self.database.writing()
        key = write_twin(database, twin_id, model_id, text.decode())
        self._twin_index.update(key, before, after)

    def delete_twin(self, twin_id: str, before: JsonObject) -> None:
        database = self.database.writing()
        ((key,),) = self.rows("SELECT key FROM twins WHERE id = ?", (twin_id,))
        self._twin_index.update(int(key), before, None)
        database.execute("DELETE FROM twins WHERE key = ?", (key,))

    def some_twins(self, limit: int) -> list[JsonObject]:
        return self._documents("SELECT document FROM twins ORDER BY key LIMIT ?", (limit,))

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

    def some_relationships(self, limit: int) -> list[JsonObject]:
        return self._documents("SELECT document FROM relationships ORDER BY key LIMIT ?", (limit,))

    def put_relationship(self, document: JsonObject, *, before: JsonObject | None) -> None:
        database = self.database.writing()
        if before is not None:
            erase_edges(database, str(before["$sourceId"]), str(before["$relationshipId"]))
        key = write_relationship(database, document, dump(document).decode())
        self._relationship_index.update(key, before, document)

    def delete_relationship(self, before: JsonObject) -> None:
        database = self.database.writing()
        source, identifier = str(before["$sourceId"]), str(before["$relationshipId"])
        ((key,),) = self.rows(
            "SELECT key FROM relationships WHERE source = ? AND id = ?", (source, identifier)
        )
        erase_edges(database, source, identifier)
        self._relationship_index.update(int(key), before, None)
        database.execute("DELETE FROM relationships WHERE key = ?", (key,))

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
