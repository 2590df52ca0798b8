"""The Azure predictive maintenance set as rows of features: recorded hours folded like a stream.

DIR holds PdM_machines.csv, PdM_maint.csv, PdM_failures.csv and hourly telemetry as
PdM_telemetry_subset.parquet or the complete PdM_telemetry.csv. The error log is left out: in this
simulation errors come a day before every failure, which no real controller does.
"""

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from shared.domain.features import fold_pane, initial, row
from shared.domain.spec import ModelBinding
from training.hours import Hours
from training.pdm_records import HOUR_MS, Records, files
from training.shipping import matrix

SIGNALS = ("volt", "rotate", "pressure", "vibration")
COMPONENTS = ("comp1", "comp2", "comp3", "comp4")
TAUS_MS = (3 * HOUR_MS, 12 * HOUR_MS, 24 * HOUR_MS)
UNITS = {
    f"{signal}.{what}": "as recorded"
    for signal in SIGNALS
    for what in ("last", "ewma0", "ewma1", "ewma2", "std2")
}
UNITS |= {"age_years": "years"} | {f"hours_since.{component}": "h" for component in COMPONENTS}
FEATURES = tuple(UNITS)


def read_hours(folder: Path, records: Records) -> Hours:
    """Every recorded hour as a row, folded afresh after each gap, warm-up hours left out."""
    path = files(folder)[0]
    telemetry = (
        pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, parse_dates=["datetime"])
    )
    telemetry = telemetry.drop_duplicates(["machineID", "datetime"]).sort_values(["machineID", "datetime"])
    telemetry["at"] = _milliseconds(telemetry["datetime"])
    columns: list[tuple[tuple[float, ...], int, int, int, int]] = []
    window = 0
    for machine, hours in telemetry.groupby("machineID"):
        number = int(str(machine))
        readings = list(zip(hours["at"].tolist(), *(hours[name].tolist() for name in SIGNALS), strict=True))
        failed_at = records.failed_at.get(number, [])
        for at, starts, features in _fold(
            readings, records.age_years[number], records.maintained.get(number, [])
        ):
            window += starts
            later = bisect_right(failed_at, at)
            following = failed_at[later] if later < len(failed_at) else 1 << 62
            columns.append((features, number, at, window, following))
    rows, machines, instants, windows, following = zip(*columns, strict=True)
    hours = Hours(
        matrix(list(rows)), np.array(machines), np.array(instants), np.array(windows), np.array(following)
    )
    return hours.take(~np.isnan(hours.rows).any(axis=1))


def _fold(
    readings: list[tuple[int, float, float, float, float]],
    age_years: float,
    maintained: list[tuple[int, str]],
) -> Iterator[tuple[int, bool, tuple[float, ...]]]:
    """(hour, whether a new run of hours starts, row), through the functions that the stream uses."""
    binding = ModelBinding(
        model="pdm-failure",
        version="1.0.0",
        inputs=tuple((signal, signal) for signal in SIGNALS),
        threshold=0.5,
        features=FEATURES,
        attributes=(("age_years", age_years),),
    )
    state = fresh = initial(len(SIGNALS), len(TAUS_MS))
    maintained_at: dict[str, int] = {}
    done = 0
    for at, *means in readings:
        starts = state.at is None or at - state.at != HOUR_MS
        state = fold_pane(fresh if starts else state, at=at, means=tuple(means), taus_ms=TAUS_MS)
        while done < len(maintained) and maintained[done][0] <= at:
            maintained_at[maintained[done][1]] = maintained[done][0]
            done += 1
        yield (
            at,
            starts,
            row(state, binding=binding, signal_names=SIGNALS, at=at, maintained_at=maintained_at),
        )


def _milliseconds(instants: "pd.Series[pd.Timestamp]") -> "pd.Series[int]":
    """The set's naive time stamps, read as UTC."""
    return instants.astype("datetime64[ms]").astype("int64")
