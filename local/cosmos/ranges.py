"""Partition key ranges: a container's physical partitions, how many its throughput needs, how they split."""

import math
from dataclasses import dataclass
from itertools import pairwise

from local.cosmos.hashing_v1 import hash_bound

END = "FF"
"""Behind every effective partition key."""
SPACE = 0x3FFFFFFFFFFFFFFF
"""Hashes lie below 40...; this is the space by its first 16 digits."""
MOST_RU_PER_RANGE = 10_000
"""What one physical partition serves at most, in RU/s."""
RU_PER_RANGE_AT_CREATION = 6_000
"""Above 10,000 RU/s, a new container gets one for each of these (Azure's scaling guide)."""


@dataclass(frozen=True, slots=True)
class PartitionKeyRange:
    """A physical partition's share of the effective key space: low <= key < high."""

    id: str
    low: str
    high: str
    parents: tuple[str, ...] = ()
    """The ranges that it came from by splits, eldest first."""
    since: int = 1
    """The version of the container's ranges that brought it."""


def even_ranges(count: int, *, version_1: bool = False) -> tuple[PartitionKeyRange, ...]:
    """The key space cut into equal shares, as the service does at creation.

    Keys of hash version 1 begin with the hash as a number, so the cuts are of numbers.

    >>> [(one.low, one.high) for one in even_ranges(2)]
    [('', '1FFFFFFFFFFFFFFF'), ('1FFFFFFFFFFFFFFF', 'FF')]
    """
    if version_1:
        cuts = [hash_bound((1 << 32) * i // count) for i in range(1, count)]
    else:
        cuts = [f"{(SPACE * i) // count:016X}" for i in range(1, count)]
    bounds = ["", *cuts, END]
    return tuple(PartitionKeyRange(str(i), low, high) for i, (low, high) in enumerate(pairwise(bounds)))


def at_creation(throughput_ru: int) -> int:
    """How many ranges a new container of this throughput has.

    >>> at_creation(400), at_creation(10_000), at_creation(30_000)
    (1, 1, 5)
    """
    return 1 if throughput_ru <= MOST_RU_PER_RANGE else math.ceil(throughput_ru / RU_PER_RANGE_AT_CREATION)


def grown(ranges: tuple[PartitionKeyRange, ...], throughput_ru: int) -> tuple[PartitionKeyRange, ...]:
    """The ranges after throughput was set: the widest split in halves until there are enough; never fewer.

    >>> [(one.id, one.parents) for one in grown(even_ranges(1), 11_000)]
    [('1', ('0',)), ('2', ('0',))]
    """
    needed = math.ceil(throughput_ru / MOST_RU_PER_RANGE)
    if len(ranges) >= needed:
        return ranges
    since = max(one.since for one in ranges) + 1
    found = list(ranges)
    while len(found) < needed:
        widest = max(found, key=lambda one: _start(one.high) - _start(one.low))
        place = found.index(widest)
        middle = f"{(_start(widest.low) + _start(widest.high)) // 2:016X}"
        following = 1 + max(int(name) for one in found for name in (one.id, *one.parents))
        parents = (*widest.parents, widest.id)
        found[place : place + 1] = [
            PartitionKeyRange(str(following), widest.low, middle, parents, since),
            PartitionKeyRange(str(following + 1), middle, widest.high, parents, since),
        ]
    return tuple(found)


def holding(ranges: tuple[PartitionKeyRange, ...], effective: str) -> PartitionKeyRange:
    """The range in which an effective partition key lies."""
    return next((one for one in ranges if one.low <= effective < one.high), ranges[0])


def _start(bound: str) -> int:
    return SPACE if bound == END else int(bound[:16].ljust(16, "0"), 16)
