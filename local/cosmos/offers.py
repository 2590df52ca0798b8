"""Throughput (offers): kept, reported and checked as Azure does; nothing is throttled.

A container's throughput decides how many partition key ranges it has, and raising it splits them.
"""

from local.cosmos.errors import bad_request, method_not_allowed
from local.cosmos.feeds import listing, matching, resource
from local.cosmos.json_types import Json, JsonObject, number, parse_json, parse_object
from local.cosmos.ranges import at_creation, grown
from local.cosmos.rid import ACCOUNT
from local.cosmos.store import Store
from local.cosmos.wire import Call, Reply

KIND = "offers"
DEFAULT: JsonObject = {"offerThroughput": 400}
"""What a container gets that asks for nothing, in a database without throughput of its own."""
LEAST_RU, LEAST_AUTOSCALE_RU, MOST_RU, STEP_RU = 400, 1000, 1_000_000, 100


def requested(call: Call) -> JsonObject | None:
    """The offer that a creation asks for by its headers; None when it asks for none. 400 for a bad one."""
    manual = call.headers.get("x-ms-offer-throughput")
    autoscale = call.headers.get("x-ms-cosmos-offer-autopilot-settings")
    if autoscale is not None:
        content: JsonObject = {"offerThroughput": 0, "offerAutopilotSettings": parse_json(autoscale.encode())}
    elif manual is not None:
        content = {
            "offerThroughput": int(manual)
            if manual.removeprefix("-").isdecimal() and len(manual) < 12
            else None
        }
    else:
        return None
    throughput(content)
    return content


def throughput(content: Json) -> int:
    """RU/s that an offer's content allows at most. Raises 400 outside the service's limits."""
    if not isinstance(content, dict):
        raise bad_request("The offer is invalid: its content is missing.")
    settings = content.get("offerAutopilotSettings")
    given, least = content.get("offerThroughput"), LEAST_RU
    if settings is not None:
        given, least = (
            settings.get("maxThroughput") if isinstance(settings, dict) else None,
            LEAST_AUTOSCALE_RU,
        )
    value = number(given)
    if not isinstance(value, int) or value > MOST_RU or value % STEP_RU:
        raise bad_request(
            f"The offer should have valid throughput values between {least} and {MOST_RU} inclusive in "
            f"increments of {STEP_RU}."
        )
    if value < least:
        raise bad_request(f"Requested throughput {value} is less than required minimum throughput {least}.")
    return value


def ranges_wanted(content: JsonObject | None) -> int:
    """How many partition key ranges a new container of this throughput has."""
    return 1 if content is None else at_creation(throughput(content))


def answer(store: Store, call: Call) -> Reply:
    """`/offers`: list, query; `/offers/{offer}`: read, replace."""
    match call.path[1:]:
        case () if call.verb == "GET" or call.is_query:
            return listing("Offers", "", matching(call, store.catalog.of(ACCOUNT, KIND)))
        case (name,) if call.verb == "GET":
            return resource(store.catalog.read(ACCOUNT, KIND, name))
        case (name,) if call.verb == "PUT":
            return resource(_replace(store, name, parse_object(call.body)))
        case _:
            raise method_not_allowed()


def _replace(store: Store, name: str, given: JsonObject) -> JsonObject:
    old = store.catalog.read(ACCOUNT, KIND, name)
    content = given.get("content")
    wanted_ru = throughput(content)
    with store.transaction():
        saved = store.catalog.replace(ACCOUNT, KIND, name, name, {**old, "content": content})
        container = store.container_of(str(old["offerResourceId"]))
        if container is not None:
            store.set_ranges(container, grown(container.ranges, wanted_ru))
    return saved
