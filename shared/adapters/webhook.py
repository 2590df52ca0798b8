"""Notifications to webhooks over HTTP."""

from types import TracebackType
from typing import Self

import aiohttp

from shared.ports import Refused, Unavailable

_PASSING = frozenset({408, 425, 429})


class HttpWebhook:
    """Posts to addresses. 4xx is final, but for time-outs and throttling. Redirects are not followed:
    a signed message is for the one whom it was addressed to."""

    def __init__(self, *, timeout_s: float = 10.0) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        assert self._session is not None
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                status = response.status
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as exc:
            # A reference to Key Vault that Azure could not resolve comes as it is. Addresses are
            # secrets: it is not repeated.
            raise Refused("the setting holds no http(s) address; see to its secret in Key Vault") from exc
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise Unavailable(f"webhook: {type(exc).__name__}") from exc
        if status >= 500 or status in _PASSING:
            raise Unavailable(f"webhook answered {status}")
        if status >= 300:
            raise Refused(f"webhook answered {status}")
