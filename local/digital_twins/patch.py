"""JSON Patch (RFC 6902) as the service takes it: add, replace and remove only."""

import copy
from dataclasses import dataclass

from local.digital_twins.catalog import Catalog
from local.digital_twins.documents import (
    check_relationship_property,
    fault_at,
    model_of,
    new_etag,
    new_twin,
    resolved,
)
from local.digital_twins.errors import Details, invalid_argument, invalid_patch, invalid_twin
from local.digital_twins.interfaces import Interface
from local.digital_twins.jsontypes import Json, JsonObject
from local.digital_twins.schemas import is_datetime

_FIXED = ("$dtId", "$etag")


@dataclass(frozen=True, slots=True)
class Operation:
    op: str
    path: tuple[str, ...]
    value: Json = None

    @property
    def text(self) -> str:
        return "/" + "/".join(self.path)


def operations(body: Json, prefix: tuple[str, ...] = ()) -> list[Operation]:
    """The operations of a patch document, their paths below `prefix`; 400 JsonPatchInvalid otherwise."""
    if not isinstance(body, list):
        raise invalid_patch("A patch document is a JSON array of operations")
    return [_operation(item, prefix) for item in body]


def _operation(item: Json, prefix: tuple[str, ...]) -> Operation:
    if not isinstance(item, dict):
        raise invalid_patch("An operation is a JSON object")
    op, path = item.get("op"), item.get("path")
    if not isinstance(op, str) or not isinstance(path, str):
        raise invalid_patch("An operation needs op and path")
    if op not in ("add", "replace", "remove"):
        raise invalid_patch(f"Unsupported operation type {op}")
    if op != "remove" and "value" not in item:
        raise invalid_patch(f"Operation {op} at {path} has no value")
    if not path.startswith("/"):
        raise invalid_patch(f"Could not resolve path {path}")
    parts = tuple(part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))
    return Operation(op, (*prefix, *parts), item.get("value"))


def patched_twin(catalog: Catalog, twin: JsonObject, changes: list[Operation], now: str) -> JsonObject:
    """The twin after all changes, or an error and no change at all.

    Changed properties get `lastUpdateTime` = `now`; a `sourceTime` given before stays (and
    grows stale), as in Azure. A patch that changes the model is checked against the new one
    as a whole, any other only where it changes something.
    """
    changed = copy.deepcopy(twin)
    interface = resolved(catalog, model_of(twin))
    touched: set[tuple[str, ...]] = set()
    owners = [changed]
    moved = False
    for change in changes:
        if change.path[0] in _FIXED or change.path == ("$metadata",):
            raise invalid_patch(f"{change.text} cannot be changed")
        if change.path[0] == "$metadata":
            moved = _patch_metadata(changed, change.path[1:], change) or moved
            continue
        owner = changed.get(change.path[0]) if change.path[0] in interface.components else None
        if change.path[0] in interface.components and len(change.path) > 1:
            if not isinstance(owner, dict):
                raise invalid_patch(f"Could not resolve path {change.text}")
            if change.path[1] == "$metadata":
                _patch_metadata(owner, change.path[2:], change)
                owners.append(owner)
                continue
            _apply(owner, change.path[1:], change)
            touched.add(change.path[:2])
        else:
            _apply(changed, change.path, change)
            touched.add(change.path[:1])
    metadata = changed["$metadata"]
    assert isinstance(metadata, dict)
    whole = moved or any(path[0] in interface.components and len(path) == 1 for path in touched)
    if whole:
        return _as_a_whole(catalog, twin, changed, touched, now)
    faults: Details = []
    for path in touched:
        if len(path) == 1:
            _settle(interface, changed, path[0], "Twin", now, faults)
            continue
        component = catalog.resolve(interface.components[path[0]])
        holder = changed[path[0]]
        assert component is not None
        assert isinstance(holder, dict)
        _settle(component, holder, path[1], path[0], now, faults)
        _metadata(holder)["$lastUpdateTime"] = now
    faults += [
        f"{name} has a sourceTime but no value."
        for owner in owners
        for name, stamp in _metadata(owner).items()
        if isinstance(stamp, dict) and "lastUpdateTime" not in stamp
    ]
    if faults:
        raise invalid_twin(faults)
    metadata["$lastUpdateTime"] = now
    changed["$etag"] = new_etag()
    return changed


def _as_a_whole(
    catalog: Catalog, before: JsonObject, changed: JsonObject, touched: set[tuple[str, ...]], now: str
) -> JsonObject:
    """Check the changed twin like a new one, keeping the times of what was not touched."""
    twin = new_twin(catalog, str(before["$dtId"]), changed, now)
    for name, stamp in _metadata(twin).items():
        old = _metadata(before).get(name)
        if isinstance(stamp, dict) and isinstance(old, dict) and (name,) not in touched:
            stamp["lastUpdateTime"] = old["lastUpdateTime"]
    for name, value in twin.items():
        if (name,) not in touched and name in before and isinstance(value, dict) and "$metadata" in value:
            twin[name] = changed[name]
    return twin


def _metadata(holder: JsonObject) -> JsonObject:
    metadata = holder["$metadata"]
    assert isinstance(metadata, dict)
    return metadata


def _settle(
    interface: Interface, holder: JsonObject, name: str, owner: str, now: str, faults: Details
) -> None:
    """Check a touched property and stamp it; a removed one loses its metadata."""
    metadata = _metadata(holder)
    if name not in holder:
        metadata.pop(name, None)
        return
    if (why := fault_at(interface, name, holder[name], owner)) is not None:
        faults.append(why)
        return
    stamp = metadata.setdefault(name, {})
    assert isinstance(stamp, dict)
    stamp["lastUpdateTime"] = now


def _patch_metadata(holder: JsonObject, path: tuple[str, ...], change: Operation) -> bool:
    """Apply a change below `$metadata`; True when it changed the model."""
    metadata = _metadata(holder)
    if path == ("$model",) and change.op == "replace" and "$model" in metadata:
        if not isinstance(change.value, str):
            raise invalid_patch("The value of /$metadata/$model is no model id")
        metadata["$model"] = change.value
        return True
    if len(path) != 2 or path[1] != "sourceTime" or path[0].startswith("$"):
        raise invalid_patch(f"Could not resolve path {change.text}")
    stamp = metadata.setdefault(path[0], {})
    assert isinstance(stamp, dict)
    if change.op == "remove":
        stamp.pop("sourceTime", None)
    elif isinstance(change.value, str) and is_datetime(change.value):
        stamp["sourceTime"] = change.value
    else:
        raise invalid_patch(f"The value of {change.text} is no date-time as in ISO 8601")
    return False


def _apply(document: JsonObject, path: tuple[str, ...], change: Operation) -> None:
    parent: Json = document
    for part in path[:-1]:
        parent = _child(parent, part, change)
    last = path[-1]
    if isinstance(parent, list):
        _apply_to_list(parent, last, change)
    elif isinstance(parent, dict):
        if change.op != "add" and last not in parent:
            raise invalid_patch(f"{last} does not exist on component")
        if change.op == "remove":
            del parent[last]
        else:
            parent[last] = change.value
    else:
        raise invalid_patch(f"Could not resolve path {change.text}")


def _child(parent: Json, part: str, change: Operation) -> Json:
    if isinstance(parent, dict) and part in parent:
        return parent[part]
    if isinstance(parent, list) and part.isdecimal() and part.isascii() and int(part) < len(parent):
        return parent[int(part)]
    raise invalid_patch(f"Could not resolve path {change.text}")


def _apply_to_list(parent: list[Json], last: str, change: Operation) -> None:
    if last == "-" and change.op == "add":
        parent.append(change.value)
        return
    end = len(parent) + (change.op == "add")
    if not (last.isdecimal() and last.isascii() and len(last) < 9 and int(last) < end):
        raise invalid_patch(f"Could not resolve path {change.text}")
    if change.op == "add":
        parent.insert(int(last), change.value)
    elif change.op == "replace":
        parent[int(last)] = change.value
    else:
        del parent[int(last)]


def patched_relationship(
    interface: Interface, relationship: JsonObject, changes: list[Operation]
) -> JsonObject:
    """The relationship after all changes; only its own properties can be changed."""
    changed = copy.deepcopy(relationship)
    name = str(relationship["$relationshipName"])
    declared = interface.relationships.get(name)
    for change in changes:
        if change.path[0].startswith("$"):
            raise invalid_patch(f"{change.text} cannot be changed")
        _apply(changed, change.path, change)
    for top in {change.path[0] for change in changes} & set(changed):
        schema = declared.properties.get(top) if declared else None
        check_relationship_property(schema, name, top, changed[top])
    changed["$etag"] = new_etag()
    return changed


def decommissioned(body: Json) -> bool:
    """The flag that a patch of a model sets; nothing else of a model can change."""
    found = operations(body)
    if len(found) != 1 or found[0].path != ("decommissioned",) or not isinstance(found[0].value, bool):
        raise invalid_argument("Only /decommissioned of a model can be changed, to true or false.")
    return found[0].value
