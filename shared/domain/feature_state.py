"""Moving statistics of a machine's panes, in constant space: what `features` makes its rows of."""

from dataclasses import dataclass
from math import exp

BASELINE_PANES = 60
"""Good panes of a signal that make up its healthy baseline: the first ones, frozen afterwards."""

WARM_UP_PANES = 12
"""Good panes of a signal before its moving averages and deviation count as known."""


@dataclass(frozen=True, slots=True)
class FeatureState:
    """Moving statistics of one machine; tuples hold one entry per signal, in the spec's order.

    Numbers keep 9 significant digits, which bounds the size: under 1 KB as JSON for 8 signals.
    """

    pane_count: int
    first_at: int | None
    """Event time of the first pane, ms."""
    at: int | None
    """Event time of the latest pane, ms."""
    behind_ms: tuple[int, ...]
    """How far the latest good pane of the signal lies behind `at`."""
    good_count: tuple[int, ...]
    """Good panes of the signal so far."""
    last: tuple[float | None, ...]
    ewma: tuple[float | None, ...]
    """Signal by signal, fast to slow: signals x time constants entries."""
    variance: tuple[float, ...]
    """Exponentially weighted, for the slowest time constant."""
    baseline_mean: tuple[float, ...]
    baseline_m2: tuple[float, ...]
    """Sum of squared deviations from `baseline_mean` (Welford)."""


def initial(signal_count: int, tau_count: int) -> FeatureState:
    """The state before any pane."""
    zeros = (0.0,) * signal_count
    return FeatureState(
        pane_count=0,
        first_at=None,
        at=None,
        behind_ms=(0,) * signal_count,
        good_count=(0,) * signal_count,
        last=(None,) * signal_count,
        ewma=(None,) * (signal_count * tau_count),
        variance=zeros,
        baseline_mean=zeros,
        baseline_m2=zeros,
    )


def fold_pane(
    state: FeatureState, *, at: int, means: tuple[float | None, ...], taus_ms: tuple[int, ...]
) -> FeatureState:
    """The state after one more pane; `means` are finite, None where the signal was missing or bad.

    Averages: m += a (x - m) with a = 1 - exp(-dt / tau), dt since the signal's latest good pane, so
    irregular panes weigh as they should. Variance: v = (1 - a) (v + a (x - m)^2) (Finch 2009,
    "Incremental calculation of weighted mean and variance", section 9). The first good pane of a
    signal sets its averages.

    Raises ValueError when panes come out of order or in another shape than the state's.
    """
    signal_count, tau_count = len(state.last), len(taus_ms)
    if len(means) != signal_count or signal_count * tau_count != len(state.ewma):
        raise ValueError(f"{len(means)} means and {tau_count} time constants do not fit the state")
    if state.at is not None and at <= state.at:
        raise ValueError(f"pane at {at} does not follow the pane at {state.at}")
    elapsed_ms = 0 if state.at is None else at - state.at
    behind_ms, good_count, last = list(state.behind_ms), list(state.good_count), list(state.last)
    ewma, variance = list(state.ewma), list(state.variance)
    baseline_mean, baseline_m2 = list(state.baseline_mean), list(state.baseline_m2)
    for signal, x in enumerate(means):
        since_ms = behind_ms[signal] + elapsed_ms
        if x is None:
            behind_ms[signal] = since_ms if good_count[signal] else 0
            continue
        behind_ms[signal] = 0
        x = _short(x)
        last[signal] = x
        first = signal * tau_count
        for index, tau_ms in enumerate(taus_ms, start=first):
            mean = ewma[index]
            if mean is None:
                ewma[index] = x
                continue
            alpha = 1.0 - exp(-since_ms / tau_ms)
            ewma[index] = _short(mean + alpha * (x - mean))
            if index == first + tau_count - 1:
                variance[signal] = _short(
                    (1.0 - alpha) * (variance[signal] + alpha * (x - mean) * (x - mean))
                )
        good_count[signal] += 1
        if (n := good_count[signal]) <= BASELINE_PANES:
            off = x - baseline_mean[signal]
            baseline_mean[signal] = _short(baseline_mean[signal] + off / n)
            baseline_m2[signal] = _short(baseline_m2[signal] + off * (x - baseline_mean[signal]))
    return FeatureState(
        pane_count=state.pane_count + 1,
        first_at=at if state.first_at is None else state.first_at,
        at=at,
        behind_ms=tuple(behind_ms),
        good_count=tuple(good_count),
        last=tuple(last),
        ewma=tuple(ewma),
        variance=tuple(variance),
        baseline_mean=tuple(baseline_mean),
        baseline_m2=tuple(baseline_m2),
    )


def _short(value: float) -> float:
    return float(f"{value:.9g}")
