"""Reading events: pages of a partition, and where a position lies."""

import sqlite3
import struct
from itertools import accumulate

from local.event_hubs.database import SEQUENCE_BITS
from local.event_hubs.partition import Chunk, Partition

_SELECT = "SELECT id, first_offset, enqueued_ms, lengths, body FROM chunks "


class Pages:
    """The partitions' chunks, from memory if they are among the newest, else from the database."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def read(self, partition: Partition, sequence: int) -> Chunk | None:
        """The chunk that holds this event, or the first one behind it; None at the end."""
        if sequence >= partition.next_sequence:
            return None
        chunk = partition.cached(sequence)
        if chunk is not None:
            return chunk
        return self._chunk_before(partition, max(sequence, partition.begin_sequence))

    def _chunk_before(self, partition: Partition, sequence: int) -> Chunk | None:
        first = partition.row_id << SEQUENCE_BITS
        row = self._database.execute(
            _SELECT + "WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1", (first, first | sequence)
        ).fetchone()
        return None if row is None else _chunk(row)

    def sequence_after_offset(self, partition: Partition, offset: int, *, inclusive: bool) -> int:
        """The first event at (inclusive) or behind an offset."""
        sequence = self._last_start(partition, "first_offset", offset)
        chunk = None if sequence is None else self._chunk_before(partition, sequence)
        if chunk is None:
            return partition.begin_sequence
        return chunk.sequence_after_offset(offset, inclusive=inclusive)

    def sequence_after_time(self, partition: Partition, time_ms: int, *, inclusive: bool) -> int:
        """The first event enqueued at (inclusive) or after a moment."""
        sequence = self._last_start(partition, "enqueued_ms", time_ms - 1 if inclusive else time_ms)
        chunk = None if sequence is None else self._chunk_before(partition, sequence)
        return partition.begin_sequence if chunk is None else chunk.next_sequence

    def _last_start(self, partition: Partition, column: str, limit: int) -> int | None:
        """First sequence number of the last chunk whose column is at most `limit`: the column only grows, so
        this is a binary search over sequence numbers."""
        base = partition.row_id << SEQUENCE_BITS
        low, high, found = partition.begin_sequence, partition.next_sequence - 1, None
        while low <= high:
            middle = (low + high) // 2
            row = self._database.execute(
                f"SELECT id, {column} FROM chunks WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1",
                (base, base | middle),
            ).fetchone()
            if row is None:
                low = middle + 1
            elif row[1] <= limit:
                found, low = row[0] - base, middle + 1
            else:
                high = row[0] - base - 1
        return found


def _chunk(row: tuple[int, int, int, bytes, bytes]) -> Chunk:
    row_id, first_offset, enqueued_ms, lengths, body = row
    sizes = struct.unpack(f"<{len(lengths) // 4}I", lengths)
    first_sequence = row_id & (1 << SEQUENCE_BITS) - 1
    return Chunk(first_sequence, first_offset, enqueued_ms, list(accumulate(sizes)), body)
