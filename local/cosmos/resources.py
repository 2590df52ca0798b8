"""Databases and containers over REST."""

from local.cosmos.container import Container, parse_unique_keys, valid_ttl
from local.cosmos.documents import check_id
from local.cosmos.errors import bad_request, method_not_allowed
from local.cosmos.json_types import Json, JsonObject, dump, parse_object
from local.cosmos.partition import PartitionKeyDefinition, PartitionKeyRange
from local.cosmos.query.parser import parse
from local.cosmos.query.program import compile_query, run
from local.cosmos.store import Store
from local.cosmos.wire import Call, Reply

DEFAULT_INDEXING: JsonObject = {
    "indexingMode": "consistent",
    "automatic": True,
    "includedPaths": [{"path": "/*"}],
    "excludedPaths": [{"path": '/"_etag"/?'}],
}
DEFAULT_CONFLICTS: JsonObject = {
    "mode": "LastWriterWins", "conflictResolutionPath": "/_ts", "conflictResolutionProcedure": "",
}  # fmt: skip
CHANGEABLE = (
    "indexingPolicy",
    "defaultTtl",
    "conflictResolutionPolicy",
    "computedProperties",
    "analyticalStorageTtl",
)


def account(origin: str) -> Reply:
    """The account document: one region, writable, reached under the address that the client used."""
    location: JsonObject = {"name": "Local", "databaseAccountEndpoint": f"{origin}/"}
    body: JsonObject = {
        "_self": "", "id": "local", "_rid": "local", "media": "//media/",
        "addresses": "//addresses/", "_dbs": "//dbs/",
        "writableLocations": [location], "readableLocations": [location],
        "enableMultipleWriteLocations": False,
        "userReplicationPolicy": {"asyncReplication": False, "minReplicaSetSize": 1, "maxReplicasetSize": 4},
        "userConsistencyPolicy": {"defaultConsistencyLevel": "Session"},
        "systemReplicationPolicy": {"minReplicaSetSize": 1, "maxReplicasetSize": 4},
        "readPolicy": {"primaryReadCoefficient": 1, "secondaryReadCoefficient": 1},
        "queryEngineConfiguration": "{}",
    }  # fmt: skip
    return Reply(200, dump(body), charge=0.0, kind="metadata")


def databases(store: Store, call: Call) -> Reply:
    """`/dbs`: list, query, create."""
    if call.verb == "POST" and not call.is_query:
        name = _name(parse_object(call.body))
        return _resource(store.create_database(name), 201)
    if call.verb not in ("GET", "POST"):
        raise method_not_allowed()
    return _listing("Databases", "", _matching(call, store.databases()))


def database(store: Store, call: Call) -> Reply:
    """`/dbs/{database}`: read, delete."""
    name = call.path[1]
    if call.verb == "DELETE":
        store.delete_database(name)
        return Reply(204, kind="metadata")
    if call.verb != "GET":
        raise method_not_allowed()
    return _resource(store.database(name))


def containers(store: Store, call: Call) -> Reply:
    """`/dbs/{database}/colls`: list, query, create."""
    owner = call.path[1]
    if call.verb == "POST" and not call.is_query:
        given = parse_object(call.body)
        _name(given)
        return _resource(store.create_container(owner, _definition(given)).body, 201)
    if call.verb not in ("GET", "POST"):
        raise method_not_allowed()
    found = [one.body for one in store.containers(owner)]
    return _listing("DocumentCollections", str(store.database(owner)["_rid"]), _matching(call, found))


def container(store: Store, call: Call) -> Reply:
    """`/dbs/{database}/colls/{container}`: read, replace, delete."""
    owner, name = call.path[1], call.path[3]
    found = store.container(owner, name)
    match call.verb:
        case "GET":
            return _resource(found.body)
        case "PUT":
            store.replace_container(found, _replacement(found, parse_object(call.body)))
            return _resource(found.body)
        case "DELETE":
            store.delete_container(owner, name)
            return Reply(204, kind="metadata")
        case _:
            raise method_not_allowed()


def partition_key_ranges(found: Container, ranges: tuple[PartitionKeyRange, ...], call: Call) -> Reply:
    """`.../pkranges`: the physical partitions. They never split, so a second look finds nothing new."""
    if call.headers.get("if-none-match"):
        return Reply(304, None, {"etag": '"1"'}, kind="metadata")
    listed: list[Json] = [
        {
            "_rid": f"{found.rid}{one.id}", "id": one.id, "_etag": '"1"',
            "minInclusive": one.low, "maxExclusive": one.high,
            "ridPrefix": place, "_self": f"{found.body['_self']}pkranges/{found.rid}{one.id}/",
            "throughputFraction": 1 / len(ranges), "status": "online", "parents": [],
            "_ts": found.body["_ts"],
        }
        for place, one in enumerate(ranges)
    ]  # fmt: skip
    body: JsonObject = {"_rid": found.rid, "PartitionKeyRanges": listed, "_count": len(listed)}
    return Reply(200, dump(body), {"etag": '"1"', "x-ms-item-count": str(len(listed))}, kind="metadata")


def _name(given: JsonObject) -> str:
    name = given.get("id")
    if not isinstance(name, str):
        raise bad_request(
            "The input content is invalid because the required properties - 'id; ' - are missing"
        )
    check_id(name)
    return name


def _definition(given: JsonObject) -> JsonObject:
    """The stored definition: what was given, checked, with the service's defaults added."""
    key = given.get("partitionKey")
    PartitionKeyDefinition.parse(key)
    parse_unique_keys(given.get("uniqueKeyPolicy"))
    if given.get("defaultTtl") is not None:
        valid_ttl(given["defaultTtl"], "defaultTtl")
    definition: JsonObject = {
        "indexingPolicy": DEFAULT_INDEXING,
        "conflictResolutionPolicy": DEFAULT_CONFLICTS,
    }
    definition.update({name: value for name, value in given.items() if value is not None})
    if isinstance(key, dict):
        definition["partitionKey"] = {"kind": "Hash", "version": 2, **key}
    return definition


def _replacement(found: Container, given: JsonObject) -> JsonObject:
    """A container's new definition; what Azure fixes at creation must stay as it is."""
    if given.get("id", found.id) != found.id:
        raise bad_request("The id of a container can not be changed.")
    offered = _definition({"partitionKey": found.body["partitionKey"], **given})
    if offered["partitionKey"] != found.body["partitionKey"]:
        raise bad_request("Document collection partition key cannot be changed.")
    if "uniqueKeyPolicy" in given and given["uniqueKeyPolicy"] != found.body.get("uniqueKeyPolicy"):
        raise bad_request(
            "The unique index cannot be modified. To change the unique index, remove the collection and "
            "re-create a new one."
        )
    kept = {name: value for name, value in found.body.items() if name not in CHANGEABLE and name[0] != "_"}
    return {**kept, **{name: offered[name] for name in CHANGEABLE if name in offered}}


def _matching(call: Call, bodies: list[JsonObject]) -> list[JsonObject]:
    if not call.is_query:
        return bodies
    given = parse_object(call.body)
    program = compile_query(parse(str(given.get("query", ""))), query_parameters(given))
    return [value for body in bodies for value in run(program, {"": body}) if isinstance(value, dict)]


def query_parameters(given: JsonObject) -> JsonObject:
    """The `parameters` of a query body by name."""
    listed = given.get("parameters") or []
    if not isinstance(listed, list):
        raise bad_request("The query's parameters must be a list of name and value.")
    found: JsonObject = {}
    for one in listed:
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            raise bad_request("The query's parameters must be a list of name and value.")
        found[str(one["name"])] = one.get("value")
    return found


def _resource(body: JsonObject, status: int = 200) -> Reply:
    return Reply(status, dump(body), {"etag": str(body["_etag"])}, kind="metadata")


def _listing(name: str, rid: str, found: list[JsonObject]) -> Reply:
    listed: list[Json] = [*found]
    body: JsonObject = {"_rid": rid, name: listed, "_count": len(listed)}
    return Reply(200, dump(body), {"x-ms-item-count": str(len(listed))}, kind="metadata")
