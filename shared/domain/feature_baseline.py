"""A machine's own healthy baseline over several channels at once: how its signals move together.

The distance of Mahalanobis of a smoothed pane from it tells an unusual combination from a usual one,
although every signal alone may look harmless.
"""

from dataclasses import dataclass
from math import sqrt

_STILL = 1e-12
"""A channel whose healthy variance is below this share of its squared level never moved."""


@dataclass(frozen=True, slots=True)
class Joint:
    """Mean and co-moments of the fastest averages while healthy; triangles are packed row by row."""

    n: int
    mean: tuple[float, ...]
    m2: tuple[float, ...]
    """Lower triangle of summed co-deviations (Welford); only its diagonal once `precision` is known.

    The diagonal is 0 then for a channel that never moved.
    """
    precision: tuple[float, ...]
    """Lower triangle of the inverse of the shrunk correlations; empty until the baseline is complete."""

    @classmethod
    def empty(cls, channels: int) -> "Joint":
        return cls(0, (0.0,) * channels, (0.0,) * (channels * (channels + 1) // 2), ())

    def away(self, channel: int, value: float) -> float | None:
        """A value's distance from the healthy mean in healthy standard deviations.

        None while the baseline is not complete. 0 for a channel that never moved in it: nothing is
        known of how far it may move.
        """
        if not self.precision:
            return None
        variance = self.m2[channel]
        return (value - self.mean[channel]) / sqrt(variance / (self.n - 1)) if variance > 0.0 else 0.0


def fold_joint(joint: Joint, values: list[float], *, count: int, shrinkage: float) -> Joint:
    """The baseline with one more healthy observation; frozen once it has `count` of them."""
    n = joint.n + 1
    width = len(values)
    before = [x - mean for x, mean in zip(values, joint.mean, strict=True)]
    mean = [short(mean + off / n) for mean, off in zip(joint.mean, before, strict=True)]
    after = [x - middle for x, middle in zip(values, mean, strict=True)]
    m2 = [
        short(joint.m2[i * (i + 1) // 2 + j] + before[i] * after[j])
        for i in range(width)
        for j in range(i + 1)
    ]
    if n < count:
        return Joint(n, tuple(mean), tuple(m2), ())
    variances = [m2[i * (i + 1) // 2 + i] for i in range(width)]
    moved = [v / n > _STILL * middle * middle for v, middle in zip(variances, mean, strict=True)]
    matrix = [
        [
            1.0
            if i == j
            else (1.0 - shrinkage)
            * m2[max(i, j) * (max(i, j) + 1) // 2 + min(i, j)]
            / sqrt(variances[i] * variances[j])
            if moved[i] and moved[j]
            else 0.0
            for j in range(width)
        ]
        for i in range(width)
    ]
    inverse = _inverse(matrix)
    return Joint(
        n,
        tuple(mean),
        tuple(v if there else 0.0 for v, there in zip(variances, moved, strict=True)),
        tuple(short(inverse[i][j]) for i in range(width) for j in range(i + 1)),
    )


def _inverse(matrix: list[list[float]]) -> list[list[float]]:
    """Of a symmetric, positive definite matrix, by Gauss and Jordan; a pivot of 0 is taken as 1e-9."""
    width = len(matrix)
    rows = [[*row, *(1.0 if i == j else 0.0 for j in range(width))] for i, row in enumerate(matrix)]
    for i in range(width):
        pivot = rows[i][i] if rows[i][i] > 1e-9 else 1e-9
        rows[i] = [x / pivot for x in rows[i]]
        for k in range(width):
            if k != i and rows[k][i] != 0.0:
                factor = rows[k][i]
                rows[k] = [a - factor * b for a, b in zip(rows[k], rows[i], strict=True)]
    return [row[width:] for row in rows]


def short(value: float) -> float:
    """9 significant digits: enough for a measurement, and the state stays small."""
    return float(f"{value:.9g}")
