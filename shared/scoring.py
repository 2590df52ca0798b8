"""Rows that came due in a batch -> answers of the maintenance models: one ONNX run per model.

A model abstains rather than guess: when a column that it needs is not known, when a value lies
outside the world that it was trained in, when its answer is none. A model whose files are not what
its card says, that failed or ran for too long answers `Suspended` and is not asked again for a
while. Alarms and OEE never wait for it.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import isfinite, isnan
from pathlib import Path

from shared.contracts.model_card import ModelCard
from shared.domain.effects import ScoreRequested
from shared.domain.inputs import Answered, Scored, Suspended
from shared.explaining import Contributions, explain
from shared.observability import metrics
from shared.onnx_model import Answer, ModelFailed, ModelRefused, OnnxModel, Rows, load

RUN_BUDGET_S = 0.25
"""Processor time that one run may take; 100 machines take about 0.001 s."""

STOPPED_S = 600.0
"""How long a worker lets a model rest that failed or was too slow. A refused one rests for good."""

_NAMED = 3
"""So many columns of one reason are named in an abstention."""

type Key = tuple[str, str]
"""Name and version of a model."""


class Scorer:
    """The models of one worker, loaded on first use and kept.

    `clock` counts the processor seconds of this thread, so a busy machine suspends no model;
    `wall` only says when a model has rested for long enough.
    """

    def __init__(
        self,
        folder: Path,
        *,
        run_budget_s: float = RUN_BUDGET_S,
        clock: Callable[[], float] = time.thread_time,
        wall: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._run_budget_s = run_budget_s
        self._clock = clock
        self._wall = wall
        self._models: dict[Key, OnnxModel] = {}
        self._stopped: dict[Key, tuple[str, float]] = {}
        """Why, and until when."""

    @property
    def stopped(self) -> dict[Key, str]:
        """(name, version) of the models that do not score in this worker -> why."""
        return {key: why for key, (why, until) in self._stopped.items() if self._wall() < until}

    def load(self, name: str, version: str) -> OnnxModel:
        """The verified model, at once: for start-up. Raises ModelRefused; it then stays refused."""
        key = (name, version)
        if key not in self._models:
            try:
                self._models[key] = load(self._folder, name, version)
            except ModelRefused as refusal:
                self._stopped[key] = f"refused: {refusal}", float("inf")
                raise
        return self._models[key]

    def score(self, requests: Sequence[ScoreRequested]) -> list[Answered]:
        """The answers, in the order of the requests."""
        places: dict[Key, list[int]] = {}
        for place, request in enumerate(requests):
            places.setdefault((request.model, request.version), []).append(place)
        answers: dict[int, Answered] = {}
        for key, mine in places.items():
            given = self._score_model(key, [requests[place] for place in mine])
            answers.update(zip(mine, given, strict=True))
            # One count for all rows: counting each costs as much as scoring it.
            abstained = sum(bool(answer.reason) for answer in given)
            for count, abstains in ((abstained, True), (len(given) - abstained, False)):
                if count:
                    metrics().scored.add(count, {"model": key[0], "abstained": abstains})
        return [answers[place] for place in range(len(requests))]

    def _score_model(self, key: Key, requests: Sequence[ScoreRequested]) -> Sequence[Answered]:
        """One run for the rows that the model can judge, a second one for what moved its warnings."""
        reason = self._why_stopped(key)
        if reason:
            return [_suspended(request, reason) for request in requests]
        model = self._models[key]
        reasons, rows = _judged(model, requests)
        judged = [request for request, why in zip(requests, reasons, strict=True) if not why]
        given = self._run(key, model, judged, rows) if judged else []
        reason = self._why_stopped(key)
        if reason:
            return [_suspended(request, reason) for request in requests]
        found = iter(given)
        return [
            _abstained(request, why) if why else _answer(model.card, request, *next(found))
            for request, why in zip(requests, reasons, strict=True)
        ]

    def _why_stopped(self, key: Key) -> str:
        """Why a model does not score; empty when it does. Loads it."""
        why, until = self._stopped.get(key, ("", 0.0))
        if why and self._wall() < until:
            return why
        self._stopped.pop(key, None)
        # Nobody waits for the exception here: its reason goes into every answer.
        with suppress(ModelRefused):
            self.load(*key)
        return self._stopped.get(key, ("", 0.0))[0]

    def _run(
        self, key: Key, model: OnnxModel, requests: Sequence[ScoreRequested], rows: Rows
    ) -> list[tuple[Answer, Contributions]]:
        """Runs the model; stops it when it fails or overruns its budget."""
        started = self._clock()
        try:
            answers = model.answers(rows)
            warned = _warned(model.card, requests, answers)
            explained = explain(model, rows[warned], [answers[place] for place in warned])
        except ModelFailed as failure:
            self._stop(key, f"suspended: {failure}")
            return []
        took_s = self._clock() - started
        metrics().scoring.record(took_s, {"model": key[0]})
        if took_s > self._run_budget_s:
            self._stop(key, f"suspended: {len(requests)} rows took {took_s:.3f} s of {self._run_budget_s} s")
        why = dict(zip(warned, explained, strict=True))
        return [(answer, why.get(place, ())) for place, answer in enumerate(answers)]

    def _stop(self, key: Key, reason: str) -> None:
        self._stopped[key] = reason, self._wall() + STOPPED_S


def _judged(model: OnnxModel, requests: Sequence[ScoreRequested]) -> tuple[list[str], Rows]:
    """For each request why the model must abstain, "" if it may answer; and the rows of the latter."""
    width = len(model.card.features)
    if any(len(request.row) != width for request in requests):
        reasons = [reason_to_abstain(model.card, request.row, request.gaps) for request in requests]
    else:
        rows = model.packed([request.row for request in requests])
        covered = model.covers(rows)
        if all(covered) and not any(request.gaps for request in requests):
            return [""] * len(requests), rows
        reasons = [
            "" if fits and not request.gaps else reason_to_abstain(model.card, request.row, request.gaps)
            for request, fits in zip(requests, covered, strict=True)
        ]
    return reasons, model.packed(
        [request.row for request, why in zip(requests, reasons, strict=True) if not why]
    )


def _suspended(request: ScoreRequested, reason: str) -> Suspended:
    return Suspended(request.model, request.version, request.at, reason)


def _abstained(request: ScoreRequested, reason: str) -> Scored:
    return Scored(
        model=request.model,
        version=request.version,
        at=request.at,
        probability=None,
        reason=reason,
        data_age_ms=request.data_age_ms,
    )


def _answer(card: ModelCard, request: ScoreRequested, answer: Answer, why: Contributions) -> Scored:
    value = answer.value
    is_probability = card.kind in ("failure", "quality")
    if not isfinite(value) or (is_probability and not 0.0 <= value <= 1.0):
        what = "probability" if is_probability else "amount"
        return _abstained(request, f"the model answered {value}, which is no {what}")
    return Scored(
        model=request.model,
        version=request.version,
        at=request.at,
        probability=value if is_probability else None,
        contributions=why,
        amount=None if is_probability else value,
        low=answer.low,
        high=answer.high,
        label=answer.label,
        data_age_ms=request.data_age_ms,
    )


def _warned(card: ModelCard, requests: Sequence[ScoreRequested], answers: Sequence[Answer]) -> list[int]:
    """The answers that somebody will be warned of, and so wants to know what moved them."""
    below = card.kind == "remaining-life"
    found: list[int] = []
    for place, (request, answer) in enumerate(zip(requests, answers, strict=True)):
        threshold = card.threshold if request.threshold is None else request.threshold
        if answer.value <= threshold if below else answer.value >= threshold:
            found.append(place)
    return found


def reason_to_abstain(card: ModelCard, row: tuple[float, ...], gaps: Sequence[tuple[str, str]] = ()) -> str:
    """Why a model cannot judge this row; empty when it can. `gaps`: why columns are not known.

    A model may do without a column that was missing in training, but not without most of them; a
    distance from the machine's own baseline is made of all channels that the machine has.
    """
    features = card.features
    if len(row) != len(features):
        return f"refused: the row has {len(row)} columns, the card lists {len(features)}"
    why = dict(gaps)
    missing: list[str] = []
    outside: list[str] = []
    for feature, value in zip(features, row, strict=True):
        if isnan(value):
            if feature.missing_share == 0.0 or (card.kind == "anomaly" and feature.name in why):
                missing.append(feature.name)
            continue
        lowest, highest = card.bounds(feature)
        if not lowest <= value <= highest:
            outside.append(f"{feature.name} = {value:g} (trained on {feature.low:g} to {feature.high:g})")
    if missing:
        return f"not known: {_told(missing, why)}"
    if 2 * len(gaps) > len(features):
        return f"data too sparse: {_told([name for name, _ in gaps], why)}"
    return f"outside the training range: {', '.join(outside)}" if outside else ""


def _told(columns: Sequence[str], why: dict[str, str]) -> str:
    """Columns by the reason that they share: `torque.z0, torque.z1 (baseline immature: 3 of 60 panes)`.

    Of more than `_NAMED` the rest is only counted: the reason matters, and twins carry the text.
    """
    by_reason: dict[str, list[str]] = {}
    for name in columns:
        by_reason.setdefault(why.get(name, "missing"), []).append(name)
    return "; ".join(
        f"{', '.join(names[:_NAMED])}{f' and {len(names) - _NAMED} more' if len(names) > _NAMED else ''} "
        f"({reason})"
        for reason, names in by_reason.items()
    )
