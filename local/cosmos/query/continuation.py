"""Where the next page of a query begins, as the opaque text that a client brings back."""

import base64
import binascii
from dataclasses import dataclass
from typing import cast

import orjson

from local.cosmos.errors import CosmosError, bad_request
from local.cosmos.json_types import Json, JsonObject


@dataclass(slots=True)
class Position:
    """Where a streaming query stands: after `emitted` results of the document `seq`."""

    keys: list[Json]
    seq: int
    emitted: int
    skipped: int
    taken: int


def token(at: Position) -> str:
    return pack({"k": at.keys, "s": at.seq, "e": at.emitted, "o": at.skipped, "t": at.taken})


def position(continuation: str) -> Position:
    given = unpack(continuation)
    keys, numbers = given.get("k"), [given.get(name) for name in "seot"]
    if not isinstance(keys, list) or not all(isinstance(one, int) and 0 <= one < 2**63 for one in numbers):
        raise bad_continuation()
    if any(isinstance(one, int) and one >= 2**63 for one in keys):
        raise bad_continuation()
    return Position(keys, *cast(list[int], numbers))


def pack(value: JsonObject) -> str:
    return base64.b64encode(orjson.dumps(value)).decode()


def unpack(continuation: str) -> JsonObject:
    try:
        value = orjson.loads(base64.b64decode(continuation, validate=True))
    except (binascii.Error, ValueError) as exc:
        raise bad_continuation() from exc
    if not isinstance(value, dict):
        raise bad_continuation()
    return cast(JsonObject, value)


def bad_continuation() -> CosmosError:
    return bad_request("Invalid Continuation Token")
