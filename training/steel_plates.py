"""Which fault does this steel plate show? Trained on the steel plates set, by a camera's measurements.

Run: python -m training.steel_plates --data DIR   (DIR holds steel_plates_faults.csv, or UCI's Faults.NNA)

Gradient boosted trees over 27 measurements of a fault's shape and brightness, with a sigmoid a class on top.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import StratifiedKFold

from shared.contracts.model_card import (
    DataSource,
    Metric,
    ModelCard,
    ModelInput,
)
from shared.domain.features import FeaturePlan
from shared.onnx_model import OnnxModel
from training import shipping
from training.evidence import calibration_bins, defined, fingerprint, metric, ratio
from training.folding import recipe_for, rows_of

SEED = 20260101
NAME, VERSION = "steel-plate-fault", "1.0.0"
CHANNELS = (
    "x_minimum", "x_maximum", "y_minimum", "y_maximum", "pixels_areas", "x_perimeter", "y_perimeter",
    "sum_of_luminosity", "minimum_of_luminosity", "maximum_of_luminosity", "length_of_conveyer",
    "type_of_steel_a300", "type_of_steel_a400", "steel_plate_thickness", "edges_index", "empty_index",
    "square_index", "outside_x_index", "edges_x_index", "edges_y_index", "outside_global_index",
    "log_of_areas", "log_x_index", "log_y_index", "orientation_index", "luminosity_index",
    "sigmoid_of_areas",
)  # fmt: skip
"""In the order of the file's columns."""

FEATURES = tuple(f"{channel}.last" for channel in CHANNELS)
FAULTS = ("Pastry", "Z_Scratch", "K_Scatch", "Stains", "Dirtiness", "Bumps", "Other_Faults")
SURE_RATIO = 0.9
"""Budget: of the faults that are named, this share must be named rightly."""

PLAN = FeaturePlan()

# scikit-learn ships no types, and those inferred from its defaults are wrong.
_Trees: Any = HistGradientBoostingClassifier
_Calibrated: Any = CalibratedClassifierCV


def path_in(folder: Path) -> Path:
    clean = folder / "steel_plates_faults.csv"
    return clean if clean.exists() else folder / "Faults.NNA"


def load(path: Path) -> tuple[shipping.Matrix, NDArray[np.int64]]:
    """Rows and the number of each row's fault. Each plate is one pane of its own.

    UCI's own file has no header; its columns are in the same order.
    """
    table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_csv(path, sep=r"\s+", header=None)
    values = table.iloc[:, :27].to_numpy(dtype=np.float64)
    labels = table.iloc[:, 27:34].to_numpy().argmax(axis=1)
    made = recipe_for(FEATURES, CHANNELS, PLAN)
    rows = [next(rows_of(made, [(0, tuple(row))]))[1] for row in values.tolist()]
    return shipping.matrix(rows), labels.astype(np.int64)


def estimator() -> Any:
    return _Trees(
        max_iter=60,
        learning_rate=0.1,
        max_leaf_nodes=10,
        min_samples_leaf=8,
        l2_regularization=1.0,
        max_features=0.5,
        early_stopping=False,
        random_state=SEED,
    )


def fit(rows: shipping.Matrix, labels: NDArray[np.int64]) -> Any:
    inner = StratifiedKFold(3, shuffle=True, random_state=SEED)
    return _Calibrated(estimator(), method="sigmoid", cv=inner, ensemble=False).fit(rows, labels)


def folds() -> StratifiedKFold:
    """The split that the card's figures come from."""
    return StratifiedKFold(10, shuffle=True, random_state=0)


def evaluate(rows: shipping.Matrix, labels: NDArray[np.int64]) -> shipping.Answers:
    """Out-of-fold probabilities of every class, 10 folds stratified by fault."""
    probabilities = np.zeros((len(labels), len(FAULTS)))
    for train, test in folds().split(rows, labels):
        probabilities[test] = fit(rows[train], labels[train]).predict_proba(rows[test])
    return probabilities


def threshold_for(sure: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The lowest probability from which the named faults are right in `SURE_RATIO` of cases."""
    order = np.argsort(-sure, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    return round(float(sure[order][np.flatnonzero(share >= SURE_RATIO)[-1]]), 4)


def figures(
    labels: NDArray[np.int64], probabilities: shipping.Answers, threshold: float
) -> tuple[Metric, ...]:
    named = probabilities.argmax(axis=1)
    right, sure = named == labels, probabilities.max(axis=1) >= threshold
    each = np.arange(len(labels))
    most = np.bincount(labels).max() / len(labels)

    def f1(at: NDArray[np.intp]) -> float:
        return float(f1_score(labels[at], named[at], average="macro"))

    def class_f1(at: NDArray[np.intp], number: int) -> float:
        called, wanted = named[at] == number, labels[at] == number
        return float(2 * (called & wanted).sum() / max(1, called.sum() + wanted.sum()))

    figure = partial(metric, groups=each, seed=SEED)
    return defined(
        figure("macroF1", f1, meaning="mean F1 of the seven faults"),
        figure(
            "accuracy",
            lambda at: float(accuracy_score(labels[at], named[at])),
            meaning=f"share of plates named rightly; always naming the most frequent gives {most:.3f}",
        ),
        figure(
            "named",
            lambda at: float(sure[at].mean()),
            meaning="share of plates whose fault is named at the threshold",
        ),
        figure(
            "accuracyNamed",
            lambda at: ratio(right[at], sure[at]),
            meaning="share of those that are named rightly",
        ),
        *(
            figure(f"f1{fault.replace('_', '')}", partial(class_f1, number=number), meaning=f"F1 of {fault}")
            for number, fault in enumerate(FAULTS)
        ),
    )


def judge(model: OnnxModel, folder: Path, parts: list[str]) -> shipping.Judgement:
    """A shipped model on other plates of the same form."""
    rows, labels = load(path_in(folder))
    found = figures(labels, model.outputs(rows), model.card.threshold)
    return shipping.Judgement(found, rows, np.ones(len(rows), dtype=bool))


def card(
    *,
    path: Path,
    rows: shipping.Matrix,
    measured: shipping.Measured,
    onnx: bytes,
) -> ModelCard:
    """Everything the card says beside the figures."""
    return ModelCard(
        name=NAME,
        version=VERSION,
        kind="quality",
        answer_unit="",
        classes=FAULTS,
        predicts="Kind of the fault of a steel plate that is known to be faulty.",
        horizon_hours=None,
        intended_use="Demonstration of a quality model: sort faults that a camera has found by their kind.",
        not_for=(
            "deciding whether a plate is faulty: every plate of the training set is",
            "other cameras, materials or mills",
            "accepting or scrapping parts without a person",
        ),
        limits=(
            "A third of the plates are Other_Faults, which gathers what is left: the others are mostly "
            "confused with it.",
            "Plates of one coil may lie in different folds: the set does not say which belong together.",
        ),
        data=DataSource(
            title="Steel Plates Faults, 1,941 plates with seven kinds of fault",
            origin="UCI Machine Learning Repository, dataset 198, https://archive.ics.uci.edu/dataset/198",
            licence="CC BY 4.0",
            citation="M. Buscema, S. Terzi, W. Tastle, 2010, doi:10.24432/C5J88N",
            simulated=False,
            files=(fingerprint(path),),
        ),
        split="10-fold stratified by fault; calibration comes from 3 folds inside each training part. The "
        "shipped model is fitted on all rows.",
        threshold_rule=f"The lowest probability from which {SURE_RATIO:.0%} of named faults were right, on "
        "out-of-fold answers; below it no fault is named.",
        inputs=tuple(
            ModelInput(name=one, unit="as recorded", meaning="measured by camera") for one in CHANNELS
        ),
        attributes=(),
        components=(),
        reproduce="python -m training.steel_plates --data DIR   # DIR holds steel_plates_faults.csv",
        seed=SEED,
        **measured,
        **shipping.closing(
            onnx,
            kind="quality",
            rows=rows,
            units=dict.fromkeys(FEATURES, "as recorded"),
            plan=PLAN,
            margin_ratio=1.0,
        ),
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=f"Trains {NAME} {VERSION} and writes it below models/.")
    parser.add_argument("--data", type=Path, required=True, help="folder with the steel plates file")
    parser.add_argument("--models", type=Path, default=shipping.MODELS, help="where to write")
    options = parser.parse_args(arguments)
    path = path_in(options.data)
    rows, labels = load(path)
    probabilities = evaluate(rows, labels)
    right = probabilities.argmax(axis=1) == labels
    threshold = threshold_for(probabilities.max(axis=1), right)
    model = fit(rows, labels)
    onnx = shipping.to_model(model, FEATURES, "quality")
    made = card(
        path=path,
        rows=rows,
        measured=shipping.Measured(
            metrics=figures(labels, probabilities, threshold),
            calibration=calibration_bins(probabilities.max(axis=1), right),
            threshold=threshold,
            parity=shipping.parity(
                model.predict_proba(rows),
                shipping.outputs(onnx, rows, "quality"),
                lambda answers: answers.argmax(axis=1),
            ),
        ),
        onnx=onnx,
    )
    shipping.ship(made, onnx, options.models, judged=(rows, np.ones(len(rows), dtype=bool)))


if __name__ == "__main__":
    main()
