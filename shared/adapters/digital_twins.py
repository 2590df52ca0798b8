"""`Twins` on Azure Digital Twins."""

from collections.abc import Awaitable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Protocol

from azure.core import MatchConditions
from azure.core.async_paging import AsyncItemPaged
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.digitaltwins.core.aio import DigitalTwinsClient

from shared.adapters.answers import translated
from shared.adapters.closing import RETRIES, Closing
from shared.adapters.transport import transport
from shared.ports import Conflict, Document


class _Client(Protocol):
    """The part of DigitalTwinsClient used here, with types."""

    def update_digital_twin(
        self, digital_twin_id: str, json_patch: Sequence[Any], **options: Any
    ) -> Awaitable[Any]: ...
    def get_digital_twin(self, digital_twin_id: str) -> Awaitable[MutableMapping[str, Any]]: ...
    def upsert_digital_twin(
        self, digital_twin_id: str, digital_twin: Document, **options: Any
    ) -> Awaitable[Any]: ...
    def upsert_relationship(
        self, digital_twin_id: str, relationship_id: str, relationship: Document, **options: Any
    ) -> Awaitable[Any]: ...
    def delete_digital_twin(self, digital_twin_id: str) -> Awaitable[None]: ...
    def delete_relationship(self, digital_twin_id: str, relationship_id: str) -> Awaitable[None]: ...
    def list_relationships(self, digital_twin_id: str) -> AsyncItemPaged[MutableMapping[str, Any]]: ...
    def query_twins(self, query_expression: str, **options: Any) -> AsyncItemPaged[Any]: ...
    def close(self) -> Awaitable[None]: ...


class AzureTwins(Closing):
    """One instance of the service. A throttled write is tried again twice, as Retry-After says."""

    def __init__(
        self, url: str, credential: AsyncTokenCredential, *, connection_verify: bool | str = True
    ) -> None:
        """`connection_verify` may name a file of certificate authorities to trust."""
        self._client: _Client = DigitalTwinsClient(
            url, credential, transport=transport(connection_verify=connection_verify), **RETRIES
        )
        super().__init__(self._client)

    async def patch(self, twin_id: str, patch: Sequence[Document], *, etag: str | None = None) -> str | None:
        options: dict[str, Any] = {"cls": _etag_of}
        if etag is not None:
            options |= {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        with translated(f"twin {twin_id}"):
            try:
                return await self._client.update_digital_twin(twin_id, list(patch), **options)
            except HttpResponseError as exc:
                if exc.status_code == HTTPStatus.PRECONDITION_FAILED:
                    raise Conflict(f"twin {twin_id} is not what it was") from exc
                raise

    async def get(self, twin_id: str) -> Document | None:
        with translated(f"twin {twin_id}"):
            try:
                return dict(await self._client.get_digital_twin(twin_id))
            except HttpResponseError as exc:
                if exc.status_code == HTTPStatus.NOT_FOUND:
                    return None
                raise

    async def create(self, twin_id: str, twin: Document) -> bool:
        with translated(f"twin {twin_id}"):
            try:
                await self._client.upsert_digital_twin(
                    twin_id, twin, match_condition=MatchConditions.IfMissing
                )
            except ResourceExistsError:
                return False
        return True

    async def delete(self, twin_id: str) -> None:
        with translated(f"twin {twin_id}"), suppress(ResourceNotFoundError):
            async for one in self._client.list_relationships(twin_id):
                with suppress(ResourceNotFoundError):
                    await self._client.delete_relationship(twin_id, one["$relationshipId"])
            await self._client.delete_digital_twin(twin_id)

    async def relate(self, source: str, name: str, target: str) -> None:
        body = {"$relationshipName": name, "$targetId": target}
        with translated(f"relationship {source} {name} {target}"):
            await self._client.upsert_relationship(source, f"{name}.{target}", body)

    async def targets(self, source: str, name: str) -> set[str]:
        with translated(f"relationships of {source}"):
            try:
                found = self._client.list_relationships(source)
                return {one["$targetId"] async for one in found if one["$relationshipName"] == name}
            except HttpResponseError as exc:
                if exc.status_code == HTTPStatus.NOT_FOUND:
                    return set()
                raise

    async def query(
        self, sql: str, *, limit: int, cursor: str | None = None
    ) -> tuple[list[Document], str | None]:
        found = self._client.query_twins(sql, headers={"max-items-per-page": str(limit)})
        with translated("query"):
            pages: Any = found.by_page(cursor)
            async for page in pages:
                return [row async for row in page], pages.continuation_token
        return [], None


def _etag_of(response: object, body: object, headers: Mapping[str, str]) -> str | None:
    """What the SDK's `cls` makes of an answer."""
    return headers.get("ETag")
