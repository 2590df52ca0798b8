"""An operator's inbox: a webhook that keeps the last notifications, readable over HTTP."""

from collections import deque
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiohttp import web

from local.service import bind


class Notification(NamedTuple):
    at: datetime
    text: str
    body: dict[str, Any]


class Inbox:
    """`POST /` takes what Millwright's notifier sends, `GET /` gives the last ones back."""

    def __init__(self, port: int = 0, *, kept: int = 200) -> None:
        self.notifications: deque[Notification] = deque(maxlen=kept)
        self.count = 0
        self.url = ""
        self._port = port
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/", self._take)
        app.router.add_get("/", self._give)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        sock = bind("inbox", "http", self._port)
        self.url = f"http://127.0.0.1:{sock.getsockname()[1]}/"
        await web.SockSite(self._runner, sock).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body: dict[str, Any] = await request.json()
        self.count += 1
        self.notifications.append(Notification(datetime.now().astimezone(), str(body.get("text", "")), body))
        return web.Response(status=202)

    async def _give(self, request: web.Request) -> web.Response:
        return web.json_response([notification.body for notification in self.notifications])
