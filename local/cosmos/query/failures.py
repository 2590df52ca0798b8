"""Refusals of a query, in the query engine's own format: a list of errors with place and code."""

from typing import cast

from local.cosmos.errors import CosmosError, bad_request
from local.cosmos.json_types import JsonObject, dump
from local.cosmos.query.tree import Span

SYNTAX = "SC1001"
UNRESOLVED = "SC2001"
UNKNOWN_FUNCTION = "SC2005"
SEMANTIC = "SC2000"


def query_error(code: str, message: str, span: Span | None = None) -> CosmosError:
    """400 with the engine's error list; offsets count characters of the query's text."""
    error: JsonObject = {"severity": "Error", "code": code, "message": message}
    if span is not None:
        error["location"] = {"start": span.start, "end": span.end}
    return bad_request(f"Message: {dump(cast(JsonObject, {'errors': [error]})).decode()}")


def syntax_error(near: str, span: Span) -> CosmosError:
    return query_error(SYNTAX, f"Syntax error, incorrect syntax near '{near}'.", span)
