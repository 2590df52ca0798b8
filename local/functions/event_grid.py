"""The Event Grid trigger: the webhook that Event Grid delivers to, with both validation handshakes."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import orjson
from aiohttp import web

from local.functions.invoke import Call, Invoker
from local.functions.worker import Function, as_json

PATH = "/runtime/webhooks/EventGrid"


class EventGridWebhook:
    """POST ?functionName=NAME: 202 when every event of the request succeeded.

    Else 500, and Event Grid delivers the request again.
    """

    def __init__(self, functions: Mapping[str, Function], invoker: Invoker) -> None:
        self._functions = {name.lower(): function for name, function in functions.items()}
        self._invoker = invoker

    async def handle(self, request: web.Request) -> web.Response:
        name = request.query.get("functionName", "")
        if not name:
            return web.Response(status=400, text="functionName query parameter is missing.")
        function = self._functions.get(name.lower())
        if function is None:
            return web.Response(status=404, text=f"cannot find function: '{name}'")
        if request.method == "OPTIONS":
            return _cloud_events_handshake(request)
        if request.method != "POST":
            return web.Response(status=405)
        try:
            document: Any = orjson.loads(await request.read())
        except ValueError:
            return web.Response(status=400, text="The request body is not valid JSON.")
        events = cast(list[Any], document if isinstance(document, list) else [document])
        if not all(isinstance(event, dict) for event in events):
            return web.Response(status=400, text="The request body must be an event or an array of events.")
        kind = request.headers.get("aeg-event-type", "")
        if kind == "SubscriptionValidation":
            return _event_grid_handshake(cast(list[dict[str, Any]], events))
        if kind == "Unsubscribe":
            return web.Response(status=202)
        return await self._deliver(function, cast(list[dict[str, Any]], events))

    async def _deliver(self, function: Function, events: list[dict[str, Any]]) -> web.Response:
        """One invocation per event, side by side, as the extension does."""
        reason = f"EventGrid trigger fired at {datetime.now(UTC).isoformat()}"
        outcomes = await asyncio.gather(
            *(
                self._invoker.once(Call(function, as_json(orjson.dumps(event)), {}, reason))
                for event in events
            )
        )
        return web.Response(status=202 if all(outcome.ok for outcome in outcomes) else 500)


def _event_grid_handshake(events: list[dict[str, Any]]) -> web.Response:
    data: object = events[0].get("data") if events else None
    code = cast(dict[str, object], data).get("validationCode") if isinstance(data, dict) else None
    if not code:
        return web.Response(status=400, text="The validation event carries no validationCode.")
    return web.json_response({"validationResponse": code})


def _cloud_events_handshake(request: web.Request) -> web.Response:
    """CloudEvents HTTP webhook 1.0, section 4: permission for the asking origin, at any rate."""
    origin = request.headers.get("WebHook-Request-Origin")
    if origin is None:
        return web.Response(status=400, text="WebHook-Request-Origin header is missing.")
    return web.Response(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})
