"""Databases and containers over REST."""

from local.cosmos import offers
from local.cosmos.change_feed import Scope
from local.cosmos.container import Container, parse_unique_keys, valid_ttl
from local.cosmos.errors import bad_request, method_not_allowed
from local.cosmos.feeds import listing, matching, name_of, resource
from local.cosmos.indexing import completed
from local.cosmos.json_types import Json, JsonObject, dump, parse_object
from local.cosmos.partition import PartitionKeyDefinition
from local.cosmos.query import computed
from local.cosmos.store import Store
from local.cosmos.wire import Call, Reply

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
        name = name_of(parse_object(call.body))
        return resource(store.create_database(name, offers.requested(call)), 201)
    if call.verb not in ("GET", "POST"):
        raise method_not_allowed()
    return listing("Databases", "", matching(call, store.databases()))


def database(store: Store, call: Call) -> Reply:
    """`/dbs/{database}`: read, delete."""
    name = call.path[1]
    if call.verb == "DELETE":
        store.delete_database(name)
        return Reply(204, kind="metadata")
    if call.verb != "GET":
        raise method_not_allowed()
    return resource(store.database(name))


def containers(store: Store, call: Call) -> Reply:
    """`/dbs/{database}/colls`: list, query, create."""
    owner = call.path[1]
    if call.verb == "POST" and not call.is_query:
        given = parse_object(call.body)
        name_of(given)
        offer = offers.requested(call)
        if offer is None and store.catalog.offer_of(str(store.database(owner)["_rid"])) is None:
            offer = offers.DEFAULT
        made = store.create_container(
            owner, _definition(given), offer, ranges_count=offers.ranges_wanted(offer)
        )
        return resource(made.body, 201)
    if call.verb not in ("GET", "POST"):
        raise method_not_allowed()
    found = [one.body for one in store.containers(owner)]
    return listing("DocumentCollections", str(store.database(owner)["_rid"]), matching(call, found))


def container(store: Store, call: Call) -> Reply:
    """`/dbs/{database}/colls/{container}`: read, replace, delete."""
    owner, name = call.path[1], call.path[3]
    found = store.container(owner, name)
    match call.verb:
        case "GET":
            return _described(store, call, found)
        case "PUT":
            store.replace_container(found, _replacement(found, parse_object(call.body)))
            return resource(found.body)
        case "DELETE":
            store.delete_container(owner, name)
            return Reply(204, kind="metadata")
        case _:
            raise method_not_allowed()


def _described(store: Store, call: Call, found: Container) -> Reply:
    """A container's definition, with statistics and quota as far as they are asked for."""
    statistics: list[Json] = []
    documents = 0
    for one in found.ranges:
        condition, arguments = Scope(low=one.low, high=one.high).condition()
        count, size = store.connection.execute(
            f"SELECT COUNT(*), COALESCE(SUM(LENGTH(body)), 0) FROM {found.table} WHERE {condition}", arguments
        ).fetchone()
        documents += count
        statistics.append(
            {"id": one.id, "sizeInKB": size // 1024, "documentCount": count, "partitionKeys": []}
        )
    wants_statistics = call.flag("x-ms-documentdb-populatepartitionstatistics")
    reply = resource({**found.body, "statistics": statistics} if wants_statistics else found.body)
    if call.flag("x-ms-documentdb-populatequotainfo"):
        counts = {kind: len(store.catalog.of(found.owner, kind)) for kind in ("udfs", "sprocs", "triggers")}
        reply.headers["x-ms-resource-usage"] = (
            f"functions={counts['udfs']};storedProcedures={counts['sprocs']};triggers={counts['triggers']};"
            f"documentsCount={documents}"
        )
        reply.headers["x-ms-documentdb-collection-index-transformation-progress"] = "100"
    return reply


def partition_key_ranges(found: Container, call: Call) -> Reply:
    """`.../pkranges`: the physical partitions; on a second look those that came by splits since."""
    etag = f'"{max(one.since for one in found.ranges)}"'
    known = call.headers.get("if-none-match", '"0"').strip('"')
    after = int(known) if known.isdecimal() and len(known) < 10 else 0
    shown = [one for one in found.ranges if one.since > after]
    if not shown:
        return Reply(304, None, {"etag": etag}, kind="metadata")
    listed: list[Json] = [
        {
            "_rid": f"{found.rid}{one.id}", "id": one.id, "_etag": etag,
            "minInclusive": one.low, "maxExclusive": one.high,
            "ridPrefix": int(one.id), "_self": f"{found.body['_self']}pkranges/{found.rid}{one.id}/",
            "throughputFraction": 1 / len(found.ranges), "status": "online", "parents": list(one.parents),
            "_ts": found.body["_ts"],
        }
        for one in shown
    ]  # fmt: skip
    body: JsonObject = {"_rid": found.rid, "PartitionKeyRanges": listed, "_count": len(listed)}
    return Reply(200, dump(body), {"etag": etag, "x-ms-item-count": str(len(listed))}, kind="metadata")


def _definition(given: JsonObject) -> JsonObject:
    """The stored definition: what was given, checked, with the service's defaults added."""
    key = given.get("partitionKey")
    PartitionKeyDefinition.parse(key)
    parse_unique_keys(given.get("uniqueKeyPolicy"))
    if given.get("defaultTtl") is not None:
        valid_ttl(given["defaultTtl"], "defaultTtl")
    computed.parse_properties(given.get("computedProperties"))
    definition: JsonObject = {"conflictResolutionPolicy": DEFAULT_CONFLICTS}
    definition.update({name: value for name, value in given.items() if value is not None})
    definition["indexingPolicy"] = completed(given.get("indexingPolicy"))
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
