"""Which databases and containers exist, and the transactions around every write.

One connection belongs to the event loop: it writes, and it serves point reads and change feeds.
Everything it does is finished before the loop turns again, so no reader ever sees a write that is
not committed, and the numbers that order changes are handed out in commit order.
"""

import base64
import secrets
import struct
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from urllib.parse import quote

import orjson

from local.cosmos.catalog import Catalog
from local.cosmos.container import Container
from local.cosmos.database import DOCUMENTS, SCHEMA, connect
from local.cosmos.errors import conflict, not_found, owner_not_found
from local.cosmos.json_types import Json, JsonObject, dump
from local.cosmos.ranges import PartitionKeyRange, even_ranges
from local.cosmos.rid import Owner, database_rid
from local.service import Clock

RESERVED_AT_ONCE = 1000
"""Change numbers reserved with one write to the container's row."""


class Store:
    """Databases and containers by name, and `transaction()`."""

    def __init__(self, path: Path, clock: Clock, fewest_ranges: int = 1) -> None:
        self.path = path
        self.clock = clock
        self.connection = connect(path)
        self.connection.executescript(SCHEMA)
        self.catalog = Catalog(self.connection, clock)
        self._fewest_ranges = fewest_ranges
        self._containers: dict[tuple[str, str], Container] = {}
        self._databases: dict[str, tuple[int, JsonObject]] = {}
        self._load()

    def _load(self) -> None:
        names: dict[int, str] = {}
        for number, name, body in self.connection.execute("SELECT number, id, body FROM databases"):
            names[number] = name
            self._databases[name] = (number, _object(body))
        rows = self.connection.execute(
            "SELECT number, database, id, containers.body, lsn, ranges.body FROM containers "
            "LEFT JOIN ranges ON container=number"
        )
        for number, database, name, body, lsn, ranges in rows:
            container = Container(
                number, database, name, _path(names[database], name), _object(body), lsn, self._ranges(ranges)
            )
            self._containers[names[database], name] = container

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self, container: Container | None = None) -> Generator[int]:
        """Commit on leaving, roll back on any exception; yields the number of this change.

        Numbers are reserved in blocks ahead of their use; after a restart they continue behind the
        last block, so that no number is ever handed out twice, not even that of a deleted document.
        """
        lsn = container.lsn + 1 if container else 0
        reserved = 0
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield lsn
            if container and lsn > container.reserved:
                reserved = lsn + RESERVED_AT_ONCE
                self.connection.execute(
                    "UPDATE containers SET lsn=? WHERE number=?", (reserved, container.number)
                )
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise
        if container:
            container.lsn = lsn
            if reserved:
                container.reserved = reserved

    def master_key(self) -> str:
        """The account's key: 64 random bytes in base64, made once."""
        row = self.connection.execute("SELECT value FROM settings WHERE name='key'").fetchone()
        if row is None:
            key = base64.b64encode(secrets.token_bytes(64)).decode()
            self.connection.execute("INSERT INTO settings VALUES('key', ?)", (key,))
            return key
        return str(row[0])

    def databases(self) -> list[JsonObject]:
        return [body for _, body in self._databases.values()]

    def database_owner(self, name: str) -> Owner:
        """The database as the owner of its users. Raises 404."""
        if name not in self._databases:
            raise owner_not_found()
        number, body = self._databases[name]
        return Owner(struct.pack(">I", number), str(body["_self"]))

    def has_database(self, name: str) -> bool:
        return name in self._databases

    def database_name(self, rid: str) -> str:
        """The name of the database of that resource id. Raises 404."""
        found = next((name for name, (_, body) in self._databases.items() if body["_rid"] == rid), None)
        if found is None:
            raise not_found()
        return found

    def database(self, name: str) -> JsonObject:
        if name not in self._databases:
            raise not_found()
        return self._databases[name][1]

    def create_database(self, name: str, offer: JsonObject | None = None) -> JsonObject:
        """With throughput of its own if `offer` says so."""
        if name in self._databases:
            raise conflict()
        with self.transaction():
            cursor = self.connection.execute("INSERT INTO databases(id, body) VALUES(?, '{}')", (name,))
            number = cast(int, cursor.lastrowid)
            rid = database_rid(number)
            body: JsonObject = {
                "id": name, "_rid": rid, "_self": f"dbs/{rid}/", "_etag": self._etag(),
                "_colls": "colls/", "_users": "users/", "_ts": int(self.clock()),
            }  # fmt: skip
            self.connection.execute(
                "UPDATE databases SET body=? WHERE number=?", (dump(body).decode(), number)
            )
            if offer is not None:
                self.catalog.add_offer(body, offer)
        self._databases[name] = (number, body)
        return body

    def delete_database(self, name: str) -> None:
        if name not in self._databases:
            raise not_found()
        doomed = [one for (database, _), one in self._containers.items() if database == name]
        with self.transaction():
            for container in doomed:
                self._drop(container)
            self.connection.execute("DELETE FROM databases WHERE id=?", (name,))
            self.catalog.drop(self.database_owner(name).rid)
            self.catalog.drop_offer(str(self._databases[name][1]["_rid"]))
        self._containers = {key: one for key, one in self._containers.items() if key[0] != name}
        del self._databases[name]

    def containers(self, database: str) -> list[Container]:
        if database not in self._databases:
            raise owner_not_found()
        return [one for (name, _), one in self._containers.items() if name == database]

    def container(self, database: str, name: str) -> Container:
        found = self._containers.get((database, name))
        if found is None:
            raise not_found()
        return found

    def container_of(self, rid: str) -> Container | None:
        """The container of that resource id."""
        return next((one for one in self._containers.values() if one.rid == rid), None)

    def owner(self, database: str, name: str) -> Container:
        """As `container`, for requests to what it holds."""
        found = self._containers.get((database, name))
        if found is None:
            raise owner_not_found()
        return found

    def create_container(
        self, database: str, definition: JsonObject, offer: JsonObject | None = None, *, ranges_count: int = 1
    ) -> Container:
        name = str(definition["id"])
        if database not in self._databases:
            raise owner_not_found()
        if (database, name) in self._containers:
            raise conflict()
        owner = self._databases[database][0]
        with self.transaction():
            cursor = self.connection.execute(
                "INSERT INTO containers(database, id, body, lsn) VALUES(?, ?, '{}', 0)", (owner, name)
            )
            container = Container(
                cast(int, cursor.lastrowid), owner, name, _path(database, name), definition, 0, ()
            )
            self._save(container, definition)
            count = max(ranges_count, self._fewest_ranges)
            ranges = even_ranges(count, version_1=container.key.version_1)
            self.set_ranges(container, ranges)
            if offer is not None:
                self.catalog.add_offer(container.body, offer)
            for statement in DOCUMENTS.format(table=container.table, uniques=container.uniques).split(";"):
                self.connection.execute(statement)
        self._containers[database, name] = container
        return container

    def replace_container(self, container: Container, definition: JsonObject) -> None:
        """A new definition; a new default TTL applies to the documents that are already there."""
        before = container.default_ttl_s
        with self.transaction():
            self._save(container, definition)
            if container.default_ttl_s != before:
                self._expire_anew(container)

    def set_ranges(self, container: Container, ranges: tuple[PartitionKeyRange, ...]) -> None:
        """New partition key ranges, inside an open transaction."""
        rows: list[Json] = [[one.id, one.low, one.high, list(one.parents), one.since] for one in ranges]
        self.connection.execute(
            "INSERT OR REPLACE INTO ranges VALUES(?, ?)", (container.number, dump(rows).decode())
        )
        container.ranges = ranges

    def _ranges(self, body: str | None) -> tuple[PartitionKeyRange, ...]:
        if body is None:
            return even_ranges(self._fewest_ranges)
        return tuple(
            PartitionKeyRange(name, low, high, tuple(parents), since)
            for name, low, high, parents, since in orjson.loads(body)
        )

    def delete_container(self, database: str, name: str) -> None:
        container = self.container(database, name)
        with self.transaction():
            self._drop(container)
        del self._containers[database, name]

    def every_container(self) -> list[Container]:
        return list(self._containers.values())

    def _save(self, container: Container, definition: JsonObject) -> None:
        rid = container.rid
        body: JsonObject = {
            **definition,
            "_rid": rid,
            "_self": f"dbs/{database_rid(container.database)}/colls/{rid}/",
            "_etag": self._etag(),
            "_ts": int(self.clock()),
            "_docs": "docs/", "_sprocs": "sprocs/", "_triggers": "triggers/", "_udfs": "udfs/",
            "_conflicts": "conflicts/",
        }  # fmt: skip
        container.redefine(body)
        self.connection.execute(
            "UPDATE containers SET body=? WHERE number=?", (dump(body).decode(), container.number)
        )

    def _expire_anew(self, container: Container) -> None:
        if container.default_ttl_s is None:
            self.connection.execute(f"UPDATE {container.table} SET expires_at=NULL")
            return
        default = container.default_ttl_s if container.default_ttl_s > 0 else None
        self.connection.execute(
            f"UPDATE {container.table} SET expires_at=CASE WHEN json_type(body, '$.ttl')='integer' THEN "
            "CASE WHEN json_extract(body, '$.ttl')>0 THEN ts+json_extract(body, '$.ttl') END ELSE ts+? END",
            (default,),
        )

    def _drop(self, container: Container) -> None:
        self.connection.execute(f"DROP TABLE {container.table}")
        self.connection.execute(f"DROP TABLE {container.uniques}")
        self.connection.execute(f"DROP TABLE IF EXISTS {container.versions}")
        self.connection.execute("DELETE FROM containers WHERE number=?", (container.number,))
        self.connection.execute("DELETE FROM ranges WHERE container=?", (container.number,))
        self.catalog.drop(container.rid_bytes)
        self.catalog.drop_offer(container.rid)

    def _etag(self) -> str:
        random = secrets.token_hex(16)
        return f'"{random[:8]}-{random[8:12]}-{random[12:16]}-{random[16:20]}-{random[20:]}"'


def _path(database: str, container: str) -> str:
    return f"dbs/{quote(database)}/colls/{quote(container)}"


def _object(text: str) -> JsonObject:
    return cast(JsonObject, orjson.loads(text))
