"""What the shell needs from the outside, and the errors that the outside may answer with."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

type Document = dict[str, Any]
"""A JSON object as Cosmos DB keeps it: at least `id` and the container's partition key."""


class Conflict(Exception):
    """Somebody else changed it first: reload, fold again."""


class Unavailable(Exception):
    """The other side cannot be reached or is overloaded: try again later, nothing is lost."""


class Refused(Exception):
    """The other side will never take this: a limit or a rule. Retrying is useless."""


class Missing(Refused):
    """A document that should be changed does not exist, or not any more: `id` says which."""

    def __init__(self, id: str, detail: str) -> None:
        super().__init__(detail)
        self.id = id


class AlreadyDone(Exception):
    """A document that may exist only once exists: the command was carried out before."""


@dataclass(frozen=True, slots=True)
class Create:
    """Write a document that must not exist yet."""

    document: Document


@dataclass(frozen=True, slots=True)
class Upsert:
    document: Document


@dataclass(frozen=True, slots=True)
class Replace:
    """Replace the document if its ETag is still `etag`."""

    document: Document
    etag: str


@dataclass(frozen=True, slots=True)
class SetFields:
    """Set paths of an existing document, e.g. {"/rows/12": [...]}. At most ten paths."""

    id: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delete:
    id: str


type Operation = Create | Upsert | Replace | SetFields | Delete


class Documents(Protocol):
    """The document store, shaped as Cosmos DB is: containers, partitions, atomic batches.

    Every method raises Unavailable for what may pass and Refused for what never will.
    """

    async def get(self, container: str, partition: str, id: str) -> Document | None:
        """The document with its `_etag`, or None."""
        ...

    async def commit(self, container: str, partition: str, operations: Sequence[Operation]) -> list[str]:
        """Apply all operations or none; returns the ETag that each one left ("" for Delete).

        Conflict when a Replace met another ETag or a Create of `state` an existing one;
        AlreadyDone when any other Create met an existing document; Missing when SetFields met none.
        """
        ...

    async def upsert(self, container: str, partition: str, document: Document) -> None: ...

    def query(
        self,
        container: str,
        sql: str,
        parameters: Mapping[str, Any],
        *,
        partition: str | None = None,
    ) -> AsyncIterator[Document]:
        """Results of a query, page by page behind the scenes; across partitions when none is given."""
        ...

    async def page(
        self,
        container: str,
        sql: str,
        parameters: Mapping[str, Any],
        *,
        partition: str | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> tuple[list[Document], str | None]:
        """One page of at most `limit` results and the cursor of the next, None at the end."""
        ...


class Twins(Protocol):
    """The digital twin graph, as far as the backend needs it."""

    async def patch(self, twin_id: str, patch: Sequence[Document], *, etag: str | None = None) -> str | None:
        """Apply a JSON Patch; returns the ETag it left, None where the service does not say.

        Refused when the twin or a property does not exist; Conflict when its ETag is not `etag`.
        """
        ...

    async def get(self, twin_id: str) -> Document | None: ...

    async def create(self, twin_id: str, twin: Document) -> bool:
        """Make a twin; one that exists is left alone. Whether it was made."""
        ...

    async def delete(self, twin_id: str) -> None:
        """Delete a twin and the relationships that begin at it; one that does not exist is no error.

        Refused while relationships of others lead to it.
        """
        ...

    async def relate(self, source: str, name: str, target: str) -> None:
        """Make a relationship, or leave the one that is there."""
        ...

    async def targets(self, source: str, name: str) -> set[str]:
        """Where a twin's relationships of one name lead; nowhere when there is no such twin."""
        ...

    async def query(
        self, sql: str, *, limit: int, cursor: str | None = None
    ) -> tuple[list[Document], str | None]:
        """One page of at most `limit` rows and the cursor of the next, None at the end."""
        ...


class Events(Protocol):
    """Where events go out."""

    async def publish(self, events: Sequence[Document]) -> None:
        """Publish CloudEvents 1.0 given as JSON objects, all or none."""
        ...
