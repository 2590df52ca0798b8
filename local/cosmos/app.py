"""Cosmos DB's REST interface on aiohttp: authorization, routes, headers, the meter."""

import asyncio
import os
import time
import uuid
from collections.abc import Mapping
from typing import ClassVar

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from local.cosmos import access, addresses, auth, offers, resources, scripts
from local.cosmos.errors import CosmosError, bad_request, forbidden, not_found, too_large
from local.cosmos.items import Items
from local.cosmos.json_types import dump
from local.cosmos.queries import Queries
from local.cosmos.store import Store
from local.cosmos.upkeep import Upkeep
from local.cosmos.wire import Call, Reply, failure, segments
from local.home import Home
from local.meter import Meter
from local.service import Clock, bind

RANGES_SETTING = "MILLWRIGHT_COSMOS_PARTITION_KEY_RANGES"
RESOURCE_TOKEN = ("type=resource", "type%3dresource")
MAX_REQUEST_BYTES = 4 * 1024 * 1024
SHUTDOWN_S = 2.0
"""How long a stop waits for requests that are not finished, half-open ones among them."""


def ranges_from_environment() -> int:
    text = os.environ.get(RANGES_SETTING, "1")
    if not text.isdigit() or not 1 <= int(text) <= 64:
        raise ValueError(f"{RANGES_SETTING}={text!r} is no number of ranges: give a number from 1 to 64")
    return int(text)


class Cosmos:
    """One account. Speaks HTTP on loopback; everything it keeps is in `cosmos.sqlite`."""

    name: ClassVar[str] = "cosmos"
    default_ports: ClassVar[Mapping[str, int]] = {"http": 8081}

    def __init__(self, home: Home, ports: Mapping[str, int], clock: Clock = time.time) -> None:
        self._home = home
        self._ports = dict(ports)
        self._clock = clock
        self._meter = Meter()
        self._fewest_ranges = ranges_from_environment()

    async def start(self) -> dict[str, str]:
        sock = bind(self.name, "http", self._ports["http"])
        self._ports["http"] = sock.getsockname()[1]
        self._store = Store(self._home.database(self.name), self._clock, self._fewest_ranges)
        self._key = self._store.master_key()
        self._queries = Queries(self._store)
        self._items = Items(self._store, self._queries)
        server = web.Server(self._handle, request_factory=_request, access_log=None)
        self._runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=SHUTDOWN_S)
        await self._runner.setup()
        await web.SockSite(self._runner, sock, backlog=512).start()
        self._upkeep = Upkeep(self._store)
        return {"cosmos": f"http://127.0.0.1:{self._ports['http']}", "cosmosKey": self._key}

    async def stop(self) -> None:
        await self._upkeep.stop()
        await self._runner.cleanup()
        self._queries.close()
        self._store.close()

    def actual_ports(self) -> dict[str, int]:
        return dict(self._ports)

    def meter(self) -> dict[str, float]:
        return self._meter.snapshot()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        activity_id = request.headers.get("x-ms-activity-id") or str(uuid.uuid4())
        try:
            try:
                body = await request.read()
            except web.HTTPRequestEntityTooLarge as exc:
                raise too_large() from exc
            origin = f"http://{request.headers.get('Host', '127.0.0.1')}"
            headers = {name.lower(): value for name, value in request.headers.items()}
            call = Call(request.method, segments(request.raw_path), headers, body, origin)
            reply = await self._answer(call)
        except CosmosError as exc:
            reply = failure(exc, activity_id)
        except RecursionError:
            reply = failure(bad_request("The request is nested too deeply."), activity_id)
        return self._response(reply, activity_id)

    async def _answer(self, call: Call) -> Reply:
        if call.path == ("_local", "meter"):
            return Reply(200, dump({**self._meter.snapshot()}), charge=0.0, kind="")
        call = self._authorized(call)
        match call.path:
            case ():
                return resources.account(call.origin)
            case ("dbs",):
                return resources.databases(self._store, call)
            case ("dbs", _):
                return resources.database(self._store, call)
            case ("dbs", _, "users", *_):
                return access.users(self._store, call)
            case ("dbs", _, "colls"):
                return resources.containers(self._store, call)
            case ("dbs", _, "colls", _):
                return resources.container(self._store, call)
            case ("dbs", database, "colls", name, *rest):
                return await self._inside(call, self._store.owner(database, name), rest)
            case ("offers", *_):
                return offers.answer(self._store, call)
            case _:
                raise not_found()

    def _authorized(self, call: Call) -> Call:
        """The call with names in its path, if its caller may make it; 401 or 403 if not."""
        authorization = call.headers.get("authorization")
        rids = addresses.by_rid(self._store, call)
        if authorization and authorization.lower().startswith(RESOURCE_TOKEN):
            grant = access.grant(self._store, authorization)
            if not grant.admits(call):
                raise forbidden(
                    "Insufficient permissions provided in the authorization header for the request."
                )
        else:
            auth.check(
                self._key,
                authorization=authorization,
                date=call.headers.get("x-ms-date") or call.headers.get("date", ""),
                verb=call.verb,
                resource=addresses.signed(call, rids=rids),
                now=self._clock(),
            )
        return addresses.named(self._store, call) if rids else call

    async def _inside(self, call: Call, container: resources.Container, rest: list[str]) -> Reply:
        match rest:
            case ["docs"]:
                return await self._items.feed(call, container)
            case ["docs", _]:
                return self._items.document(call, container)
            case ["pkranges"]:
                return resources.partition_key_ranges(container, call)
            case ["operations", "partitionkeydelete"]:
                return self._items.delete_partition(call, container)
            case ["sprocs" | "triggers" | "udfs" as kind, *names]:
                return scripts.answer(self._store, call, container, kind, names)
            case ["conflicts", *names]:
                return scripts.conflicts(call, container, names)
            case _:
                raise not_found()

    def _response(self, reply: Reply, activity_id: str) -> web.Response:
        if reply.kind:
            if reply.kind != "metadata":  # served from what Azure reserves for itself, not billed
                self._meter.add("request_units", reply.charge)
            self._meter.add(f"{reply.kind}_operations")
        headers = {
            "x-ms-request-charge": f"{reply.charge:.2f}",
            "x-ms-activity-id": activity_id,
            "x-ms-version": "2020-07-15",
            "x-ms-gatewayversion": "version=2.0.0",
            **reply.headers,
        }
        if reply.body is not None:
            headers["content-type"] = "application/json"
        return web.Response(body=reply.body, status=reply.status, headers=headers)


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    """aiohttp's request with our limit instead of its own."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_REQUEST_BYTES)
