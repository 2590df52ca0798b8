"""Rows that came due in a batch -> answers of the maintenance models: one ONNX run per model.

A model abstains rather than guess: when a column that it needs is missing, when a value lies
outside the world that it was trained in, when its files are not what its card says, when it failed
or ran for too long. Alarms and OEE never wait for it.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from math import isnan
from pathlib import Path
from time import thread_time

from shared.contracts.model_card import ModelCard
from shared.domain.effects import ScoreRequested
from shared.domain.inputs import Scored
from shared.onnx_model import Answer, ModelFailed, ModelRefused, OnnxModel, load

RUN_BUDGET_S = 0.25
"""Processor time that one run may take; 100 machines take about 0.001 s."""

TOP_DEVIATIONS = 3


class Scorer:
    """The models of one worker, loaded on first use and kept.

    `clock` counts the processor seconds of this thread, so a busy machine suspends no model.
    """

    def __init__(
        self, folder: Path, *, run_budget_s: float = RUN_BUDGET_S, clock: Callable[[], float] = thread_time
    ) -> None:
        self._folder = folder
        self._run_budget_s = run_budget_s
        self._clock = clock
        self._models: dict[tuple[str, str], OnnxModel] = {}
        self._stopped: dict[tuple[str, str], str] = {}

    @property
    def stopped(self) -> dict[tuple[str, str], str]:
        """(name, version) of the models that do not score in this worker -> why."""
        return dict(self._stopped)

    def load(self, name: str, version: str) -> OnnxModel:
        """The verified model, at once: for start-up. Raises ModelRefused; it then stays refused."""
        key = (name, version)
        if key not in self._models:
            try:
                self._models[key] = load(self._folder, name, version)
            except ModelRefused as refusal:
                self._stopped[key] = f"refused: {refusal}"
                raise
        return self._models[key]

    def score(self, requests: Sequence[ScoreRequested]) -> list[Scored]:
        """The answers, in the order of the requests."""
        places: dict[tuple[str, str], list[int]] = {}
        for place, request in enumerate(requests):
            places.setdefault((request.model, request.version), []).append(place)
        answers: dict[int, Scored] = {}
        for key, mine in places.items():
            answers.update(
                zip(mine, self._score_model(key, [requests[place] for place in mine]), strict=True)
            )
        return [answers[place] for place in range(len(requests))]

    def _score_model(self, key: tuple[str, str], requests: Sequence[ScoreRequested]) -> list[Scored]:
        if key not in self._stopped and key not in self._models:
            # Nobody waits for the exception here: its reason goes into every answer below.
            with suppress(ModelRefused):
                self.load(*key)
        if key in self._stopped:
            return [_abstained(request, self._stopped[key]) for request in requests]
        model = self._models[key]
        reasons = [
            "" if model.covers(request.row) else reason_to_abstain(model.card, request.row)
            for request in requests
        ]
        rows = [request.row for request, reason in zip(requests, reasons, strict=True) if not reason]
        given = iter(self._run(key, model, rows) if rows else ())
        scored: list[Scored] = []
        for request, reason in zip(requests, reasons, strict=True):
            if reason:
                scored.append(_abstained(request, reason))
            elif key in self._stopped:
                scored.append(_abstained(request, self._stopped[key]))
            else:
                scored.append(_answer(model, request, next(given)))
        return scored

    def _run(self, key: tuple[str, str], model: OnnxModel, rows: list[tuple[float, ...]]) -> list[Answer]:
        """Runs the model; suspends it for this worker when it fails or overruns its budget.

        A run cannot be stopped from outside, so the first one over budget is paid for in full.
        """
        started = self._clock()
        try:
            answers = model.answers(rows)
        except ModelFailed as failure:
            self._stopped[key] = f"suspended: {failure}"
            return []
        if (took_s := self._clock() - started) > self._run_budget_s:
            self._stopped[key] = f"suspended: {len(rows)} rows took {took_s:.3f} s of {self._run_budget_s} s"
        return answers


def _abstained(request: ScoreRequested, reason: str) -> Scored:
    return Scored(
        model=request.model, version=request.version, at=request.at, probability=None, reason=reason
    )


def _answer(model: OnnxModel, request: ScoreRequested, answer: Answer) -> Scored:
    if model.card.kind != "failure":
        return _abstained(request, f"refused: a machine's health is a probability, not a {model.card.kind}")
    probability = answer.value
    if not 0.0 <= probability <= 1.0:
        return _abstained(request, f"the model answered {probability}, which is no probability")
    return Scored(
        model=request.model,
        version=request.version,
        at=request.at,
        probability=probability,
        contributions=_deviations(model, request.row) if probability >= model.card.threshold else (),
    )


def reason_to_abstain(card: ModelCard, row: tuple[float, ...]) -> str:
    """Why a model cannot judge this row; empty when it can."""
    features = card.features
    if len(row) != len(features):
        return f"refused: the row has {len(row)} columns, the card lists {len(features)}"
    missing: list[str] = []
    outside: list[str] = []
    for feature, value in zip(features, row, strict=True):
        if isnan(value):
            if feature.missing_share == 0.0:
                missing.append(feature.name)
            continue
        lowest, highest = card.bounds(feature)
        if not lowest <= value <= highest:
            outside.append(f"{feature.name} = {value:g} (trained on {feature.low:g} to {feature.high:g})")
    if missing:
        return f"missing, not warmed up or without a baseline: {', '.join(missing)}"
    return f"outside the training range: {', '.join(outside)}" if outside else ""


def _deviations(model: OnnxModel, row: tuple[float, ...]) -> tuple[tuple[str, float], ...]:
    """The columns farthest from the training median, in training deviations.

    They describe how unusual the row is, not why the model answered as it did.
    """
    far = [
        (f"deviation:{feature.name}", round((value - feature.median) / feature.std, 2))
        for feature, value in zip(model.card.features, row, strict=True)
        if feature.std > 0.0 and not isnan(value)
    ]
    return tuple(sorted(far, key=lambda one: -abs(one[1]))[:TOP_DEVIATIONS])
