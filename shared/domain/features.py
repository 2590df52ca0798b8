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
    FeaturePlan,
    Meaning,
    Recipe,
    Regimes,
    meaning,
    recipe,
)
from shared.domain.feature_state import FeatureState, fold_pane, initial
from shared.domain.feature_windows import Sums, window_sums

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
    seen = _Seen(state, recipe, at, maintained_at)
    # Adding 0.0 turns -0.0 into 0.0.
    return tuple([round(column(seen), 3) + 0.0 for column in _columns(recipe)])


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


class _Seen:
    """One state while its row is made: what several columns share is worked out once."""

    __slots__ = ("_away", "_sums", "at", "maintained_at", "recipe", "state")

    def __init__(
        self, state: FeatureState, recipe: Recipe, at: int, maintained_at: Mapping[str, int]
    ) -> None:
        self.state = state
        self.recipe = recipe
        self.at = at
        self.maintained_at = maintained_at
        self._away: list[float] = []
        self._sums: dict[int, list[Sums]] = {}

    def known(self, channel: int) -> bool:
        """Whether the channel's averages, deviations and windows count."""
        state = self.state
        return (
            state.good_count[channel] >= self.recipe.plan.warm_up_panes
            and state.behind_ms[channel] <= HOLD_AVERAGE_MS
        )

    def average(self, channel: int, index: int) -> float:
        value = self.state.ewma[channel * self.recipe.taus + index] if self.known(channel) else None
        return nan if value is None else value

    def away(self) -> list[float]:
        """Of each channel, the fastest average's distance from the joint baseline."""
        if not self._away:
            joint = self.state.joint
            assert joint is not None
            for channel in range(len(self.recipe.channels)):
                value = self.average(channel, 0)
                off = None if isnan(value) else joint.away(channel, value)
                self._away.append(nan if off is None else off)
        return self._away

    def sums(self, window_ms: int) -> list[Sums]:
        """Of each channel, over the panes of sums that lie in the window."""
        if window_ms not in self._sums:
            self._sums[window_ms] = window_sums(self.state, self.recipe.plan, window_ms)
        return self._sums[window_ms]


type _Column = Callable[[_Seen], float]
type _Statistic = Callable[[_Seen, int], float]


@lru_cache(maxsize=1024)
def _columns(recipe: Recipe) -> tuple[_Column, ...]:
    """Names resolved once for all machines that share a recipe."""
    return tuple(_column(name, recipe) for name in recipe.features)


def _column(name: str, recipe: Recipe) -> _Column:
    what = meaning(name)
    assert what is not None  # `recipe` refuses names without meaning
    if what.kind == "attribute":
        value = recipe.attributes.get(name, nan)
        return lambda _seen: value
    if what.kind == "hours_since":
        component = name.removeprefix("hours_since.")
        return lambda seen: (
            (seen.at - seen.maintained_at[component]) / 3_600_000 if component in seen.maintained_at else nan
        )
    if what.kind == "age":
        return lambda seen: (
            nan if seen.state.first_at is None else (seen.at - seen.state.first_at) / 3_600_000
        )
    if what.kind == "regime":
        return lambda seen: nan if seen.state.regime is None else float(seen.state.regime)
    if any(channel not in recipe.channels for channel in what.channels):
        return lambda _seen: nan
    channels = [recipe.channels.index(channel) for channel in what.channels]
    if what.kind == "physics":
        of, (left, right) = PHYSICS[name].of, channels
        return lambda seen: of(_last(seen, left), _last(seen, right))
    statistic, (channel,) = _statistic(what, recipe), channels
    return lambda seen: statistic(seen, channel)


def _statistic(what: Meaning, recipe: Recipe) -> _Statistic:
    index, complete = what.number, recipe.plan.baseline_panes

    def average(seen: _Seen, channel: int) -> float:
        return seen.average(channel, index)

    def deviation(seen: _Seen, channel: int) -> float:
        return sqrt(seen.state.variance[channel]) if seen.known(channel) else nan

    def delta(seen: _Seen, channel: int) -> float:
        off = seen.average(channel, index) - seen.state.baseline_mean[channel]
        return off if seen.state.good_count[channel] >= complete else nan

    def z(seen: _Seen, channel: int) -> float:
        spread = sqrt(seen.state.baseline_m2[channel] / (complete - 1))
        return delta(seen, channel) / spread if spread > 0.0 else nan

    def away(seen: _Seen, channel: int) -> float:
        return seen.away()[channel]

    def pull(seen: _Seen, channel: int) -> float:
        joint = seen.state.joint
        assert joint is not None
        if not joint.precision:
            return nan
        total = 0.0
        for other, off in enumerate(seen.away()):
            high, low = (channel, other) if channel >= other else (other, channel)
            total += joint.precision[high * (high + 1) // 2 + low] * off
        return total

    def window(seen: _Seen, channel: int) -> float:
        return _window(seen, channel, what) if seen.known(channel) else nan

    return {
        "last": _last,
        "ewma": average,
        "ewstd": deviation,
        "delta": delta,
        "z": z,
        "away": away,
        "pull": pull,
    }.get(what.kind, window)


def _last(seen: _Seen, channel: int) -> float:
    value = seen.state.last[channel]
    return nan if value is None or seen.state.behind_ms[channel] > HOLD_LAST_MS else value


def _window(seen: _Seen, channel: int, what: Meaning) -> float:
    """Mean, standard deviation or trend of a channel over one window.

    The trend regresses the panes' means on the middles of their times, weighted by their counts.
    """
    n, x, xx, t, tt, tx = seen.sums(seen.recipe.plan.windows_ms[what.number])[channel]
    if what.kind == "mean":
        assert seen.state.windows is not None
        origin = seen.state.windows.origin[channel]
        return nan if not n or origin is None else origin + x / n
    if what.kind == "std":
        return nan if n < 2 else sqrt(max(0.0, (xx - x * x / n) / (n - 1)))
    spread = tt - t * t / n if n else 0.0
    return nan if spread <= 1e-9 else (tx - t * x / n) / spread
