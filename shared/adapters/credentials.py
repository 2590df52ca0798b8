"""Who we are towards Azure: the managed identity there, a fixed token for the local cloud."""

import time
from types import TracebackType
from typing import Any, Self

from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential
from azure.identity.aio import DefaultAzureCredential

_A_DAY_S = 86_400


class LocalToken:
    """Gives the same token to everybody. The local services ask for one and believe any."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **kwargs: Any,
    ) -> AccessToken:
        return AccessToken(self._token, int(time.time()) + _A_DAY_S)

    async def close(self) -> None:
        """Nothing is open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()


def credential(local_token: str | None) -> AsyncTokenCredential:
    """The local token where one is set, else what the environment offers: in Azure, the identity."""
    return LocalToken(local_token) if local_token else DefaultAzureCredential()
