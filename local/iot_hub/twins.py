"""A twin: what the back end desires, what the device reports, when each value changed. No I/O.

Source: "Understand and use device twins in IoT Hub" (structure, metadata, limits).
"""

import base64
import re
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from local.iot_hub import errors
from local.iot_hub.devices import Json

DESIRED_LIMIT = REPORTED_LIMIT = 32 * 1024
TAGS_LIMIT = 8 * 1024
"""Bytes: names and strings by their UTF-8 length, numbers 8, booleans 4."""

NAME_LIMIT, TEXT_LIMIT, DEPTH_LIMIT = 1024, 4096, 10
INTEGER_LIMIT = 4_503_599_627_370_496
_FORBIDDEN = re.compile(r"[\x00-\x1f\x80-\x9f.$ ]")
_SERVICE_MEMBERS = ("$metadata", "$version")
"""What the service adds when it shows properties; ignored when somebody sends it back."""


@dataclass(slots=True)
class Section:
    """Desired or reported properties."""

    values: Json = field(default_factory=dict[str, Any])
    metadata: Json = field(default_factory=dict[str, Any])
    version: int = 1

    def shown(self) -> Json:
        """As a device sees it."""
        return self.values | {"$version": self.version}

    def document(self) -> Json:
        """As a back end sees it."""
        return self.values | {"$metadata": self.metadata, "$version": self.version}


@dataclass(slots=True)
class Twin:
    tags: Json = field(default_factory=dict[str, Any])
    desired: Section = field(default_factory=Section)
    reported: Section = field(default_factory=Section)
    version: int = 2
    changes: int = 1
    """Changes of tags and desired properties: the ETag is made of it."""

    @classmethod
    def new(cls, now: str) -> "Twin":
        return cls(desired=_born(now), reported=_born(now))

    @classmethod
    def from_record(cls, record: Json) -> "Twin":
        return cls(
            tags=record["tags"],
            desired=Section(**record["desired"]),
            reported=Section(**record["reported"]),
            version=record["version"],
            changes=record["changes"],
        )

    @property
    def etag(self) -> str:
        return base64.b64encode(self.changes.to_bytes(8)).decode()

    def document(self) -> Json:
        return {
            "version": self.version,
            "tags": self.tags,
            "properties": {"desired": self.desired.document(), "reported": self.reported.document()},
        }


def _born(now: str) -> Section:
    return Section(metadata={"$lastUpdated": now})


def change(twin: Twin, wanted: Json, *, replace: bool, now: str) -> Json | None:
    """Apply a back end's update in place; returns what the device has to be told, if anything.

    A member that is absent is left alone, a null removes. With `replace` a section that is given is
    put in place of the old one. HubError 400 for what the service refuses; then nothing has changed.
    """
    properties = _object(wanted.get("properties"), "properties")
    patches = {
        "tags": _patch(wanted.get("tags"), "tags"),
        "desired": _patch(properties.get("desired"), "properties.desired"),
    }
    if replace:
        for name, old in (("tags", twin.tags), ("desired", twin.desired.values)):
            if (patch := patches[name]) is not None:
                patches[name] = difference(old, patch)
    if (tags := patches["tags"]) is not None:
        _check_size(merged(twin.tags, tags), TAGS_LIMIT, "tags")
    notice = None
    if (desired := patches["desired"]) is not None:
        _advance(twin.desired, desired, DESIRED_LIMIT, "properties.desired", now, versioned=True)
        notice = desired | {"$version": twin.desired.version}
    if tags is not None:
        twin.tags = merged(twin.tags, tags)
    twin.version += 1
    twin.changes += 1
    return notice


def report(twin: Twin, wanted: object, now: str) -> Json:
    """Apply a device's patch of its reported properties in place; returns the patch as understood."""
    patch = _patch(wanted, "properties.reported")
    if patch is None:
        raise errors.invalid("properties.reported must be an object.")
    _advance(twin.reported, patch, REPORTED_LIMIT, "properties.reported", now, versioned=False)
    twin.version += 1
    return patch


def _advance(section: Section, patch: Json, limit: int, name: str, now: str, *, versioned: bool) -> None:
    after = merged(section.values, patch)
    _check_size(after, limit, name)
    section.version += 1
    mark: Json = {"$lastUpdated": now}
    if versioned:
        mark["$lastUpdatedVersion"] = section.version
    section.metadata = _marked(section.metadata, patch, mark)
    section.values = after


def merged(old: Json, patch: Json) -> Json:
    """`old` with the patch applied: objects merge, null removes, all else replaces.

    >>> merged({"a": {"b": 1, "c": 2}}, {"a": {"b": None}, "d": 3})
    {'a': {'c': 2}, 'd': 3}
    """
    after = dict(old)
    for name, value in patch.items():
        if value is None:
            after.pop(name, None)
        elif isinstance(value, dict):
            before: object = old.get(name)
            after[name] = merged(cast(Json, before) if isinstance(before, dict) else {}, cast(Json, value))
        else:
            after[name] = value
    return after


def difference(old: Json, new: Json) -> Json:
    """The patch that makes `new` of `old`.

    >>> difference({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 2, "e": 4}})
    {'b': {'c': 2, 'e': 4, 'd': None}, 'a': None}
    """
    patch: Json = {}
    for name, value in new.items():
        before: object = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := difference(cast(Json, before), cast(Json, value)):
                patch[name] = inner
        elif value is not None and not _same(before, cast("object", value)):
            patch[name] = value
    return patch | {name: None for name in old if new.get(name) is None}


def _same(one: object, other: object) -> bool:
    """Equality as JSON has it: true is no 1."""
    return orjson.dumps(one) == orjson.dumps(other)


def _marked(metadata: Json, patch: Json, mark: Json) -> Json:
    after = metadata | mark
    for name, value in patch.items():
        if value is None:
            after.pop(name, None)
        elif isinstance(value, dict):
            after[name] = _marked(metadata.get(name, {}), cast(Json, value), mark)
        else:
            after[name] = dict(mark)
    return after


def _object(value: object, name: str) -> Json:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise errors.invalid(f"{name} must be an object.")
    return cast(Json, value)


def _patch(value: object, name: str) -> Json | None:
    """A section of an update, checked; None when it is absent."""
    if value is None:
        return None
    patch = {k: v for k, v in _object(value, name).items() if k not in _SERVICE_MEMBERS}
    _check(patch, name, 1)
    return patch


def _check(value: object, where: str, depth: int) -> None:
    if depth > DEPTH_LIMIT + 1:
        raise errors.invalid(f"{where}: properties may be nested {DEPTH_LIMIT} levels deep.")
    if isinstance(value, dict):
        for name, inner in cast(Json, value).items():
            if not name or len(name.encode()) > NAME_LIMIT or _FORBIDDEN.search(name):
                raise errors.invalid(
                    f"{where}: the name {name[:80]!r} is empty, longer than {NAME_LIMIT} bytes, or has a "
                    "control character, a dot, a dollar sign or a space."
                )
            _check(inner, f"{where}.{name}", depth + 1)
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            _check(inner, where, depth + 1)
    elif isinstance(value, str) and len(value.encode()) > TEXT_LIMIT:
        raise errors.invalid(f"{where}: a string may have {TEXT_LIMIT} bytes.")
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) > INTEGER_LIMIT:
        raise errors.invalid(f"{where}: an integer may be {INTEGER_LIMIT} at most.")


def _check_size(values: Json, limit: int, name: str) -> None:
    if (size := _size(values)) > limit:
        raise errors.HubError(413, "RequestEntityTooLarge", f"{name} has {size} bytes: {limit} are taken.")


def _size(value: object) -> int:
    if isinstance(value, dict):
        return sum(len(name.encode()) + _size(inner) for name, inner in cast(Json, value).items())
    if isinstance(value, list):
        return sum(map(_size, cast("list[object]", value)))
    if isinstance(value, str):
        return len(value.encode())
    return 4 if isinstance(value, bool) else 8
