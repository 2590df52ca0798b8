"""How a model wants to see a machine: from the names of its columns to what has to be kept for them.

A `FeaturePlan` says how panes are smoothed; a `Recipe` is a plan together with a machine's signals. It
holds only what the model's columns need, so a machine pays for no statistic that nobody reads.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import pi
from typing import NamedTuple

WINDOW_PANES = 12
"""The long window is so many panes of sums; the short one the latest of them."""

JOINT_CHANNELS_MAX = 16
"""A joint baseline keeps a matrix: 136 numbers for 16 channels."""


@dataclass(frozen=True, slots=True)
class Regimes:
    """Ways in which a machine is run, told apart by some channels and taken out of others.

    The nearest centre wins; distances count in `scale`, one entry per channel of `by`. A channel of
    `normalised` is then (x - mean) / std of its regime, without unit: what the way it is run explains
    is gone, wear is what remains. Rows of `centres`, `mean` and `std` are regimes.
    """

    by: tuple[str, ...]
    scale: tuple[float, ...]
    centres: tuple[tuple[float, ...], ...]
    normalised: tuple[str, ...]
    mean: tuple[tuple[float, ...], ...]
    std: tuple[tuple[float, ...], ...]

    def nearest(self, values: tuple[float, ...]) -> int:
        """Number of the regime whose centre is nearest; the first of equals."""
        best, found = float("inf"), 0
        for number, centre in enumerate(self.centres):
            distance = 0.0
            for value, middle, scale in zip(values, centre, self.scale, strict=True):
                distance += ((value - middle) / scale) ** 2
            if distance < best:
                best, found = distance, number
        return found


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """How a model's panes are smoothed. Part of its card: another plan is another model."""

    taus_ms: tuple[int, ...] = ()
    """Time constants of the moving averages, fast to slow."""
    windows_ms: tuple[int, ...] = ()
    """Short and long rolling window, or none. The long one is 12 panes, the short one some of them."""
    warm_up_panes: int = 12
    """Good panes of a signal before its moving averages, deviations and windows count as known."""
    baseline_panes: int = 60
    """Good panes that make up a machine's own healthy baseline: the first ones, frozen afterwards."""
    shrinkage: float = 0.0
    """Of the joint baseline's correlations towards none, 0 to 1 (Ledoit and Wolf 2004)."""
    regimes: Regimes | None = None

    @property
    def problem(self) -> str:
        """What is wrong with it; empty when nothing is."""
        if list(self.taus_ms) != sorted(set(self.taus_ms)) or any(tau <= 0 for tau in self.taus_ms):
            return "time constants are positive and run from fast to slow"
        if self.windows_ms:
            if len(self.windows_ms) != 2 or not 0 < self.windows_ms[0] < self.windows_ms[1]:
                return "windows are a short and a long one"
            if self.windows_ms[1] % WINDOW_PANES or self.windows_ms[0] % (self.windows_ms[1] // WINDOW_PANES):
                return f"the long window is {WINDOW_PANES} panes, the short one a whole number of them"
        if self.warm_up_panes < 1 or self.baseline_panes < 2 or not 0 <= self.shrinkage <= 1:
            return "warm-up, baseline or shrinkage out of range"
        return ""


class Physics(NamedTuple):
    """A quantity computed from the latest panes of two channels."""

    channels: tuple[str, str]
    unit: str
    of: Callable[[float, float], float]


def _power_w(torque_nm: float, speed_rpm: float) -> float:
    return torque_nm * speed_rpm * 2.0 * pi / 60.0


def _difference(left: float, right: float) -> float:
    return left - right


def _product(left: float, right: float) -> float:
    return left * right


PHYSICS: dict[str, Physics] = {
    # Mechanical power at the spindle: torque [N·m] x angular speed.
    "power_w": Physics(("torque", "rpm"), "W", _power_w),
    # Equal in kelvin and in degrees Celsius, as long as both channels use the same one.
    "temperature_difference_k": Physics(("process_temperature", "air_temperature"), "K", _difference),
    # Strain on a worn tool: minutes in use x torque [N·m].
    "wear_torque": Physics(("tool_wear", "torque"), "N·m·min", _product),
}

_STATISTIC = re.compile(
    r"(?P<channel>\w+)\.(?:(?P<plain>last|ewstd|away|pull)"
    r"|(?P<tau_kind>ewma|delta|z)(?P<tau>\d)|(?P<window_kind>mean|std|slope)(?P<window>[01]))"
)


class Meaning(NamedTuple):
    kind: str
    """`last`, `ewma`, `ewstd`, `delta`, `z`, `away`, `pull`, `mean`, `std`, `slope`, `physics`,
    `hours_since`, `age`, `regime` or `attribute`."""
    channels: tuple[str, ...] = ()
    number: int = 0
    """Of the time constant or of the window."""


def meaning(name: str) -> Meaning | None:
    """What a feature name says; None when it says nothing."""
    if name in PHYSICS:
        return Meaning("physics", PHYSICS[name].channels)
    if name in ("age_hours", "regime"):
        return Meaning(name.removesuffix("_hours"))
    if name.startswith("hours_since."):
        return Meaning("hours_since")
    if "." not in name:
        return Meaning("attribute")
    match = _STATISTIC.fullmatch(name)
    if match is None:
        return None
    kind = match["plain"] or match["tau_kind"] or match["window_kind"]
    return Meaning(kind, (match["channel"],), int(match["tau"] or match["window"] or 0))


BY_TAU = frozenset({"ewma", "ewstd", "delta", "z", "away", "pull"})
BY_BASELINE = frozenset({"delta", "z"})
BY_JOINT = frozenset({"away", "pull"})
BY_WINDOW = frozenset({"mean", "std", "slope"})


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """What the fold keeps of one machine for one model, and what it reads it from.

    Compared by identity: `recipe` makes one for all machines that are bound alike.
    """

    features: tuple[str, ...]
    attributes: Mapping[str, float]
    plan: FeaturePlan
    channels: tuple[str, ...]
    """Those that the columns are made of and the machine has; the state has one entry for each."""
    places: tuple[int, ...]
    """For each channel its signal's place in a pane."""
    taus: int
    """Moving averages per channel: 0 when no column wants one."""
    baseline: bool
    joint: bool
    windows: bool
    regime_places: tuple[int, ...]
    normalised: tuple[int, ...]
    """For each channel its place in the regimes' tables; -1 when it stays as it is."""


@lru_cache(maxsize=1024)
def recipe(
    features: tuple[str, ...],
    inputs: tuple[tuple[str, str], ...],
    attributes: tuple[tuple[str, float], ...],
    plan: FeaturePlan,
    signal_names: tuple[str, ...],
) -> Recipe:
    """The recipe of a binding, shared by all machines that are bound alike.

    Raises ValueError for a feature name that has no meaning.
    """
    meanings: list[Meaning] = []
    for name in features:
        found = meaning(name)
        if found is None:
            raise ValueError(f"{name} is not a feature")
        meanings.append(found)
    kinds = {one.kind for one in meanings}
    used = {channel for one in meanings for channel in one.channels}
    where = {channel: signal_names.index(name) for channel, name in inputs if name in signal_names}
    channels = tuple(channel for channel, _ in inputs if channel in used and channel in where)
    regimes = plan.regimes
    return Recipe(
        features=features,
        attributes=dict(attributes),
        plan=plan,
        channels=channels,
        places=tuple(where[channel] for channel in channels),
        taus=len(plan.taus_ms) if kinds & BY_TAU else 0,
        baseline=bool(kinds & BY_BASELINE),
        joint=bool(kinds & BY_JOINT),
        windows=bool(kinds & BY_WINDOW),
        regime_places=tuple(where.get(channel, -1) for channel in regimes.by) if regimes else (),
        normalised=tuple(
            regimes.normalised.index(channel) if regimes and channel in regimes.normalised else -1
            for channel in channels
        ),
    )
