"""An operator's inbox: a webhook, a Teams channel and a mailbox that keep what people would get."""

import asyncio
import base64
import email
import email.policy
import secrets
from collections import deque
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self, cast

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from local.service import bind


class Notification(NamedTuple):
    at: datetime
    kind: Literal["webhook", "teams", "email"]
    text: str
    body: dict[str, Any]
    headers: dict[str, str]


class Inbox:
    """`POST /` takes webhooks, `POST /teams` cards, an SMTP port mail. `GET /` gives the last ones back."""

    def __init__(self, port: int = 0, *, kept: int = 200) -> None:
        self.notifications: deque[Notification] = deque(maxlen=kept)
        self.count = 0
        self.url = ""
        self.mail_url = ""
        self.secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
        self._port = port
        self._runner: web.AppRunner | None = None
        self._mail: asyncio.Server | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The settings that the factory files name."""
        return {
            "NOTIFY_WEBHOOK_URL": self.url,
            "NOTIFY_WEBHOOK_SECRET": self.secret,
            "NOTIFY_TEAMS_URL": f"{self.url}teams",
            "NOTIFY_TEAMS_MX_URL": f"{self.url}teams",
            "NOTIFY_SMTP_URL": self.mail_url,
        }

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/", self._take)
        app.router.add_post("/teams", self._take_card)
        app.router.add_get("/", self._give)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        sock = bind("inbox", "http", self._port)
        self.url = f"http://127.0.0.1:{sock.getsockname()[1]}/"
        await web.SockSite(self._runner, sock).start()
        loop = asyncio.get_running_loop()
        mail = bind("inbox", "smtp", 0)
        self.mail_url = f"smtp://127.0.0.1:{mail.getsockname()[1]}"
        self._mail = await loop.create_server(
            lambda: SMTP(self, hostname="localhost", enable_SMTPUTF8=True, loop=loop), sock=mail
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        assert self._mail is not None
        self._mail.close()
        await self._runner.cleanup()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        """One mail, as aiosmtpd hands it over."""
        content = cast(bytes, envelope.content)
        mail = email.message_from_bytes(content, policy=email.policy.default)
        part = mail.get_body(("plain",))
        text = "" if part is None else str(part.get_content())
        headers = {name: str(value) for name, value in mail.items()}
        self._keep("email", headers.get("Subject", ""), {"to": headers.get("To", ""), "text": text}, headers)
        return "250 taken"

    async def _take(self, request: web.Request) -> web.Response:
        body: dict[str, Any] = await request.json()
        self._keep("webhook", str(body.get("text", "")), body, dict(request.headers))
        return web.Response(status=202)

    async def _take_card(self, request: web.Request) -> web.Response:
        body: dict[str, Any] = await request.json()
        card = body["attachments"][0]["content"]
        self._keep("teams", str(card["body"][0]["text"]), body, dict(request.headers))
        return web.Response(status=202)

    def _keep(
        self,
        kind: Literal["webhook", "teams", "email"],
        text: str,
        body: dict[str, Any],
        headers: dict[str, str],
    ) -> None:
        self.count += 1
        self.notifications.append(Notification(datetime.now().astimezone(), kind, text, body, headers))

    async def _give(self, request: web.Request) -> web.Response:
        """The last ones, oldest first; `?kind=email` narrows it."""
        kind = request.query.get("kind")
        return web.json_response(
            [
                {"at": one.at.isoformat(), "kind": one.kind, "text": one.text, "body": one.body}
                for one in self.notifications
                if kind in (None, one.kind)
            ]
        )
