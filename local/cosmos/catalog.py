"""The small resources around documents: users, permissions, scripts, offers; JSON by owner and kind."""

import secrets
from sqlite3 import Connection

import orjson

from local.cosmos.errors import conflict, not_found
from local.cosmos.json_types import JsonObject, dump
from local.cosmos.rid import ACCOUNT, Owner, encode_rid
from local.service import Clock

SCHEMA = """
CREATE TABLE IF NOT EXISTS resources(
    number INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
    body TEXT NOT NULL, UNIQUE(owner, kind, id));
"""


class Catalog:
    """Create, read, replace, delete and list, with the service's properties added."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        connection.executescript(SCHEMA)

    def of(self, owner: Owner, kind: str) -> list[JsonObject]:
        rows = self._connection.execute(
            "SELECT body FROM resources WHERE owner=? AND kind=? ORDER BY number", (owner.name, kind)
        ).fetchall()
        return [orjson.loads(body) for (body,) in rows]

    def everywhere(self, kind: str) -> list[JsonObject]:
        """Those of every owner."""
        rows = self._connection.execute("SELECT body FROM resources WHERE kind=? ORDER BY number", (kind,))
        return [orjson.loads(body) for (body,) in rows]

    def read(self, owner: Owner, kind: str, name: str) -> JsonObject:
        """By id. Raises 404."""
        return self._row(owner, kind, name)[1]

    def rid(self, owner: Owner, kind: str, name: str) -> bytes:
        return _rid(owner, kind, self._row(owner, kind, name)[0])

    def create(self, owner: Owner, kind: str, name: str | None, body: JsonObject) -> JsonObject:
        """Without a name the resource id is the name. Raises 409 if the name is taken."""
        if name is not None and self._taken(owner, kind, name):
            raise conflict()
        cursor = self._connection.execute(
            "INSERT INTO resources(owner, kind, id, body) VALUES(?, ?, ?, '{}')",
            (owner.name, kind, name or secrets.token_hex(16)),
        )
        number = cursor.lastrowid or 0
        return self._save(owner, kind, number, name or encode_rid(_rid(owner, kind, number)), body)

    def replace(self, owner: Owner, kind: str, name: str, new_name: str, body: JsonObject) -> JsonObject:
        """Raises 404 if there is none, 409 if the new name is taken."""
        number, old = self._row(owner, kind, name)
        if new_name != old["id"] and self._taken(owner, kind, new_name):
            raise conflict()
        return self._save(owner, kind, number, new_name, body)

    def delete(self, owner: Owner, kind: str, name: str) -> None:
        """With all that belongs to it. Raises 404."""
        number, _ = self._row(owner, kind, name)
        self._connection.execute("DELETE FROM resources WHERE number=?", (number,))
        self.drop(_rid(owner, kind, number))

    def drop(self, rid: bytes) -> None:
        """Delete everything that belongs to an owner, directly or not."""
        self._connection.execute("DELETE FROM resources WHERE owner LIKE ?", (f"{rid.hex()}%",))

    def add_offer(self, owner: JsonObject, content: JsonObject) -> None:
        """The throughput of a new database or container."""
        body: JsonObject = {
            "resource": owner["_self"], "offerType": "Invalid", "offerResourceId": owner["_rid"],
            "offerVersion": "V2", "content": content,
        }  # fmt: skip
        self.create(ACCOUNT, "offers", None, body)

    def offer_of(self, rid: str) -> JsonObject | None:
        """The offer of a database or container, if it has one of its own."""
        return next((one for one in self.of(ACCOUNT, "offers") if one["offerResourceId"] == rid), None)

    def drop_offer(self, rid: str) -> None:
        offer = self.offer_of(rid)
        if offer is not None:
            self.delete(ACCOUNT, "offers", str(offer["id"]))

    def _taken(self, owner: Owner, kind: str, name: str) -> bool:
        found = self._connection.execute(
            "SELECT 1 FROM resources WHERE owner=? AND kind=? AND id=?", (owner.name, kind, name)
        )
        return found.fetchone() is not None

    def _row(self, owner: Owner, kind: str, name: str) -> tuple[int, JsonObject]:
        row = self._connection.execute(
            "SELECT number, body FROM resources WHERE owner=? AND kind=? AND id=?", (owner.name, kind, name)
        ).fetchone()
        if row is None:
            raise not_found()
        return row[0], orjson.loads(row[1])

    def _save(self, owner: Owner, kind: str, number: int, name: str, given: JsonObject) -> JsonObject:
        rid = encode_rid(_rid(owner, kind, number))
        plain = {key: value for key, value in given.items() if not key.startswith("_")}
        random = secrets.token_hex(16)
        body: JsonObject = {
            **plain,
            "id": name,
            "_rid": rid,
            "_self": f"{owner.link}{kind}/{rid}/",
            "_etag": f'"{random[:8]}-{random[8:12]}-{random[12:16]}-{random[16:20]}-{random[20:]}"',
            "_ts": int(self._clock()),
        }
        self._connection.execute(
            "UPDATE resources SET id=?, body=? WHERE number=?", (name, dump(body).decode(), number)
        )
        return body


def _rid(owner: Owner, kind: str, number: int) -> bytes:
    """The owner's resource id and a number of its own, as long as the service makes it.

    Users and containers are both numbered within a database; a bit keeps them apart.
    """
    match kind:
        case "offers":
            return number.to_bytes(3)
        case "users":
            return owner.rid + (number | 1 << 31).to_bytes(4)
        case _:
            return owner.rid + number.to_bytes(8)
