"""The filter predicate of a PATCH: `from c where ...`, a query without SELECT."""

from collections.abc import Callable
from functools import lru_cache

from local.cosmos.json_types import JsonObject
from local.cosmos.query.parser import parse
from local.cosmos.query.program import compile_query


@lru_cache(maxsize=256)
def compile_condition(condition: str) -> Callable[[JsonObject], bool]:
    """A test on a document; 400 for text that is no FROM ... WHERE ... clause."""
    program = compile_query(parse(f"SELECT * {condition}"), {})
    return lambda document: next(program.rows(document), None) is not None
