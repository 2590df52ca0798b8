"""The Skoltech Anomaly Benchmark as panes, and its leaderboard's figures.

DIR holds the folders valve1, valve2 and anomaly-free (and other, where it is at hand) of SKAB v0.9. The
data are GPL-3.0: measured on, never shipped. SKAB records a sample a second; here a sample is a pane.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.folding import Pane

PANE_MS = 60_000
TRAINED_ON = 400
"""The leaderboard's protocol: the first samples of a file are known to be healthy and not judged."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One experiment."""

    name: str
    panes: list[Pane]
    anomalous: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the leaderboard counts, over all judged samples."""

    f1: float
    false_alarm_ratio: float
    """Share of healthy samples that were called anomalous (its FAR)."""
    missed_alarm_ratio: float
    """Share of anomalous samples that were not (its MAR)."""


def paths(folder: Path, *groups: str) -> list[Path]:
    """The recordings of some groups, in the order of their numbers."""
    found = [path for group in groups for path in (folder / group).glob("*.csv")]
    return sorted(found, key=lambda path: (path.parent.name, path.stem.zfill(4)))


def read(path: Path) -> Recording:
    """A recording with the time between its samples as it was, a second as a minute."""
    table = pd.read_csv(path, sep=";", parse_dates=["datetime"])
    labels = [name for name in ("anomaly", "changepoint") if name in table]
    values = table.drop(columns=["datetime", *labels]).to_numpy(dtype=np.float64).tolist()
    seconds = (table["datetime"] - table["datetime"].iloc[0]).dt.total_seconds().to_numpy()
    # Stamps stand still now and then: a millisecond a sample keeps their order.
    panes: list[Pane] = [
        (round(second * PANE_MS) + number, tuple(row))
        for number, (second, row) in enumerate(zip(seconds.tolist(), values, strict=True))
    ]
    anomalous = table["anomaly"].to_numpy() > 0.5 if "anomaly" in table else np.zeros(len(table), dtype=bool)
    return Recording(f"{path.parent.name}/{path.name}", panes, anomalous)


def judge(warned: NDArray[np.bool_], anomalous: NDArray[np.bool_]) -> Judged:
    hits = int((warned & anomalous).sum())
    called, wanted = int(warned.sum()), int(anomalous.sum())
    healthy = len(anomalous) - wanted
    return Judged(
        f1=2 * hits / (called + wanted) if called + wanted else 0.0,
        false_alarm_ratio=(called - hits) / healthy if healthy else 0.0,
        missed_alarm_ratio=1.0 - hits / wanted if wanted else 0.0,
    )
