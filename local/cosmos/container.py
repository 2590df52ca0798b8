"""A container's definition, parsed: what its documents must obey."""

import struct
from dataclasses import dataclass, field

from local.cosmos.errors import bad_request
from local.cosmos.indexing import IndexingPolicy
from local.cosmos.json_types import Json, JsonObject, number
from local.cosmos.partition import PartitionKeyDefinition, split_path
from local.cosmos.query.computed import parse_properties
from local.cosmos.query.tree import Query
from local.cosmos.ranges import PartitionKeyRange
from local.cosmos.rid import Owner, encode_rid

MAX_TTL_S = 2**31 - 1
MAX_UNIQUE_KEYS = 10
MAX_UNIQUE_PATHS = 16
SLOTS_PER_CHANGE = 128
"""One batch is one change; the low 7 bits of a document's change number keep the order inside it."""


def valid_ttl(value: Json, name: str) -> int:
    """Seconds, or -1 for never; anything else is refused in the service's words."""
    seconds = number(value)
    if not isinstance(seconds, int) or not (seconds == -1 or 0 < seconds <= MAX_TTL_S):
        raise bad_request(
            f"The input {name} '{value}' is invalid. Ensure to provide a nonzero positive integer less than "
            f"or equal to '{MAX_TTL_S}', or -1 to never expire."
        )
    return seconds


@dataclass(slots=True)
class Container:
    """One container: its definition and the running number of its latest change."""

    number: int
    database: int
    id: str
    path: str
    """Its address by name, percent-encoded where headers need it."""
    body: JsonObject
    lsn: int
    """Number of the latest committed write: assigned in commit order, never used twice."""
    ranges: tuple[PartitionKeyRange, ...]
    reserved: int = field(init=False)
    """Numbers up to this one are on disk as spent."""
    key: PartitionKeyDefinition = field(init=False)
    indexing: IndexingPolicy = field(init=False)
    default_ttl_s: int | None = field(init=False)
    unique_keys: tuple[tuple[tuple[str, ...], ...], ...] = field(init=False)
    computed: dict[str, Query] = field(init=False)
    rid: str = field(init=False)
    rid_bytes: bytes = field(init=False)
    table: str = field(init=False)
    uniques: str = field(init=False)
    versions: str = field(init=False)
    versions_kept_s: int = field(init=False)
    """How long every version and delete is kept; 0 for not at all."""

    def __post_init__(self) -> None:
        self.rid_bytes = struct.pack(">II", self.database, self.number)
        self.rid = encode_rid(self.rid_bytes)
        self.table = f"documents_{self.number}"
        self.uniques = f"uniques_{self.number}"
        self.versions = f"versions_{self.number}"
        self.reserved = self.lsn
        self.redefine(self.body)

    def redefine(self, body: JsonObject) -> None:
        """Take over a new definition (already checked)."""
        self.body = body
        self.key = PartitionKeyDefinition.parse(body.get("partitionKey"))
        self.indexing = IndexingPolicy(body.get("indexingPolicy"))
        ttl = body.get("defaultTtl")
        self.default_ttl_s = None if ttl is None else valid_ttl(ttl, "defaultTtl")
        self.computed = parse_properties(body.get("computedProperties"))
        self.versions_kept_s = _retention_s(body.get("changeFeedPolicy"))
        self.unique_keys = parse_unique_keys(body.get("uniqueKeyPolicy"))

    @property
    def owner(self) -> Owner:
        """The container as the owner of its scripts."""
        return Owner(self.rid_bytes, str(self.body["_self"]))

    def document_rid(self, seq: int) -> str:
        return encode_rid(self.rid_bytes + struct.pack(">Q", seq))


def _retention_s(policy: Json) -> int:
    """`changeFeedPolicy.retentionDuration` is in minutes."""
    minutes = number(policy.get("retentionDuration")) if isinstance(policy, dict) else None
    return int(minutes) * 60 if minutes is not None and minutes > 0 else 0


def parse_unique_keys(policy: Json) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """Each unique key as its paths."""
    if policy is None:
        return ()
    keys = policy.get("uniqueKeys") if isinstance(policy, dict) else None
    if not isinstance(keys, list):
        raise bad_request("The unique key policy is invalid: uniqueKeys is missing.")
    if len(keys) > MAX_UNIQUE_KEYS:
        raise bad_request(f"The unique key policy is invalid: at most {MAX_UNIQUE_KEYS} unique keys.")
    parsed: list[tuple[tuple[str, ...], ...]] = []
    for key in keys:
        paths = key.get("paths") if isinstance(key, dict) else None
        if not isinstance(paths, list) or not 0 < len(paths) <= MAX_UNIQUE_PATHS:
            raise bad_request("The unique key policy is invalid: each unique key has 1 to 16 paths.")
        parsed.append(tuple(split_path(path) for path in paths))
    return tuple(parsed)
