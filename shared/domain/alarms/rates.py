"""Rate of change over a window, whatever the sample rate: means of panes, and a line through them.

A window has twelve panes; what falls into a pane becomes one point, the mean of its times and
values, so a burst of samples weighs no more than a single one. The rate is the slope of the
least squares line through the points. No samples are kept.
"""

from collections.abc import Sequence

PANES = 12
_POINTS_MIN = 4

type Track = tuple[int, int, float, float, tuple[tuple[float, float], ...]]
"""The open pane's start, count, sum of times behind its start, sum of values; the closed panes' points."""

MINUTE_MS = 60_000


def begin(value: float, at: int) -> Track:
    """A window's first sample."""
    return at, 1, 0.0, value, ()


def add(track: Track, value: float, at: int, window_ms: int) -> tuple[Track, float | None]:
    """The window with one more sample, and the rate per minute when a pane was closed by it.

    None while a pane is open, and while the points are fewer than four or span less than half
    the window.
    """
    start, count, times, total, points = track
    if at < start + window_ms // PANES:
        return (start, count + 1, times + (at - start), total + value, points), None
    point = (start + times / count, total / count)
    oldest = at - window_ms
    points = (*(one for one in points if one[0] >= oldest), point)
    return (at, 1, 0.0, value, points), slope(points, window_ms)


def slope(points: Sequence[tuple[float, float]], window_ms: int) -> float | None:
    """Slope of the least squares line, per minute.

    >>> slope([(0.0, 1.0), (15_000.0, 2.0), (30_000.0, 3.0), (45_000.0, 4.0)], 60_000)
    4.0
    """
    count = len(points)
    if count < _POINTS_MIN or points[-1][0] - points[0][0] < window_ms / 2:
        return None
    origin = points[0][0]
    mean_t = sum(t - origin for t, _ in points) / count
    mean_x = sum(x for _, x in points) / count
    over = sum((t - origin - mean_t) * (x - mean_x) for t, x in points)
    return over / sum((t - origin - mean_t) ** 2 for t, _ in points) * MINUTE_MS
