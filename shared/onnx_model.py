"""One model on disk, checked against its card and ready to run.

`models/<name>/<version>/` holds model.onnx, card.json and card.md. Loading refuses whatever is not
exactly what the card describes, because a wrong column order gives plausible, wrong answers.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from struct import Struct
from typing import NamedTuple, assert_never, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError

from shared.contracts.model_card import Interval, Kind, ModelCard
from shared.domain.features import VERSION
from shared.onnx_opsets import opsets
from shared.onnx_runtime import RUNTIME_ERRORS, Session, open_session
from shared.onnx_watchdog import LONGEST_S, watched

REFERENCE_TOLERANCE = 1e-5
"""How far the answers to the card's reference rows may be off: as a probability, else relatively."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_VERSION = re.compile(r"\d+\.\d+\.\d+")


type Rows = NDArray[np.float64]
"""One row a line, columns in the card's order, NaN for what is missing."""


class ModelRefused(Exception):
    """The files of a model are not what its card says; it must not score."""


class ModelFailed(Exception):
    """A model that was loaded could not answer."""


class Answer(NamedTuple):
    """What a model says of one row."""

    value: float
    """Failure: probability in [0, 1]. Quality: probability of `label`. Remaining life: in the card's
    unit, 0 or more. Anomaly: distance from the machine's own baseline. NaN when the model gave none."""
    low: float | None = None
    high: float | None = None
    """The conformal interval of a remaining life."""
    label: str | None = None
    """The most likely class of a quality model."""


OUTPUTS: dict[Kind, str] = {
    "failure": "probabilities",
    "quality": "probabilities",
    "remaining-life": "remaining",
    "anomaly": "distance",
}


def ends(interval: Interval, answers: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper ends of a remaining life's interval, never below 0, rounded to 6 decimals."""
    steps = interval.steps
    # The last step also holds beyond.
    place = np.searchsorted([step.up_to for step in steps[:-1]], answers)
    below, above = np.array([(step.below, step.above) for step in steps]).T
    return np.maximum(answers - below[place], 0.0).round(6), np.maximum(answers + above[place], 0.0).round(6)


def output_of(card: ModelCard) -> tuple[str, int]:
    """Name and width of the output that a model of this kind has."""
    width = {"failure": 2, "quality": len(card.classes)}.get(card.kind, 1)
    return OUTPUTS[card.kind], width


@dataclass(frozen=True, slots=True, eq=False)
class OnnxModel:
    """A verified model. Immutable; safe to share within a worker."""

    card: ModelCard
    session: Session
    input_name: str
    lowest: NDArray[np.float64]
    """By column: the training range with its margin."""
    highest: NDArray[np.float64]
    dispensable: NDArray[np.bool_]
    """By column: whether training rows missed it."""
    packing: Struct
    """Of one row's columns, as float64."""

    def packed(self, rows: Sequence[Sequence[float]]) -> Rows:
        """Rows of the right width as a matrix to be read, four times as fast as numpy makes it of tuples."""
        content = b"".join([self.packing.pack(*row) for row in rows])
        return np.frombuffer(content).reshape(-1, len(self.card.features))

    def covers(self, rows: Rows) -> list[bool]:
        """For each row, whether all its values are within the training range; what is missing, too, where
        training rows missed it. The quick answer for nearly all rows."""
        within = (self.lowest <= rows) & (rows <= self.highest) | (np.isnan(rows) & self.dispensable)
        return within.all(axis=1).tolist()

    def outputs(self, rows: ArrayLike) -> NDArray[np.float64]:
        """The model's output, one line a row, rounded to 6 decimals (may be NaN); one run for all rows.

        Raises ModelFailed when the runtime does, or when the answer has another shape.
        """
        # As float64 first: that is how columns are rounded, and float32 is what the model takes.
        given = np.asarray(rows, dtype=np.float64).astype(np.float32)
        feed = {self.input_name: given}
        name, width = output_of(self.card)
        with watched() as options:
            try:
                answer = self.session.run([name], feed, options)[0]
            except RUNTIME_ERRORS as error:
                why = f"ended after {LONGEST_S:g} s" if options.terminate else str(error)
                raise ModelFailed(f"{self.card.name} {self.card.version}: {why}") from error
        if getattr(answer, "shape", None) != (len(given), width):
            raise ModelFailed(
                f"{self.card.name} {self.card.version}: answers {type(answer)} of a wrong shape"
            )
        # float64 first: rounding in float32 would leave the digits of the nearest float32.
        return cast("NDArray[np.float32]", answer).astype(np.float64).round(6)

    def answers(self, rows: ArrayLike) -> list[Answer]:
        """What the model says of each row, as its kind is to be read. Raises as `outputs` does."""
        output = self.outputs(rows)
        match self.card.kind:
            case "failure" | "anomaly":
                return [Answer(value) for value in output[:, -1].tolist()]
            case "quality":
                best: list[int] = output.argmax(axis=1).tolist()
                names = [self.card.classes[one] for one in best]
                return [
                    Answer(value, label=name)
                    for value, name in zip(output.max(axis=1).tolist(), names, strict=True)
                ]
            case "remaining-life":
                values = np.maximum(output[:, 0], 0.0)
                if self.card.interval is None:
                    return [Answer(value) for value in values.tolist()]
                low, high = (end.tolist() for end in ends(self.card.interval, values))
                return [Answer(*one) for one in zip(values.tolist(), low, high, strict=True)]
            case _:
                assert_never(self.card.kind)


def load(folder: Path, name: str, version: str) -> OnnxModel:
    """The model in `folder/name/version`, verified; raises ModelRefused with the reason.

    Checked are, in this order: the card's form; name and version; the constants its features were
    made with; the sha256 of model.onnx; its operator sets; that the runtime takes it; one float input
    with the card's columns in the card's order (the model carries their names); the answers to the
    reference rows.
    """
    what = f"model {name} {version}"
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        raise ModelRefused(f"{what}: not a model name and a version such as 1.0.0")
    place = folder / name / version
    try:
        card = ModelCard.model_validate_json((place / "card.json").read_bytes())
        content = (place / "model.onnx").read_bytes()
    except OSError as error:
        raise ModelRefused(f"{what}: cannot read {error.filename}: {error.strerror}") from error
    except ValidationError as error:
        raise ModelRefused(f"{what}: card.json is not a model card: {error}") from error
    if (card.name, card.version) != (name, version):
        raise ModelRefused(f"{what}: the card is about {card.name} {card.version}")
    if card.features_version != VERSION:
        raise ModelRefused(
            f"{what}: made from features of version {card.features_version}, these are {VERSION}; "
            "train it again"
        )
    if card.plan.problem:
        raise ModelRefused(f"{what}: its columns cannot be made: {card.plan.problem}")
    if (digest := hashlib.sha256(content).hexdigest()) != card.sha256:
        raise ModelRefused(f"{what}: sha256 of model.onnx is {digest}, the card says {card.sha256}")
    _check_opsets(what, content, card)
    session, input_name = _open(what, content, card)
    model = OnnxModel(
        card,
        session,
        input_name,
        lowest=np.array([card.bounds(feature)[0] for feature in card.features]),
        highest=np.array([card.bounds(feature)[1] for feature in card.features]),
        dispensable=np.array([feature.missing_share > 0.0 for feature in card.features]),
        packing=Struct(f"{len(card.features)}d"),
    )
    _check_reference(what, model)
    return model


def _check_opsets(what: str, content: bytes, card: ModelCard) -> None:
    try:
        found = opsets(content)
    except ValueError as error:
        raise ModelRefused(f"{what}: model.onnx is no ONNX file: {error}") from error
    for domain, version in (("", card.opset), ("ai.onnx.ml", card.ml_opset)):
        if found.get(domain, version) != version:
            named = domain or "ai.onnx"
            raise ModelRefused(f"{what}: is made of {named} {found[domain]}, the card says {version}")


def _open(what: str, content: bytes, card: ModelCard) -> tuple[Session, str]:
    try:
        session = open_session(content)
    except RUNTIME_ERRORS as error:
        raise ModelRefused(f"{what}: ONNX Runtime does not take it: {error}") from error
    inputs = [(one.type, one.shape) for one in session.get_inputs()]
    if len(inputs) != 1 or inputs[0][0] != "tensor(float)" or inputs[0][1][1:] != [len(card.features)]:
        raise ModelRefused(f"{what}: takes {inputs}, the card lists {len(card.features)} float columns")
    if (name := output_of(card)[0]) not in [output.name for output in session.get_outputs()]:
        raise ModelRefused(f"{what}: has no output named {name}, as a model of kind {card.kind} has")
    columns = session.get_modelmeta().custom_metadata_map.get("features", "null")
    if columns != json.dumps(list(card.feature_names)):
        raise ModelRefused(f"{what}: was trained on the columns {columns}, in another order than the card's")
    return session, session.get_inputs()[0].name


def _check_reference(what: str, model: OnnxModel) -> None:
    expected = [one.answer for one in model.card.reference]
    if any(len(one.row) != len(model.card.features) for one in model.card.reference):
        raise ModelRefused(f"{what}: a reference row has another number of columns than the card")
    try:
        answers = model.outputs(
            np.array([[nan if x is None else x for x in one.row] for one in model.card.reference])
        )
    except ModelFailed as error:
        raise ModelRefused(f"{what}: cannot answer its reference rows: {error}") from error
    if not all(_same(*pair) for pair in zip(answers.tolist(), expected, strict=True)):
        raise ModelRefused(
            f"{what}: answers {answers.tolist()} to its reference rows, the card says {expected}"
        )


def _same(answer: Sequence[float], expected: Sequence[float]) -> bool:
    return len(answer) == len(expected) and all(
        abs(a - b) <= REFERENCE_TOLERANCE * max(1.0, abs(b)) for a, b in zip(answer, expected, strict=True)
    )
