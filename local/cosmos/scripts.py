"""Stored procedures, triggers, user-defined functions, conflicts: kept by name, never run.

There is no JavaScript engine here: a script can be deployed, listed and read back; what would run
it is refused with 501.
"""

from local.cosmos.container import Container
from local.cosmos.errors import (
    bad_request,
    cross_partition_disabled,
    method_not_allowed,
    not_found,
    not_implemented,
)
from local.cosmos.feeds import listing, matching, name_of, resource
from local.cosmos.json_types import JsonObject, parse_object
from local.cosmos.store import Store
from local.cosmos.wire import Call, Reply

LISTINGS = {"sprocs": "StoredProcedures", "triggers": "Triggers", "udfs": "UserDefinedFunctions"}
INCLUDED = ("x-ms-documentdb-pre-trigger-include", "x-ms-documentdb-post-trigger-include")


def answer(store: Store, call: Call, container: Container, kind: str, rest: list[str]) -> Reply:
    """`/{kind}`: list, query, create, upsert; `/{kind}/{script}`: read, replace, delete, (501) execute."""
    catalog, owner = store.catalog, container.owner
    match rest, call.verb:
        case [], "GET":
            return listing(LISTINGS[kind], container.rid, catalog.of(owner, kind))
        case [], "POST" if call.is_query:
            return listing(LISTINGS[kind], container.rid, matching(call, catalog.of(owner, kind)))
        case [], "POST":
            return _create(store, call, container, kind)
        case [name], "GET":
            return resource(catalog.read(owner, kind, name))
        case [name], "PUT":
            body = _checked(kind, parse_object(call.body))
            with store.transaction():
                return resource(catalog.replace(owner, kind, name, name_of(body), body))
        case [name], "DELETE":
            with store.transaction():
                catalog.delete(owner, kind, name)
            return Reply(204, kind="metadata")
        case [name], "POST" if kind == "sprocs":
            catalog.read(owner, kind, name)
            raise not_implemented("the execution of stored procedures")
        case _:
            raise method_not_allowed()


def conflicts(call: Call, container: Container, rest: list[str]) -> Reply:
    """There is one region, so there never is a conflict."""
    if rest:
        raise not_found()
    if call.verb != "GET" and not call.is_query:
        raise method_not_allowed()
    everywhere = call.flag("x-ms-documentdb-query-enablecrosspartition")
    if call.is_query and not everywhere and "x-ms-documentdb-partitionkey" not in call.headers:
        raise cross_partition_disabled()
    return listing("Conflicts", container.rid, matching(call, []))


def refuse_triggers(store: Store, call: Call, container: Container) -> None:
    """A write that names a trigger is refused: 400 if there is none of that name, else 501."""
    for header in INCLUDED:
        for name in filter(None, call.headers.get(header, "").split(",")):
            if all(one["id"] != name for one in store.catalog.of(container.owner, "triggers")):
                raise bad_request(f"The trigger '{name}' does not exist in the container.")
            raise not_implemented("the execution of triggers")


def _create(store: Store, call: Call, container: Container, kind: str) -> Reply:
    body = _checked(kind, parse_object(call.body))
    name, catalog, owner = name_of(body), store.catalog, container.owner
    with store.transaction():
        if call.flag("x-ms-documentdb-is-upsert") and any(
            one["id"] == name for one in catalog.of(owner, kind)
        ):
            return resource(catalog.replace(owner, kind, name, name, body))
        return resource(catalog.create(owner, kind, name, body), 201)


def _checked(kind: str, body: JsonObject) -> JsonObject:
    if not isinstance(body.get("body"), str):
        raise bad_request(f"The input content is invalid: the body of a script in {kind} must be a string.")
    return body
