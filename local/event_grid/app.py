"""Event Grid as a service: one HTTP port on loopback, for publishing and for managing topics."""

import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import ClassVar, cast

import orjson
from aiohttp import web

from local.event_grid import authority, errors
from local.event_grid.delivery import BLOCK, Courier, Setting
from local.event_grid.handshake import Invitation, invite
from local.event_grid.schema import Event, Json, Schema, published
from local.event_grid.store import Store
from local.event_grid.subscriptions import AWAITING, SUCCEEDED, requested, topic_id
from local.home import Home
from local.meter import Meter
from local.service import Clock, bind

RETRY_FACTOR = "MILLWRIGHT_EVENT_GRID_RETRY_FACTOR"
"""Scales the delays between delivery attempts, e.g. 0.01; 1 is the service's own schedule."""
REQUEST_LIMIT = 1 << 20
INVITATION_S = 600
TOPICS = {"millwright": Schema.CLOUD_EVENTS, "iot-hub": Schema.EVENT_GRID}
"""Topics that exist from the start."""


class EventGrid:
    """All topics share one key; everything else is apart per topic and subscription."""

    name: ClassVar[str] = "event-grid"
    default_ports: ClassVar[Mapping[str, int]] = {"http": 9085}

    def __init__(self, home: Home, ports: Mapping[str, int], clock: Clock = time.time) -> None:
        self._ports, self._clock = dict(ports), clock
        self._meter = Meter()
        self._store = Store(home.database(self.name))
        for topic, schema in TOPICS.items():
            if topic not in self._store.topics():
                self._store.put_topic(topic, schema)
        self._topics = self._store.topics()
        self._key = self._store.setting("key", authority.new_key())
        self._subscriptions = self._store.subscriptions()
        self._couriers: dict[int, Courier] = {}
        self._invitations: dict[str, tuple[int, float]] = {}
        factor = float(os.environ.get(RETRY_FACTOR, "1"))
        self._setting = Setting(self._store, clock, self._meter, factor, home.path / "dead-letters")
        self._http: web.AppRunner | None = None

    async def start(self) -> dict[str, str]:
        sock = bind(self.name, "http", self._ports["http"])
        self._ports["http"] = sock.getsockname()[1]
        for key in self._subscriptions:
            self._engage(key)
        self._http = web.AppRunner(self._application(), access_log=None)
        await self._http.setup()
        await web.SockSite(self._http, sock).start()
        return {"eventGrid": self._endpoint("millwright"), "eventGridKey": self._key}

    async def stop(self) -> None:
        if self._http:
            await self._http.cleanup()
        await asyncio.gather(*(courier.stop() for courier in self._couriers.values()))
        self._store.close()

    def actual_ports(self) -> dict[str, int]:
        return dict(self._ports)

    def meter(self) -> dict[str, float]:
        return self._meter.snapshot()

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._answer_errors], client_max_size=REQUEST_LIMIT)
        topic, subscription = "/topics/{topic}", "/topics/{topic}/eventSubscriptions/{name}"
        app.add_routes(
            [
                web.post(f"{topic}/api/events", self._publish),
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
                web.get("/_local/meter", self._show_meter),
                web.route("*", "/{path:.*}", self._unknown),
            ]
        )
        return app

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

    async def _publish(self, request: web.Request) -> web.Response:
        """Check, persist, answer 200; delivery follows."""
        topic, now = request.match_info["topic"], self._clock()
        schema = self._schema(topic)
        authority.authorize(request.headers, self._key, host=request.host, path=request.path, now=now)
        body = await request.read()
        events = published(schema, topic_id(topic), request.headers, body)
        self._meter.add(
            "operations", sum(blocks(event) for event in events) if len(body) > BLOCK else len(events)
        )
        self._meter.add("published", len(events))
        takers = {
            key: one
            for key, one in self._subscriptions.items()
            if one.topic == topic and one.state == SUCCEEDED
        }
        wanted = [(event, [key for key, one in takers.items() if one.wants(event)]) for event in events]
        self._store.publish([(event, keys) for event, keys in wanted if keys], schema, now)
        for key in takers:
            self._couriers[key].wake()
        return web.Response(status=200)

    async def _list_topics(self, request: web.Request) -> web.Response:
        return web.json_response({"value": [self._topic_document(topic) for topic in self._topics]})

    async def _put_topic(self, request: web.Request) -> web.Response:
        topic = request.match_info["topic"]
        wanted: object = ((await json_object(request)).get("properties") or {}).get("inputSchema")
        if wanted not in (None, *Schema):
            raise errors.not_implemented(f"the input schema {wanted}")
        schema = Schema(cast(str, wanted or Schema.EVENT_GRID))
        if not 3 <= len(topic) <= 50 or not topic.replace("-", "").isalnum():
            raise errors.invalid("A topic's name has 3 to 50 letters, digits and hyphens.")
        if self._topics.get(topic, schema) is not schema:
            raise errors.invalid("The inputSchema of a topic cannot be changed.")
        self._store.put_topic(topic, schema)
        self._topics[topic] = schema
        return web.json_response(self._topic_document(topic), status=201)

    async def _get_topic(self, request: web.Request) -> web.Response:
        self._schema(request.match_info["topic"])
        return web.json_response(self._topic_document(request.match_info["topic"]))

    async def _delete_topic(self, request: web.Request) -> web.Response:
        topic = request.match_info["topic"]
        if topic not in self._topics:
            return web.Response(status=204)
        for key in [key for key, one in self._subscriptions.items() if one.topic == topic]:
            await self._dismiss(key)
        self._store.delete_topic(topic)
        del self._topics[topic]
        return web.Response(status=200)

    async def _list_keys(self, request: web.Request) -> web.Response:
        self._schema(request.match_info["topic"])
        return web.json_response({"key1": self._key, "key2": self._key})

    async def _list_subscriptions(self, request: web.Request) -> web.Response:
        topic = request.match_info["topic"]
        self._schema(topic)
        return web.json_response(
            {"value": [one.document() for one in self._subscriptions.values() if one.topic == topic]}
        )

    async def _put_subscription(self, request: web.Request) -> web.Response:
        """Create or replace, once the webhook has agreed."""
        topic, name = request.match_info["topic"], request.match_info["name"]
        schema = self._schema(topic)
        if not 3 <= len(name) <= 64 or not name.replace("-", "").isalnum():
            raise errors.invalid("A subscription's name has 3 to 64 letters, digits and hyphens.")
        subscription = requested(topic, name, schema, await json_object(request))
        code = secrets.token_hex(16)
        url = f"http://127.0.0.1:{self._ports['http']}/validate?code={code}"
        agreed = await invite(subscription, Invitation(code, url), self._clock())
        subscription = replace(subscription, state=SUCCEEDED if agreed else AWAITING)
        key = self._store.put_subscription(subscription)
        self._subscriptions[key] = subscription
        await self._release(key)
        self._engage(key)
        if not agreed:
            self._invitations[code] = key, self._clock() + INVITATION_S
        return web.json_response(subscription.document(), status=201)

    async def _get_subscription(self, request: web.Request) -> web.Response:
        return web.json_response(self._subscriptions[self._find(request)].document())

    async def _get_full_url(self, request: web.Request) -> web.Response:
        return web.json_response({"endpointUrl": self._subscriptions[self._find(request)].url})

    async def _delete_subscription(self, request: web.Request) -> web.Response:
        try:
            key = self._find(request)
        except errors.GridError:
            return web.Response(status=204)
        await self._dismiss(key)
        return web.Response(status=200)

    async def _accept_invitation(self, request: web.Request) -> web.Response:
        """The webhook's owner opened the validation URL."""
        key, until = self._invitations.pop(request.query.get("code", ""), (0, 0.0))
        if key not in self._subscriptions or until < self._clock():
            raise errors.invalid("The validation code is unknown or has expired.")
        self._subscriptions[key] = replace(self._subscriptions[key], state=SUCCEEDED)
        self._store.put_subscription(self._subscriptions[key])
        return web.json_response("Webhook successfully validated as a subscription endpoint.")

    async def _show_meter(self, request: web.Request) -> web.Response:
        return web.json_response(self._meter.snapshot() | {"waiting": self._store.waiting()})

    async def _unknown(self, request: web.Request) -> web.Response:
        raise errors.not_implemented(f"{request.method} {request.path}")

    def _schema(self, topic: str) -> Schema:
        if topic not in self._topics:
            raise errors.not_found("topic", topic)
        return self._topics[topic]

    def _find(self, request: web.Request) -> int:
        topic, name = request.match_info["topic"], request.match_info["name"]
        for key, one in self._subscriptions.items():
            if (one.topic, one.name) == (topic, name):
                return key
        raise errors.not_found("event subscription", name)

    def _engage(self, key: int) -> None:
        self._couriers[key] = Courier(key, self._subscriptions[key], self._setting)
        self._couriers[key].start()

    async def _release(self, key: int) -> None:
        if courier := self._couriers.pop(key, None):
            await courier.stop()

    async def _dismiss(self, key: int) -> None:
        self._subscriptions.pop(key)
        await self._release(key)
        self._store.delete_subscription(key)

    def _endpoint(self, topic: str) -> str:
        return f"http://127.0.0.1:{self._ports['http']}/topics/{topic}/api/events"

    def _topic_document(self, topic: str) -> Json:
        return {
            "id": topic_id(topic),
            "name": topic,
            "type": "Microsoft.EventGrid/topics",
            "properties": {
                "provisioningState": SUCCEEDED,
                "endpoint": self._endpoint(topic),
                "inputSchema": self._topics[topic],
            },
        }


def blocks(event: Event) -> int:
    """Operations billed for one event: one for each 64 KB begun."""
    return max(1, -(-len(orjson.dumps(event.document)) // BLOCK))


async def json_object(request: web.Request) -> Json:
    """The body as a JSON object, {} when there is none. GridError 400 otherwise."""
    text = await request.read()
    try:
        body: object = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError as exc:
        raise errors.invalid(
            f"The request content was invalid and could not be deserialized: {exc}."
        ) from exc
    if not isinstance(body, dict):
        raise errors.invalid("The request content is not a JSON object.")
    return cast(Json, body)
