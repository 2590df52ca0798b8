"""Figures with intervals, and fingerprints of the data they were measured on."""

import hashlib
from collections.abc import Callable
from math import isnan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.contracts.model_card import CalibrationBin, DataFile, Metric

RESAMPLE_COUNT = 1000

type Statistic = Callable[[NDArray[np.intp]], float]
"""A figure over the rows at the given indices; NaN where it is not defined."""


def fingerprint(path: Path) -> DataFile:
    """Name, size and sha256 of one data file."""
    content = path.read_bytes()
    return DataFile(name=path.name, sha256=hashlib.sha256(content).hexdigest(), byte_count=len(content))


def interval(statistic: Statistic, groups: NDArray[np.generic], *, seed: int) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of `statistic(row indices)`, resampling whole groups.

    Rows of one machine are not independent, so whole machines are drawn; where rows are
    independent, every row is a group of its own. Draws without a defined statistic (NaN) are left out.
    """
    random = np.random.default_rng(seed)
    order = np.argsort(groups, kind="stable")
    names, starts = np.unique(groups[order], return_index=True)
    members = np.split(order, starts[1:])
    drawn = [
        statistic(np.concatenate([members[group] for group in random.integers(0, len(names), len(names))]))
        for _ in range(RESAMPLE_COUNT)
    ]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def metric(
    name: str,
    statistic: Statistic,
    groups: NDArray[np.generic],
    *,
    meaning: str,
    seed: int,
    unit: str = "",
) -> Metric | None:
    """A figure over all rows with its interval, rounded to 4 decimals; None where it is not defined."""
    value = statistic(np.arange(len(groups)))
    if isnan(value):
        return None
    low, high = interval(statistic, groups, seed=seed)
    return Metric(
        name=name, value=round(value, 4), low=round(low, 4), high=round(high, 4), unit=unit, meaning=meaning
    )


def defined(*figures: Metric | None) -> tuple[Metric, ...]:
    """Those that the rows at hand define: without a warning there is no precision."""
    return tuple(figure for figure in figures if figure is not None)


def ratio(flags: NDArray[np.bool_], where: NDArray[np.bool_]) -> float:
    """Share of `flags` among the rows `where`; NaN when there are none."""
    return float(flags[where].mean()) if where.any() else float("nan")


def calibration_bins(
    answered: NDArray[np.float64], observed: NDArray[np.generic], *, count: int = 10
) -> tuple[CalibrationBin, ...]:
    """Rows sorted by answer and cut where the answers are spread, not where the rows are.

    Half of the bins hold equal shares of the rows, half equal shares of the answers' sum: answers of
    a rare event would else all lie in one bin.
    """
    order = np.argsort(answered, kind="stable")
    mass = np.cumsum(answered[order] - answered.min())
    half = count // 2
    by_rows = np.linspace(0, len(order), half + 1)[1:-1].astype(int)
    by_mass = np.searchsorted(mass, np.linspace(0, mass[-1], half + 1)[1:-1])
    cuts = np.unique(np.concatenate([by_rows, by_mass]))
    parts = [part for part in np.split(order, cuts[(cuts > 0) & (cuts < len(order))]) if len(part)]
    return tuple(
        CalibrationBin(
            answered=round(float(answered[part].mean()), 4),
            observed=round(float(observed[part].astype(np.float64).mean()), 4),
            row_count=len(part),
        )
        for part in parts
    )
