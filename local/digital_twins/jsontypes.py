"""JSON as a type, and the one place where bytes become it."""

import orjson

type Json = bool | int | float | str | list[Json] | dict[str, Json] | None
type JsonObject = dict[str, Json]


class NotJson(ValueError):
    """The bytes are no JSON (RFC 8259), or nested too deeply."""


DEPTH_LIMIT = 100
"""Levels of nesting. Whatever is parsed can be written again, and walked by recursion."""


def parse(body: bytes) -> Json:
    """The value in `body`; NotJson says what is wrong and where."""
    try:
        value: Json = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise NotJson(str(exc)) from exc
    if body.count(b"[") + body.count(b"{") > DEPTH_LIMIT and _depth(value) > DEPTH_LIMIT:
        raise NotJson(f"nested more than {DEPTH_LIMIT} levels deep")
    return value


def _depth(value: Json) -> int:
    """Levels of nesting, counted without recursion."""
    level, depth = [value], 0
    while level:
        inner: list[Json] = []
        for part in level:
            if isinstance(part, dict):
                inner += part.values()
            elif isinstance(part, list):
                inner += part
        level, depth = inner, depth + 1
    return depth


def dump(value: Json) -> bytes:
    return orjson.dumps(value)
