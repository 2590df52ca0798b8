"""What the asynchronous Azure clients have in common: how often they try, and that they are closed."""

from collections.abc import Awaitable
from types import TracebackType
from typing import Protocol, Self, TypedDict


class Retries(TypedDict):
    """Keyword arguments of azure-core's retry policy."""

    retry_total: int
    retry_connect: int
    retry_read: int
    retry_backoff_max: int


RETRIES = Retries(retry_total=2, retry_connect=0, retry_read=0, retry_backoff_max=5)
"""Throttling is tried again twice, as Retry-After says; waiting for one that is away is the caller's."""


class _Client(Protocol):
    def close(self) -> Awaitable[None]: ...


class Closing:
    """`async with` closes the client."""

    def __init__(self, client: _Client) -> None:
        self._closed = client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._closed.close()
