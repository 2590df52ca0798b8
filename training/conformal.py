"""Prediction intervals that keep their promise on machines not learnt from (Vovk 2005, Lei 2018)."""

import numpy as np
from numpy.typing import NDArray

from shared.contracts.model_card import Interval, IntervalStep
from shared.onnx_model import ends


def interval_for(
    answered: NDArray[np.float64],
    truth: NDArray[np.float64],
    machine: NDArray[np.int64],
    *,
    edges: tuple[float, ...],
    coverage_ratio: float = 0.9,
) -> Interval:
    """The interval that held for `coverage_ratio` of held-out answers, step by step of the answer.

    What is exchangeable is machines, not the rows of one: in every step each machine weighs the same, and
    the quantiles carry the finite-sample correction for that number of machines.
    """
    steps: list[IntervalStep] = []
    lowest = -np.inf
    tail = (1.0 - coverage_ratio) / 2.0
    for edge in edges:
        inside = (answered > lowest) & (answered <= (np.inf if edge == edges[-1] else edge))
        lowest = edge
        if not inside.any():
            continue
        off = truth[inside] - answered[inside]
        _, number, count = np.unique(machine[inside], return_inverse=True, return_counts=True)
        weight = 1.0 / count[number]
        machines = len(count)
        upper = min(1.0, (1.0 - tail) * (machines + 1) / machines)
        steps.append(
            IntervalStep(
                up_to=edge,
                below=round(-_quantile(off, weight, 1.0 - upper), 2),
                above=round(_quantile(off, weight, upper), 2),
            )
        )
    return Interval(
        coverage_ratio=coverage_ratio,
        rule="Conformal on out-of-fold answers, in steps of the answer, each machine weighing the same.",
        steps=tuple(steps),
    )


def covered(
    interval: Interval, answered: NDArray[np.float64], truth: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether each true value lies in the interval around its answer."""
    low, high = ends(interval, np.maximum(answered, 0.0))
    return (low <= truth) & (truth <= high)


def _quantile(values: NDArray[np.float64], weight: NDArray[np.float64], level: float) -> float:
    """The smallest value at which the cumulated weight reaches the level."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order]) / weight.sum()
    return float(values[order][min(len(order) - 1, int(np.searchsorted(reached, level - 1e-12)))])
