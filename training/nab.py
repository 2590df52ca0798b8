"""Two recordings of the Numenta Anomaly Benchmark as panes, with their labelled windows.

DIR holds machine_temperature_system_failure.csv, ambient_temperature_system_failure.csv and
combined_windows.json. One file with a few windows cannot rank detectors: a random detector scores 75 on
the first. What is counted is whether a window was noticed, and how much was called outside windows.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.folding import Pane

FILES = ("machine_temperature_system_failure.csv", "ambient_temperature_system_failure.csv")


@dataclass(frozen=True, slots=True)
class Temperature:
    """One recording."""

    name: str
    panes: list[Pane]
    window: NDArray[np.int64]
    """Number of the labelled window that a sample lies in; -1: in none."""


def read(folder: Path, name: str) -> Temperature:
    table = pd.read_csv(folder / name, parse_dates=["timestamp"]).sort_values("timestamp")
    table = table.drop_duplicates("timestamp")
    windows = json.loads((folder / "combined_windows.json").read_text(encoding="utf-8"))
    spans = next(spans for key, spans in windows.items() if key.endswith("/" + name))
    inside = np.full(len(table), -1)
    for number, (start, end) in enumerate(spans):
        inside[table["timestamp"].between(pd.Timestamp(start), pd.Timestamp(end)).to_numpy()] = number
    at = table["timestamp"].astype("datetime64[ms]").astype("int64").tolist()
    return Temperature(
        name, [(one, (float(value),)) for one, value in zip(at, table["value"], strict=True)], inside
    )
