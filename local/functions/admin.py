"""The host's own endpoints: status, the list of functions, running a timer by hand, the meter."""

import time
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from local.functions.invoke import Invoker
from local.functions.timers import TimerListener
from local.functions.worker import Function

VERSION = "4.1000.0"
"""What /admin/host/status reports: a 4.x host."""


class Admin:
    """Read-only but for POST /admin/functions/NAME, which fires a timer."""

    def __init__(
        self,
        functions: Mapping[str, Function],
        disabled: frozenset[str],
        timers: Mapping[str, TimerListener],
        *,
        host_id: str,
        invoker: Invoker,
        instance_mb: int,
    ) -> None:
        self._functions = functions
        self._disabled = disabled
        self._timers = {name.lower(): timer for name, timer in timers.items()}
        self._host_id = host_id
        self._invoker = invoker
        self._instance_mb = instance_mb
        self._began = time.monotonic()

    async def root(self, request: web.Request) -> web.Response:
        return web.Response(text="Your Azure Function App is up and running.\n")

    async def status(self, request: web.Request) -> web.Response:
        uptime_ms = int((time.monotonic() - self._began) * 1000)
        return web.json_response(
            {"id": self._host_id, "state": "Running", "version": VERSION, "processUptime": uptime_ms}
        )

    async def functions(self, request: web.Request) -> web.Response:
        return web.json_response([self._describe(name, request) for name in self._functions])

    async def function(self, request: web.Request) -> web.Response:
        name = self._find(request)
        return web.json_response(self._describe(name, request)) if name else web.Response(status=404)

    async def run(self, request: web.Request) -> web.Response:
        """202 at once, as in the real host; the run shows in the log."""
        name = self._find(request)
        if name is None:
            return web.Response(status=404)
        try:
            body: Any = orjson.loads(await request.read() or b"{}")
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return web.Response(status=400, text="The request body must be a JSON object.")
        timer = self._timers.get(name.lower())
        if timer is None:
            kind = self._functions[name].trigger["type"]
            return web.Response(
                status=501, text=f"The local Functions host runs timers by hand only; '{name}' is a {kind}."
            )
        timer.fire_by_hand()
        return web.Response(status=202)

    async def meter(self, request: web.Request) -> web.Response:
        return web.json_response(self._invoker.meter(instance_mb=self._instance_mb))

    def _find(self, request: web.Request) -> str | None:
        wanted = request.match_info["name"].lower()
        return next((name for name in self._functions if name.lower() == wanted), None)

    def _describe(self, name: str, request: web.Request) -> dict[str, object]:
        function = self._functions[name]
        return {
            "name": name,
            "href": f"{request.url.origin()}/admin/functions/{name}",
            "language": "python",
            "isDisabled": name in self._disabled,
            "config": {
                "name": name,
                "entryPoint": name,
                "scriptFile": "function_app.py",
                "language": "python",
                "bindings": list(function.bindings),
            },
        }
