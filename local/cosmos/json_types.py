"""JSON as Python values, and the one place where request bodies become them."""

from typing import Final, cast

import orjson

from local.cosmos.errors import bad_request

type Json = bool | int | float | str | list[Json] | dict[str, Json] | None
type JsonObject = dict[str, Json]


class Undefined:
    """No value: what a missing property evaluates to. Never stored, never sent."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED: Final = Undefined()


def parse_json(raw: bytes) -> Json:
    """The value in a request body; anything that is not strict UTF-8 JSON is refused with 400."""
    try:
        return cast(Json, orjson.loads(raw))
    except orjson.JSONDecodeError as exc:
        raise bad_request(
            "The request payload is invalid. Ensure to provide a valid request payload."
        ) from exc


def parse_object(raw: bytes) -> JsonObject:
    """As `parse_json`, for bodies that must be an object."""
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise bad_request("The request payload is invalid. Ensure to provide a valid request payload.")
    return value


def dump(value: Json | JsonObject | list[JsonObject]) -> bytes:
    """As UTF-8. Raises 400 for what JSON here can not carry: nested too deeply, text that is no Unicode."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as exc:
        raise bad_request(
            "The value can not be written as JSON: it is nested too deeply, or a number is too large."
        ) from exc


def number(value: Json) -> int | float | None:
    """The value if it is a JSON number, else None (true and false are no numbers).

    >>> number(True), number(1), number("1")
    (None, 1, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value


def text(value: Json) -> str | None:
    return value if isinstance(value, str) else None
