"""`Twins` on Azure Digital Twins."""

from collections.abc import Awaitable, MutableMapping, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Any, Protocol, Self

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import HttpResponseError
from azure.digitaltwins.core.aio import DigitalTwinsClient

from shared.adapters.answers import translated
from shared.adapters.transport import transport
from shared.ports import Document


class _Client(Protocol):
    """The part of DigitalTwinsClient used here, with types."""

    def update_digital_twin(self, digital_twin_id: str, json_patch: Sequence[Any]) -> Awaitable[None]: ...
    def get_digital_twin(self, digital_twin_id: str) -> Awaitable[MutableMapping[str, Any]]: ...
    def close(self) -> Awaitable[None]: ...


class AzureTwins:
    """One instance of the service. A throttled write is tried again twice, as Retry-After says."""

    def __init__(
        self, url: str, credential: AsyncTokenCredential, *, connection_verify: bool | str = True
    ) -> None:
        """`connection_verify` may name a file of certificate authorities to trust."""
        self._client: _Client = DigitalTwinsClient(
            url,
            credential,
            transport=transport(connection_verify=connection_verify),
            retry_total=2,
            retry_connect=0,
            retry_read=0,
            retry_backoff_max=5,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.close()

    async def patch(self, twin_id: str, patch: Sequence[Document]) -> None:
        with translated(f"twin {twin_id}"):
            await self._client.update_digital_twin(twin_id, list(patch))

    async def get(self, twin_id: str) -> Document | None:
        with translated(f"twin {twin_id}"):
            try:
                return dict(await self._client.get_digital_twin(twin_id))
            except HttpResponseError as exc:
                if exc.status_code == HTTPStatus.NOT_FOUND:
                    return None
                raise
