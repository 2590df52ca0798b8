"""Requests and replies as the service's REST interface has them, free of any HTTP library."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from local.cosmos.container import Container
from local.cosmos.errors import CosmosError, bad_request
from local.cosmos.json_types import dump

MAX_PAGE = 10_000
MAX_DOCUMENT_BYTES = 2 * 1024 * 1024
DOCUMENT_DEPTH = 4
"""Segments of a container's path: dbs/{database}/colls/{container}."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request: verb, decoded path segments, headers by lower-case name, body."""

    verb: str
    path: tuple[str, ...]
    headers: Mapping[str, str]
    body: bytes
    origin: str
    """Scheme, host and port under which the client reached us."""

    def flag(self, name: str) -> bool:
        return self.headers.get(name, "").lower() == "true"

    @property
    def is_query(self) -> bool:
        return self.flag("x-ms-documentdb-isquery") or self.headers.get("content-type", "").startswith(
            "application/query+json"
        )

    def page_size(self, default: int) -> int:
        """`x-ms-max-item-count`; absent or -1 leaves the size to the service."""
        given = self.headers.get("x-ms-max-item-count", "-1")
        count = int(given) if given.removeprefix("-").isdecimal() and len(given) < 10 else 0
        if count < -1 or count == 0:
            raise bad_request(
                f"The value '{given}' specified for the header 'x-ms-max-item-count' is invalid."
            )
        return default if count == -1 else min(count, MAX_PAGE)

    def signed_resource(self) -> tuple[str, str]:
        """Resource type and link as they enter the signature."""
        if "operations" in self.path[DOCUMENT_DEPTH : DOCUMENT_DEPTH + 1]:
            return "colls", "/".join(self.path[:DOCUMENT_DEPTH])
        if not self.path:
            return "", ""
        if len(self.path) % 2:
            return self.path[-1], "/".join(self.path[:-1])
        return self.path[-2], "/".join(self.path)


def segments(raw_path: str) -> tuple[str, ...]:
    return tuple(unquote(part) for part in raw_path.split("?", maxsplit=1)[0].split("/") if part)


@dataclass(slots=True)
class Reply:
    """Status, body as JSON bytes, headers, and the charge in request units."""

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    charge: float = 1.0
    kind: str = "other"
    """What the meter counts it as."""


def session_headers(container: Container, range_id: str) -> dict[str, str]:
    """What a session goes on from: the SDK keeps the token for the container that the path names."""
    return {
        "x-ms-session-token": f"{range_id}:-1#{container.lsn}",
        "lsn": str(container.lsn),
        "x-ms-alt-content-path": container.path,
        "x-ms-content-path": container.rid,
        "x-ms-documentdb-partitionkeyrangeid": range_id,
    }


def too_long(call: Call) -> bool:
    """Whether the body of a single document is over 2 MB as it came, escapes and blanks counted."""
    return len(call.body) > MAX_DOCUMENT_BYTES


def failure(error: CosmosError, activity_id: str) -> Reply:
    body = dump({"code": error.code, "message": f"{error.message}\r\nActivityId: {activity_id}"})
    headers = {} if error.sub_status is None else {"x-ms-substatus": str(error.sub_status)}
    return Reply(error.status, body, headers, 1.0 if error.status < 500 else 0.0, "refused")
