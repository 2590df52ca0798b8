"""A trained estimator -> `models/<name>/<version>/`: model.onnx, card.json, the card as a page, a plot."""

import hashlib
import json
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np
import onnx
from numpy.typing import NDArray
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType

from shared.contracts.model_card import (
    CalibrationBin,
    Feature,
    Kind,
    Metric,
    ModelCard,
    Parity,
    ReferenceRow,
    RegimeTable,
)
from shared.domain.features import VERSION, FeaturePlan
from shared.onnx_model import OUTPUTS, load
from shared.onnx_runtime import open_session
from shared.scoring import reason_to_abstain
from training.calibration_plot import plot
from training.card_page import page

MODELS = Path(__file__).resolve().parent.parent / "models"
OPSET = 18
ML_OPSET = 3
IR_VERSION = 8
REFERENCE_ROW_COUNT = 5
RANGE_MARGIN_RATIO = 0.25
LIBRARIES = ("scikit-learn", "skl2onnx", "onnx", "onnxruntime", "numpy")

# Its annotations do not know the types that its documentation asks for.
_to_onnx: Any = to_onnx

type Matrix = NDArray[np.float32]
type Answers = NDArray[np.float64]
"""One row of a model's output for each row that it was asked about."""


class Judgement(NamedTuple):
    """A shipped model on data that it was not made from."""

    metrics: tuple[Metric, ...]
    rows: Matrix
    """What it was asked."""
    wanted: NDArray[np.bool_]
    """The rows that call for a warning."""


def matrix(rows: list[tuple[float, ...]]) -> Matrix:
    """Rows as the runtime gets them: already rounded to 3 decimals, then float32."""
    return np.asarray(rows, dtype=np.float32)


def to_model(estimator: Any, features: tuple[str, ...], kind: Kind) -> bytes:
    """The estimator as ONNX with the one output of its kind, its column names inside."""
    classifies = kind in ("failure", "quality")
    converted = _to_onnx(
        estimator,
        initial_types=[("row", FloatTensorType([None, len(features)]))],
        options={id(estimator): {"zipmap": False}} if classifies else None,
        target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
    )
    assert isinstance(converted, onnx.ModelProto)
    # The converter names the output of a regression `variable`.
    for node in converted.graph.node:
        for place, name in enumerate(node.output):
            if name == "variable":
                node.output[place] = OUTPUTS[kind]
    for output in converted.graph.output:
        if output.name == "variable":
            output.name = OUTPUTS[kind]
    return sealed(converted, features)


def sealed(model: onnx.ModelProto, features: tuple[str, ...]) -> bytes:
    """The file's bytes, the same for the same training: the converter names graphs at random."""
    model.graph.name = "model"
    model.metadata_props.add(key="features", value=json.dumps(list(features)))
    return model.SerializeToString(deterministic=True)


def opsets(model: bytes) -> dict[str, int]:
    """Domain -> version that the file needs, which may be older than what was asked for."""
    return {one.domain: one.version for one in onnx.load_from_string(model).opset_import}


def describe(rows: Matrix, names: tuple[str, ...], units: dict[str, str]) -> tuple[Feature, ...]:
    """Range, median and spread of every column over the training rows."""
    described: list[Feature] = []
    for index, name in enumerate(names):
        known = rows[:, index][~np.isnan(rows[:, index])].astype(np.float64)
        low, median, high = np.percentile(known, [0.1, 50.0, 99.9])
        described.append(
            Feature(
                name=name,
                unit=units[name],
                low=round(float(low), 3),
                high=round(float(high), 3),
                median=round(float(median), 3),
                std=round(float(known.std()), 4),
                missing_share=round(1.0 - len(known) / len(rows), 4),
            )
        )
    return tuple(described)


def outputs(model: bytes, rows: Matrix, kind: Kind) -> Answers:
    """What ONNX Runtime makes of the rows."""
    return open_session(model).run([OUTPUTS[kind]], {"row": rows})[0].astype(np.float64)


def answers(model: bytes, rows: Matrix, kind: Kind = "failure") -> NDArray[np.float64]:
    """One number a row: the probability of failure, or the only output of other kinds."""
    return outputs(model, rows, kind)[:, -1]


def parity(wanted: Answers, given: Answers, warns: Callable[[Answers], NDArray[Any]]) -> Parity:
    """Outputs of the estimator and of the ONNX model compared row by row.

    `warns` says what is done about an answer (a warning or none, a class): a row for which that
    changes is a flip.
    """
    difference = np.abs(wanted - given).reshape(len(wanted), -1).max(axis=1)
    return Parity(
        row_count=len(wanted),
        p999_difference=float(f"{np.percentile(difference, 99.9):.2g}"),
        max_difference=float(f"{difference.max():.2g}"),
        flip_count=int((warns(wanted) != warns(given)).sum()),
    )


def reference_rows(model: bytes, rows: Matrix, kind: Kind) -> tuple[ReferenceRow, ...]:
    """Rows from the lowest to the highest answer, with the model's output."""
    given = outputs(model, rows, kind)
    order = np.argsort(given[:, -1], kind="stable")
    picked = order[np.linspace(0, len(order) - 1, REFERENCE_ROW_COUNT).astype(int)]
    return tuple(
        ReferenceRow(
            row=tuple(None if np.isnan(x) else round(float(x), 3) for x in rows[index]),
            answer=tuple(round(float(x), 6) for x in given[index]),
        )
        for index in picked
    )


class Measured(TypedDict):
    """What a card says of how good the model is."""

    metrics: tuple[Metric, ...]
    calibration: tuple[CalibrationBin, ...]
    threshold: float
    parity: Parity


class Closing(TypedDict):
    """What a card says about columns and model file: the same for every model."""

    features: tuple[Feature, ...]
    taus_ms: tuple[int, ...]
    windows_ms: tuple[int, ...]
    warm_up_panes: int
    baseline_panes: int
    shrinkage: float
    regimes: RegimeTable | None
    features_version: int
    range_margin_ratio: float
    sha256: str
    opset: int
    ml_opset: int
    reference: tuple[ReferenceRow, ...]
    libraries: dict[str, str]


def closing(
    onnx_model: bytes,
    *,
    kind: Kind,
    rows: Matrix,
    units: dict[str, str],
    plan: FeaturePlan,
    asked: Matrix | None = None,
    margin_ratio: float = RANGE_MARGIN_RATIO,
) -> Closing:
    """The end of a card: columns with the ranges of the training `rows`, plan, file.

    Reference rows are picked from `asked`, from `rows` when left out.
    """
    regimes = plan.regimes
    needs = opsets(onnx_model)
    return Closing(
        features=describe(rows, tuple(units), units),
        taus_ms=plan.taus_ms,
        windows_ms=plan.windows_ms,
        warm_up_panes=plan.warm_up_panes,
        baseline_panes=plan.baseline_panes,
        shrinkage=plan.shrinkage,
        regimes=None
        if regimes is None
        else RegimeTable(
            by=regimes.by,
            scale=regimes.scale,
            centres=regimes.centres,
            normalised=regimes.normalised,
            mean=regimes.mean,
            std=regimes.std,
        ),
        features_version=VERSION,
        range_margin_ratio=margin_ratio,
        sha256=hashlib.sha256(onnx_model).hexdigest(),
        opset=needs[""],
        ml_opset=needs.get("ai.onnx.ml", ML_OPSET),
        reference=reference_rows(onnx_model, rows if asked is None else asked, kind),
        libraries={name: version(name) for name in LIBRARIES},
    )


def plain(name: str, value: float, meaning: str, unit: str = "") -> Metric:
    """A figure without an interval."""
    return Metric(name=name, value=round(value, 5), low=None, high=None, unit=unit, meaning=meaning)


def abstentions(card: ModelCard, rows: Matrix, wanted: NDArray[np.bool_]) -> tuple[Metric, ...]:
    """How often scoring would abstain on these rows: over all, and over those where it matters."""
    abstains = np.array([bool(reason_to_abstain(card, tuple(row))) for row in rows.tolist()])
    return (
        plain("abstained", float(abstains.mean()), "share of rows that the model declines to judge"),
        plain(
            "abstainedFailing", float(abstains[wanted].mean()), "the same among rows that call for a warning"
        ),
    )


def tell(metrics: Iterable[Metric]) -> None:
    for figure in metrics:
        spread = "" if figure.low is None else f"  [{figure.low:g}, {figure.high:g}]"
        print(f"  {figure.name:32} {figure.value:g} {figure.unit}{spread}")


def ship(card: ModelCard, model: bytes, folder: Path, *, judged: tuple[Matrix, NDArray[np.bool_]]) -> None:
    """Adds to the card how often the model abstains on the `judged` rows (and among those that call
    for a warning), writes the files and loads them back the way a worker does."""
    card = card.model_copy(update={"metrics": (*card.metrics, *abstentions(card, *judged))})
    place = folder / card.name / card.version
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.onnx").write_bytes(model)
    (place / "card.json").write_text(card.model_dump_json(by_alias=True, indent=1) + "\n", encoding="utf-8")
    (place / "card.md").write_text(page(card), encoding="utf-8")
    (place / "calibration.svg").write_text(plot(card), encoding="utf-8")
    load(folder, card.name, card.version)
    print(f"{card.name} {card.version}: {len(model) / 1000:.0f} kB in {place}")
    tell(card.metrics)
    print(f"  {'onnx parity':32} p99.9 {card.parity.p999_difference:g}, {card.parity.flip_count} flips")
