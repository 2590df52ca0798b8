"""The OpenAPI 3.1 document of the HTTP API, made from its table of routes."""

import re
from http import HTTPStatus
from inspect import getdoc
from typing import Any

from pydantic.json_schema import models_json_schema

from functions.api import ROUTES
from functions.http import Route
from shared.contracts.http import ProblemDetails

type Json = dict[str, Any]

_SCHEMAS = "#/components/schemas/"
_DESCRIPTION = (
    "Machines, alarms, OEE, predictions and quarantine of Millwright. Sign in with Microsoft Entra ID; an "
    "app role (viewer, operator, engineer) says what you may do, and a higher role may do what a lower one "
    "may. Instants are RFC 3339; the service answers in UTC. Errors are problem details (RFC 9457)."
)
_ALWAYS = (HTTPStatus.BAD_REQUEST, HTTPStatus.SERVICE_UNAVAILABLE)
_SIGNED_IN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_PATH_PARAMETERS = {
    "machineId": "The machine.",
    "bucketId": "A shift of a scope, as `bucketIds` has it: SCOPE:SHIFT.",
    "alarmId": "The occurrence of an alarm.",
    "stopId": "The stop.",
    "ruleId": "The alarm rule.",
    "workOrderId": "The work order.",
    "device": "The device.",
    "day": "Day of arrival (UTC), yyyymmdd or yyyy-mm-dd.",
    "id": "The quarantined document.",
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Repeating a request with its key answers as the first time, for 7 days.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag you have: 304 if it is still the same.",
    "schema": {"type": "string"},
}


def openapi() -> Json:
    """The whole document."""
    models = {model for route in ROUTES for model in (route.gives, route.body) if model is not None}
    models.add(ProblemDetails)
    ordered = sorted(models, key=lambda model: model.__name__)
    _, definitions = models_json_schema(
        [(model, "validation") for model in ordered], ref_template=_SCHEMAS + "{model}"
    )
    paths: Json = {}
    for route in ROUTES:
        paths.setdefault(f"/api/{route.template}", {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Millwright", "version": "1.0.0", "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"entra": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(route: Route) -> Json:
    text = getdoc(route.handler) or ""
    summary, _, more = text.partition("\n\n")
    problems = (*_ALWAYS, *(() if route.role is None else _SIGNED_IN), *route.problems)
    responses: Json = {"200": {"description": "OK", "content": _content("application/json", route.gives)}}
    if route.tagged:
        responses["200"]["headers"] = {"ETag": {"schema": {"type": "string"}}}
    if route.tagged and route.method == "GET":
        responses["304"] = {"description": HTTPStatus.NOT_MODIFIED.phrase}
    for status in sorted(problems):
        content = _content("application/problem+json", ProblemDetails)
        responses[str(status.value)] = {"description": status.phrase, "content": content}
    operation: Json = {
        "operationId": route.name,
        "summary": summary,
        "parameters": _parameters(route),
        "responses": responses,
        "security": [] if route.role is None else [{"entra": [route.role.name.lower()]}],
    }
    if more:
        operation["description"] = more.replace("\n", " ")
    if route.body is not None:
        operation["requestBody"] = {"required": False, "content": _content("application/json", route.body)}
    return operation


def _parameters(route: Route) -> list[Json]:
    path = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH_PARAMETERS[name],
            "schema": {"type": "string"},
        }
        for name in re.findall(r"\{(\w+)\}", route.template)
    ]
    asked = route.asks.model_json_schema()
    query = [
        {
            "name": name,
            "in": "query",
            "required": name in asked.get("required", []),
            "description": schema.pop("description", ""),
            "schema": _plain(schema, asked.get("$defs", {})),
        }
        for name, schema in asked.get("properties", {}).items()
    ]
    headers = [_KEY] * route.keyed + [_IF_NONE_MATCH] * (route.tagged and route.method == "GET")
    return [*path, *query, *headers]


def _plain(schema: Json, definitions: Json) -> Json:
    """A parameter's schema by itself; one that is left out is not sent as null."""
    shapes = [one for one in schema.pop("anyOf", [schema.copy()]) if one != {"type": "null"}]
    shape = {**shapes[0], **schema}
    reference = shape.pop("$ref", "").rpartition("/")[2]
    shape = {**definitions.get(reference, {}), **shape}
    if shape.get("default", ...) is None:
        del shape["default"]
    return {name: value for name, value in shape.items() if name != "title"}


def _content(kind: str, model: type[Any]) -> Json:
    return {kind: {"schema": {"$ref": _SCHEMAS + model.__name__}}}
