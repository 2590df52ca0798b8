"""Removing events: those past retention, and those of deleted hubs, in slices that delay no request."""

import sqlite3
from collections.abc import Iterable

from local.event_hubs.database import SEQUENCE_BITS, Transaction
from local.event_hubs.partition import Partition

SLICE = 200
"""Chunks that are removed in one transaction."""


def prune(
    database: sqlite3.Connection, partitions: Iterable[Partition], older_than_ms: int, limit: int = SLICE
) -> bool:
    """Remove at most `limit` chunks past retention, or of deleted hubs; True if there may be more."""
    begins: dict[Partition, int] = {}
    with Transaction(database):
        for partition in partitions:
            removed, begin = _prune_partition(database, partition, older_than_ms, limit)
            limit -= removed
            if removed:
                begins[partition] = begin
        for (partition_id,) in database.execute("SELECT partition_id FROM doomed").fetchall():
            limit -= _prune_doomed(database, partition_id, limit)
    for partition, begin in begins.items():
        partition.begin_sequence = begin
    return limit <= 0


def _prune_partition(
    database: sqlite3.Connection, partition: Partition, older_than_ms: int, limit: int
) -> tuple[int, int]:
    """How many chunks were removed, and the first sequence number that is left."""
    base = partition.row_id << SEQUENCE_BITS
    rows: list[tuple[int, int, int]] = []
    for row in database.execute(
        "SELECT id, enqueued_ms, length(lengths) / 4 FROM chunks "
        "WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
        (base, base | partition.next_sequence, limit),
    ):
        if row[1] >= older_than_ms:
            break
        rows.append(row)
    if not rows:
        return 0, partition.begin_sequence
    last_id, _, count = rows[-1]
    begin = last_id - base + count
    database.execute("DELETE FROM chunks WHERE id BETWEEN ? AND ?", (base, last_id))
    database.execute(
        "UPDATE partitions SET begin_sequence = ? WHERE partition_id = ?", (begin, partition.row_id)
    )
    return len(rows), begin


def _prune_doomed(database: sqlite3.Connection, partition_id: int, limit: int) -> int:
    base = partition_id << SEQUENCE_BITS
    deleted = database.execute(
        "DELETE FROM chunks WHERE id IN (SELECT id FROM chunks WHERE id BETWEEN ? AND ? LIMIT ?)",
        (base, base | (1 << SEQUENCE_BITS) - 1, limit),
    ).rowcount
    if deleted < limit:
        database.execute("DELETE FROM doomed WHERE partition_id = ?", (partition_id,))
    return deleted
