"""Warnings as a planner meets them: episodes and failure events, not single hours."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.hours import Hours
from training.pdm_records import HOUR_MS

QUIET_MS = 12 * HOUR_MS
"""A warning that comes back within this time is the same episode."""

MONTH_HOURS = 720


@dataclass(frozen=True, slots=True)
class Episodes:
    """What a threshold makes of recorded hours, one entry per episode or per failure."""

    episode_machine: NDArray[np.int64]
    episode_false: NDArray[np.bool_]
    """No failure followed within the horizon of any of its hours."""
    event_machine: NDArray[np.int64]
    event_lead_ms: NDArray[np.float64]
    """From the first warning within the horizon to the failure; NaN when there was none."""


def episodes(hours: Hours, probabilities: NDArray[np.float64], threshold: float) -> Episodes:
    """Groups the hours at or above the threshold by machine and time."""
    warned = probabilities >= threshold
    hot = hours.take(warned)
    starts = np.ones(len(hot.at), dtype=bool)
    starts[1:] = (np.diff(hot.machine) != 0) | (np.diff(hot.at) > QUIET_MS)
    number = np.cumsum(starts) - 1
    true = np.zeros(int(starts.sum()), dtype=bool)
    np.logical_or.at(true, number, hot.failing)
    failing = hours.take(hours.failing)
    events, event = np.unique(
        np.stack([failing.machine, failing.next_failure_at]), axis=1, return_inverse=True
    )
    lead_ms = np.full(events.shape[1], np.nan)
    lead = np.where(warned[hours.failing], failing.next_failure_at - failing.at, np.nan)
    np.fmax.at(lead_ms, event.ravel(), lead)
    return Episodes(hot.machine[starts], ~true, events[0], lead_ms)


def false_rate(found: Episodes, hours: Hours) -> float:
    """False episodes per machine-month of 720 recorded hours."""
    return float(found.episode_false.sum() / (len(hours.at) / MONTH_HOURS))


def threshold_for(hours: Hours, probabilities: NDArray[np.float64], *, false_per_month: float) -> float:
    """The lowest threshold, to 4 decimals, that keeps the false episodes within the budget.

    Raises ValueError when none does.
    """
    for candidate in np.unique(np.quantile(probabilities, np.linspace(0.5, 1.0, 1001)).round(4)):
        if candidate > 0 and false_rate(episodes(hours, probabilities, candidate), hours) <= false_per_month:
            return float(candidate)
    raise ValueError(f"no threshold keeps within {false_per_month} false episodes a machine-month")
