"""Azure's checkpoint-store interface over functions.sqlite: the SDK's own balancer shares the partitions."""

from collections.abc import Iterable
from typing import Any

from azure.eventhub.aio import CheckpointStore

from local.functions.store import Checkpoint, Store, Stream
from local.service import Clock


class OwnershipLost(Exception):
    """Another host owns the partition: its position is not ours to move."""


class PartitionLeases(CheckpointStore):
    """One receiver's view of ownership and checkpoints.

    Checkpoints are fenced: only the current owner can move one. In Azure a blob has no such
    fence, the broker's epoch alone cuts the loser off.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._owner_of: dict[tuple[Stream, str], str] = {}

    async def list_ownership(
        self, fully_qualified_namespace: str, eventhub_name: str, consumer_group: str, **kwargs: Any
    ) -> Iterable[dict[str, Any]]:
        stream = _stream(fully_qualified_namespace, eventhub_name, consumer_group)
        return [
            {
                "fully_qualified_namespace": fully_qualified_namespace,
                "eventhub_name": eventhub_name,
                "consumer_group": consumer_group,
                "partition_id": row.partition_id,
                "owner_id": row.owner_id,
                "last_modified_time": row.modified_at,
                "etag": row.etag,
            }
            for row in self._store.ownerships(stream)
        ]

    async def claim_ownership(
        self, ownership_list: Iterable[dict[str, Any]], **kwargs: Any
    ) -> Iterable[dict[str, Any]]:
        won: list[dict[str, Any]] = []
        for wanted in ownership_list:
            stream = _stream(
                wanted["fully_qualified_namespace"], wanted["eventhub_name"], wanted["consumer_group"]
            )
            claim = (wanted["partition_id"], wanted["owner_id"], wanted.get("etag"))
            for row in self._store.claim(stream, [claim], self._clock()):
                self._owner_of[stream, row.partition_id] = row.owner_id
                won.append({**wanted, "etag": row.etag, "last_modified_time": row.modified_at})
        return won

    async def list_checkpoints(
        self, fully_qualified_namespace: str, eventhub_name: str, consumer_group: str, **kwargs: Any
    ) -> Iterable[dict[str, Any]]:
        stream = _stream(fully_qualified_namespace, eventhub_name, consumer_group)
        return [
            {
                "fully_qualified_namespace": fully_qualified_namespace,
                "eventhub_name": eventhub_name,
                "consumer_group": consumer_group,
                "partition_id": row.partition_id,
                "offset": row.offset,
                "sequence_number": row.sequence_number,
            }
            for row in self._store.checkpoints(stream)
        ]

    async def update_checkpoint(self, checkpoint: dict[str, Any], **kwargs: Any) -> None:
        """Save the position. OwnershipLost if the partition has another owner by now."""
        stream = _stream(
            checkpoint["fully_qualified_namespace"], checkpoint["eventhub_name"], checkpoint["consumer_group"]
        )
        position = Checkpoint(checkpoint["partition_id"], checkpoint["offset"], checkpoint["sequence_number"])
        owner = self._owner_of.get((stream, position.partition_id), "")
        if not self._store.save_checkpoint(stream, position, owner):
            raise OwnershipLost(f"partition {position.partition_id} of {stream.hub} has another owner")


def _stream(namespace: str, hub: str, consumer_group: str) -> Stream:
    """The port is left out: a local Event Hubs that comes back on another port is the same namespace."""
    return Stream(namespace.partition(":")[0], hub, consumer_group)
