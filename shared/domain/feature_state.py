"""Moving statistics of a machine's panes, in constant space: what `features` makes its rows of."""

from dataclasses import dataclass
from math import exp

from shared.domain.feature_baseline import Joint, fold_joint, short
from shared.domain.feature_recipe import WINDOW_PANES, Recipe


@dataclass(frozen=True, slots=True)
class Windows:
    """At most `WINDOW_PANES` panes of sums, oldest first; flat tuples hold channels within panes.

    `total` and `square` are sums over x - origin and its square: small numbers of few digits.
    """

    number: tuple[int, ...]
    """Event time of a pane of sums in multiples of its length: consecutive, but for gaps."""
    seen: tuple[int, ...]
    """Panes of the stream that fell into it."""
    at: tuple[int, ...]
    """Sum of their times, ms after its start."""
    origin: tuple[float | None, ...]
    """First good value of each channel."""
    n: tuple[int, ...]
    total: tuple[float, ...]
    square: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class FeatureState:
    """Moving statistics of one machine for one model; tuples hold one entry per channel of the recipe.

    Empty is what no column of the model needs. Numbers keep 9 significant digits, which bounds the
    size: as JSON and for 8 channels under 1 KB, with windows under 4 KB.
    """

    pane_count: int
    first_at: int | None
    """Event time of the first pane, ms."""
    at: int | None
    """Event time of the latest pane, ms."""
    regime: int | None
    """Of the latest pane; None when the plan knows no regimes or a channel was missing."""
    behind_ms: tuple[int, ...]
    """How far the latest good pane of the channel lies behind `at`."""
    good_count: tuple[int, ...]
    """Good panes of the channel so far."""
    last: tuple[float | None, ...]
    ewma: tuple[float | None, ...]
    """Channel by channel, fast to slow: channels x time constants entries."""
    variance: tuple[float, ...]
    """Exponentially weighted, for the slowest time constant."""
    baseline_mean: tuple[float, ...]
    baseline_m2: tuple[float, ...]
    """Sum of squared deviations from `baseline_mean` (Welford)."""
    joint: Joint | None
    windows: Windows | None


def initial(recipe: Recipe) -> FeatureState:
    """The state before any pane."""
    count = len(recipe.channels)
    zeros = (0.0,) * count
    return FeatureState(
        pane_count=0,
        first_at=None,
        at=None,
        regime=None,
        behind_ms=(0,) * count,
        good_count=(0,) * count,
        last=(None,) * count,
        ewma=(None,) * (count * recipe.taus),
        variance=zeros if recipe.taus else (),
        baseline_mean=zeros if recipe.baseline else (),
        baseline_m2=zeros if recipe.baseline else (),
        joint=Joint.empty(count) if recipe.joint else None,
        windows=Windows((), (), (), (None,) * count, (), (), ()) if recipe.windows else None,
    )


def fold_pane(
    state: FeatureState, recipe: Recipe, *, at: int, means: tuple[float | None, ...]
) -> FeatureState:
    """The state after one more pane; `means` are finite, in the spec's order, None where missing or bad.

    Averages: m += a (x - m) with a = 1 - exp(-dt / tau), dt since the channel's latest good pane, so
    irregular panes weigh as they should. Variance: v = (1 - a) (v + a (x - m)^2) (Finch 2009,
    "Incremental calculation of weighted mean and variance", section 9). The first good pane of a
    channel sets its averages.

    Raises ValueError when panes come out of order.
    """
    if state.at is not None and at <= state.at:
        raise ValueError(f"pane at {at} does not follow the pane at {state.at}")
    elapsed_ms = 0 if state.at is None else at - state.at
    regime, values = _values(recipe, means)
    plan, taus = recipe.plan, recipe.taus
    behind_ms, good_count, last = list(state.behind_ms), list(state.good_count), list(state.last)
    ewma, variance = list(state.ewma), list(state.variance)
    baseline_mean, baseline_m2 = list(state.baseline_mean), list(state.baseline_m2)
    for channel, x in enumerate(values):
        since_ms = behind_ms[channel] + elapsed_ms
        if x is None:
            behind_ms[channel] = since_ms if good_count[channel] else 0
            continue
        behind_ms[channel] = 0
        last[channel] = x
        good_count[channel] = n = good_count[channel] + 1
        if taus:
            slowest = channel * taus + taus - 1
            for index, tau_ms in enumerate(plan.taus_ms, start=slowest - taus + 1):
                mean = ewma[index]
                if mean is None:
                    ewma[index] = x
                    continue
                alpha = 1.0 - exp(-since_ms / tau_ms)
                ewma[index] = short(mean + alpha * (x - mean))
                if index == slowest:
                    variance[channel] = short(
                        (1.0 - alpha) * (variance[channel] + alpha * (x - mean) * (x - mean))
                    )
        if recipe.baseline and n <= plan.baseline_panes:
            off = x - baseline_mean[channel]
            baseline_mean[channel] = short(baseline_mean[channel] + off / n)
            baseline_m2[channel] = short(baseline_m2[channel] + off * (x - baseline_mean[channel]))
    joint = state.joint
    if (
        joint is not None
        and not joint.precision
        and None not in values
        and min(good_count) > plan.warm_up_panes
    ):
        fast = [mean for mean in ewma[::taus] if mean is not None]
        joint = fold_joint(joint, fast, count=plan.baseline_panes, shrinkage=plan.shrinkage)
    return FeatureState(
        pane_count=state.pane_count + 1,
        first_at=at if state.first_at is None else state.first_at,
        at=at,
        regime=regime,
        behind_ms=tuple(behind_ms),
        good_count=tuple(good_count),
        last=tuple(last),
        ewma=tuple(ewma),
        variance=tuple(variance),
        baseline_mean=tuple(baseline_mean),
        baseline_m2=tuple(baseline_m2),
        joint=joint,
        windows=None
        if state.windows is None
        else _fold_windows(state.windows, values, at=at, pane_ms=plan.windows_ms[1] // WINDOW_PANES),
    )


def _values(recipe: Recipe, means: tuple[float | None, ...]) -> tuple[int | None, list[float | None]]:
    """The pane's regime, and the channels' values: shortened, normalised where the plan says so."""
    read: list[float | None] = []
    for place in recipe.places:
        mean = means[place]
        read.append(None if mean is None else short(mean))
    regimes = recipe.plan.regimes
    if regimes is None:
        return None, read
    by = [means[place] if place >= 0 else None for place in recipe.regime_places]
    known = tuple(short(mean) for mean in by if mean is not None)
    regime = regimes.nearest(known) if len(known) == len(by) else None
    for channel, place in enumerate(recipe.normalised):
        x = read[channel]
        if place < 0 or x is None:
            continue
        if regime is None:
            read[channel] = None
        else:
            read[channel] = short((x - regimes.mean[regime][place]) / regimes.std[regime][place])
    return regime, read


def _fold_windows(windows: Windows, values: list[float | None], *, at: int, pane_ms: int) -> Windows:
    """The pane of sums that `at` falls into with this pane added; panes that the window left dropped."""
    width = len(values)
    number, after_ms = divmod(at, pane_ms)
    origin = tuple(x if old is None else old for old, x in zip(windows.origin, values, strict=True))
    offsets = [
        None if x is None or zero is None else x - zero for x, zero in zip(values, origin, strict=True)
    ]
    last = len(windows.number) - 1
    if last >= 0 and windows.number[last] == number:
        kept, seen, at_sum = last, windows.seen[last], windows.at[last]
        start = last * width
        n, total, square = windows.n[start:], windows.total[start:], windows.square[start:]
    else:
        kept, seen, at_sum = last + 1, 0, 0
        n, total, square = (0,) * width, (0.0,) * width, (0.0,) * width
    gone = 0
    while gone < kept and windows.number[gone] <= number - WINDOW_PANES:
        gone += 1
    old, end = gone * width, kept * width
    return Windows(
        number=(*windows.number[gone:kept], number),
        seen=(*windows.seen[gone:kept], seen + 1),
        at=(*windows.at[gone:kept], at_sum + after_ms),
        origin=origin,
        n=windows.n[old:end] + tuple([a + (d is not None) for a, d in zip(n, offsets, strict=True)]),
        total=windows.total[old:end]
        + tuple([a if d is None else short(a + d) for a, d in zip(total, offsets, strict=True)]),
        square=windows.square[old:end]
        + tuple([a if d is None else short(a + d * d) for a, d in zip(square, offsets, strict=True)]),
    )
