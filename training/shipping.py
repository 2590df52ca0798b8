"""A trained estimator -> `models/<name>/<version>/`: model.onnx, card.json and the card as a page."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType

from shared.contracts.model_card import Feature, Metric, ModelCard, Parity, ReferenceRow
from shared.onnx_model import load
from shared.onnx_runtime import open_session
from shared.scoring import reason_to_abstain
from training.card_page import page

MODELS = Path(__file__).resolve().parent.parent / "models"
OPSET = 18
ML_OPSET = 3
REFERENCE_ROW_COUNT = 5
LIBRARIES = ("scikit-learn", "skl2onnx", "onnx", "onnxruntime", "numpy")

# Its annotations do not know the types that its documentation asks for.
_to_onnx: Any = to_onnx

type Matrix = NDArray[np.float32]


def matrix(rows: list[tuple[float, ...]]) -> Matrix:
    """Rows as the runtime gets them: already rounded to 3 decimals, then float32."""
    return np.asarray(rows, dtype=np.float32)


def to_model(estimator: Any, features: tuple[str, ...]) -> bytes:
    """The estimator as ONNX with a plain `probabilities` output, its column names inside."""
    converted = _to_onnx(
        estimator,
        initial_types=[("row", FloatTensorType([None, len(features)]))],
        options={id(estimator): {"zipmap": False}},
        target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
    )
    assert isinstance(converted, onnx.ModelProto)
    # The converter names the graph at random; a seeded training must give the same bytes.
    converted.graph.name = "model"
    converted.metadata_props.add(key="features", value=json.dumps(list(features)))
    return converted.SerializeToString(deterministic=True)


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


def answers(model: bytes, rows: Matrix) -> NDArray[np.float64]:
    """What ONNX Runtime makes of the rows."""
    return open_session(model).run(["probabilities"], {"row": rows})[0][:, 1].astype(np.float64)


def parity(estimator: Any, model: bytes, rows: Matrix, threshold: float) -> Parity:
    """Estimator and ONNX model compared on every row."""
    wanted: NDArray[np.float64] = estimator.predict_proba(rows)[:, 1]
    given = answers(model, rows)
    difference = np.abs(wanted - given)
    return Parity(
        row_count=len(rows),
        p999_difference=float(f"{np.percentile(difference, 99.9):.2g}"),
        max_difference=float(f"{difference.max():.2g}"),
        flip_count=int(((wanted >= threshold) != (given >= threshold)).sum()),
    )


def reference_rows(model: bytes, rows: Matrix) -> tuple[ReferenceRow, ...]:
    """Rows from the least to the most likely to fail, with the model's answers."""
    given = answers(model, rows)
    order = np.argsort(given, kind="stable")
    picked = order[np.linspace(0, len(order) - 1, REFERENCE_ROW_COUNT).astype(int)]
    return tuple(
        ReferenceRow(
            row=tuple(round(float(x), 3) for x in rows[index]), probability=round(float(given[index]), 6)
        )
        for index in picked
    )


def plain(name: str, value: float, meaning: str) -> Metric:
    """A figure without an interval."""
    return Metric(name=name, value=round(value, 5), low=None, high=None, unit="", meaning=meaning)


def abstentions(card: ModelCard, rows: Matrix, labels: NDArray[np.int64]) -> tuple[Metric, ...]:
    """How often scoring would abstain on these rows: over all, and over those before a failure."""
    abstains = np.array([bool(reason_to_abstain(card, tuple(row))) for row in rows.tolist()])
    return (
        plain("abstained", float(abstains.mean()), "share of rows that the model declines to judge"),
        plain("abstainedFailing", float(abstains[labels == 1].mean()), "the same among failing rows"),
    )


def digest(model: bytes) -> str:
    return hashlib.sha256(model).hexdigest()


def libraries() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}


def ship(card: ModelCard, model: bytes, folder: Path, *, judged: tuple[Matrix, NDArray[np.int64]]) -> None:
    """Adds to the card how often the model abstains on the `judged` rows and labels, writes the three
    files and loads them back the way a worker does."""
    card = card.model_copy(update={"metrics": (*card.metrics, *abstentions(card, *judged))})
    place = folder / card.name / card.version
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.onnx").write_bytes(model)
    (place / "card.json").write_text(card.model_dump_json(by_alias=True, indent=2) + "\n", encoding="utf-8")
    (place / "card.md").write_text(page(card), encoding="utf-8")
    load(folder, card.name, card.version)
    print(f"{card.name} {card.version}: {len(model) / 1000:.0f} kB in {place}")
    for figure in card.metrics:
        spread = "" if figure.low is None else f"  [{figure.low:g}, {figure.high:g}]"
        print(f"  {figure.name:32} {figure.value:g} {figure.unit}{spread}")
    print(f"  {'onnx parity':32} p99.9 {card.parity.p999_difference:g}, {card.parity.flip_count} flips")
