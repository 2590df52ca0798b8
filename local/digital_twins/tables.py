"""The tables, and how a database of an earlier version becomes one of this."""

import sqlite3

from local.digital_twins.jsontypes import JsonObject, parse
from local.digital_twins.properties import changes

VERSION = 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS models (
    id TEXT PRIMARY KEY, document BLOB NOT NULL, uploaded TEXT NOT NULL,
    decommissioned INTEGER NOT NULL DEFAULT 0, number INTEGER NOT NULL);

CREATE TABLE IF NOT EXISTS twins (
    key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, model TEXT NOT NULL, document TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS twins_by_model ON twins (model);

CREATE TABLE IF NOT EXISTS relationships (
    key INTEGER PRIMARY KEY, source TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL,
    target TEXT NOT NULL, document TEXT NOT NULL, UNIQUE (source, id));
CREATE INDEX IF NOT EXISTS relationships_by_target ON relationships (target, source, id);
CREATE INDEX IF NOT EXISTS relationships_by_name ON relationships (name);
CREATE INDEX IF NOT EXISTS relationships_by_id ON relationships (id);

-- Each relationship twice, by the keys of its twins: forward from its source, and back.
CREATE TABLE IF NOT EXISTS edges (
    a INTEGER NOT NULL, forward INTEGER NOT NULL, name TEXT NOT NULL, relationship INTEGER NOT NULL,
    b INTEGER NOT NULL, PRIMARY KEY (a, forward, name, relationship)) WITHOUT ROWID;

-- The values in twins and relationships (properties.py); `owner` is a key of the path's kind.
CREATE TABLE IF NOT EXISTS paths (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, text TEXT NOT NULL, UNIQUE (kind, text));
CREATE TABLE IF NOT EXISTS property_values (
    path INTEGER NOT NULL, value NOT NULL, owner INTEGER NOT NULL,
    PRIMARY KEY (path, value, owner)) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS routes (
    id TEXT PRIMARY KEY, endpoint TEXT NOT NULL, filter TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notifications (
    number INTEGER PRIMARY KEY AUTOINCREMENT, endpoint TEXT NOT NULL, twin TEXT NOT NULL,
    event BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS notifications_by_endpoint ON notifications (endpoint, number);
CREATE TABLE IF NOT EXISTS jobs (
    kind TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
"""


def prepare(database: sqlite3.Connection) -> None:
    """Make what is missing. Version 0 had twins and relationships without keys, and no indexes of values."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    old = {name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if version == 0 and "twins" in old:
        _upgrade(database)
    else:
        database.executescript(SCHEMA)
    database.execute(f"PRAGMA user_version = {VERSION}")


def _upgrade(database: sqlite3.Connection) -> None:
    statements = "".join(
        f"ALTER TABLE {table} RENAME TO old_{table}; " for table in ("twins", "relationships")
    )
    dropped = "DROP INDEX IF EXISTS twins_by_model; DROP INDEX IF EXISTS relationships_by_target; "
    database.executescript(f"BEGIN IMMEDIATE; {statements} {dropped} {SCHEMA}")
    twins, relationships = PropertyIndex(database, "twins"), PropertyIndex(database, "relationships")
    for twin_id, model, text in database.execute("SELECT id, model, document FROM old_twins").fetchall():
        key = write_twin(database, twin_id, model, text)
        twins.update(key, None, _object(text))
    for (text,) in database.execute("SELECT document FROM old_relationships").fetchall():
        document = _object(text)
        key = write_relationship(database, document, text)
        relationships.update(key, None, document)
    for statement in ("DROP TABLE old_twins", "DROP TABLE old_relationships", "COMMIT"):
        database.execute(statement)


def write_twin(database: sqlite3.Connection, twin_id: str, model: str, text: str) -> int:
    """Insert or replace; the key."""
    ((key,),) = database.execute(
        "INSERT INTO twins (id, model, document) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE "
        "SET model = excluded.model, document = excluded.document RETURNING key",
        (twin_id, model, text),
    ).fetchall()
    return int(key)


def write_relationship(database: sqlite3.Connection, document: JsonObject, text: str) -> int:
    """Insert or replace with its edges; the key."""
    source, target, name = (str(document[part]) for part in ("$sourceId", "$targetId", "$relationshipName"))
    ((key,),) = database.execute(
        "INSERT INTO relationships (source, id, name, target, document) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (source, id) DO UPDATE SET name = excluded.name, target = excluded.target, "
        "document = excluded.document RETURNING key",
        (source, str(document["$relationshipId"]), name, target, text),
    ).fetchall()
    database.execute(
        "INSERT OR REPLACE INTO edges (a, forward, name, relationship, b) "
        "SELECT s.key, 1, ?1, ?2, t.key FROM twins AS s, twins AS t WHERE s.id = ?3 AND t.id = ?4 "
        "UNION ALL SELECT t.key, 0, ?1, ?2, s.key FROM twins AS s, twins AS t WHERE s.id = ?3 AND t.id = ?4",
        (name, key, source, target),
    )
    return int(key)


def erase_edges(database: sqlite3.Connection, source: str, relationship_id: str) -> None:
    database.execute(
        "WITH gone(key, name, s, t) AS (SELECT r.key, r.name, s.key, t.key FROM relationships AS r "
        "CROSS JOIN twins AS s ON s.id = r.source CROSS JOIN twins AS t ON t.id = r.target "
        "WHERE r.source = ? AND r.id = ?) "
        "DELETE FROM edges WHERE (a, forward, name, relationship) IN "
        "(SELECT s, 1, name, key FROM gone UNION ALL SELECT t, 0, name, key FROM gone)",
        (source, relationship_id),
    )


class PropertyIndex:
    """Writes the index of values. The numbers of paths are remembered: there are few, and they stay."""

    def __init__(self, database: sqlite3.Connection, kind: str) -> None:
        self._database, self._kind = database, kind
        self._paths: dict[str, int] = dict(
            database.execute("SELECT text, id FROM paths WHERE kind = ?", (kind,)).fetchall()
        )

    def update(self, owner: int, before: JsonObject | None, after: JsonObject | None) -> None:
        """Bring the index from what a document was to what it is."""
        gone, come = changes(before, after)
        if gone:
            self._database.executemany(
                "DELETE FROM property_values WHERE path = ? AND value = ? AND owner = ?",
                [(self._number(path), value, owner) for path, value in gone],
            )
        if come:
            self._database.executemany(
                "INSERT OR REPLACE INTO property_values (path, value, owner) VALUES (?, ?, ?)",
                [(self._number(path), value, owner) for path, value in come],
            )

    def _number(self, path: str) -> int:
        number = self._paths.get(path)
        if number is None:
            ((number,),) = self._database.execute(
                "INSERT INTO paths (kind, text) VALUES (?, ?) RETURNING id",
                (self._kind, path),
            ).fetchall()
            self._paths[path] = number
        return number


def _object(text: str) -> JsonObject:
    value = parse(text.encode())
    assert isinstance(value, dict)
    return value
