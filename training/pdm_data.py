"""The Azure predictive maintenance set as rows of features: recorded hours folded like a stream.

DIR holds PdM_machines.csv, PdM_maint.csv, PdM_failures.csv and hourly telemetry as
PdM_telemetry_subset.parquet or the complete PdM_telemetry.csv, and PdM_errors.csv. An error code is a
channel of its own: how often the controller reported it in the hour.
"""

from bisect import bisect_right
from pathlib import Path

import numpy as np
import pandas as pd

from shared.domain.features import FeaturePlan
from training.folding import recipe_for, rows_of
from training.hours import Hours
from training.pdm_records import ERRORS, HOUR_MS, Records, files, read_errors
from training.shipping import matrix

SIGNALS = ("volt", "rotate", "pressure", "vibration")
COMPONENTS = ("comp1", "comp2", "comp3", "comp4")
PLAN = FeaturePlan(taus_ms=(3 * HOUR_MS, 12 * HOUR_MS, 24 * HOUR_MS))
TELEMETRY_UNITS = {
    f"{signal}.{what}": "as recorded"
    for signal in SIGNALS
    for what in ("last", "ewma0", "ewma1", "ewma2", "ewstd")
} | {"age_years": "years"}
MAINTENANCE_UNITS = {f"hours_since.{component}": "h" for component in COMPONENTS}
ERROR_UNITS = {f"{code}.{what}": "1/h" for code in ERRORS for what in ("ewma0", "ewma2")}
UNITS = TELEMETRY_UNITS | MAINTENANCE_UNITS | ERROR_UNITS
FEATURES = tuple(UNITS)


def read_hours(folder: Path, records: Records) -> Hours:
    """Every recorded hour as a row, folded afresh after each gap, warm-up hours left out."""
    path = files(folder)[0]
    telemetry = (
        pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, parse_dates=["datetime"])
    )
    telemetry = telemetry.drop_duplicates(["machineID", "datetime"]).sort_values(["machineID", "datetime"])
    telemetry["at"] = _milliseconds(telemetry["datetime"])
    errors = read_errors(folder)
    columns: list[tuple[tuple[float, ...], int, int, int, int]] = []
    window = 0
    for machine, hours in telemetry.groupby("machineID"):
        number = int(str(machine))
        readings = list(zip(hours["at"].tolist(), *(hours[name].tolist() for name in SIGNALS), strict=True))
        failed_at = records.failed_at.get(number, [])
        panes = [
            (at, (*means, *(float(errors.get((number, at, code), 0)) for code in ERRORS)))
            for at, *means in readings
        ]
        made = recipe_for(FEATURES, (*SIGNALS, *ERRORS), PLAN, {"age_years": records.age_years[number]})
        folded = rows_of(made, panes, maintained=records.maintained.get(number, []), gap_ms=HOUR_MS)
        for (at, _), (starts, features) in zip(panes, folded, strict=True):
            window += starts
            later = bisect_right(failed_at, at)
            following = failed_at[later] if later < len(failed_at) else 1 << 62
            columns.append((features, number, at, window, following))
    rows, machines, instants, windows, following = zip(*columns, strict=True)
    hours = Hours(
        matrix(list(rows)), np.array(machines), np.array(instants), np.array(windows), np.array(following)
    )
    return hours.take(~np.isnan(hours.rows).any(axis=1))


def _milliseconds(instants: "pd.Series[pd.Timestamp]") -> "pd.Series[int]":
    """The set's naive time stamps, read as UTC."""
    return instants.astype("datetime64[ms]").astype("int64")
