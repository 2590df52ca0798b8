"""Partial document update: the operations of a PATCH and their rules."""

from collections.abc import Callable
from dataclasses import dataclass

from local.cosmos.errors import CosmosError, bad_request
from local.cosmos.json_types import Json, JsonObject, number
from local.cosmos.query.predicate import compile_condition

MAX_OPERATIONS = 10
KINDS = frozenset({"add", "set", "replace", "remove", "incr", "increment", "move"})
LEARN = "Learn more: https://aka.ms/cosmosdbpatchdocs"


@dataclass(frozen=True, slots=True)
class Operation:
    kind: str
    path: tuple[str, ...]
    value: Json
    source: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Patch:
    operations: tuple[Operation, ...]
    condition: Callable[[JsonObject], bool] | None


def parse_patch(body: JsonObject) -> Patch:
    """The request's operations and its filter predicate, checked for form."""
    listed = body.get("operations")
    if not isinstance(listed, list) or not listed:
        raise bad_request("The patch request must contain at least one operation.")
    if len(listed) > MAX_OPERATIONS:
        raise bad_request(
            f"The number of patch operations can't exceed '{MAX_OPERATIONS}'. "
            f"Current count: '{len(listed)}'. {LEARN}"
        )
    condition = body.get("condition")
    if condition is not None and not isinstance(condition, str):
        raise bad_request("The patch condition must be a string.")
    return Patch(
        tuple(_operation(place, one) for place, one in enumerate(listed, 1)),
        compile_condition(condition) if condition else None,
    )


def _operation(place: int, given: Json) -> Operation:
    if not isinstance(given, dict):
        raise _refusal(place, "an operation is an object with 'op' and 'path'.")
    kind = str(given.get("op", "")).lower()
    if kind not in KINDS:
        raise _refusal(place, f"Unknown operation type '{given.get('op')}'.")
    if kind not in ("remove", "move") and "value" not in given:
        raise _refusal(place, f"'value' is missing for the operation '{kind}'.")
    source = given.get("from")
    if kind == "move" and source is None:
        raise _refusal(place, "'from' is missing for the operation 'move'.")
    return Operation(
        "incr" if kind == "increment" else kind,
        _pointer(place, given.get("path")),
        given.get("value"),
        None if source is None else _pointer(place, source),
    )


def _pointer(place: int, path: Json) -> tuple[str, ...]:
    if not isinstance(path, str) or not path.startswith("/") or path == "/":
        raise _refusal(place, f"The path '{path}' is invalid: it starts with '/' and names a property.")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/"))


def apply_patch(document: JsonObject, operations: tuple[Operation, ...]) -> JsonObject:
    """Apply all operations in order to `document` (which is changed) or refuse all with 400."""
    for place, operation in enumerate(operations, 1):
        _apply(place, operation, document)
    return document


def _apply(place: int, operation: Operation, document: JsonObject) -> None:
    match operation.kind:
        case "add" | "set":
            _set(place, document, operation.path, operation.value, insert=operation.kind == "add")
        case "replace":
            _locate(place, document, operation.path)
            _set(place, document, operation.path, operation.value, insert=False)
        case "remove":
            _remove(place, document, operation.path)
        case "incr":
            _increment(place, document, operation)
        case _:
            source = operation.source or ()
            if operation.path[: len(source)] == source and len(operation.path) > len(source):
                raise _refusal(place, "The 'path' can not be a child of 'from'.")
            value = _remove(place, document, source)
            _set(place, document, operation.path, value, insert=True)


def _parent(place: int, document: JsonObject, path: tuple[str, ...]) -> list[Json] | JsonObject:
    here: Json = document
    for step in path[:-1]:
        if isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, list) and 0 <= _index(step) < len(here):
            here = here[_index(step)]
        else:
            here = None
            break
    if not isinstance(here, dict | list):
        raise _refusal(
            place,
            "Add Operation only support adding a leaf node of an existing node(array or object), "
            f"no path found beyond: '{'/'.join(path[:-1])}'. {LEARN}",
        )
    return here


def _index(step: str) -> int:
    """A step as the place in an array; -1 for anything else."""
    return int(step) if step.isascii() and step.isdecimal() and len(step) < 10 else -1


def _locate(place: int, document: JsonObject, path: tuple[str, ...]) -> Json:
    parent, leaf = _parent(place, document, path), path[-1]
    if isinstance(parent, dict):
        if leaf in parent:
            return parent[leaf]
    elif 0 <= _index(leaf) < len(parent):
        return parent[_index(leaf)]
    raise _refusal(place, f"The path '/{'/'.join(path)}' does not exist. {LEARN}")


def _set(place: int, document: JsonObject, path: tuple[str, ...], value: Json, *, insert: bool) -> None:
    parent, leaf = _parent(place, document, path), path[-1]
    if isinstance(parent, dict):
        parent[leaf] = value
        return
    if leaf == "-":
        parent.append(value)
        return
    index = _index(leaf)
    if insert and 0 <= index <= len(parent):
        parent.insert(index, value)
    elif not insert and 0 <= index < len(parent):
        parent[index] = value
    else:
        raise _refusal(place, f"The array index of '/{'/'.join(path)}' is out of bounds. {LEARN}")


def _remove(place: int, document: JsonObject, path: tuple[str, ...]) -> Json:
    value = _locate(place, document, path)
    parent, leaf = _parent(place, document, path), path[-1]
    if isinstance(parent, dict):
        del parent[leaf]
    else:
        del parent[_index(leaf)]
    return value


def _increment(place: int, document: JsonObject, operation: Operation) -> None:
    step = number(operation.value)
    if step is None:
        raise _refusal(place, "The value of an increment must be a number.")
    parent, leaf = _parent(place, document, operation.path), operation.path[-1]
    if isinstance(parent, dict) and leaf not in parent:
        parent[leaf] = step
        return
    before = number(_locate(place, document, operation.path))
    if before is None:
        raise _refusal(place, f"The node at '/{'/'.join(operation.path)}' is not a number. {LEARN}")
    _set(place, document, operation.path, before + step, insert=False)


def _refusal(place: int, why: str) -> CosmosError:
    return bad_request(f"For Operation({place}): {why}")
