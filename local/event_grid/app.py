"""Event Grid as a service: HTTP on loopback, plain and over TLS, for publishing and for managing topics."""

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar

from aiohttp import web

from local.event_grid import authority, errors
from local.event_grid.delivery import Setting
from local.event_grid.grid import Grid
from local.event_grid.management import Management
from local.event_grid.store import Store
from local.home import Home
from local.meter import Meter
from local.service import Clock, bind

RETRY_FACTOR = "MILLWRIGHT_EVENT_GRID_RETRY_FACTOR"
"""Scales the delays between delivery attempts, e.g. 0.01; 1 is the service's own schedule."""

REQUEST_LIMIT = 1_536_000
"""Bytes that the service reads of a request. What it documents is less: events of 1 MB in all."""

EVENTS_LIMIT = 1 << 20


class EventGrid:
    """One Event Grid. Its folder holds `event-grid.sqlite` and `dead-letters/`."""

    name: ClassVar[str] = "event-grid"
    default_ports: ClassVar[Mapping[str, int]] = {"http": 9085, "https": 9445}

    def __init__(self, home: Home, ports: Mapping[str, int], clock: Clock = time.time) -> None:
        self._ports, self._clock, self._home = dict(ports), clock, home
        self._meter = Meter()
        self._store = Store(home.database(self.name))
        self._grid = Grid(
            Setting(self._store, clock, self._meter, retry_factor(), home.path / "dead-letters")
        )
        self._http: web.AppRunner | None = None

    async def start(self) -> dict[str, str]:
        sockets = {name: bind(self.name, name, number) for name, number in self._ports.items()}
        self._ports = {name: sock.getsockname()[1] for name, sock in sockets.items()}
        management = Management(self._grid, self._clock, f"http://127.0.0.1:{self._ports['http']}")
        app = web.Application(middlewares=[self._answer_errors], client_max_size=REQUEST_LIMIT)
        app.add_routes(
            [
                web.post("/topics/{topic}/api/events", self._publish),
                *management.routes(),
                web.get("/_local/meter", self._show_meter),
                web.route("*", "/{path:.*}", self._unknown),
            ]
        )
        self._grid.start()
        self._http = web.AppRunner(app, access_log=None)
        await self._http.setup()
        await web.SockSite(self._http, sockets["http"]).start()
        await web.SockSite(self._http, sockets["https"], ssl_context=self._home.server_tls()).start()
        return {
            "eventGrid": management.endpoint("millwright"),
            "eventGridTls": f"https://localhost:{self._ports['https']}/topics/millwright/api/events",
            "eventGridKey": self._grid.key,
        }

    async def stop(self) -> None:
        if self._http:
            await self._http.cleanup()
        await self._grid.stop()
        self._store.close()

    def actual_ports(self) -> dict[str, int]:
        return dict(self._ports)

    def meter(self) -> dict[str, float]:
        return self._meter.snapshot()

    async def _publish(self, request: web.Request) -> web.Response:
        """Check, persist, answer 200; delivery follows."""
        topic, now = request.match_info["topic"], self._clock()
        self._grid.schema(topic)
        authority.authorize(request.headers, self._grid.key, host=request.host, path=request.path, now=now)
        body = await request.read()
        if len(body) > EVENTS_LIMIT:
            raise errors.too_large(EVENTS_LIMIT)
        self._grid.publish(topic, self._grid.read(topic, request.headers, body, now), now)
        return web.Response(status=200)

    async def _show_meter(self, request: web.Request) -> web.Response:
        return web.json_response(self._meter.snapshot() | {"waiting": self._store.waiting()})

    async def _unknown(self, request: web.Request) -> web.Response:
        raise errors.not_implemented(f"{request.method} {request.path}")

    @web.middleware
    async def _answer_errors(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPRequestEntityTooLarge:
            error = errors.too_large(REQUEST_LIMIT)
        except errors.GridError as exc:
            error = exc
        return web.json_response(error.body(self._clock()), status=error.status)


def retry_factor() -> float:
    """What MILLWRIGHT_EVENT_GRID_RETRY_FACTOR says. ValueError when it is no positive number."""
    text = os.environ.get(RETRY_FACTOR, "1")
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if factor <= 0:
        raise ValueError(f"{RETRY_FACTOR}={text!r} is no positive number")
    return factor
