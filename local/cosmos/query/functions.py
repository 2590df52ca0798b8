"""The built-in functions by name. Each takes evaluated arguments; a wrong type gives undefined."""

from collections.abc import Callable

from local.cosmos.json_types import Undefined
from local.cosmos.query.arrays import ARRAY_FUNCTIONS
from local.cosmos.query.integers import INTEGER_FUNCTIONS
from local.cosmos.query.numbers import NUMBER_FUNCTIONS
from local.cosmos.query.signature import Function, as_number, is_number
from local.cosmos.query.spatial import SPATIAL_FUNCTIONS
from local.cosmos.query.strings import STRING_FUNCTIONS
from local.cosmos.query.times import TIME_FUNCTIONS
from local.cosmos.query.values import Value


def _check(holds: Callable[[Value], bool]) -> Function:
    return Function(lambda args: holds(args[0]), 1, 1)


def _is_integer(value: Value) -> bool:
    found = as_number(value)
    return found is not None and float(found).is_integer()


TYPE_CHECKS: dict[str, Function] = {
    "IS_DEFINED": _check(lambda value: not isinstance(value, Undefined)),
    "IS_NULL": _check(lambda value: value is None),
    "IS_BOOL": _check(lambda value: isinstance(value, bool)),
    "IS_NUMBER": _check(is_number),
    "IS_FINITE_NUMBER": _check(is_number),
    "IS_INTEGER": _check(_is_integer),
    "IS_STRING": _check(lambda value: isinstance(value, str)),
    "IS_ARRAY": _check(lambda value: isinstance(value, list)),
    "IS_OBJECT": _check(lambda value: isinstance(value, dict)),
    "IS_PRIMITIVE": _check(lambda value: not isinstance(value, Undefined | list | dict)),
}

FUNCTIONS: dict[str, Function] = (
    TYPE_CHECKS
    | NUMBER_FUNCTIONS
    | INTEGER_FUNCTIONS
    | STRING_FUNCTIONS
    | ARRAY_FUNCTIONS
    | TIME_FUNCTIONS
    | SPATIAL_FUNCTIONS
)

ELSEWHERE = ("ST_", "FULLTEXT", "VECTORDISTANCE", "RRF", "DOCUMENTID")
"""Functions that Azure has and the local cloud does not offer, by how their names start."""
