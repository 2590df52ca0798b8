"""Partition keys: how a container defines them, where a document holds them, how a header says them."""

import re
from dataclasses import dataclass

import orjson

from local.cosmos.errors import bad_request
from local.cosmos.hashing import Component, effective_partition_key
from local.cosmos.hashing_v1 import effective_partition_key_v1
from local.cosmos.json_types import UNDEFINED, Json, JsonObject, Undefined, parse_json

MAX_LEVELS = 3
MAX_VALUE_BYTES = 2048


@dataclass(frozen=True, slots=True)
class PartitionKeyValue:
    """A partition key value, whole or (of a hierarchical key) a prefix."""

    components: tuple[Component, ...]
    canonical: str
    """One spelling per value: JSON text, equal numbers written alike; the `pk` column."""
    effective: str


def _canonical(component: Component) -> Json:
    if isinstance(component, Undefined):
        return {}
    if isinstance(component, float) and component.is_integer() and abs(component) < 2**53:
        return int(component)
    return component


@dataclass(frozen=True, slots=True)
class PartitionKeyDefinition:
    """The `partitionKey` of a container."""

    paths: tuple[tuple[str, ...], ...]
    multi_hash: bool
    version_1: bool = False

    @classmethod
    def parse(cls, value: Json) -> "PartitionKeyDefinition":
        """Refuses what Azure refuses."""
        if not isinstance(value, dict):
            raise bad_request("The partition key definition is missing or invalid.")
        kind = value.get("kind", "Hash")
        paths = value.get("paths")
        if not isinstance(paths, list) or not paths:
            raise bad_request("The partition key definition must have at least one path.")
        if kind not in ("Hash", "MultiHash"):
            raise bad_request(f"The partition key kind '{kind}' is invalid.")
        if kind == "Hash" and len(paths) > 1:
            raise bad_request("Too many partition key paths: a key of kind Hash has exactly one.")
        if len(paths) > MAX_LEVELS:
            raise bad_request(f"Too many partition key paths: at most {MAX_LEVELS} are supported.")
        version = value.get("version", 2)
        if version not in (1, 2) or (version == 1 and kind == "MultiHash"):
            raise bad_request(f"The partition key version '{version}' is invalid.")
        return cls(tuple(split_path(path) for path in paths), kind == "MultiHash", version == 1)

    def of_document(self, document: JsonObject) -> PartitionKeyValue:
        """The value that a document holds; an object or array at the path counts as no value."""
        components: list[Component] = []
        for path in self.paths:
            found: Json | Undefined = document
            for step in path:
                found = found.get(step, UNDEFINED) if isinstance(found, dict) else UNDEFINED
            components.append(UNDEFINED if isinstance(found, dict | list) else found)
        return self._value(components)

    def of_header(self, header: str) -> PartitionKeyValue:
        """The value in `x-ms-documentdb-partitionkey`; may be a prefix of a hierarchical key."""
        parsed = parse_json(header.encode())
        if not isinstance(parsed, list):
            raise bad_request("Partition key provided in the header is invalid.")
        if len(parsed) > len(self.paths):
            raise bad_request(
                "The partition key supplied in x-ms-partitionkey header has more components than "
                "defined in the collection.",
                1001,
            )
        components: list[Component] = []
        for one in parsed or [{}]:
            if isinstance(one, dict | list):
                if one:
                    raise bad_request("Partition key provided in the header is invalid.")
                components.append(UNDEFINED)
            else:
                components.append(one)
        return self._value(components)

    def is_whole(self, value: PartitionKeyValue) -> bool:
        return len(value.components) == len(self.paths)

    def require_whole(self, value: PartitionKeyValue) -> PartitionKeyValue:
        if not self.is_whole(value):
            raise bad_request(
                "The partition key supplied in x-ms-partitionkey header has fewer components than "
                "defined in the the collection.",
                1001,
            )
        return value

    def _value(self, components: list[Component]) -> PartitionKeyValue:
        for one in components:
            if (
                isinstance(one, str)
                and len(one) > MAX_VALUE_BYTES // 4
                and len(one.encode()) > MAX_VALUE_BYTES
            ):
                raise bad_request("The partition key value exceeds the maximum of 2048 bytes.")
        return PartitionKeyValue(
            tuple(components),
            orjson.dumps([_canonical(one) for one in components]).decode(),
            effective_partition_key_v1(components[0])
            if self.version_1
            else effective_partition_key(tuple(components), multi_hash=self.multi_hash),
        )


_STEP = re.compile(r"""/(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^/"']+))""", re.S)


def split_path(path: Json) -> tuple[str, ...]:
    """`/a/"b/c"/d` as its steps; a step in quotes may contain slashes. Anything else is refused.

    >>> split_path('/a/"b/c"')
    ('a', 'b/c')
    """
    given = path.rstrip("/") if isinstance(path, str) else ""
    found = list(_STEP.finditer(given))
    if not found or "".join(step[0] for step in found) != given:
        raise bad_request(f"The path '{path}' is invalid: paths start with '/'.")
    return tuple(next(group for group in step.groups() if group is not None) for step in found)
