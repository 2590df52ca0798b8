"""A client that sends events to a hub or to one of its partitions."""

from dataclasses import dataclass

from local.event_hubs import errors
from local.event_hubs.amqp.errors import AmqpError
from local.event_hubs.amqp.link import Delivery, IncomingLink
from local.event_hubs.events import split_delivery
from local.event_hubs.partition import Partition
from local.event_hubs.store import Hub, Store
from local.event_hubs.throughput import Throughput


@dataclass(eq=False, slots=True)
class EventSink:
    """Handler of a sending link. A delivery is accepted only after its events are committed."""

    store: Store
    link: IncomingLink
    hub: Hub
    pinned: Partition | None
    throughput: Throughput

    def join(self) -> None:
        """Hear of the hub's end."""
        self.hub.senders.add(self)

    def on_message(self, delivery: Delivery) -> None:
        """Queue a delivery's events, or say that the server is busy; AmqpError when they are no messages."""
        batch = split_delivery(delivery.body, delivery.message_format)
        if not self.throughput.takes(len(batch.events), len(delivery.body)):
            delivery.reject(errors.server_busy())
            return
        partition = self.pinned or self.hub.choose(batch.partition_key)

        def done(error: AmqpError | None) -> None:
            if error is None:
                delivery.accept()
            else:
                delivery.reject(error)

        self.store.append(partition, batch, done)

    def on_hub_deleted(self) -> None:
        self.link.detach(errors.entity_deleted(self.hub.name))

    def on_detach(self) -> None:
        """What is queued will be committed; its sender just does not hear of it."""
        self.hub.senders.discard(self)
