"""The HTTP trigger: routes under the prefix, authorization levels, requests and replies as bytes."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from local.functions.invoke import Call, Invoker
from local.functions.keys import Keys, Level
from local.functions.principal import principal_headers, without_principal
from local.functions.routes import Route
from local.functions.triggers import HttpTrigger
from local.functions.worker import Function, HttpReply, http_request

# Reason of an HTTP invocation in the log of the real host.
_REASON = "This function was programmatically called via the host APIs."
# Set by the server itself from the body it sends.
_HOP_BY_HOP = frozenset(("connection", "content-length", "transfer-encoding", "keep-alive"))

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    function: Function
    trigger: HttpTrigger
    route: Route

    @classmethod
    def of(cls, function: Function, trigger: HttpTrigger, prefix: str) -> "Endpoint":
        template = "/".join(part.strip("/") for part in (prefix, trigger.route or function.name) if part)
        return cls(function, trigger, Route.parse(template, function.name))

    @property
    def methods(self) -> str:
        return ",".join(self.trigger.methods) if self.trigger.methods else "*"

    def takes(self, method: str) -> bool:
        return self.trigger.methods is None or method in self.trigger.methods


@dataclass(frozen=True, slots=True)
class User:
    """The local operator that every request is signed in as."""

    name: str
    roles: tuple[str, ...]


class HttpFront:
    """Finds the function of a request and answers with what it returns."""

    def __init__(
        self, endpoints: Sequence[Endpoint], invoker: Invoker, keys: Keys | None, user: User
    ) -> None:
        self._endpoints = sorted(endpoints, key=lambda endpoint: endpoint.route.rank)
        self._invoker = invoker
        self._keys = keys
        self._user = user

    def authorized(self, request: web.Request, level: Level) -> bool:
        """Core Tools checks no keys; neither does this host unless told to."""
        given = request.headers.get("x-functions-key") or request.query.get("code")
        return self._keys is None or self._keys.open(level, given)

    def guarded(self, level: Level, handler: Handler) -> Handler:
        """The handler, behind a key of that level."""

        async def guard(request: web.Request) -> web.StreamResponse:
            if not self.authorized(request, level):
                return web.Response(status=401)
            return await handler(request)

        return guard

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """404 for a path or method without function: the real host's routes know no 405."""
        for endpoint in self._endpoints:
            values = (
                endpoint.route.match(request.rel_url.raw_path) if endpoint.takes(request.method) else None
            )
            if values is not None:
                if not self.authorized(request, endpoint.trigger.auth_level):
                    return web.Response(status=401)
                return await self._call(endpoint, request, values)
        return web.Response(status=404)

    async def _call(
        self, endpoint: Endpoint, request: web.Request, values: dict[str, str]
    ) -> web.StreamResponse:
        headers: dict[str, str] = {}
        for name, value in request.headers.items():
            key = name.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        datum = http_request(
            method=request.method,
            url=str(request.url),
            headers=without_principal(headers) | principal_headers(self._user.name, self._user.roles),
            route=values,
            query={name: ",".join(request.query.getall(name)) for name in request.query},
            body=await request.read(),
        )
        outcome = await self._invoker.once(Call(endpoint.function, datum, {}, _REASON))
        if not outcome.ok:
            return web.Response(status=500)
        return _response(outcome.reply or HttpReply(204, (), b""))


def _response(reply: HttpReply) -> web.Response:
    response = web.Response(status=reply.status, body=reply.body)
    for name, value in reply.headers:
        if name.lower() == "content-type":
            response.headers[name] = value
        elif name.lower() not in _HOP_BY_HOP:
            response.headers.add(name, value)
    return response
