"""Why a column of a model's row is not known: what an abstention tells people, asked only for gaps."""

from shared.domain.feature_recipe import BY_BASELINE, BY_JOINT, BY_TAU, BY_WINDOW, Meaning, Recipe, meaning
from shared.domain.feature_state import FeatureState
from shared.domain.features import HOLD_AVERAGE_MS, HOLD_LAST_MS


def data_age_ms(state: FeatureState) -> int:
    """How far the oldest channel that was ever good lies behind the latest pane; 0 without any."""
    return max(state.behind_ms, default=0)


def gaps(state: FeatureState, recipe: Recipe, row: tuple[float, ...]) -> tuple[tuple[str, str], ...]:
    """(column, why) of the columns that are NaN, save those of channels that the machine does not have."""
    found: list[tuple[str, str]] = []
    for name, value in zip(recipe.features, row, strict=True):
        if value == value:
            continue
        what = meaning(name)
        assert what is not None  # `recipe` refuses names without meaning
        why = _why(state, recipe, what, name)
        if why:
            found.append((name, why))
    return tuple(found)


def _why(state: FeatureState, recipe: Recipe, what: Meaning, name: str) -> str:
    if what.kind == "attribute":
        return "the machine has no such attribute"
    if what.kind == "hours_since":
        return "no maintenance on record"
    if what.kind == "regime":
        return "no regime is known"
    mine = [recipe.channels.index(channel) for channel in what.channels if channel in recipe.channels]
    if len(mine) < len(what.channels):
        return ""
    # A row of the joint baseline rests on every channel.
    used = range(len(recipe.channels)) if what.kind in BY_JOINT else mine
    averaged = what.kind in BY_TAU or what.kind in BY_WINDOW
    hold_ms = HOLD_AVERAGE_MS if averaged else HOLD_LAST_MS
    for channel in used:
        signal = recipe.channels[channel]
        good = state.good_count[channel]
        if not good:
            return f"{signal} has not been good yet"
        if state.behind_ms[channel] > hold_ms:
            return f"{signal} is {state.behind_ms[channel] // 60_000} min old"
    fewest = min((state.good_count[channel] for channel in used), default=0)
    if averaged and fewest < recipe.plan.warm_up_panes:
        return f"warming up: {fewest} of {recipe.plan.warm_up_panes} panes"
    if what.kind in BY_BASELINE and fewest < recipe.plan.baseline_panes:
        return f"baseline immature: {fewest} of {recipe.plan.baseline_panes} panes"
    if what.kind in BY_JOINT and state.joint is not None and not state.joint.precision:
        return f"baseline immature: {state.joint.n} of {recipe.plan.baseline_panes} panes"
    return f"{name} is not defined here"
