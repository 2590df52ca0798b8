"""Recorded panes -> rows, through the two functions that the stream uses."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from shared.domain.features import FeaturePlan, FeatureState, Recipe, fold_pane, initial, recipe, row

type Pane = tuple[int, tuple[float | None, ...]]
"""Event time in ms, and the mean of each channel in it."""


def recipe_for(
    features: Iterable[str],
    channels: Sequence[str],
    plan: FeaturePlan,
    attributes: Mapping[str, float] | None = None,
) -> Recipe:
    """A recipe for recordings whose signals are called as the model's channels."""
    return recipe(
        tuple(features),
        tuple((channel, channel) for channel in channels),
        tuple((attributes or {}).items()),
        plan,
        tuple(channels),
    )


def rows_of(
    made: Recipe,
    panes: Iterable[Pane],
    *,
    maintained: Sequence[tuple[int, str]] = (),
    gap_ms: int | None = None,
) -> Iterator[tuple[bool, tuple[float, ...]]]:
    """For each pane whether it begins a new run, and its row.

    `maintained` is ascending (time, component). After a pause of more than `gap_ms` the machine is
    folded afresh: what was recorded before and after are different runs.
    """
    state: FeatureState = initial(made)
    maintained_at: dict[str, int] = {}
    done = 0
    for at, means in panes:
        begins = state.at is None or (gap_ms is not None and at - state.at > gap_ms)
        state = fold_pane(initial(made) if begins else state, made, at=at, means=means)
        while done < len(maintained) and maintained[done][0] <= at:
            maintained_at[maintained[done][1]] = maintained[done][0]
            done += 1
        yield begins, row(state, made, at=at, maintained_at=maintained_at)
