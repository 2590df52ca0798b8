"""Mistakes of form: pydantic's errors in the words of the file, and what is left without them."""

import types
import typing
from collections.abc import Iterator
from copy import deepcopy
from difflib import get_close_matches
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from millwright.source import Path, Problem, Source
from shared.contracts.factory import Factory


def shape_problems(source: Source, error: ValidationError) -> list[Problem]:
    """One problem for each place; alternatives that all failed are told as one."""
    by_place: dict[Path, list[ErrorDetails]] = {}
    for mistake in error.errors(include_url=False):
        place = source.existing(mistake["loc"])
        if mistake["type"] == "missing":
            place = (*place, mistake["loc"][-1])
        by_place.setdefault(place, []).append(mistake)
    return [_problem(place, mistakes) for place, mistakes in by_place.items()]


def repaired(value: object) -> tuple[Factory | None, set[str]]:
    """What can be made of a description by leaving out what is malformed, so that the rest is checked too.

    Also returns the names that were lost on the way: nobody is to blame for referring to them.
    """
    remaining, lost = deepcopy(value), set[str]()
    for _ in range(64):
        try:
            return Factory.model_validate(remaining), lost
        except ValidationError as exc:
            places = {_deepest(remaining, mistake["loc"]) for mistake in exc.errors(include_url=False)}
        for place in sorted(places, key=lambda place: tuple(map(str, place)), reverse=True):
            if not _remove(remaining, place, lost):
                return None, lost
    return None, lost


def _deepest(value: object, loc: Path) -> Path:
    """The part of `loc` that exists in the value: what is to go."""
    found = list[str | int]()
    for part in loc:
        if isinstance(value, dict) and part in value:
            value = cast(dict[str | int, object], value)[part]
        elif isinstance(value, list) and isinstance(part, int) and part < len(cast(list[object], value)):
            value = cast(list[object], value)[part]
        else:
            continue
        found.append(part)
    return tuple(found)


def _remove(value: object, place: Path, lost: set[str]) -> bool:
    """Take the value at `place` out, noting the names in it; False for the whole description."""
    if not place:
        return False
    parent: Any = value
    for part in place[:-1]:
        parent = _member(parent, part)
    last = place[-1]
    gone = _member(parent, last)
    lost.update(_names(gone))
    if isinstance(last, str):
        lost.add(last)
        cast(dict[str, object], parent or {}).pop(last, None)
    elif last < len(cast(list[object], parent or [])):
        del parent[last]
    return True


def _member(parent: Any, part: str | int) -> Any:
    """The member or element, None where it is already gone."""
    if isinstance(parent, dict):
        return cast(dict[str | int, Any], parent).get(part)
    if isinstance(parent, list) and isinstance(part, int) and part < len(cast(list[Any], parent)):
        return parent[part]
    return None


def _names(value: object) -> Iterator[str]:
    """Ids and keys inside a value: what others may refer to."""
    if isinstance(value, dict):
        for key, member in cast(dict[str, object], value).items():
            yield key
            if key == "id":
                yield str(member)
            yield from _names(member)
    elif isinstance(value, list):
        for item in cast(list[object], value):
            yield from _names(item)


def _problem(place: Path, mistakes: list[ErrorDetails]) -> Problem:
    mistake = mistakes[0]
    where = written(place)
    match mistake["type"]:
        case "extra_forbidden":
            return Problem(place, f"{where}: there is no such key", _did_you_mean(str(place[-1])))
        case "missing":
            return Problem(place[:-1], f"{where} is missing", f"add `{place[-1]}`")
        case "literal_error" | "union_tag_invalid":
            context = mistake.get("ctx", {})
            expected = str(context.get("expected", context.get("expected_tags", "")))
            given = str(context.get("tag", mistake["input"]))
            if "tag" in context:
                place, where = (*place, "kind"), written((*place, "kind"))
            close = get_close_matches(given, expected.replace("'", "").replace(" or ", ", ").split(", "), 1)
            remedy = f"did you mean {close[0]}?" if close else f"use {expected}"
            return Problem(place, f"{where}: {given!r} is not one of {expected}", remedy)
        case _:
            words = " or ".join(dict.fromkeys(_in_words(each) for each in mistakes))
            return Problem(place, f"{where}: {words}", "" if len(mistakes) > 1 else _given(mistake))


def _in_words(mistake: ErrorDetails) -> str:
    if mistake["type"] == "string_pattern_mismatch":
        pattern = str(mistake.get("ctx", {}).get("pattern", ""))
        return _PATTERNS.get(pattern, f"does not match {pattern}")
    message = mistake["msg"].removeprefix("Value error, ")
    return message[0].lower() + message[1:]


_PATTERNS = {
    r"^\d\d:\d\d$": "should be a time of day such as 06:00",
    r"^\d{4}-\d\d-\d\d$": "should be a date such as 2026-12-25",
    r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?$": "should be an id: up to 64 letters, digits, _ . -",
    r"^[A-Z][A-Za-z0-9]{0,63}$": "should be a class name such as CncMachine",
    r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$": "should be a signal name such as temperature_c",
    r"^[+-]?\d+(\.\d+)?([eE][+-]?\d+)? ?[^\s\d][^\s]*$": "a quantity such as 85 °C",
    r"^[A-Z][A-Z0-9_]*$": "should be the name of a setting such as NOTIFY_WEBHOOK_URL",
}


def _given(mistake: ErrorDetails) -> str:
    value = mistake["input"]
    return f"it is {value!r}" if isinstance(value, str | int | float | bool) and len(str(value)) < 80 else ""


def written(place: Path) -> str:
    """A place as people write it.

    >>> written(("sites", 0, "lines", 2, "id"))
    'sites[0].lines[2].id'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".") or "the file"


def _did_you_mean(key: str) -> str:
    close = get_close_matches(key, _KEYS, 1)
    return f"did you mean {close[0]}?" if close else "remove it"


def _keys_of(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[str]:
    """Every key that the description knows, wherever it stands."""
    if model in seen:
        return
    seen.add(model)
    for name, info in model.model_fields.items():
        yield info.alias or name
        for inner in _models_in(info.annotation):
            yield from _keys_of(inner, seen)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for argument in typing.get_args(getattr(annotation, "__value__", annotation)):
        yield from _models_in(argument)


_KEYS = sorted(set(_keys_of(Factory, set())))
