"""Topics and event subscriptions by REST, in the documents of Azure Resource Manager.

Paths are short (`/topics/NAME/eventSubscriptions/NAME`) and no token is asked for: whoever reaches
this port is on this machine.
"""

import secrets
from dataclasses import replace
from typing import cast

import orjson
from aiohttp import web

from local.event_grid import errors
from local.event_grid.grid import Grid
from local.event_grid.handshake import Invitation, invite
from local.event_grid.mapping import requested as requested_mapping
from local.event_grid.schema import Json, Schema
from local.event_grid.subscriptions import AWAITING, SUCCEEDED, member, requested, topic_id
from local.service import Clock

INVITATION_S = 600


class Management:
    """`base` is this service's address, known once it listens."""

    def __init__(self, grid: Grid, clock: Clock, base: str) -> None:
        self._grid, self._clock, self._base = grid, clock, base
        self._invitations: dict[str, tuple[int, float]] = {}

    def routes(self) -> list[web.RouteDef]:
        topic, subscription = "/topics/{topic}", "/topics/{topic}/eventSubscriptions/{name}"
        return [
            web.get("/topics", self._list_topics),
            web.put(topic, self._put_topic),
            web.get(topic, self._get_topic),
            web.delete(topic, self._delete_topic),
            web.post(f"{topic}/listKeys", self._list_keys),
            web.get(f"{topic}/eventSubscriptions", self._list_subscriptions),
            web.put(subscription, self._put_subscription),
            web.get(subscription, self._get_subscription),
            web.delete(subscription, self._delete_subscription),
            web.post(f"{subscription}/getFullUrl", self._get_full_url),
            web.get("/validate", self._accept_invitation),
            web.post("/validate", self._accept_invitation),
        ]

    def endpoint(self, topic: str) -> str:
        """Where events for a topic are published."""
        return f"{self._base}/topics/{topic}/api/events"

    async def _list_topics(self, request: web.Request) -> web.Response:
        return web.json_response({"value": [self._topic_document(topic) for topic in self._grid.topics]})

    async def _put_topic(self, request: web.Request) -> web.Response:
        topic = _name(request, "topic", 50)
        properties = member(await _json_object(request), "properties")
        wanted: object = properties.get("inputSchema")
        if wanted not in (None, *Schema):
            raise errors.invalid(f"The inputSchema '{wanted}' is none of {', '.join(Schema)}.")
        schema = Schema(cast(str, wanted or Schema.EVENT_GRID))
        if schema is not Schema.CUSTOM and properties.get("inputSchemaMapping") is not None:
            raise errors.invalid(f"An inputSchemaMapping goes with the inputSchema {Schema.CUSTOM} only.")
        self._grid.put_topic(
            topic, schema, requested_mapping(properties) if schema is Schema.CUSTOM else None
        )
        return web.json_response(self._topic_document(topic), status=201)

    async def _get_topic(self, request: web.Request) -> web.Response:
        return web.json_response(self._topic_document(request.match_info["topic"]))

    async def _delete_topic(self, request: web.Request) -> web.Response:
        topic = request.match_info["topic"]
        if topic not in self._grid.topics:
            return web.Response(status=204)
        await self._grid.delete_topic(topic)
        return web.Response(status=200)

    async def _list_keys(self, request: web.Request) -> web.Response:
        self._grid.schema(request.match_info["topic"])
        return web.json_response({"key1": self._grid.key, "key2": self._grid.key})

    async def _list_subscriptions(self, request: web.Request) -> web.Response:
        subscriptions = self._grid.subscriptions(request.match_info["topic"])
        return web.json_response({"value": [subscription.document() for subscription in subscriptions]})

    async def _put_subscription(self, request: web.Request) -> web.Response:
        """Create or replace, once the webhook has agreed."""
        topic, name = request.match_info["topic"], _name(request, "name", 64)
        schema = self._grid.schema(topic)
        subscription = requested(topic, name, schema, await _json_object(request))
        code = secrets.token_hex(16)
        invitation = Invitation(code, f"{self._base}/validate?code={code}")
        agreed = await invite(subscription, invitation, self._clock())
        subscription = replace(subscription, state=SUCCEEDED if agreed else AWAITING)
        self._grid.schema(topic)
        key = await self._grid.put_subscription(subscription)
        if not agreed:
            now = self._clock()
            self._invitations = {c: entry for c, entry in self._invitations.items() if entry[1] > now}
            self._invitations[code] = key, now + INVITATION_S
        return web.json_response(subscription.document(), status=201)

    async def _get_subscription(self, request: web.Request) -> web.Response:
        return web.json_response(self._grid.find(*_subscription(request))[1].document())

    async def _get_full_url(self, request: web.Request) -> web.Response:
        return web.json_response({"endpointUrl": self._grid.find(*_subscription(request))[1].url})

    async def _delete_subscription(self, request: web.Request) -> web.Response:
        topic, name = _subscription(request)
        if topic not in self._grid.topics or name not in [
            one.name for one in self._grid.subscriptions(topic)
        ]:
            return web.Response(status=204)
        await self._grid.delete_subscription(self._grid.find(topic, name)[0])
        return web.Response(status=200)

    async def _accept_invitation(self, request: web.Request) -> web.Response:
        """The webhook's owner opened the validation URL."""
        key, until = self._invitations.pop(request.query.get("code", ""), (0, 0.0))
        if until < self._clock() or not self._grid.agreed(key):
            raise errors.invalid("The validation code is unknown or has expired.")
        return web.json_response("Webhook successfully validated as a subscription endpoint.")

    def _topic_document(self, topic: str) -> Json:
        mapping = self._grid.mapping(topic)
        shown = {} if mapping is None else {"inputSchemaMapping": mapping.document()}
        return {
            "id": topic_id(topic),
            "name": topic,
            "type": "Microsoft.EventGrid/topics",
            "properties": {
                "provisioningState": SUCCEEDED,
                "endpoint": self.endpoint(topic),
                "inputSchema": self._grid.schema(topic),
                **shown,
            },
        }


def _subscription(request: web.Request) -> tuple[str, str]:
    return request.match_info["topic"], request.match_info["name"]


def _name(request: web.Request, part: str, longest: int) -> str:
    name = request.match_info[part]
    if not 3 <= len(name) <= longest or not name.isascii() or not name.replace("-", "").isalnum():
        raise errors.invalid(f"The name '{name}' must have 3 to {longest} letters, digits and hyphens.")
    return name


async def _json_object(request: web.Request) -> Json:
    """The body as a JSON object, {} when there is none. GridError 400 otherwise."""
    text = await request.read()
    try:
        body: object = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError as exc:
        raise errors.invalid(f"The request content could not be deserialized: {exc}.") from exc
    if not isinstance(body, dict):
        raise errors.invalid("The request content is not a JSON object.")
    return cast(Json, body)
