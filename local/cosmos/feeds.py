"""How resources other than documents are named, listed, queried and answered."""

from local.cosmos.documents import check_id
from local.cosmos.errors import bad_request
from local.cosmos.json_types import Json, JsonObject, dump, parse_object
from local.cosmos.query.parser import parse
from local.cosmos.query.program import compile_query, run
from local.cosmos.wire import Call, Reply


def name_of(given: JsonObject) -> str:
    name = given.get("id")
    if not isinstance(name, str):
        raise bad_request(
            "The input content is invalid because the required properties - 'id; ' - are missing"
        )
    check_id(name)
    return name


def matching(call: Call, bodies: list[JsonObject]) -> list[JsonObject]:
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


def resource(body: JsonObject, status: int = 200) -> Reply:
    return Reply(status, dump(body), {"etag": str(body["_etag"])}, kind="metadata")


def listing(name: str, rid: str, found: list[JsonObject]) -> Reply:
    listed: list[Json] = [*found]
    body: JsonObject = {"_rid": rid, name: listed, "_count": len(listed)}
    return Reply(200, dump(body), {"x-ms-item-count": str(len(listed))}, kind="metadata")
