"""JSON as a type, and the one place where bytes become it."""

import orjson

type Json = bool | int | float | str | list[Json] | dict[str, Json] | None
type JsonObject = dict[str, Json]


class NotJson(ValueError):
    """The bytes are no JSON (RFC 8259), or nested too deeply."""


def parse(body: bytes) -> Json:
    """The value in `body`; NotJson says what is wrong and where."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise NotJson(str(exc)) from exc


def dump(value: Json) -> bytes:
    return orjson.dumps(value)
