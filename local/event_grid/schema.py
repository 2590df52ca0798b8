"""Events in the schemas of the service: what a topic takes, and what a subscription gets.

Sources: CloudEvents 1.0 with its HTTP binding; "Azure Event Grid event schema".
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, cast
from urllib.parse import unquote

import orjson

from local.event_grid import errors

type Json = dict[str, Any]

BATCH_LIMIT = 5_000
ATTRIBUTE = re.compile(r"[a-z0-9]+")
CLOUD_REQUIRED = ("id", "source", "type", "specversion")
GRID_REQUIRED = ("id", "subject", "eventType", "eventTime")
GRID_PROPERTIES = {*GRID_REQUIRED, "topic", "data", "dataVersion", "metadataVersion"}


class Schema(StrEnum):
    """By the names that Azure Resource Manager uses."""

    EVENT_GRID = "EventGridSchema"
    CLOUD_EVENTS = "CloudEventSchemaV1_0"
    CUSTOM = "CustomEventSchema"
    """The publisher's own, which a mapping makes Event Grid events of (`mapping.py`)."""


WIRE_NAME = {
    Schema.EVENT_GRID: "EventGridEvent",
    Schema.CLOUD_EVENTS: "CloudEventV10",
    Schema.CUSTOM: "CustomInputEvent",
}
"""By the names that error messages use."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event in its topic's schema; of a custom one, the Event Grid event that it stands for."""

    type: str
    subject: str
    document: Json


def published(
    schema: Schema,
    topic: str,
    headers: Mapping[str, str],
    body: bytes,
    to_grid: Callable[[Json], Json] | None = None,
) -> list[Event]:
    """The events of one request. GridError 400 in the service's words for anything else.

    `to_grid` makes Event Grid events of those of a custom schema.
    """
    content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if schema is Schema.CLOUD_EVENTS:
        documents = _cloud_documents(content_type, headers, body)
        return [_cloud_event(document) for document in documents]
    if to_grid is not None:
        return [_mapped_event(to_grid(document)) for document in _array(body, schema)]
    if content_type.startswith("application/cloudevents") or "ce-id" in headers:
        raise errors.unexpected_property(WIRE_NAME[schema], "specversion")
    return [_grid_event(document, topic) for document in _array(body, schema)]


def _cloud_documents(content_type: str, headers: Mapping[str, str], body: bytes) -> list[Json]:
    schema = Schema.CLOUD_EVENTS
    if content_type == "application/cloudevents-batch+json":
        return _array(body, schema)
    if content_type == "application/cloudevents+json":
        parsed = _json(body, schema)
        if not isinstance(parsed, dict):
            raise _wrong_token(schema, "StartObject", parsed)
        return [cast(Json, parsed)]
    if "ce-specversion" in headers or "ce-id" in headers:
        return [_from_binary_mode(content_type, headers, body)]
    raise errors.bad_events(
        WIRE_NAME[schema],
        "Content type must be application/cloudevents+json or application/cloudevents-batch+json, "
        "or the attributes must be headers that begin with ce-.",
    )


def _from_binary_mode(content_type: str, headers: Mapping[str, str], body: bytes) -> Json:
    """Attributes in headers, data in the body."""
    document: Json = {
        name[3:].lower(): unquote(_header(value))
        for name, value in headers.items()
        if name.lower().startswith("ce-")
    }
    if content_type:
        document["datacontenttype"] = _header(headers["Content-Type"])
    if not body:
        return document
    if content_type == "application/json" or content_type.endswith("+json"):
        return document | {"data": _json(body, Schema.CLOUD_EVENTS)}
    if content_type.startswith("text/"):
        return document | {"data": body.decode("utf-8", "replace")}
    return document | {"data_base64": base64.b64encode(body).decode()}


def _header(value: str) -> str:
    """A header's text, with what is no UTF-8 replaced."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _cloud_event(document: Json) -> Event:
    name = WIRE_NAME[Schema.CLOUD_EVENTS]
    _require(document, CLOUD_REQUIRED, name)
    if document["specversion"] != "1.0":
        raise errors.bad_events(name, f"The specversion '{document['specversion']}' is not supported.")
    for attribute in document:
        if not ATTRIBUTE.fullmatch(attribute) and attribute != "data_base64":
            raise errors.unexpected_property(name, attribute)
    if "data" in document and document.get("data_base64") is not None:
        raise errors.bad_events(name, "Both 'data' and 'data_base64' are present.")
    subject = _text(document, "subject", name)
    _check_time(document, "time", name)
    return Event(document["type"], subject, document)


def _grid_event(document: Json, topic: str) -> Event:
    name = WIRE_NAME[Schema.EVENT_GRID]
    for attribute in document:
        if attribute not in GRID_PROPERTIES:
            raise errors.unexpected_property(name, attribute)
    _require(document, GRID_REQUIRED, name)
    _check_time(document, "eventTime", name)
    if document.get("metadataVersion") not in (None, "1"):
        raise errors.bad_events(name, "The property 'metadataVersion' must be '1'.")
    complete = document | {
        "topic": document.get("topic") or topic,
        "dataVersion": _text(document, "dataVersion", name),
        "metadataVersion": "1",
    }
    return Event(document["eventType"], document["subject"], complete)


def _mapped_event(document: Json) -> Event:
    _check_time(document, "eventTime", WIRE_NAME[Schema.CUSTOM])
    return Event(document["eventType"], document["subject"], document)


def delivered(event: Json, published_as: Schema, wanted: Schema) -> Json:
    """The event in the schema that a subscription asked for.

    CloudEvents are delivered as CloudEvents only, and a custom schema only where it was published; the
    registration of a subscription sees to that.
    """
    if wanted is Schema.CUSTOM:
        return event["data"]
    if published_as is Schema.CLOUD_EVENTS or wanted is Schema.EVENT_GRID:
        return event
    converted = {
        "id": event["id"],
        "source": event["topic"],
        "subject": event["subject"],
        "type": event["eventType"],
        "time": event["eventTime"],
        "data": event.get("data"),
        "specversion": "1.0",
    }
    return converted | ({"dataversion": event["dataVersion"]} if event["dataVersion"] else {})


def _json(body: bytes, schema: Schema) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise errors.bad_events(WIRE_NAME[schema], f"The JSON cannot be read: {exc}.") from exc


def _array(body: bytes, schema: Schema) -> list[Json]:
    parsed = _json(body, schema)
    if not isinstance(parsed, list):
        raise _wrong_token(schema, "StartArray", parsed)
    members = cast("list[object]", parsed)
    if not members:
        raise errors.bad_events(WIRE_NAME[schema], "The array of events is empty.")
    if len(members) > BATCH_LIMIT:
        raise errors.bad_events(WIRE_NAME[schema], f"A request may hold at most {BATCH_LIMIT} events.")
    for member in members:
        if not isinstance(member, dict):
            raise _wrong_token(schema, "StartObject", member)
    return cast("list[Json]", members)


def _wrong_token(schema: Schema, expected: str, actual: object) -> errors.GridError:
    match actual:
        case dict():
            token = "StartObject"
        case list():
            token = "StartArray"
        case str():
            token = "String"
        case bool():
            token = "Boolean"
        case int():
            token = "Integer"
        case float():
            token = "Float"
        case _:
            token = "Null"
    return errors.bad_events(
        WIRE_NAME[schema], f"Token Expected: {expected}, Actual Token Received: {token}."
    )


def _require(document: Json, names: tuple[str, ...], schema: str) -> None:
    for name in names:
        if not document.get(name) or not isinstance(document[name], str):
            raise errors.bad_events(schema, f"The required property '{name}' is missing or is no string.")


def _text(document: Json, name: str, schema: str) -> str:
    value: object = document.get(name)
    if value is not None and not isinstance(value, str):
        raise errors.bad_events(schema, f"The property '{name}' is no string.")
    return value or ""


def _check_time(document: Json, name: str, schema: str) -> None:
    text = _text(document, name, schema)
    try:
        if text:
            datetime.fromisoformat(text)
    except ValueError as exc:
        raise errors.bad_events(schema, f"The property '{name}' is no RFC 3339 time.") from exc
