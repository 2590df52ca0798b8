"""C-MAPSS turbofan engines as rows of features: recorded cycles folded like a stream.

DIR holds, for each subset FD001 to FD004, `train_FD001.parquet` and `test_FD001.parquet` or NASA's own
`train_FD001.txt` and `test_FD001.txt`, and `RUL_FD001.txt`. A cycle counts as an hour of event time.
Nothing here knows a subset: which sensors say something and how many regimes there are is read off the
training engines.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shared.domain.features import FeaturePlan, Regimes, fold_pane, initial, row
from training.folding import recipe_for, rows_of
from training.shipping import Matrix, matrix

CYCLE_MS = 3_600_000
CAP_CYCLES = 125.0
"""Remaining life is learnt and judged up to here: before, an engine shows no wear (Heimes 2008)."""

SETTINGS = ("setting_1", "setting_2", "setting_3")
SENSORS = tuple(f"s_{number:02}" for number in range(1, 22))
STATISTICS = ("ewma0", "ewma1", "delta0", "delta1", "mean1", "std1", "slope0", "slope1")
_NOISE_SETTINGS = (1.0, 1.0, 1.0)
"""Settings that differ by less than half of this are the same way of flying."""


@dataclass(frozen=True, slots=True)
class Engines:
    """One entry per recorded cycle, sorted by engine and cycle."""

    rows: Matrix
    unit: NDArray[np.int64]
    cycle: NDArray[np.int64]
    remaining: NDArray[np.float64]
    """True remaining cycles, not capped."""

    @property
    def last(self) -> NDArray[np.bool_]:
        """The last recorded cycle of each engine: what the official test asks about."""
        return np.append(np.diff(self.unit) != 0, True)


def files(folder: Path, subset: str) -> tuple[Path, Path, Path]:
    """Training engines, test engines, true remaining lives of the test engines."""

    def either(name: str) -> Path:
        packed = folder / f"{name}.parquet"
        return packed if packed.exists() else folder / f"{name}.txt"

    return either(f"train_{subset}"), either(f"test_{subset}"), folder / f"RUL_{subset}.txt"


def read_cycles(path: Path) -> pd.DataFrame:
    """A subset's recording with the columns unit, cycle, settings, sensors."""
    names = ["unit", "cycle", *SETTINGS, *SENSORS]
    if path.suffix == ".parquet":
        recorded = pd.read_parquet(path)[names]
    else:
        recorded = pd.read_csv(path, sep=r"\s+", header=None, names=names)
    return recorded.sort_values(["unit", "cycle"]).reset_index(drop=True)


def plan_for(train: pd.DataFrame) -> FeaturePlan:
    """Regimes and their normal values, read off the training engines."""
    settings = train[list(SETTINGS)].to_numpy(dtype=np.float64)
    grid = np.round(settings / _NOISE_SETTINGS).astype(np.int64)
    _, number = np.unique(grid, axis=0, return_inverse=True)
    number = number.ravel()
    regimes = range(int(number.max()) + 1)
    sensors = train[list(SENSORS)].to_numpy(dtype=np.float64)
    means = np.stack([sensors[number == regime].mean(axis=0) for regime in regimes])
    stds = np.stack([sensors[number == regime].std(axis=0) for regime in regimes])
    # A sensor that stands still in any regime has nothing to be compared with there.
    moving = (stds > 1e-6 * np.maximum(1.0, np.abs(means))).all(axis=0)
    scale = np.maximum(settings.std(axis=0), 1.0)
    return FeaturePlan(
        taus_ms=(5 * CYCLE_MS, 15 * CYCLE_MS),
        windows_ms=(10 * CYCLE_MS, 30 * CYCLE_MS),
        warm_up_panes=2,
        baseline_panes=20,
        regimes=Regimes(
            by=SETTINGS,
            scale=tuple(_rounded(scale)),
            centres=tuple(tuple(_rounded(settings[number == one].mean(axis=0))) for one in regimes),
            normalised=tuple(name for name, moves in zip(SENSORS, moving, strict=True) if moves),
            mean=tuple(tuple(_rounded(one[moving])) for one in means),
            std=tuple(tuple(_rounded(one[moving])) for one in stds),
        ),
    )


def units_for(plan: FeaturePlan) -> dict[str, str]:
    """Columns and their units, in order."""
    assert plan.regimes is not None
    said = {f"{name}.{what}": "std of its regime" for name in plan.regimes.normalised for what in STATISTICS}
    return said | {"age_hours": "cycles"}


def fold(recorded: pd.DataFrame, plan: FeaturePlan, final: NDArray[np.float64] | None = None) -> Engines:
    """Every cycle as a row. `final` is the remaining life after each engine's last cycle; None: it failed."""
    assert plan.regimes is not None
    channels = (*SETTINGS, *plan.regimes.normalised)
    made = recipe_for(units_for(plan), channels, plan)
    rows: list[tuple[float, ...]] = []
    remaining: list[NDArray[np.float64]] = []
    for number, (_, engine) in enumerate(recorded.groupby("unit", sort=True)):
        values = engine[list(channels)].to_numpy(dtype=np.float64).tolist()
        cycles = engine["cycle"].to_numpy()
        panes = [(int(cycle) * CYCLE_MS, tuple(means)) for cycle, means in zip(cycles, values, strict=True)]
        rows += [columns for _, columns in rows_of(made, panes)]
        left = 0.0 if final is None else float(final[number])
        remaining.append(cycles[-1] - cycles + left)
    return Engines(
        matrix(rows),
        recorded["unit"].to_numpy(dtype=np.int64),
        recorded["cycle"].to_numpy(dtype=np.int64),
        np.concatenate(remaining).astype(np.float64),
    )


def fold_to_the_end(recorded: pd.DataFrame, plan: FeaturePlan) -> Matrix:
    """Only the row of each engine's last cycle: what the official test asks about, at a fifth of the cost."""
    assert plan.regimes is not None
    channels = (*SETTINGS, *plan.regimes.normalised)
    made = recipe_for(units_for(plan), channels, plan)
    rows: list[tuple[float, ...]] = []
    for _, engine in recorded.groupby("unit", sort=True):
        state, at = initial(made), 0
        values = engine[list(channels)].to_numpy(dtype=np.float64).tolist()
        for cycle, means in zip(engine["cycle"].tolist(), values, strict=True):
            at = cycle * CYCLE_MS
            state = fold_pane(state, made, at=at, means=tuple(means))
        rows.append(row(state, made, at=at, maintained_at={}))
    return matrix(rows)


def _rounded(values: NDArray[np.float64]) -> list[float]:
    """To 7 significant digits: what a card shows is what is computed with."""
    return [float(f"{value:.7g}") for value in values]
