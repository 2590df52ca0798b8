"""The service's HTTPS side: routes, authorization, errors; and two local conveniences.

`/_local/...` has no counterpart in Azure: it is for the launcher, needs no key, and is reachable from
this machine only.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, cast

import orjson
from aiohttp import web

from local.iot_hub import errors
from local.iot_hub.commands import Commands
from local.iot_hub.devices import Device, Json
from local.iot_hub.methods import Methods
from local.iot_hub.rules import HUB_POLICY
from local.iot_hub.sas import BadToken, Token
from local.iot_hub.store import Store
from local.iot_hub.twinning import Twins
from local.meter import Meter

BODY_LIMIT = 1 << 20

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Hub(Protocol):
    store: Store
    billed: Meter
    twins: Twins
    methods: Methods
    commands: Commands

    def clock(self) -> float: ...

    def put(self, device: Device, *, before: Device | None) -> None: ...

    def delete(self, device: Device) -> None: ...

    def device_connection_string(self, device: Device) -> str: ...


class Answering:
    """Turns refusals into answers, and lets in who has the policy's key."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def around(self, handler: Handler) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
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

        return answer

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


async def _unknown(request: web.Request) -> web.Response:
    raise errors.not_implemented(f"{request.method} {request.path}")


UNKNOWN = web.route("*", "/{path:.*}", _unknown)


def known(hub: Hub, request: web.Request) -> Device:
    """The device, or the module, that a path names. HubError 404 without one."""
    device_id, module_id = ids(request)
    device = hub.store.device(device_id, module_id)
    if device is None:
        raise errors.identity_not_found(device_id, module_id)
    return device


def ids(request: web.Request) -> tuple[str, str | None]:
    return request.match_info["id"], request.match_info.get("module")


async def read_json(request: web.Request) -> object:
    try:
        return orjson.loads(await request.read())
    except orjson.JSONDecodeError as exc:
        raise errors.invalid(f"The body is not JSON: {exc}") from exc


async def json_object(request: web.Request) -> Json:
    body = await read_json(request)
    if not isinstance(body, dict):
        raise errors.invalid("The body is not a JSON object.")
    return cast(Json, body)


def etag(request: web.Request) -> str | None:
    """The ETag in If-Match, without its quotes."""
    value = request.headers.get("If-Match")
    return value.removeprefix("W/").strip('"') if value is not None else None
