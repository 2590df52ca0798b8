"""Recorded machine-hours and when each machine failed next: what warnings are judged against."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.pdm_records import HORIZON_MS


@dataclass(frozen=True, slots=True)
class Hours:
    """One entry per machine-hour, sorted by machine and time."""

    rows: NDArray[np.float32]
    machine: NDArray[np.int64]
    at: NDArray[np.int64]
    window: NDArray[np.int64]
    """Number of the contiguous run of hours that the hour belongs to."""
    next_failure_at: NDArray[np.int64]
    """The machine's next failure after this hour, ms; a far future when there is none."""

    @property
    def failing(self) -> NDArray[np.bool_]:
        """A failure follows within the horizon."""
        return self.next_failure_at - self.at <= HORIZON_MS

    def take(self, where: NDArray[np.bool_]) -> "Hours":
        return Hours(
            self.rows[where],
            self.machine[where],
            self.at[where],
            self.window[where],
            self.next_failure_at[where],
        )
