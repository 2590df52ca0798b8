"""Paths by resource id, as `_self` links have them, turned into paths by name."""

from dataclasses import replace

from local.cosmos.errors import not_found
from local.cosmos.rid import CONTAINER_BYTES, DATABASE_BYTES, DOCUMENT_BYTES, decode_rid, encode_rid
from local.cosmos.store import Store
from local.cosmos.wire import Call


def by_rid(store: Store, call: Call) -> bool:
    """Whether the path names its database by resource id: the SDK then signs it otherwise."""
    if call.path[:1] == ("offers",):
        return True
    if call.path[:1] != ("dbs",) or len(call.path) < 2 or store.has_database(call.path[1]):
        return False
    rid = decode_rid(call.path[1]) if len(call.path[1]) == 8 else None
    return rid is not None and len(rid) == DATABASE_BYTES


def signed(call: Call, *, rids: bool) -> tuple[str, str]:
    """Resource type and link as they enter the signature; by resource id: the last, in lower case."""
    kind, link = call.signed_resource()
    if not rids or not link:
        return kind, link
    path = call.path[:4] if "operations" in call.path[4:5] else call.path
    return kind, (path[-2] if len(path) % 2 else path[-1]).lower()


def named(store: Store, call: Call) -> Call:
    """The same call with names in its path. Raises 404 for an id of nothing."""
    path = list(call.path)
    if path[:1] == ["offers"]:
        return call
    path[1] = store.database_name(path[1])
    if len(path) > 3 and path[2] == "colls":
        container = store.container_of(path[3])
        if container is None:
            raise not_found()
        path[3] = container.id
        if len(path) > 5:
            path[5] = _below(store, path[4], path[5])
    elif len(path) > 3:
        path[3] = _below(store, path[2], path[3])
        if len(path) > 5:
            path[5] = _below(store, path[4], path[5])
    return replace(call, path=tuple(path))


def _below(store: Store, kind: str, text: str) -> str:
    rid = decode_rid(text)
    if rid is None:
        raise not_found()
    if kind == "docs":
        container = store.container_of(encode_rid(rid[:CONTAINER_BYTES]))
        if container is None or len(rid) != DOCUMENT_BYTES:
            raise not_found()
        seq = int.from_bytes(rid[CONTAINER_BYTES:])
        sql = f"SELECT id FROM {container.table} WHERE seq=?"
        row = store.connection.execute(sql, (seq,)).fetchone() if seq < 1 << 63 else None
        if row is None:
            raise not_found()
        return str(row[0])
    for one in store.catalog.everywhere(kind):
        if one["_rid"] == text:
            return str(one["id"])
    raise not_found()
