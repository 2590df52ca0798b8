"""What a maintenance model sees of a machine: one module for training and for the stream.

The stream closes a *pane* per machine and event-time minute: per signal the mean of the good
readings in it, None when there was none. (Hourly data give one pane per reading.) `fold_pane` keeps
moving statistics of the panes in constant space; `row` turns them into a model's columns. Training
folds recorded data through the same two functions, so a row is the same in both, bit for bit.

A feature is named by what it is (all of them in the unit of the channel's signal unless noted):

- `torque.last`: mean of the latest pane
- `torque.ewma0`, `.ewma1`: moving average, by index of the time constant (fast to slow)
- `torque.std1`: moving standard deviation, for the slowest time constant only
- `torque.delta1`: `.ewma1` minus the machine's own baseline
- `torque.z0`: `.ewma0` minus the baseline, in standard deviations of the baseline (no unit)
- `hours_since.comp1`: hours since maintenance of that component
- `power_w`, `temperature_difference_k`, `wear_torque`: see `PHYSICS`
- any other name: an attribute of the machine, such as `age_years`

`torque` is the model's channel; the binding says which signal of the machine it is.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from math import isnan, nan, pi, sqrt
from typing import NamedTuple

from shared.domain.feature_state import (
    BASELINE_PANES,
    WARM_UP_PANES,
    FeatureState,
    fold_pane,
    initial,
)
from shared.domain.spec import ModelBinding

__all__ = [
    "BASELINE_PANES",
    "HOLD_AVERAGE_MS",
    "HOLD_LAST_MS",
    "PHYSICS",
    "WARM_UP_PANES",
    "FeatureState",
    "fold_pane",
    "initial",
    "problems",
    "row",
]

HOLD_LAST_MS = 600_000
"""How long the last value of a signal is taken to hold when later panes miss it."""

HOLD_AVERAGE_MS = 10_800_000
"""The same for its moving averages and deviation."""


def row(
    state: FeatureState,
    *,
    binding: ModelBinding,
    signal_names: tuple[str, ...],
    at: int,
    maintained_at: Mapping[str, int],
) -> tuple[float, ...]:
    """The model's columns in the card's order, rounded to 3 decimals; NaN for what is not known.

    `at` is the event time in ms that ages count to; `maintained_at` maps a component to the event
    time of its latest maintenance. Not known is: a signal that the machine does not have, that was
    never good or has been missing for too long, an average that is not warmed up, a baseline that
    is not complete or has no spread, maintenance that was never recorded.

    Raises ValueError for a feature name that has no meaning here (see `problems`).
    """
    columns = _columns(binding.features, binding.inputs, binding.attributes, signal_names)
    # Adding 0.0 turns -0.0 into 0.0.
    return tuple([round(column(state, at, maintained_at), 3) + 0.0 for column in columns])


def problems(binding: ModelBinding, signal_names: tuple[str, ...], tau_count: int) -> tuple[str, ...]:
    """What keeps a binding from filling its model's columns, for whoever validates descriptions."""
    channels = {channel for channel, _ in binding.inputs}
    attributes = {name for name, _ in binding.attributes}
    found = [
        f"model input {channel} is bound to {signal}, which the machine class does not have"
        for channel, signal in binding.inputs
        if signal not in signal_names
    ]
    for name in binding.features:
        meaning = _meaning(name)
        if meaning is None or meaning.tau >= tau_count:
            found.append(f"{name} is not a feature with {tau_count} time constants")
        elif meaning.kind == "std" and meaning.tau != tau_count - 1:
            found.append(f"{name}: only the slowest time constant keeps a deviation")
        elif meaning.kind == "attribute" and name not in attributes:
            found.append(f"{name} needs an attribute of that name")
        else:
            found += [
                f"{name} needs model input {channel}"
                for channel in meaning.channels
                if channel not in channels
            ]
    return tuple(found)


def _power_w(torque_nm: float, speed_rpm: float) -> float:
    return torque_nm * speed_rpm * 2.0 * pi / 60.0


def _difference(left: float, right: float) -> float:
    return left - right


def _product(left: float, right: float) -> float:
    return left * right


class Physics(NamedTuple):
    """A quantity computed from the latest panes of two channels."""

    channels: tuple[str, str]
    unit: str
    of: Callable[[float, float], float]


PHYSICS: dict[str, Physics] = {
    # Mechanical power at the spindle: torque [N·m] x angular speed.
    "power_w": Physics(("torque", "rpm"), "W", _power_w),
    # Equal in kelvin and in degrees Celsius, as long as both channels use the same one.
    "temperature_difference_k": Physics(("process_temperature", "air_temperature"), "K", _difference),
    # Strain on a worn tool: minutes in use x torque [N·m].
    "wear_torque": Physics(("tool_wear", "torque"), "N·m·min", _product),
}

type _Column = Callable[[FeatureState, int, Mapping[str, int]], float]

_STATISTIC = re.compile(r"(?P<channel>\w+)\.(?:(?P<last>last)|(?P<kind>ewma|std|delta|z)(?P<tau>\d))")


class _Meaning(NamedTuple):
    kind: str
    """`last`, `ewma`, `std`, `delta`, `z`, `hours_since`, `physics` or `attribute`."""
    channels: tuple[str, ...] = ()
    tau: int = 0


def _meaning(name: str) -> _Meaning | None:
    """What a feature name says; None when it says nothing."""
    if name in PHYSICS:
        return _Meaning("physics", PHYSICS[name].channels)
    if name.startswith("hours_since."):
        return _Meaning("hours_since")
    if "." not in name:
        return _Meaning("attribute")
    match = _STATISTIC.fullmatch(name)
    if match is None:
        return None
    return _Meaning(match["kind"] or "last", (match["channel"],), int(match["tau"] or 0))


@lru_cache(maxsize=512)
def _columns(
    features: tuple[str, ...],
    inputs: tuple[tuple[str, str], ...],
    attributes: tuple[tuple[str, float], ...],
    signal_names: tuple[str, ...],
) -> tuple[_Column, ...]:
    """Names resolved once for all machines that share a binding."""
    places = {channel: signal_names.index(name) for channel, name in inputs if name in signal_names}
    return tuple(_column(name, places, dict(attributes)) for name in features)


def _column(name: str, places: Mapping[str, int], attributes: Mapping[str, float]) -> _Column:
    meaning = _meaning(name)
    if meaning is None:
        raise ValueError(f"{name} is not a feature")
    if meaning.kind == "attribute":
        value = attributes.get(name, nan)
        return lambda _state, _at, _maintained_at: value
    if meaning.kind == "hours_since":
        component = name.removeprefix("hours_since.")
        return lambda _state, at, maintained_at: (
            (at - maintained_at[component]) / 3_600_000 if component in maintained_at else nan
        )
    if any(channel not in places for channel in meaning.channels):
        return lambda _state, _at, _maintained_at: nan
    signal = places[meaning.channels[0]]
    if meaning.kind == "physics":
        of, other = PHYSICS[name].of, places[meaning.channels[1]]
        return lambda state, _at, _maintained_at: of(_last(state, signal), _last(state, other))
    if meaning.kind == "last":
        return lambda state, _at, _maintained_at: _last(state, signal)
    statistic, tau = _STATISTICS[meaning.kind], meaning.tau
    return lambda state, _at, _maintained_at: statistic(state, signal, tau)


def _last(state: FeatureState, signal: int) -> float:
    value = state.last[signal]
    return nan if value is None or state.behind_ms[signal] > HOLD_LAST_MS else value


def _average(state: FeatureState, signal: int, tau: int) -> float:
    tau_count = len(state.ewma) // len(state.last)
    if tau >= tau_count:
        raise ValueError(f"the state keeps {tau_count} time constants, none numbered {tau}")
    if state.good_count[signal] < WARM_UP_PANES or state.behind_ms[signal] > HOLD_AVERAGE_MS:
        return nan
    value = state.ewma[signal * tau_count + tau]
    return nan if value is None else value


def _deviation(state: FeatureState, signal: int, tau: int) -> float:
    if (tau + 1) * len(state.last) != len(state.ewma):
        raise ValueError(f"std{tau}: only the slowest time constant keeps a deviation")
    return nan if isnan(_average(state, signal, tau)) else sqrt(state.variance[signal])


def _delta(state: FeatureState, signal: int, tau: int) -> float:
    average = _average(state, signal, tau)
    return nan if state.good_count[signal] < BASELINE_PANES else average - state.baseline_mean[signal]


def _z(state: FeatureState, signal: int, tau: int) -> float:
    spread = sqrt(state.baseline_m2[signal] / (BASELINE_PANES - 1))
    return _delta(state, signal, tau) / spread if spread > 0.0 else nan


_STATISTICS: dict[str, Callable[[FeatureState, int, int], float]] = {
    "ewma": _average,
    "std": _deviation,
    "delta": _delta,
    "z": _z,
}
