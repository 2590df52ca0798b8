"""One page of a query's answer, run on a connection of its own; and the tokens that go on behind it."""

import sqlite3
import time
from typing import NamedTuple

import orjson

from local.digital_twins.errors import ServiceError
from local.digital_twins.jsontypes import Json, NotJson, dump, parse
from local.digital_twins.query.compile import Compiled
from local.digital_twins.query.sql import Parameter, Sql

PAGE_LIMIT = 1000
TIME_LIMIT_S = 10.0
"""Azure gives a query 60 s."""

_STEPS_BETWEEN_LOOKS = 20_000


class Position(NamedTuple):
    """Where an answer goes on: the query, the keys of the last row, and how many rows there were."""

    text: str
    after: tuple[int, ...] = ()
    found: int = 0


class Answer(NamedTuple):
    body: bytes
    rows: int


def answer(connection: sqlite3.Connection, compiled: Compiled, at: Position, limit: int) -> Answer:
    """The page behind `at`, `limit` rows at most. 400 TimeoutError when it takes too long."""
    deadline = time.monotonic() + TIME_LIMIT_S
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_LOOKS)
    try:
        return _answer(connection, compiled, at, limit)
    except sqlite3.OperationalError as exc:
        if time.monotonic() <= deadline:
            raise
        raise ServiceError(
            400,
            "TimeoutError",
            f"The query execution timed out after {TIME_LIMIT_S:g} seconds. "
            "Try simplifying the query or adding conditions to reduce the result size.",
        ) from exc
    finally:
        connection.set_progress_handler(None, 0)


def _answer(connection: sqlite3.Connection, compiled: Compiled, at: Position, limit: int) -> Answer:
    def run(sql: Sql) -> list[tuple[Parameter | None, ...]]:
        return connection.execute(sql.text, sql.parameters).fetchall()

    def find(sql: Sql, most: int) -> list[int] | None:
        """Looks beyond the limit first: keys that are too many never become Python's."""
        if run(Sql("SELECT 1 FROM (") + sql + Sql(") LIMIT 1 OFFSET ?", (most,))):
            return None
        return [key for (key,) in run(sql) if isinstance(key, int)]

    if at.after and len(at.after) != compiled.width:
        raise _invalid_token()
    if compiled.counts:
        ((found,),) = run(compiled.sql(find, (), 0))
        return Answer(orjson.dumps({"value": [{"COUNT": found}], "continuationToken": None}), 1)
    left = None if compiled.top is None else compiled.top - at.found
    wanted = limit if left is None else min(limit, left)
    rows = run(compiled.sql(find, at.after, wanted + 1)) if wanted > 0 else []
    page = rows[:wanted]
    token = None
    if len(rows) > wanted and wanted != left:
        keys = tuple(key for key in page[-1][: compiled.width] if isinstance(key, int))
        token = continuation(Position(at.text, keys, at.found + len(page)))
    names = [name for name, _ in compiled.columns]
    items = [_item(names, row[compiled.width :]) for row in page]
    return Answer(orjson.dumps({"value": items, "continuationToken": token}), len(page))


def _item(names: list[str], values: tuple[Parameter | None, ...]) -> object:
    """Documents go into the answer as they are stored, as text."""
    if names == [""]:
        return orjson.Fragment(str(values[0]))
    return {
        name: orjson.Fragment(str(text)) for name, text in zip(names, values, strict=True) if text is not None
    }


def continuation(position: Position) -> str:
    """The token for a position. It looks like Azure's; what is in it is nobody's business."""
    return dump({"_t": 2, "_q": position.text, "_k": [*position.after], "_tr": position.found}).decode()


def from_continuation(token: str) -> Position:
    """The position of a token that `continuation` made; 400 for any other."""
    try:
        found: Json = parse(token.encode(errors="replace"))
    except NotJson as exc:
        raise _invalid_token() from exc
    match found:
        case {"_t": 2, "_q": str(text), "_k": [*keys], "_tr": int(count)}:
            after = tuple(key for key in keys if isinstance(key, int) and -(2**63) <= key < 2**63)
            if len(after) == len(keys) and not isinstance(count, bool):
                return Position(text, after, count)
        case _:
            pass
    raise _invalid_token()


def _invalid_token() -> ServiceError:
    return ServiceError(400, "BadRequest", "The continuation token is invalid.")


def charge(rows: int, answer_bytes: int) -> float:
    """Query units of an answer. Azure's own figure depends on its engine; this has its magnitude."""
    return round(2.5 + 0.05 * rows + answer_bytes / 10_240, 2)
