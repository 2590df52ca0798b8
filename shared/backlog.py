"""How far the telemetry hub has been read, for whoever judges that a machine is silent.

Silence is judged by arrival, but a message that has arrived and still waits in the hub is no
silence. While a partition lags, its reader notes up to which arrival it has come, and the timer's
clock stands there; otherwise nothing is written.
"""

from shared.instants import instant, iso
from shared.ports import Documents

LEASES = "leases"
LAGS_MS = 20_000
"""A batch whose oldest message arrived longer ago than this was waiting in the hub."""
NOTE_EVERY_MS = 10_000
VALID_MS = 90_000
"""A note holds a little longer than the longest pause between two tries of a batch."""
SETTLING_MS = 15_000
"""So long after its start a worker cannot know what waits: the first batches are not read yet."""

_NOTES = "SELECT * FROM c WHERE c.type = 'backlog'"


class Backlog:
    """`started_at`: when this worker began, ms since the epoch."""

    def __init__(self, documents: Documents, *, started_at: int) -> None:
        self._documents = documents
        self._started_at = started_at
        self._noted: dict[str, int] = {}

    async def note(self, source: str, oldest_arrived_at: int, *, now: int) -> None:
        """Before a batch is folded: the partition lags, or does not any more. Raises Unavailable."""
        noted_at = self._noted.get(source)
        lags = now - oldest_arrived_at > LAGS_MS
        if lags and noted_at is not None and now - noted_at < NOTE_EVERY_MS:
            return
        if not lags and noted_at is None:
            return
        note_id = f"backlog.{source.replace('/', '.')}"
        await self._documents.upsert(
            LEASES,
            note_id,
            {
                "id": note_id,
                "type": "backlog",
                "source": source,
                "notedAt": iso(now),
                "readUntil": iso(oldest_arrived_at) if lags else None,
            },
        )
        if lags:
            self._noted[source] = now
        else:
            del self._noted[source]

    async def read_until(self, now: int) -> int | None:
        """Everything that arrived before is read; `now` where nothing lags, None while nobody can say."""
        if now - self._started_at < SETTLING_MS:
            return None
        until = now
        async for note in self._documents.query(LEASES, _NOTES, {}):
            if note["readUntil"] is not None and now - instant(note["notedAt"]) < VALID_MS:
                until = min(until, instant(note["readUntil"]))
        return until
