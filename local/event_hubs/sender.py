"""A client that sends events to a hub or to one of its partitions."""

from local.event_hubs.amqp.errors import AmqpError
from local.event_hubs.amqp.link import Delivery
from local.event_hubs.events import split_delivery
from local.event_hubs.partition import Partition
from local.event_hubs.store import Hub, Store


class EventSink:
    """Handler of a sending link. A delivery is accepted only after its events are committed."""

    def __init__(self, store: Store, hub: Hub, pinned: Partition | None) -> None:
        self._store = store
        self._hub = hub
        self._pinned = pinned

    def on_message(self, delivery: Delivery) -> None:
        """Queue a delivery's events; AmqpError when they are no messages."""
        batch = split_delivery(delivery.body, delivery.message_format)
        partition = self._pinned or self._hub.choose(batch.partition_key)

        def done(error: AmqpError | None) -> None:
            if error is None:
                delivery.accept()
            else:
                delivery.reject(error)

        self._store.append(partition, batch, done)

    def on_detach(self) -> None:
        """Nothing to undo: what is queued will be committed, its sender just does not hear of it."""
