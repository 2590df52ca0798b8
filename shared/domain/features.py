"""What a maintenance model sees of a machine: one module for training and for the stream.

The stream closes a *pane* per machine and event-time minute: per signal the mean of the good
readings in it, None when there was none. (Hourly data give one pane per reading.) `fold_pane` keeps
moving statistics of the panes in constant space; `row` turns them into a model's columns. Training
folds recorded data through the same two functions, so a row is the same in both, bit for bit.

A feature is named by what it is (all of them in the unit of the channel's signal unless noted):

- `torque.last`: mean of the latest pane
- `torque.ewma0`, `.ewma1`: moving average, by index of the time constant (fast to slow)
- `torque.ewstd`: exponentially weighted standard deviation, of the slowest time constant
- `torque.mean0`, `.std0`, `.slope0`: mean, standard deviation and trend over the short window, with 1
  over the long one; the trend is the least-squares change over the whole length of the window
- `torque.delta1`: `.ewma1` minus the machine's own baseline
- `torque.z0`: `.ewma0` minus the baseline, in standard deviations of the baseline (no unit)
- `torque.away`: the same against the joint baseline, in deviations of the *average* (no unit)
- `torque.pull`: row of the joint baseline's precision matrix times all `away` (no unit); the sum over
  channels of away x pull is the squared distance of Mahalanobis, each term its channel's exact share
- `age_hours`: hours since the first pane; `hours_since.comp1`: since maintenance of that component
- `regime`: number of the way in which the machine is run (see `Regimes`)
- `power_w`, `temperature_difference_k`, `wear_torque`: see `PHYSICS`
- any other name: an attribute of the machine, such as `age_years`

`torque` is the model's channel; the binding says which signal of the machine it is.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from math import isnan, nan, sqrt

from shared.domain.feature_recipe import (
    BY_JOINT,
    BY_TAU,
    BY_WINDOW,
    JOINT_CHANNELS_MAX,
    PHYSICS,
    WINDOW_PANES,
    FeaturePlan,
    Meaning,
    Recipe,
    Regimes,
    meaning,
    recipe,
)
from shared.domain.feature_state import FeatureState, fold_pane, initial

__all__ = [
    "HOLD_AVERAGE_MS",
    "HOLD_LAST_MS",
    "PHYSICS",
    "VERSION",
    "FeaturePlan",
    "FeatureState",
    "Recipe",
    "Regimes",
    "fold_pane",
    "initial",
    "problems",
    "recipe",
    "row",
]

VERSION = 2
"""Counts up whenever rows come out differently: a model made with other rows must not score."""

HOLD_LAST_MS = 600_000
"""How long the last value of a signal is taken to hold when later panes miss it."""

HOLD_AVERAGE_MS = 10_800_000
"""The same for its moving averages, deviations and windows."""


def row(
    state: FeatureState, recipe: Recipe, *, at: int, maintained_at: Mapping[str, int]
) -> tuple[float, ...]:
    """The model's columns in the card's order, rounded to 3 decimals; NaN for what is not known.

    `at` is the event time in ms that ages count to; `maintained_at` maps a component to the event
    time of its latest maintenance. Not known is: a signal that the machine does not have, that was
    never good or has been missing for too long, an average or window that is not warmed up, a
    baseline that is not complete or has no spread, maintenance that was never recorded.
    """
    # Adding 0.0 turns -0.0 into 0.0.
    return tuple([round(column(state, at, maintained_at), 3) + 0.0 for column in _columns(recipe)])


def problems(
    features: tuple[str, ...],
    *,
    inputs: tuple[tuple[str, str], ...],
    attributes: tuple[str, ...],
    plan: FeaturePlan,
    signal_names: tuple[str, ...],
    optional: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """What keeps a binding from filling its model's columns, for whoever validates descriptions.

    The columns of `optional` channels may stay empty.
    """
    channels = {channel for channel, _ in inputs}
    found = [
        f"model input {channel} is bound to {signal}, which the machine class does not have"
        for channel, signal in inputs
        if signal not in signal_names
    ]
    if plan.problem:
        found.append(plan.problem)
    if plan.regimes is not None:
        found += [f"regimes need model input {one}" for one in plan.regimes.by if one not in channels]
    joint: set[str] = set()
    for name in features:
        one = meaning(name)
        if one is None:
            found.append(f"{name} is not a feature")
        elif one.kind in BY_TAU and one.number >= len(plan.taus_ms):
            found.append(f"{name} is not a feature with {len(plan.taus_ms)} time constants")
        elif one.kind in BY_WINDOW and not plan.windows_ms:
            found.append(f"{name} needs windows")
        elif one.kind == "regime" and plan.regimes is None:
            found.append(f"{name} needs regimes")
        elif one.kind == "attribute" and name not in attributes:
            found.append(f"{name} needs an attribute of that name")
        else:
            found += [
                f"{name} needs model input {channel}"
                for channel in one.channels
                if channel not in channels and channel not in optional
            ]
        if one is not None and one.kind in BY_JOINT:
            joint.update(one.channels)
    if len(joint) > JOINT_CHANNELS_MAX:
        found.append(f"a joint baseline of {len(joint)} channels: at most {JOINT_CHANNELS_MAX}")
    return tuple(found)


type _Column = Callable[[FeatureState, int, Mapping[str, int]], float]
type _Statistic = Callable[[FeatureState, int], float]


@lru_cache(maxsize=1024)
def _columns(recipe: Recipe) -> tuple[_Column, ...]:
    """Names resolved once for all machines that share a recipe."""
    return tuple(_column(name, recipe) for name in recipe.features)


def _column(name: str, recipe: Recipe) -> _Column:
    what = meaning(name)
    assert what is not None  # `recipe` refuses names without meaning
    if what.kind == "attribute":
        value = recipe.attributes.get(name, nan)
        return lambda _state, _at, _maintained_at: value
    if what.kind == "hours_since":
        component = name.removeprefix("hours_since.")
        return lambda _state, at, maintained_at: (
            (at - maintained_at[component]) / 3_600_000 if component in maintained_at else nan
        )
    if what.kind == "age":
        return lambda state, at, _maintained_at: (
            nan if state.first_at is None else (at - state.first_at) / 3_600_000
        )
    if what.kind == "regime":
        return lambda state, _at, _maintained_at: nan if state.regime is None else float(state.regime)
    if any(channel not in recipe.channels for channel in what.channels):
        return lambda _state, _at, _maintained_at: nan
    channels = [recipe.channels.index(channel) for channel in what.channels]
    if what.kind == "physics":
        of, (left, right) = PHYSICS[name].of, channels
        return lambda state, _at, _maintained_at: of(_last(state, left), _last(state, right))
    statistic, (channel,) = _statistic(what, recipe), channels
    return lambda state, _at, _maintained_at: statistic(state, channel)


def _statistic(what: Meaning, recipe: Recipe) -> _Statistic:
    plan, taus, index = recipe.plan, recipe.taus, what.number
    warm_up, complete = plan.warm_up_panes, plan.baseline_panes

    def known(state: FeatureState, channel: int) -> bool:
        return state.good_count[channel] >= warm_up and state.behind_ms[channel] <= HOLD_AVERAGE_MS

    def average(state: FeatureState, channel: int) -> float:
        value = state.ewma[channel * taus + index] if known(state, channel) else None
        return nan if value is None else value

    def deviation(state: FeatureState, channel: int) -> float:
        return sqrt(state.variance[channel]) if known(state, channel) else nan

    def delta(state: FeatureState, channel: int) -> float:
        off = average(state, channel) - state.baseline_mean[channel]
        return off if state.good_count[channel] >= complete else nan

    def z(state: FeatureState, channel: int) -> float:
        spread = sqrt(state.baseline_m2[channel] / (complete - 1))
        return delta(state, channel) / spread if spread > 0.0 else nan

    def away(state: FeatureState, channel: int) -> float:
        assert state.joint is not None
        value = average(state, channel)
        off = None if isnan(value) else state.joint.away(channel, value)
        return nan if off is None else off

    def pull(state: FeatureState, channel: int) -> float:
        assert state.joint is not None
        if not state.joint.precision:
            return nan
        total = 0.0
        for other in range(len(recipe.channels)):
            high, low = (channel, other) if channel >= other else (other, channel)
            total += state.joint.precision[high * (high + 1) // 2 + low] * away(state, other)
        return total

    def window(state: FeatureState, channel: int) -> float:
        assert state.windows is not None
        return (
            _window(state, channel, what.kind, plan.windows_ms[index], plan) if known(state, channel) else nan
        )

    return {
        "last": _last,
        "ewma": average,
        "ewstd": deviation,
        "delta": delta,
        "z": z,
        "away": away,
        "pull": pull,
    }.get(what.kind, window)


def _last(state: FeatureState, channel: int) -> float:
    value = state.last[channel]
    return nan if value is None or state.behind_ms[channel] > HOLD_LAST_MS else value


def _window(state: FeatureState, channel: int, kind: str, window_ms: int, plan: FeaturePlan) -> float:
    """Mean, standard deviation or trend of a channel over the panes of sums of one window.

    The trend regresses the panes' means on the middles of their times, weighted by their counts.
    """
    windows = state.windows
    assert windows is not None
    assert state.at is not None
    width = len(state.last)
    pane_ms = plan.windows_ms[1] // WINDOW_PANES
    newest = state.at // pane_ms
    oldest = newest - window_ms // pane_ms
    n, total, square = 0, 0.0, 0.0
    weight_t, weight_tt, weight_tx = 0.0, 0.0, 0.0
    for pane, number in enumerate(windows.number):
        place = pane * width + channel
        count = windows.n[place]
        if number <= oldest or not count:
            continue
        n += count
        total += windows.total[place]
        square += windows.square[place]
        t = ((number - newest) * pane_ms + windows.at[pane] / windows.seen[pane]) / window_ms
        weight_t += count * t
        weight_tt += count * t * t
        weight_tx += windows.total[place] * t
    if kind == "mean":
        origin = windows.origin[channel]
        return nan if not n or origin is None else origin + total / n
    if kind == "std":
        return nan if n < 2 else sqrt(max(0.0, (square - total * total / n) / (n - 1)))
    spread = weight_tt - weight_t * weight_t / n if n else 0.0
    return nan if spread <= 1e-9 else (weight_tx - weight_t * total / n) / spread
