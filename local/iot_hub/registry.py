"""The device registry over HTTPS, as azure-iot-hub speaks it, and two local conveniences.

`/_local/...` has no counterpart in Azure: it is for the launcher, needs no key, and is reachable from
this machine only.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

import orjson
from aiohttp import web

from local.iot_hub import errors
from local.iot_hub.devices import Device, Json, requested
from local.iot_hub.rules import HUB_POLICY
from local.iot_hub.sas import BadToken, Token
from local.iot_hub.store import Store
from local.meter import Meter

BODY_LIMIT = 1 << 20
LIST_LIMIT = 1000


class Hub(Protocol):
    store: Store
    billed: Meter

    def clock(self) -> float: ...

    def created(self, device: Device) -> None: ...

    def changed(self, device: Device) -> None: ...

    def deleted(self, device: Device) -> None: ...

    def device_connection_string(self, device: Device) -> str: ...


def application(hub: Hub) -> web.Application:
    """The HTTP side of one hub."""
    registry = Registry(hub)
    app = web.Application(middlewares=[registry.answer_errors], client_max_size=BODY_LIMIT)
    app.add_routes(
        [
            web.put("/devices/{id}", registry.put),
            web.get("/devices/{id}", registry.get),
            web.delete("/devices/{id}", registry.delete),
            web.get("/devices", registry.list),
            web.get("/statistics/devices", registry.count),
            web.get("/statistics/service", registry.count_connected),
            web.get("/_local/meter", registry.meter),
            web.post("/_local/devices", registry.make),
            web.route("*", "/{path:.*}", registry.unknown),
        ]
    )
    return app


class Registry:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    @web.middleware
    async def answer_errors(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            if not request.path.startswith("/_local/"):
                self._authorize(request)
                self._hub.billed.add("registry_operations")
            return await handler(request)
        except web.HTTPRequestEntityTooLarge:
            error = errors.too_large(BODY_LIMIT)
        except errors.HubError as exc:
            error = exc
        return web.json_response(
            error.body(self._hub.clock()), status=error.status, headers={"iothub-errorcode": error.code}
        )

    def _authorize(self, request: web.Request) -> None:
        """The policy's key must have signed for this path or a parent of it."""
        try:
            token = Token.parse(request.headers.get("Authorization"))
        except BadToken as exc:
            raise errors.unauthorized() from exc
        good = (
            token.policy == HUB_POLICY
            and token.signed_with(self._hub.store.hub_key)
            and token.expires_at > self._hub.clock()
            and token.covers(request.path.strip("/"))
        )
        if not good:
            raise errors.unauthorized()

    async def put(self, request: web.Request) -> web.Response:
        """Create, or with If-Match replace."""
        device_id = request.match_info["id"]
        body = await _json_object(request)
        store = self._hub.store
        with store.transaction():
            before, match = store.device(device_id), _etag(request)
            if before and match is None:
                raise errors.device_already_exists(device_id)
            if match is not None:
                if before is None:
                    raise errors.device_not_found(device_id)
                _check_match(before, match)
            device = requested(device_id, body, now=self._hub.clock(), before=before)
            store.put_device(device)
            if before is None:
                self._hub.created(device)
            else:
                self._hub.changed(device)
        return web.json_response(device.document(), headers={"ETag": f'"{device.etag}"'})

    async def get(self, request: web.Request) -> web.Response:
        device = self._known(request)
        return web.json_response(device.document(), headers={"ETag": f'"{device.etag}"'})

    async def delete(self, request: web.Request) -> web.Response:
        """If-Match is required; `*` deletes whatever is there."""
        with self._hub.store.transaction():
            device, match = self._known(request), _etag(request)
            if match is None:
                raise errors.HubError(412, "PreconditionFailed", "PreconditionFailed, ETag may be invalid.")
            _check_match(device, match)
            self._hub.store.delete_device(device.device_id)
            self._hub.deleted(device)
        return web.Response(status=204)

    async def list(self, request: web.Request) -> web.Response:
        top = request.query.get("top", str(LIST_LIMIT))
        if not re.fullmatch("[0-9]{1,4}", top) or not 1 <= int(top) <= LIST_LIMIT:
            raise errors.invalid(f"top must be from 1 to {LIST_LIMIT}.")
        return web.json_response([device.document() for device in self._hub.store.devices(int(top))])

    async def count(self, request: web.Request) -> web.Response:
        counts = self._hub.store.count_devices()
        return web.json_response(
            {
                "totalDeviceCount": counts["total"],
                "enabledDeviceCount": counts["enabled"],
                "disabledDeviceCount": counts["total"] - counts["enabled"],
            }
        )

    async def count_connected(self, request: web.Request) -> web.Response:
        return web.json_response({"connectedDeviceCount": self._hub.store.count_devices()["connected"]})

    async def meter(self, request: web.Request) -> web.Response:
        return web.json_response(self._hub.billed.snapshot())

    async def make(self, request: web.Request) -> web.Response:
        """`{"devices": [id, ...]}` to `{id: connection string}`: creates those that are missing."""
        wanted: object = (await _json_object(request)).get("devices")
        if not isinstance(wanted, list):
            raise errors.invalid('Give {"devices": [device id, ...]}.')
        strings: dict[str, str] = {}
        store = self._hub.store
        with store.transaction():
            for name in cast("list[object]", wanted):
                device = store.device(str(name))
                if device is None:
                    body: Json = {"deviceId": str(name)}
                    device = requested(str(name), body, now=self._hub.clock(), before=None)
                    store.put_device(device)
                    self._hub.created(device)
                strings[device.device_id] = self._hub.device_connection_string(device)
        return web.json_response(strings)

    async def unknown(self, request: web.Request) -> web.Response:
        raise errors.not_implemented(f"{request.method} {request.path}")

    def _known(self, request: web.Request) -> Device:
        device_id = request.match_info["id"]
        device = self._hub.store.device(device_id)
        if device is None:
            raise errors.device_not_found(device_id)
        return device


async def _json_object(request: web.Request) -> Json:
    try:
        body: object = orjson.loads(await request.read())
    except orjson.JSONDecodeError as exc:
        raise errors.invalid(f"The body is not JSON: {exc}") from exc
    if not isinstance(body, dict):
        raise errors.invalid("The body is not a JSON object.")
    return cast(Json, body)


def _etag(request: web.Request) -> str | None:
    value = request.headers.get("If-Match")
    return value.removeprefix("W/").strip('"') if value is not None else None


def _check_match(device: Device, match: str) -> None:
    if match not in ("*", device.etag):
        raise errors.precondition_failed(device.etag, match)
