"""The rules for one document: create, read, upsert, replace, delete, patch. Inside an open transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import orjson

from local.cosmos import charges
from local.cosmos.container import Container, valid_ttl
from local.cosmos.errors import (
    bad_request,
    conflict,
    not_found,
    partition_key_mismatch,
    precondition_failed,
    too_large,
    unique_key_violation,
)
from local.cosmos.json_types import Json, JsonObject, dump
from local.cosmos.partition import PartitionKeyValue
from local.cosmos.patch import apply_patch, parse_patch
from local.cosmos.store import Store
from local.cosmos.versions import Versions
from local.cosmos.wire import MAX_DOCUMENT_BYTES

MAX_ID_BYTES = 1023
SERVICE_PROPERTIES = ("_rid", "_self", "_etag", "_attachments", "_ts", "_lsn")
FORBIDDEN_IN_IDS = frozenset("/\\?#")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one operation came to: HTTP status, the document as JSON, its ETag, the charge in RU."""

    status: int
    body: bytes | None
    etag: str | None
    charge: float


@dataclass(frozen=True, slots=True)
class Conditions:
    """If-Match and If-None-Match of a request."""

    if_match: str | None = None
    if_none_match: str | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> "Conditions":
        return cls(headers.get("if-match"), headers.get("if-none-match"))


NO_CONDITIONS = Conditions()


@dataclass(frozen=True, slots=True)
class _Stored:
    seq: int
    etag: str
    body: bytes
    change: int


class Documents:
    """The documents of one container."""

    def __init__(self, store: Store, container: Container) -> None:
        self._store = store
        self._container = container
        self._sql = store.connection
        table, uniques = container.table, container.uniques
        self._versions = Versions(store.connection, container)
        self._select = f"SELECT seq, etag, body, expires_at, change FROM {table} WHERE pk=? AND id=?"
        columns = "seq, pk, id, epk, change, ts, expires_at, etag, body"
        self._insert = f"INSERT INTO {table}({columns}) VALUES(?,?,?,?,?,?,?,?,?)"
        self._update = f"UPDATE {table} SET change=?, ts=?, expires_at=?, etag=?, body=? WHERE seq=?"
        self._delete = f"DELETE FROM {table} WHERE seq=?"
        self._free_unique = f"DELETE FROM {uniques} WHERE pk=? AND id=?"
        self._take_unique = f"INSERT INTO {uniques} VALUES(?,?,?,?)"
        self._holder = f"SELECT id FROM {uniques} WHERE pk=? AND place=? AND value=?"

    def read(self, key: PartitionKeyValue, name: str, when: Conditions = NO_CONDITIONS) -> Outcome:
        found = self._find(key, name)
        if found is None:
            raise not_found()
        charge = charges.read(len(found.body))
        if when.if_none_match in (found.etag, "*"):
            return Outcome(304, None, found.etag, charge)
        return Outcome(200, found.body, found.etag, charge)

    def create(self, change: int, key: PartitionKeyValue, document: JsonObject) -> Outcome:
        name = self._admit(key, document)
        if self._find(key, name, writing=True) is not None:
            raise conflict()
        return self._put(change, key, name, document, None)

    def upsert(
        self, change: int, key: PartitionKeyValue, document: JsonObject, when: Conditions = NO_CONDITIONS
    ) -> Outcome:
        name = self._admit(key, document)
        found = self._find(key, name, writing=True)
        if found is not None:
            _require(found, when)
        elif when.if_match not in (None, "*"):
            raise precondition_failed()
        return self._put(change, key, name, document, found)

    def replace(
        self,
        change: int,
        key: PartitionKeyValue,
        name: str,
        document: JsonObject,
        when: Conditions = NO_CONDITIONS,
    ) -> Outcome:
        new_name = self._admit(key, document)
        found = self._find(key, name, writing=True)
        if found is None:
            raise not_found()
        _require(found, when)
        if new_name != name:
            if self._find(key, new_name, writing=True) is not None:
                raise conflict()
            self._sql.execute(f"UPDATE {self._container.table} SET id=? WHERE seq=?", (new_name, found.seq))
            self._sql.execute(self._free_unique, (key.canonical, name))
        return self._put(change, key, new_name, document, found)

    def delete(
        self, change: int, key: PartitionKeyValue, name: str, when: Conditions = NO_CONDITIONS
    ) -> Outcome:
        found = self._find(key, name, writing=True)
        if found is None:
            raise not_found()
        _require(found, when)
        self._sql.execute(self._delete, (found.seq,))
        if self._container.unique_keys:
            self._sql.execute(self._free_unique, (key.canonical, name))
        self._versions.deleted(change, key, int(self._store.clock()), name, found.change)
        return Outcome(204, None, None, charges.delete(len(found.body)))

    def patch(
        self,
        change: int,
        key: PartitionKeyValue,
        name: str,
        body: JsonObject,
        when: Conditions = NO_CONDITIONS,
    ) -> Outcome:
        patch = parse_patch(body)
        found = self._find(key, name, writing=True)
        if found is None:
            raise not_found()
        _require(found, when)
        document = cast(JsonObject, orjson.loads(found.body))
        if patch.condition is not None and not patch.condition(document):
            raise precondition_failed()
        patched = apply_patch(document, patch.operations)
        if patched.get("id") != name:
            raise bad_request("The id of a document can not be changed by a patch.")
        self._admit(key, patched)
        return self._put(change, key, name, patched, found)

    def delete_partition(self, key: PartitionKeyValue) -> int:
        """Delete every document of a logical partition; returns how many."""
        gone = self._sql.execute(f"DELETE FROM {self._container.table} WHERE pk=?", (key.canonical,)).rowcount
        self._sql.execute(f"DELETE FROM {self._container.uniques} WHERE pk=?", (key.canonical,))
        return gone

    def _find(self, key: PartitionKeyValue, name: str, *, writing: bool = False) -> _Stored | None:
        """The living document. An expired one is out of sight; a write takes it out of its way."""
        row = self._sql.execute(self._select, (key.canonical, name)).fetchone()
        if row is None:
            return None
        seq, etag, body, expires_at, change = row
        if expires_at is not None and expires_at <= self._store.clock():
            if writing:
                self._sql.execute(self._delete, (seq,))
                self._sql.execute(self._free_unique, (key.canonical, name))
            return None
        return _Stored(seq, etag, body.encode(), change)

    def _admit(self, key: PartitionKeyValue, document: JsonObject) -> str:
        """The document's id, after the checks that need no look at what is stored."""
        name = document.get("id")
        if name is None:
            raise bad_request(
                "The input content is invalid because the required properties - 'id; ' - are missing"
            )
        if not isinstance(name, str):
            raise bad_request("The input content is invalid because the property 'id' must be a string.")
        check_id(name)
        if self._container.key.of_document(document).canonical != key.canonical:
            raise partition_key_mismatch()
        return name

    def _put(
        self, change: int, key: PartitionKeyValue, name: str, document: JsonObject, old: _Stored | None
    ) -> Outcome:
        container = self._container
        ts = int(self._store.clock())
        ttl = valid_ttl(document["ttl"], "ttl") if "ttl" in document else None
        expires_at = None
        if container.default_ttl_s is not None:
            seconds = container.default_ttl_s if ttl is None else ttl
            expires_at = ts + seconds if seconds > 0 else None
        for service_property in SERVICE_PROPERTIES:
            document.pop(service_property, None)
        plain = dump(document)
        if len(plain) > MAX_DOCUMENT_BYTES:
            raise too_large()
        seq = old.seq if old else change
        etag = _etag(change, container.number, ts)
        rid = container.document_rid(seq)
        body = b'%b,"_rid":"%b","_self":"%bdocs/%b/","_etag":%b,"_attachments":"attachments/","_ts":%d}' % (
            plain[:-1],
            rid.encode(),
            str(container.body["_self"]).encode(),
            rid.encode(),
            dump(etag),
            ts,
        )
        if container.unique_keys:
            self._claim_unique_keys(key, name, document)
        self._versions.written(change, key, ts, body, old.change if old else None)
        if old:
            self._sql.execute(self._update, (change, ts, expires_at, etag, body.decode(), seq))
            return Outcome(200, body, etag, charges.replace(len(plain)))
        self._sql.execute(
            self._insert,
            (seq, key.canonical, name, key.effective, change, ts, expires_at, etag, body.decode()),
        )
        return Outcome(201, body, etag, charges.create(len(plain)))

    def _claim_unique_keys(self, key: PartitionKeyValue, name: str, document: JsonObject) -> None:
        """A missing value counts as null: two documents without one collide, as in Azure."""
        self._sql.execute(self._free_unique, (key.canonical, name))
        for place, paths in enumerate(self._container.unique_keys):
            value = dump([_value_at(document, path) for path in paths]).decode()
            holder = self._sql.execute(self._holder, (key.canonical, place, value)).fetchone()
            if holder is not None and self._find(key, holder[0], writing=True) is not None:
                raise unique_key_violation()
            self._sql.execute(self._take_unique, (key.canonical, place, value, name))


def _etag(change: int, container: int, ts: int) -> str:
    """Quoted, shaped like the service's, and never the same twice."""
    words = f"{change >> 32:08x}-{change >> 16 & 0xFFFF:04x}-{change & 0xFFFF:04x}"
    return f'"{words}-0000-{container:04x}{ts:08x}"'


def _value_at(document: Json, path: tuple[str, ...]) -> Json:
    for step in path:
        document = document.get(step) if isinstance(document, dict) else None
    return document


def check_id(name: str) -> None:
    """The rules for ids of documents, containers and databases."""
    if not name or len(name.encode()) > MAX_ID_BYTES:
        raise bad_request(
            f"The input name '{name[:64]}' is invalid. Ensure to provide a unique non-empty string less than "
            f"'{MAX_ID_BYTES + 1}' characters."
        )
    if FORBIDDEN_IN_IDS.intersection(name) or name.endswith(" "):
        raise bad_request(
            "Id contains illegal chars: '/', '\\', '?', '#' and a trailing space are not allowed."
        )


def _require(found: _Stored, when: Conditions) -> None:
    if when.if_match not in (None, "*", found.etag):
        raise precondition_failed()
    if when.if_none_match in ("*", found.etag):
        raise precondition_failed()
