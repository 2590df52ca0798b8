"""HTTP for tests and for the platform's other services: make and delete hubs, append routed messages."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web

from local.event_hubs.amqp.errors import AmqpError
from local.event_hubs.events import Batch, checked_key, split_message
from local.event_hubs.messages import read_records
from local.event_hubs.store import MAX_PARTITIONS, Hub, HubConflict, Store
from local.meter import Meter

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_MESSAGE_BYTES = 1024 * 1024

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,254}[A-Za-z0-9])?")
_GROUP = re.compile(r"\$Default|[A-Za-z0-9](?:[A-Za-z0-9._-]{0,48}[A-Za-z0-9])?", re.IGNORECASE)


class BadRequest(Exception):
    """What is wrong with the request."""


class HttpApi:
    """The handlers, over one store."""

    def __init__(self, store: Store, meter: Meter) -> None:
        self._store = store
        self._meter = meter

    def application(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_errors])
        app.router.add_post("/hubs", self._create)
        app.router.add_get("/hubs", self._list)
        app.router.add_delete("/hubs/{name}", self._delete)
        app.router.add_post("/hubs/{name}/messages", self._append)
        app.router.add_get("/meter", self._read_meter)
        return app

    async def _create(self, request: web.Request) -> web.Response:
        name, count, groups = hub_request(await request.read())
        try:
            hub, new = self._store.create(name, count, groups)
        except HubConflict:
            found = len(self._store.hub(name).partitions)
            return _error(409, f"The hub '{name}' exists with {found} partitions, not {count}.")
        return web.json_response(_describe(hub), status=201 if new else 200)

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response([_describe(hub) for hub in self._store.hubs()])

    async def _delete(self, request: web.Request) -> web.Response:
        found = self._store.delete(request.match_info["name"])
        return web.Response(status=204 if found else 404)

    async def _read_meter(self, request: web.Request) -> web.Response:
        return web.json_response(self._meter.snapshot())

    async def _append(self, request: web.Request) -> web.Response:
        """All of the body's messages, or none: 204 once they are committed."""
        records = await request.read()
        hub = self._store.hub(request.match_info["name"])
        batches: list[Batch] = []
        for key, message in read_records(records):
            if len(message) > MAX_MESSAGE_BYTES:
                raise BadRequest(f"a message has {len(message)} bytes, the limit is {MAX_MESSAGE_BYTES}")
            event, own_key = split_message(message, 0, len(message))
            batches.append(Batch(checked_key(key) or own_key, [event]))
        if batches:
            await self._commit(hub, batches)
        return web.Response(status=204)

    async def _commit(self, hub: Hub, batches: list[Batch]) -> None:
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(error: AmqpError | None) -> None:
            # All of one request go into one transaction: the last one speaks for all.
            if committed.done():
                return
            if error is None:
                committed.set_result(None)
            else:
                committed.set_exception(error)

        for batch in batches[:-1]:
            self._store.append(hub.choose(batch.partition_key), batch, lambda error: None)
        self._store.append(hub.choose(batches[-1].partition_key), batches[-1], done)
        await committed


def hub_request(data: bytes) -> tuple[str, int, list[str]]:
    try:
        parsed = json.loads(data)
    except ValueError as exc:
        raise BadRequest(f"the body is not JSON: {exc}") from exc
    if not isinstance(parsed, dict):
        raise BadRequest("the body is not an object")
    wanted = cast(dict[str, object], parsed)
    name, count, groups = wanted.get("name"), wanted.get("partitionCount"), wanted.get("consumerGroups", [])
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadRequest(f"{name!r} is no name of a hub")
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MAX_PARTITIONS:
        raise BadRequest(f"partitionCount is {count!r}: give a number from 1 to {MAX_PARTITIONS}")
    if not isinstance(groups, list):
        raise BadRequest("consumerGroups is not a list")
    names = [group for group in cast(list[object], groups) if isinstance(group, str)]
    if len(names) != len(cast(list[object], groups)) or not all(map(_GROUP.fullmatch, names)):
        raise BadRequest("consumerGroups has something that is no name of a consumer group")
    return name, count, names


def _describe(hub: Hub) -> dict[str, object]:
    return {
        "name": hub.name,
        "partitionCount": len(hub.partitions),
        "consumerGroups": sorted(hub.groups.values()),
        "createdAtMs": hub.created_ms,
    }


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except AmqpError as exc:
        status = {"amqp:not-found": 404, "amqp:internal-error": 500}.get(exc.condition, 400)
        return _error(status, exc.description)
    except (BadRequest, ValueError) as exc:
        return _error(400, str(exc))
