"""Request units: what Azure would charge, from the size of the documents touched.

Figures and their sources, one place for all. Between two published sizes the charge is
interpolated; above 64 KB it grows as between 16 and 64 KB. Session consistency.
"""

from bisect import bisect_left

PUBLISHED: tuple[tuple[float, float, float], ...] = (
    # KB, read RU, write RU: learn.microsoft.com/azure/cosmos-db/understand-request-unit-consumption
    (1, 1.0, 4.95),
    (2, 1.04, 6.29),
    (4, 1.14, 6.67),
    (16, 1.67, 9.52),
    (64, 4.76, 22.67),
)
REPLACE_FACTOR = 2.0
"""A replace removes the old index terms and writes new ones: about two creates (observed, not published)."""
QUERY_BASE = 2.31
"""A query that matches nothing (observed on real accounts, not published)."""
QUERY_SHARE_OF_READ = 0.35
"""Each document that a query loads costs this share of its point read (estimate; nothing is published)."""


def _interpolate(size_bytes: int, column: int) -> float:
    size_kb = size_bytes / 1024
    sizes = [row[0] for row in PUBLISHED]
    if size_kb <= sizes[0]:
        return PUBLISHED[0][column]
    at = min(bisect_left(sizes, size_kb), len(sizes) - 1)
    low, high = PUBLISHED[at - 1], PUBLISHED[at]
    return low[column] + (high[column] - low[column]) * (size_kb - low[0]) / (high[0] - low[0])


def read(size_bytes: int) -> float:
    """RU of a point read.

    >>> read(1024), round(read(3 * 1024), 2)
    (1.0, 1.09)
    """
    return _interpolate(size_bytes, 1)


def create(size_bytes: int) -> float:
    """RU of an insert."""
    return _interpolate(size_bytes, 2)


def replace(size_bytes: int) -> float:
    """RU of a replace, a patch, or an upsert that found a document."""
    return REPLACE_FACTOR * create(size_bytes)


def delete(size_bytes: int) -> float:
    """RU of a delete: the old index terms go, as in the first half of a replace."""
    return create(size_bytes)


def query(loaded_bytes: int, loaded_count: int) -> float:
    """RU of one page of a query or of the change feed, from the documents it loaded."""
    if not loaded_count:
        return QUERY_BASE
    return QUERY_BASE + QUERY_SHARE_OF_READ * loaded_count * read(loaded_bytes // loaded_count)
