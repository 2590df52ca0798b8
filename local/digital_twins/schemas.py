"""DTDL schemas and whether a value conforms to one."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import assert_never

from local.digital_twins.dtdl.literals import is_duration
from local.digital_twins.jsontypes import Json

STRING_LIMIT_BYTES = 4096
"""Azure's limit of one string value."""


@dataclass(frozen=True, slots=True)
class Primitive:
    name: str


@dataclass(frozen=True, slots=True)
class Enum:
    values: frozenset[str | int]


@dataclass(frozen=True, slots=True)
class Object:
    fields: Mapping[str, "Schema"]


@dataclass(frozen=True, slots=True)
class Map:
    value: "Schema"


@dataclass(frozen=True, slots=True)
class Array:
    element: "Schema"


@dataclass(frozen=True, slots=True)
class Geometry:
    """A GeoJSON geometry, e.g. Point with 0 nested lists of positions, Polygon with 2."""

    kind: str
    nesting: int


type Schema = Primitive | Enum | Object | Map | Array | Geometry

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_CLOCK = r"\d\d:\d\d:\d\d(\.\d+)?"
_OFFSET = r"(Z|[+-]\d\d:\d\d)"
_TIME = re.compile(rf"{_CLOCK}{_OFFSET}", re.ASCII)
_DATETIME = re.compile(rf"\d{{4}}-\d\d-\d\dT{_CLOCK}{_OFFSET}", re.ASCII)
_INSTANT = re.compile(rf"\d{{4}}-\d\d-\d\dT{_CLOCK}{_OFFSET}?", re.ASCII)
_INT32 = 2**31
_INT64 = 2**63
_FLOAT_MAX = 3.402823466e38
_DOUBLE_MAX = 1.7976931348623157e308


def fault(schema: Schema, value: Json, place: str) -> str | None:
    """Why `value`, found at `place`, does not conform to `schema`; None when it does.

    >>> fault(Primitive("double"), 3.5, "speed") is None
    True
    >>> fault(Primitive("integer"), 3.5, "count")
    'count does not conform to the DTDL schema integer.'
    """
    match schema:
        case Primitive(name):
            return None if _is_primitive(name, value) else _mismatch(place, name)
        case Enum(values):
            known = isinstance(value, str | int) and not isinstance(value, bool) and value in values
            return None if known else f"{place} is not one of the values of its DTDL enum."
        case Map(element):
            if not isinstance(value, dict):
                return _mismatch(place, "Map")
            return _first(fault(element, part, f"{place}/{key}") for key, part in value.items())
        case Array(element):
            if not isinstance(value, list):
                return _mismatch(place, "Array")
            return _first(fault(element, part, f"{place}/{n}") for n, part in enumerate(value))
        case Object(fields):
            if not isinstance(value, dict):
                return _mismatch(place, "Object")
            return _first(
                fault(fields[key], part, f"{place}/{key}")
                if key in fields
                else f"{key} does not appear on the DTDL for {place}."
                for key, part in value.items()
            )
        case Geometry(kind, nesting):
            if not isinstance(value, dict) or value.get("type") != kind or len(value) != 2:
                return _mismatch(place, kind)
            return None if _are_positions(value.get("coordinates"), nesting) else _mismatch(place, kind)
        case _:
            assert_never(schema)


def _mismatch(place: str, schema: str) -> str:
    return f"{place} does not conform to the DTDL schema {schema}."


def _first(faults: Iterator[str | None]) -> str | None:
    return next((found for found in faults if found is not None), None)


def _is_primitive(name: str, value: Json) -> bool:
    match name:
        case "boolean":
            return isinstance(value, bool)
        case "double":
            return _is_number(value, _DOUBLE_MAX)
        case "float":
            return _is_number(value, _FLOAT_MAX)
        case "integer":
            return _is_integer(value, _INT32)
        case "long":
            return _is_integer(value, _INT64)
        case _:
            if not isinstance(value, str):
                return False
            return _is_text(name, value)


def _is_number(value: Json, largest: float) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return -largest <= value <= largest and math.isfinite(value)


def _is_integer(value: Json, bound: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -bound <= value < bound


def _is_text(name: str, text: str) -> bool:
    match name:
        case "string":
            return len(text) <= STRING_LIMIT_BYTES and len(text.encode()) <= STRING_LIMIT_BYTES
        case "duration":
            return is_duration(text)
        case "date":
            return _DATE.fullmatch(text) is not None and _parses(date.fromisoformat, text)
        case "time":
            return _TIME.fullmatch(text) is not None and _is_instant(f"2000-01-01T{text}")
        case "dateTime":
            return _DATETIME.fullmatch(text) is not None and _is_instant(text)
        case _:
            return False


def is_datetime(text: str) -> bool:
    """Whether `text` is a source time: a date-time as in ISO 8601, whose offset may be missing."""
    return _INSTANT.fullmatch(text) is not None and _is_instant(text)


def _is_instant(text: str) -> bool:
    return not text[11:].startswith("24") and _parses(datetime.fromisoformat, text)


def _parses(parser: Callable[[str], object], text: str) -> bool:
    try:
        parser(text)
    except ValueError:
        return False
    return True


def _are_positions(value: Json, nesting: int) -> bool:
    if not isinstance(value, list):
        return False
    if nesting:
        return all(_are_positions(part, nesting - 1) for part in value)
    return len(value) in (2, 3) and all(_is_number(part, _DOUBLE_MAX) for part in value)
