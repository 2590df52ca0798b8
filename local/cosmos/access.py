"""Users, permissions and the resource tokens that they give: who may do what without the master key."""

import base64
import binascii
import hmac
from dataclasses import dataclass
from urllib.parse import unquote

import orjson

from local.cosmos.auth import secret
from local.cosmos.errors import bad_request, forbidden, method_not_allowed, unauthorized
from local.cosmos.feeds import listing, matching, name_of, resource
from local.cosmos.json_types import Json, JsonObject, dump, parse_json, parse_object
from local.cosmos.rid import Owner
from local.cosmos.store import Store
from local.cosmos.wire import Call, Reply

EXPIRY_HEADER = "x-ms-documentdb-expiry-seconds"
SHORTEST_S, USUAL_S, LONGEST_S = 10, 3600, 18_000
READING = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Grant:
    """What a resource token allows: one resource and what is below it, for reading or for everything."""

    resource: tuple[str, ...]
    """Path segments, by name or by resource id, as the permission has them."""
    everything: bool
    partition_key: Json

    def admits(self, call: Call) -> bool:
        """Whether the call stays inside the grant; the account and the container's layout may be read."""
        reading = call.verb in READING or call.is_query or call.flag("x-ms-cosmos-is-query-plan-request")
        if not call.path or (reading and self.resource[: len(call.path)] == call.path):
            return True
        if reading and call.path[4:] == ("pkranges",) and self.resource[:4] == call.path[:4]:
            return True
        if call.path[: len(self.resource)] != self.resource or not (reading or self.everything):
            return False
        header = call.headers.get("x-ms-documentdb-partitionkey")
        return (
            self.partition_key is None or header is None or parse_json(header.encode()) == self.partition_key
        )


def users(store: Store, call: Call) -> Reply:
    """`/dbs/{database}/users...` and their `permissions`."""
    owner = store.database_owner(call.path[1])
    match call.path[3:]:
        case ():
            return _feed(store, call, owner, "users", "Users")
        case (name,):
            return _one(store, call, owner, "users", name)
        case (name, "permissions"):
            return _feed(store, call, _user(store, owner, name), "permissions", "Permissions")
        case (name, "permissions", permission):
            return _one(store, call, _user(store, owner, name), "permissions", permission)
        case _:
            raise method_not_allowed()


def _user(store: Store, database: Owner, name: str) -> Owner:
    body = store.catalog.read(database, "users", name)
    return Owner(store.catalog.rid(database, "users", name), str(body["_self"]))


def _feed(store: Store, call: Call, owner: Owner, kind: str, title: str) -> Reply:
    catalog = store.catalog
    if call.verb == "GET" or call.is_query:
        found = [_shown(store, call, kind, one) for one in matching(call, catalog.of(owner, kind))]
        return listing(title, "", found)
    if call.verb != "POST":
        raise method_not_allowed()
    body = _checked(kind, parse_object(call.body))
    name = name_of(body)
    with store.transaction():
        if call.flag("x-ms-documentdb-is-upsert") and any(
            one["id"] == name for one in catalog.of(owner, kind)
        ):
            return resource(_shown(store, call, kind, catalog.replace(owner, kind, name, name, body)))
        return resource(_shown(store, call, kind, catalog.create(owner, kind, name, body)), 201)


def _one(store: Store, call: Call, owner: Owner, kind: str, name: str) -> Reply:
    catalog = store.catalog
    match call.verb:
        case "GET":
            return resource(_shown(store, call, kind, catalog.read(owner, kind, name)))
        case "PUT":
            body = _checked(kind, parse_object(call.body))
            with store.transaction():
                saved = catalog.replace(owner, kind, name, name_of(body), body)
            return resource(_shown(store, call, kind, saved))
        case "DELETE":
            with store.transaction():
                catalog.delete(owner, kind, name)
            return Reply(204, kind="metadata")
        case _:
            raise method_not_allowed()


def _checked(kind: str, body: JsonObject) -> JsonObject:
    if kind == "permissions":
        if str(body.get("permissionMode")).lower() not in ("read", "all"):
            raise bad_request("The permission is invalid: permissionMode must be Read or All.")
        if not isinstance(body.get("resource"), str) or not str(body["resource"]).startswith("dbs/"):
            raise bad_request("The permission is invalid: resource must be the link of a resource.")
    return body


def _shown(store: Store, call: Call, kind: str, body: JsonObject) -> JsonObject:
    """A permission comes with a fresh token."""
    if kind != "permissions":
        return {**body, "_permissions": "permissions/"}
    given = call.headers.get(EXPIRY_HEADER, str(USUAL_S))
    if not given.isdecimal() or not SHORTEST_S <= int(given[:9]) <= LONGEST_S:
        raise bad_request(f"The value '{given[:20]}' specified for the header '{EXPIRY_HEADER}' is invalid.")
    return {**body, "_token": _token(store.master_key(), str(body["_rid"]), store.clock() + int(given))}


def _token(key: str, permission: str, expires_at: float) -> str:
    claims = base64.urlsafe_b64encode(dump([permission, int(expires_at)])).decode()
    return f"type=resource&ver=1.0&sig={_seal(key, claims)};{claims};"


def _seal(key: str, claims: str) -> str:
    return base64.b64encode(hmac.digest(secret(key), claims.encode(), "sha256")).decode()


def grant(store: Store, authorization: str) -> Grant:
    """What a resource token allows now. Raises 401 or 403."""
    text = unquote(authorization)
    seal, claims, *_ = [*text.partition("sig=")[2].split(";"), "", ""]
    if not hmac.compare_digest(seal.encode(), _seal(store.master_key(), claims).encode()):
        raise unauthorized(
            "The input authorization token can't serve the request. It is not one of this account's."
        )
    try:
        permission, expires_at = orjson.loads(base64.urlsafe_b64decode(claims))
    except (binascii.Error, ValueError) as exc:
        raise unauthorized("The input authorization token is in an invalid format.") from exc
    if expires_at < store.clock():
        raise forbidden("The authorization token is not valid at the current time: it has expired.")
    for one in store.catalog.everywhere("permissions"):
        if one["_rid"] == permission:
            segments = tuple(part for part in str(one["resource"]).split("/") if part)
            return Grant(
                segments, str(one["permissionMode"]).lower() == "all", one.get("resourcePartitionKey")
            )
    raise forbidden("The permission that the authorization token comes from does not exist any more.")
