"""A real webhook for the Event Grid tests, and the few requests that no SDK makes."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from aiohttp import web


class Webhook:
    """Records what arrives. `statuses` are the next answers, `then` all after them."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.invitations: list[Any] = []
        self.statuses: list[int] = []
        self.then = 200
        self.agrees = True
        self.silent = False
        self._changed, self._closing = asyncio.Event(), asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "Webhook":
        app = web.Application()
        app.router.add_post("/hook", self._notify)
        app.router.add_options("/hook", self._options)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook?code=secret"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        self._closing.set()
        await self._runner.cleanup()

    async def until(self, enough: Callable[["Webhook"], bool], within_s: float = 60) -> None:
        async with asyncio.timeout(within_s):
            while not enough(self):
                self._changed.clear()
                await self._changed.wait()

    async def _options(self, request: web.Request) -> web.Response:
        self.invitations.append(dict(request.headers))
        origin = request.headers["WebHook-Request-Origin"]
        return web.Response(headers={"WebHook-Allowed-Origin": origin} if self.agrees else {})

    async def _notify(self, request: web.Request) -> web.Response:
        assert request.query["code"] == "secret"
        body = await request.json()
        if request.headers["aeg-event-type"] == "SubscriptionValidation":
            self.invitations.append(body)
            code = body[0]["data"]["validationCode"]
            return web.json_response({"validationResponse": code} if self.agrees else {})
        if self.silent:
            await self._closing.wait()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        self._changed.set()
        return web.Response(status=self.statuses.pop(0) if self.statuses else self.then)


def subscription(url: str, **properties: Any) -> dict[str, Any]:
    """The document that creates an event subscription."""
    destination = {"endpointType": "WebHook", "properties": {"endpointUrl": url}}
    return {"properties": {"destination": destination} | properties}


async def call(
    method: str, url: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    """Status and parsed answer of a request without an SDK. Bytes go as they are, all else as JSON."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers or {}, method=method)

    def send() -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text, status = answer.read(), answer.status
        except urllib.error.HTTPError as error:
            with error:
                text, status = error.read(), error.code
        return status, json.loads(text) if text else None

    return await asyncio.to_thread(send)
