"""Which life of an Event Hub a sequence number belongs to: a recreated hub counts from 0 again."""

from collections.abc import Awaitable, Callable


class Generation:
    """Tells hubs of the same name apart by the instant they were created.

    Positions carry it, so that a recreated hub's messages are new inputs and not duplicates of
    the old one's. It is asked for once a worker, and again when a partition's sequence numbers go
    back while its clock goes on: the hub was replaced under the running worker.
    """

    def __init__(self, created_at: Callable[[], Awaitable[int]]) -> None:
        self._created_at = created_at
        self._known: int | None = None
        self._last: dict[str, tuple[int, int]] = {}

    async def source(self, partition: str, *, sequence: int, enqueued_at: int) -> str:
        """`telemetry/<created at, ms>/<partition>`, the source of that partition's positions."""
        last = self._last.get(partition)
        replaced = last is not None and sequence <= last[0] and enqueued_at > last[1]
        if self._known is None or replaced:
            self._known = await self._created_at()
            self._last.clear()
        if last is None or replaced or sequence > last[0]:
            self._last[partition] = (sequence, enqueued_at)
        return f"telemetry/{self._known}/{partition}"
