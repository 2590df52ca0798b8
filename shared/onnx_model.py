"""One model on disk, checked against its card and ready to run.

`models/<name>/<version>/` holds model.onnx, card.json and card.md. Loading refuses whatever is not
exactly what the card describes, because a wrong column order gives plausible, wrong answers.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from operator import le
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from shared.contracts.model_card import ModelCard
from shared.domain.features import BASELINE_PANES, WARM_UP_PANES
from shared.onnx_runtime import RUNTIME_ERRORS, Session, open_session

REFERENCE_TOLERANCE = 1e-5
"""How far the answers to the card's reference rows may be off, as a probability."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_VERSION = re.compile(r"\d+\.\d+\.\d+")


class ModelRefused(Exception):
    """The files of a model are not what its card says; it must not score."""


class ModelFailed(Exception):
    """A model that was loaded could not answer."""


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """A verified model. Immutable; safe to share within a worker."""

    card: ModelCard
    session: Session
    input_name: str
    lowest: tuple[float, ...]
    """By column: the training range with its margin."""
    highest: tuple[float, ...]

    def covers(self, row: tuple[float, ...]) -> bool:
        """Every column is there and within the training range: the quick answer for nearly all rows."""
        return (
            len(row) == len(self.lowest)
            and all(map(le, self.lowest, row))
            and all(map(le, row, self.highest))
        )

    def probabilities(self, rows: Sequence[tuple[float, ...]]) -> list[float]:
        """One probability per row, rounded to 6 decimals (may be NaN); one run for all rows.

        Raises ModelFailed when the runtime does, or when the answer has another shape.
        """
        feed = {self.input_name: np.asarray(rows, dtype=np.float32)}
        try:
            answer = self.session.run(["probabilities"], feed)[0]
        except RUNTIME_ERRORS as error:
            raise ModelFailed(f"{self.card.name} {self.card.version}: {error}") from error
        if getattr(answer, "shape", None) != (len(rows), 2):
            raise ModelFailed(
                f"{self.card.name} {self.card.version}: answers {type(answer)} of a wrong shape"
            )
        # float64 first: rounding in float32 would leave the digits of the nearest float32.
        column = cast("NDArray[np.float32]", answer)[:, 1].astype(np.float64)
        return [round(value, 6) for value in column.tolist()]


def load(folder: Path, name: str, version: str) -> OnnxModel:
    """The model in `folder/name/version`, verified; raises ModelRefused with the reason.

    Checked are, in this order: the card's form; name and version; the constants its features were
    made with; the sha256 of model.onnx; that the runtime takes it; one float input with the card's
    columns in the card's order (the model carries their names); the answers to the reference rows.
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
    if (card.warm_up_panes, card.baseline_panes) != (WARM_UP_PANES, BASELINE_PANES):
        raise ModelRefused(f"{what}: features are made in another way now; train it again")
    if (digest := hashlib.sha256(content).hexdigest()) != card.sha256:
        raise ModelRefused(f"{what}: sha256 of model.onnx is {digest}, the card says {card.sha256}")
    session, input_name = _open(what, content, card)
    model = OnnxModel(
        card,
        session,
        input_name,
        lowest=tuple(card.bounds(feature)[0] for feature in card.features),
        highest=tuple(card.bounds(feature)[1] for feature in card.features),
    )
    _check_reference(what, model)
    return model


def _open(what: str, content: bytes, card: ModelCard) -> tuple[Session, str]:
    try:
        session = open_session(content)
    except RUNTIME_ERRORS as error:
        raise ModelRefused(f"{what}: ONNX Runtime does not take it: {error}") from error
    inputs = [(one.type, one.shape) for one in session.get_inputs()]
    if len(inputs) != 1 or inputs[0][0] != "tensor(float)" or inputs[0][1][1:] != [len(card.features)]:
        raise ModelRefused(f"{what}: takes {inputs}, the card lists {len(card.features)} float columns")
    if "probabilities" not in [output.name for output in session.get_outputs()]:
        raise ModelRefused(f"{what}: has no output named probabilities")
    columns = session.get_modelmeta().custom_metadata_map.get("features", "null")
    if columns != json.dumps(list(card.feature_names)):
        raise ModelRefused(f"{what}: was trained on the columns {columns}, in another order than the card's")
    return session, session.get_inputs()[0].name


def _check_reference(what: str, model: OnnxModel) -> None:
    expected = [one.probability for one in model.card.reference]
    if any(len(one.row) != len(model.card.features) for one in model.card.reference):
        raise ModelRefused(f"{what}: a reference row has another number of columns than the card")
    try:
        answers = model.probabilities([one.row for one in model.card.reference])
    except ModelFailed as error:
        raise ModelRefused(f"{what}: cannot answer its reference rows: {error}") from error
    if not all(abs(a - b) <= REFERENCE_TOLERANCE for a, b in zip(answers, expected, strict=True)):
        raise ModelRefused(f"{what}: answers {answers} to its reference rows, the card says {expected}")
