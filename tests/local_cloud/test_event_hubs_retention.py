"""Retention keeps up with any rate of small commits, and what it removed is no longer held in memory."""

from pathlib import Path

from local.event_hubs.database import SEQUENCE_BITS, Transaction, connect
from local.event_hubs.partition import Chunk, Partition, Tails, chunk_of
from local.event_hubs.retention import SLICE, prune

COMMITS = 2 * SLICE + 50


def chunk(sequence: int) -> Chunk:
    return chunk_of(sequence, 10 * sequence, sequence, [b"0123456789"])


def test_whatever_is_past_retention_is_removed_slice_by_slice_until_none_is_left(tmp_path: Path) -> None:
    database = connect(tmp_path / "events.sqlite")
    partition, tails = Partition(1, "hub", 0, next_sequence=COMMITS), Tails()
    with Transaction(database):
        for number in range(COMMITS):
            database.execute(
                "INSERT INTO chunks VALUES (?, ?, ?, ?, ?)",
                (1 << SEQUENCE_BITS | number, 10 * number, number, b"\x0a\0\0\0", b"0123456789"),
            )
            tails.add(partition, chunk(number))

    oldest_kept = COMMITS - 10
    more = [prune(database, [partition], oldest_kept) for _ in range(3)]

    assert more == [True, True, False]
    assert partition.begin_sequence == oldest_kept
    assert database.execute("SELECT count(*) FROM chunks").fetchone() == (10,)
    tails.forget_removed()
    assert [one.first_sequence for one in partition.tail] == list(range(oldest_kept, COMMITS))
    database.close()


def test_the_oldest_events_of_any_partition_leave_memory_first() -> None:
    one, other, tails = Partition(1, "hub", 0), Partition(2, "hub", 1), Tails(limit_bytes=2000)
    for number in range(4):
        tails.add(one, chunk(number))
        tails.add(other, chunk(number))
    assert [kept.first_sequence for kept in one.tail] == [3]
    assert [kept.first_sequence for kept in other.tail] == [2, 3]
