"""What a page of a query is computed from, and what comes out."""

from collections.abc import Mapping
from dataclasses import dataclass
from sqlite3 import Connection

from local.cosmos.change_feed import Scope
from local.cosmos.container import Container
from local.cosmos.json_types import Json
from local.cosmos.query.indexes import Indexes
from local.cosmos.query.program import Program
from local.cosmos.query.values import Value


@dataclass(frozen=True, slots=True)
class Request:
    """One page to compute."""

    connection: Connection
    indexes: Indexes
    container: Container
    scope: Scope
    program: Program
    parameters: Mapping[str, Json]
    limit: int
    continuation: str | None
    now: float


@dataclass(slots=True)
class Page:
    """Results, where to continue (None at the end), and what was loaded for them."""

    results: list[Value]
    continuation: str | None
    loaded_count: int
    loaded_bytes: int
