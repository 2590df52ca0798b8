"""What moved a model's answer, by channel: exact for distances, by occlusion for everything else."""

from collections.abc import Sequence
from functools import lru_cache
from math import isnan

import numpy as np

from shared.contracts.model_card import Feature, ModelCard
from shared.domain.features import meaning
from shared.onnx_model import Answer, OnnxModel, Rows

type Contributions = tuple[tuple[str, float], ...]
"""(channel, or column that is none's, by how much it moved the answer), the greatest first."""

TOP = 5

_SMALLEST = 0.0001


def explain(model: OnnxModel, rows: Rows, answers: Sequence[Answer]) -> list[Contributions]:
    """For each row, what moved its answer. One more run for all rows together; raises ModelFailed.

    Of an anomaly: each channel's exact share of the squared distance of Mahalanobis (they sum to 1).
    Of all else: how far the answer falls when the channel's columns are at their training median, in
    the answer's unit (Zeiler and Fergus 2014, occlusion). Columns of one channel go together, as they
    measure one thing; what two channels do only together is credited to both.
    """
    if not answers:
        return []
    if model.card.kind == "anomaly":
        return [_shares(model.card, row) for row in rows.tolist()]
    parts = _parts(model.card.features)
    medians = np.array([feature.median for feature in model.card.features])
    occluded = np.repeat(rows, len(parts), axis=0)
    for number, (_, places) in enumerate(parts):
        occluded[number :: len(parts), places] = medians[places]
    without = iter(model.answers(occluded))
    return [
        _greatest([(name, answer.value - next(without).value) for name, _ in parts]) for answer in answers
    ]


def _shares(card: ModelCard, row: Sequence[float]) -> Contributions:
    """away x pull of each channel over their sum (`shared.domain.features` names them)."""
    column = dict(zip(card.feature_names, row, strict=True))
    terms = [
        (name.removesuffix(".away"), away * column[f"{name.removesuffix('.away')}.pull"])
        for name, away in column.items()
        if name.endswith(".away")
    ]
    known = [(name, term) for name, term in terms if not isnan(term)]
    total = sum(term for _, term in known)
    return _greatest([(name, term / total) for name, term in known]) if total > 0.0 else ()


@lru_cache(maxsize=64)
def _parts(features: tuple[Feature, ...]) -> tuple[tuple[str, list[int]], ...]:
    """(name, places of its columns): a channel with all that is made of it, or a column by itself."""
    parts: dict[str, set[int]] = {}
    for place, feature in enumerate(features):
        what = meaning(feature.name)
        for name in (what.channels if what is not None else ()) or (feature.name,):
            parts.setdefault(name, set()).add(place)
    return tuple((name, sorted(places)) for name, places in parts.items())


def _greatest(found: list[tuple[str, float]]) -> Contributions:
    told = [(name, round(moved, 4)) for name, moved in found if abs(moved) >= _SMALLEST]
    return tuple(sorted(told, key=lambda one: -abs(one[1]))[:TOP])
