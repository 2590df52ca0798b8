"""The topics of one Event Grid, their subscriptions, and the couriers that serve these."""

import asyncio
from collections.abc import Mapping as Entries
from dataclasses import replace

from local.event_grid import authority, errors
from local.event_grid.delivery import Courier, Setting, blocks
from local.event_grid.mapping import Mapping
from local.event_grid.schema import Event, Json, Schema, published
from local.event_grid.subscriptions import SUCCEEDED, Subscription, topic_id

TOPICS = {"millwright": Schema.CLOUD_EVENTS, "iot-hub": Schema.EVENT_GRID}
"""Topics that exist from the start."""


class Grid:
    """Topics and subscriptions are held in memory and in the store, events in the store only."""

    def __init__(self, setting: Setting) -> None:
        self._setting, self._store = setting, setting.store
        for name, schema in TOPICS.items():
            if name not in self._store.topics():
                self._store.put_topic(name, schema)
        self._topics, self._mappings = self._store.topics(), self._store.mappings()
        self._subscriptions = self._store.subscriptions()
        self._couriers: dict[int, Courier] = {}
        self.key = self._store.setting("key", authority.new_key())

    def start(self) -> None:
        for key in self._subscriptions:
            self._engage(key)

    async def stop(self) -> None:
        await asyncio.gather(*(courier.stop() for courier in self._couriers.values()))

    @property
    def topics(self) -> Entries[str, Schema]:
        return self._topics

    def schema(self, topic: str) -> Schema:
        """The schema of a topic's events. GridError 404."""
        if topic not in self._topics:
            raise errors.not_found("topic", topic)
        return self._topics[topic]

    def mapping(self, topic: str) -> Mapping | None:
        """How events of a custom schema are read; None for the other schemas."""
        return self._mappings.get(topic)

    def put_topic(self, name: str, schema: Schema, mapping: Mapping | None = None) -> None:
        """`mapping` comes with a custom schema, and only then."""
        if self._topics.get(name, schema) is not schema:
            raise errors.invalid("The inputSchema of a topic cannot be changed.")
        self._store.put_topic(name, schema, mapping)
        self._topics[name] = schema
        if mapping is not None:
            self._mappings[name] = mapping

    async def delete_topic(self, name: str) -> None:
        """With its subscriptions."""
        for key, subscription in list(self._subscriptions.items()):
            if subscription.topic == name:
                await self.delete_subscription(key)
        self._store.delete_topic(name)
        del self._topics[name]
        self._mappings.pop(name, None)

    def read(self, topic: str, headers: Entries[str, str], body: bytes, now: float) -> list[Event]:
        """The events of one request to a topic. GridError 400 or 404."""
        schema, source, mapping = self.schema(topic), topic_id(topic), self._mappings.get(topic)
        if mapping is None:
            return published(schema, source, headers, body)

        def to_grid(document: Json) -> Json:
            return mapping.event(document, source, now)

        return published(schema, source, headers, body, to_grid)

    def publish(self, topic: str, events: list[Event], now: float) -> None:
        """Persist events for the subscriptions that want them, and set delivery going."""
        takers = {
            key: subscription
            for key, subscription in self._subscriptions.items()
            if subscription.topic == topic and subscription.state == SUCCEEDED
        }
        wanted = [(event, [key for key, taker in takers.items() if taker.wants(event)]) for event in events]
        self._store.publish([(event, keys) for event, keys in wanted if keys], self._topics[topic], now)
        self._setting.meter.add("published", len(events))
        self._setting.meter.add("operations", sum(blocks(event.document) for event in events))
        for key in takers:
            if courier := self._couriers.get(key):
                courier.wake()

    def subscriptions(self, topic: str) -> list[Subscription]:
        self.schema(topic)
        return [one for one in self._subscriptions.values() if one.topic == topic]

    def find(self, topic: str, name: str) -> tuple[int, Subscription]:
        """A subscription with its key. GridError 404."""
        for key, one in self._subscriptions.items():
            if (one.topic, one.name) == (topic, name):
                return key, one
        raise errors.not_found("event subscription", name)

    async def put_subscription(self, subscription: Subscription) -> int:
        """Create or replace; returns its key. Events on their way stay on their way."""
        key = self._store.put_subscription(subscription)
        self._subscriptions[key] = subscription
        await self._release(key)
        self._engage(key)
        return key

    def agreed(self, key: int) -> bool:
        """A webhook has answered its invitation. False when the subscription is gone."""
        if key not in self._subscriptions:
            return False
        self._subscriptions[key] = replace(self._subscriptions[key], state=SUCCEEDED)
        self._store.put_subscription(self._subscriptions[key])
        return True

    async def delete_subscription(self, key: int) -> None:
        self._subscriptions.pop(key)
        await self._release(key)
        self._store.delete_subscription(key)

    def _engage(self, key: int) -> None:
        if key not in self._couriers:
            self._couriers[key] = Courier(key, self._subscriptions[key], self._setting)
            self._couriers[key].start()

    async def _release(self, key: int) -> None:
        if courier := self._couriers.pop(key, None):
            await courier.stop()
