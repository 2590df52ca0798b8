"""Twin and relationship documents: what the service stores and answers, and what it refuses."""

import re
from datetime import UTC, datetime
from uuid import uuid4

from local.digital_twins.catalog import Catalog
from local.digital_twins.errors import (
    Details,
    invalid_argument,
    invalid_relationship,
    invalid_twin,
)
from local.digital_twins.interfaces import Interface
from local.digital_twins.jsontypes import Json, JsonObject
from local.digital_twins.schemas import Schema, fault, is_datetime

_ID = re.compile(r"[A-Za-z0-9\-.+%_#*?!(),=@$']{1,128}", re.ASCII)


def check_id(kind: str, identifier: str) -> str:
    """`identifier`, when a twin or relationship may have it; 400 otherwise."""
    if not _ID.fullmatch(identifier):
        raise invalid_argument(
            f"The {kind} id '{identifier[:128]}' is invalid: it has 1 to 128 characters out of letters, "
            "digits and -.+%_#*?!(),=@$'."
        )
    return identifier


def new_etag() -> str:
    return f'W/"{uuid4()}"'


def instant(seconds: float) -> str:
    """Seconds since the epoch as the service writes instants: UTC with seven digits.

    >>> instant(0.25)
    '1970-01-01T00:00:00.2500000Z'
    """
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"


def model_of(twin: JsonObject) -> str:
    metadata = twin["$metadata"]
    assert isinstance(metadata, dict)
    return str(metadata["$model"])


def new_twin(catalog: Catalog, twin_id: str, body: Json, now: str) -> JsonObject:
    """The stored form of a twin as given in a PUT; 400 with every fault when it does not fit its model."""
    if not isinstance(body, dict):
        raise invalid_argument("The body of a twin is a JSON object.")
    given = body.get("$metadata")
    model_id = given.get("$model") if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(model_id, str):
        raise invalid_twin(["Twin is missing its model: give $metadata.$model."])
    interface = resolved(catalog, model_id)
    faults: Details = []
    metadata: JsonObject = {"$model": model_id, "$lastUpdateTime": now}
    values: JsonObject = {}
    for name, value in body.items():
        if name in ("$dtId", "$etag", "$metadata"):
            continue
        if name in interface.components:
            component = catalog.resolve(interface.components[name])
            assert component is not None
            values[name] = _new_component(component, name, value, now, faults)
        elif (why := fault_at(interface, name, value, "Twin")) is not None:
            faults.append(why)
        else:
            values[name] = value
            metadata[name] = _stamp(given.get(name), now, name, faults)
    faults += _strangers(given, set(values) | {"$model", "$lastUpdateTime"}, "$metadata")
    missing = [name for name in interface.components if name not in body]
    faults += [f"Twin is missing required component {name}: give it at least $metadata." for name in missing]
    if faults:
        raise invalid_twin(faults)
    return {"$dtId": twin_id, "$etag": new_etag(), **values, "$metadata": metadata}


def resolved(catalog: Catalog, model_id: str) -> Interface:
    """The model of a twin with all it inherits; 400 when it or something it needs is not there."""
    interface = catalog.resolve(model_id)
    if interface is None:
        raise invalid_twin([f"{model_id} or one of its dependencies does not exist."])
    return interface


def fault_at(interface: Interface, name: str, value: Json, owner: str) -> str | None:
    """Why `name` cannot be a property with `value` of `owner`; None when it can."""
    schema = interface.properties.get(name)
    if schema is not None:
        return fault(schema, value, name if owner == "Twin" else f"{owner}/{name}")
    kind = interface.kind_of(name)
    if kind is not None:
        return f"{name} is not a property - it is a {kind}."
    return f"{name} does not appear on the DTDL for {owner}."


def _new_component(
    interface: Interface, component: str, value: Json, now: str, faults: Details
) -> JsonObject:
    given = value.get("$metadata") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(given, dict):
        faults.append(f"Component {component} is missing its $metadata.")
        return {}
    metadata: JsonObject = {"$lastUpdateTime": now}
    values: JsonObject = {}
    for name, part in value.items():
        if name == "$metadata":
            continue
        if (why := fault_at(interface, name, part, component)) is not None:
            faults.append(why)
        else:
            values[name] = part
            metadata[name] = _stamp(given.get(name), now, name, faults)
    faults += _strangers(given, set(values) | {"$lastUpdateTime"}, f"{component}/$metadata")
    return {**values, "$metadata": metadata}


def _stamp(given: Json, now: str, name: str, faults: Details) -> JsonObject:
    """A property's metadata: when it was written, and the source time if the writer gave one."""
    source = given.get("sourceTime") if isinstance(given, dict) else None
    if source is None:
        return {"lastUpdateTime": now}
    if not isinstance(source, str) or not is_datetime(source):
        faults.append(f"sourceTime of {name} is no date-time as in ISO 8601.")
    return {"sourceTime": source, "lastUpdateTime": now}


def _strangers(given: JsonObject, known: set[str], place: str) -> Details:
    return [f"{name} in {place} is not a property that has a value." for name in given if name not in known]


def new_relationship(
    interface: Interface, source_id: str, relationship_id: str, body: Json
) -> tuple[JsonObject, str | None]:
    """The stored form of a relationship and the model its target must have, if the model says one."""
    if not isinstance(body, dict):
        raise invalid_argument("The body of a relationship is a JSON object.")
    name, target = body.get("$relationshipName"), body.get("$targetId")
    if not isinstance(name, str) or not isinstance(target, str):
        raise invalid_argument("A relationship needs $relationshipName and $targetId.")
    declared = interface.relationships.get(name)
    if declared is None:
        raise invalid_relationship(f"{name} is not a relationship of {interface.id}.")
    values: JsonObject = {key: value for key, value in body.items() if not key.startswith("$")}
    for key, value in values.items():
        check_relationship_property(declared.properties.get(key), name, key, value)
    document: JsonObject = {
        "$relationshipId": relationship_id,
        "$etag": new_etag(),
        "$sourceId": source_id,
        "$relationshipName": name,
        "$targetId": target,
        **values,
    }
    return document, declared.target


def check_relationship_property(schema: Schema | None, relationship: str, name: str, value: Json) -> None:
    if schema is None:
        raise invalid_relationship(f"{name} does not appear on the DTDL for {relationship}.")
    if (why := fault(schema, value, name)) is not None:
        raise invalid_relationship(why)


def incoming(relationship: JsonObject) -> JsonObject:
    """A relationship as its target sees it."""
    source, identifier = relationship["$sourceId"], relationship["$relationshipId"]
    return {
        "$relationshipId": identifier,
        "$sourceId": source,
        "$relationshipName": relationship["$relationshipName"],
        "$relationshipLink": f"/digitaltwins/{source}/relationships/{identifier}",
    }
