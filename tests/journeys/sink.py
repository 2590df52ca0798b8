"""A subscriber that remembers every event it was sent, however often."""

import json
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web


class EventSink:
    """A webhook for all events of a topic: id -> the distinct contents that came under it."""

    def __init__(self) -> None:
        self.contents: dict[str, set[str]] = {}
        self.delivery_count = 0
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("OPTIONS", "/", self._validate)
        app.router.add_post("/", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def subscribe(self, topic_endpoint: str, name: str = "sink") -> None:
        """Subscribe to everything on the topic whose publish endpoint this is."""
        base, _, rest = topic_endpoint.partition("/topics/")
        topic = rest.partition("/")[0]
        body = {
            "properties": {
                "destination": {"endpointType": "WebHook", "properties": {"endpointUrl": self.url}},
                "eventDeliverySchema": "CloudEventSchemaV1_0",
            }
        }
        async with (
            aiohttp.ClientSession() as http,
            http.put(f"{base}/topics/{topic}/eventSubscriptions/{name}", json=body) as response,
        ):
            assert response.status < 300, await response.text()

    async def _validate(self, request: web.Request) -> web.Response:
        origin = request.headers.get("WebHook-Request-Origin", "*")
        return web.Response(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})

    async def _take(self, request: web.Request) -> web.Response:
        event: dict[str, Any] = await request.json()
        self.delivery_count += 1
        self.contents.setdefault(event["id"], set()).add(json.dumps(event, sort_keys=True))
        return web.Response()
