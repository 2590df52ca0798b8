"""`Documents` on Azure Cosmos DB: point reads, atomic batches, queries; its errors in our words."""

import base64
import binascii
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import HttpResponseError
from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosHttpResponseError

from shared.adapters.answers import error, translated
from shared.adapters.containers import CONTAINERS, DATABASE
from shared.adapters.transport import transport
from shared.ports import (
    AlreadyDone,
    Conflict,
    Create,
    Delete,
    Document,
    Missing,
    Operation,
    Refused,
    Replace,
    SetFields,
    Unavailable,
    Upsert,
)

STATE_ID = "state"
"""Creating this document twice is a race between workers, not a command given twice."""

_FORBIDDEN_IN_IDS = frozenset("/\\?#")

OWNER_NOT_FOUND = 1003
"""Sub-status of a 404 that means the container, not the document."""


def cosmos_client(endpoint: str, credential: str | AsyncTokenCredential) -> CosmosClient:
    """A client that says within seconds that the service is away, instead of retrying for minutes.

    The callers are retried by their triggers without limit, so the SDK need only bridge a short
    throttling.
    """
    return CosmosClient(
        endpoint,
        credential,
        transport=transport(),
        connection_timeout=5,
        read_timeout=15,
        retry_throttle_total=4,
        retry_throttle_backoff_max=4,
        retry_connect=0,
        retry_read=0,
        retry_status=0,
        enable_compact_utf8_item_writes=True,
        no_response_on_write=True,
    )


class CosmosDocuments:
    """The document store. Use as a context: entering looks that every container exists.

    Raises Unavailable when it cannot be entered; nothing is left open then.
    """

    def __init__(self, client: CosmosClient, database: str = DATABASE) -> None:
        self._client = client
        self._database = database
        proxy = client.get_database_client(database)
        self._containers = {one.name: proxy.get_container_client(one.name) for one in CONTAINERS}

    async def __aenter__(self) -> Self:
        try:
            with _translated("connecting"):
                await self._client.__aenter__()
                for name, container in self._containers.items():
                    with _existing(f"container {name} of database {self._database}"):
                        await container.read()
        except BaseException:
            await self._client.close()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.close()

    async def get(self, container: str, partition: str, id: str) -> Document | None:
        """None as well for an id that no document can have: in the SDK's URLs it would lead elsewhere."""
        if id in (".", "..") or not _FORBIDDEN_IN_IDS.isdisjoint(id):
            return None
        with _translated(f"{container}/{partition}/{id}"):
            try:
                return await self._containers[container].read_item(id, partition)
            except CosmosHttpResponseError as exc:
                if exc.status_code == HTTPStatus.NOT_FOUND and not _sub_status(exc):
                    return None
                raise

    async def upsert(self, container: str, partition: str, document: Document) -> None:
        with _translated(f"{container}/{partition}/{document['id']}"):
            await self._containers[container].upsert_item(document)

    async def commit(self, container: str, partition: str, operations: Sequence[Operation]) -> list[str]:
        with _translated(f"batch on {container}/{partition}"):
            try:
                results = await self._containers[container].execute_item_batch(
                    [_as_tuple(operation) for operation in operations], partition
                )
            except CosmosBatchOperationError as exc:
                raise _of_operation(exc, partition, operations) from exc
        return [result.get("eTag", "") for result in results]

    async def query(
        self,
        container: str,
        sql: str,
        parameters: Mapping[str, Any],
        *,
        partition: str | None = None,
    ) -> AsyncIterator[Document]:
        found = self._containers[container].query_items(sql, **_asking(parameters, partition))
        with _translated(f"query on {container}"):
            async for document in found:
                yield document

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
        """One page. Cursors are the service's own, but for one case that it has none for.

        A sorted query across partitions is merged by the SDK, which cannot resume it. There the
        cursor counts results, and the service skips them: pages far down cost more.
        """
        asked = self._containers[container]
        with _translated(f"query on {container}"):
            if partition is None and " ORDER BY " in sql:
                return await _page_by_count(asked, sql, parameters, limit, cursor)
            return await _page_by_token(asked, sql, _asking(parameters, partition), limit, cursor)


async def _page_by_token(
    container: ContainerProxy, sql: str, asking: dict[str, Any], limit: int, cursor: str | None
) -> tuple[list[Document], str | None]:
    seen: list[Mapping[str, Any]] = []

    def remember(headers: Mapping[str, Any], _: object) -> None:
        seen.append(headers)

    found = container.query_items(sql, max_item_count=limit, response_hook=remember, **asking)
    pages = found.by_page(None if cursor is None else _decoded(cursor))
    async for page in pages:
        documents = [document async for document in page]
        token = seen[-1].get("x-ms-continuation")
        return documents, base64.urlsafe_b64encode(token.encode()).decode() if token else None
    return [], None


async def _page_by_count(
    container: ContainerProxy, sql: str, parameters: Mapping[str, Any], limit: int, cursor: str | None
) -> tuple[list[Document], str | None]:
    start = 0 if cursor is None else _counted(cursor)
    found = container.query_items(f"{sql} OFFSET {start} LIMIT {limit + 1}", **_asking(parameters, None))
    documents = [document async for document in found]
    more = len(documents) > limit
    return documents[:limit], str(start + limit) if more else None


def _decoded(cursor: str) -> str:
    try:
        token = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as exc:
        raise _no_cursor(cursor) from exc
    if not token:
        raise _no_cursor(cursor)
    return token


def _counted(cursor: str) -> int:
    if not cursor.isdecimal() or len(cursor) > 9:
        raise _no_cursor(cursor)
    return int(cursor)


def _no_cursor(cursor: str) -> Refused:
    return Refused(f"{cursor!r} is no cursor: pass on what the last page gave")


def _asking(parameters: Mapping[str, Any], partition: str | None) -> dict[str, Any]:
    given = [{"name": name, "value": value} for name, value in parameters.items()]
    return {"parameters": given} if partition is None else {"parameters": given, "partition_key": partition}


def _as_tuple(operation: Operation) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """An operation as the SDK's batches have it."""
    match operation:
        case Create(document):
            return "create", (document,), {}
        case Upsert(document):
            return "upsert", (document,), {}
        case Replace(document, etag):
            return "replace", (document["id"], document), {"if_match_etag": etag}
        case SetFields(document_id, fields):
            sets = [{"op": "set", "path": path, "value": value} for path, value in fields.items()]
            return "patch", (document_id, sets), {}
        case Delete(document_id):
            return "delete", (document_id,), {}


def _of_operation(
    exc: CosmosBatchOperationError, partition: str, operations: Sequence[Operation]
) -> Exception:
    """Which of our errors one failed operation of a batch is; the whole batch was undone."""
    status, index = exc.status_code, _attribute(exc, "error_index") or 0
    operation = operations[index]
    document_id = operation.document["id"] if not isinstance(operation, SetFields | Delete) else operation.id
    place = f"{partition}/{document_id} (operation {index})"
    match operation, status:
        case Create(), HTTPStatus.CONFLICT:
            return Conflict(place) if document_id == STATE_ID else AlreadyDone(place)
        case SetFields(), HTTPStatus.NOT_FOUND:
            return Missing(document_id, f"{place}: {exc.message}")
        case Replace(), HTTPStatus.PRECONDITION_FAILED | HTTPStatus.NOT_FOUND:
            return Conflict(place)
        case _:
            return error(status, f"{place}: {exc.message}")


def _sub_status(exc: HttpResponseError) -> int | None:
    return _attribute(exc, "sub_status")


def _attribute(exc: HttpResponseError, name: str) -> Any:
    """A property of the SDK's errors that it does not declare a type for."""
    return getattr(exc, name, None)


@contextmanager
def _existing(what: str) -> Generator[None]:
    try:
        yield
    except CosmosHttpResponseError as exc:
        if exc.status_code != HTTPStatus.NOT_FOUND:
            raise
        raise Unavailable(f"{what} does not exist: deploy, or start the local cloud, first") from exc


@contextmanager
def _translated(what: str) -> Generator[None]:
    """As `translated`; a container that is missing may yet be made."""
    with translated(what):
        try:
            yield
        except CosmosHttpResponseError as exc:
            if _sub_status(exc) == OWNER_NOT_FOUND:
                raise Unavailable(f"{what}: the container does not exist") from exc
            raise
