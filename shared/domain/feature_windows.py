"""Rolling sums of a machine's panes over one window: what means, deviations and trends are made of."""

from typing import NamedTuple

from shared.domain.feature_recipe import WINDOW_PANES, FeaturePlan
from shared.domain.feature_state import FeatureState


class Sums(NamedTuple):
    """Of one channel over one window: times are in windows, and weigh as many panes as they stand for."""

    n: int
    x: float
    xx: float
    t: float
    tt: float
    tx: float


def window_sums(state: FeatureState, plan: FeaturePlan, window_ms: int) -> list[Sums]:
    """Of each channel, over the panes of sums that lie in the window that ends with the latest pane."""
    windows = state.windows
    assert windows is not None
    assert state.at is not None
    width = len(state.last)
    pane_ms = plan.windows_ms[1] // WINDOW_PANES
    newest = state.at // pane_ms
    oldest = newest - window_ms // pane_ms
    inside = [
        (pane * width, ((number - newest) * pane_ms + windows.at[pane] / windows.seen[pane]) / window_ms)
        for pane, number in enumerate(windows.number)
        if number > oldest
    ]
    found: list[Sums] = []
    for channel in range(width):
        n, x, xx, weight_t, weight_tt, weight_tx = 0, 0.0, 0.0, 0.0, 0.0, 0.0
        for start, t in inside:
            place = start + channel
            count = windows.n[place]
            if count:
                total = windows.total[place]
                n += count
                x += total
                xx += windows.square[place]
                weight_t += count * t
                weight_tt += count * t * t
                weight_tx += total * t
        found.append(Sums(n, x, xx, weight_t, weight_tt, weight_tx))
    return found
