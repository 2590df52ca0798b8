"""Probabilities that mean what they say: a sigmoid on top of an estimator (Platt 1999)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import cross_val_predict

from training.shipping import Matrix

type Folds = list[tuple[NDArray[np.intp], NDArray[np.intp]]]

# scikit-learn ships no types, and those inferred from its defaults are wrong.
_Calibrated: Any = CalibratedClassifierCV
_held_out: Any = cross_val_predict


def fit_calibrated(
    estimator: Any, rows: Matrix, labels: NDArray[np.int64], folds: Folds
) -> tuple[Any, NDArray[np.float64]]:
    """The estimator fitted on all rows under a sigmoid fitted on out-of-fold scores.

    Also returns the calibrated out-of-fold probabilities, on which a threshold may be chosen.
    One estimator, not one a fold (`ensemble=False`): the ONNX file stays small.
    """
    model = _Calibrated(estimator, method="sigmoid", cv=folds, ensemble=False).fit(rows, labels)
    if hasattr(estimator, "decision_function"):
        scores = _held_out(estimator, rows, labels, cv=folds, method="decision_function")
    else:
        scores = _held_out(estimator, rows, labels, cv=folds, method="predict_proba")[:, 1]
    return model, np.asarray(_sigmoid(model).predict(scores), dtype=np.float64)


def shift_prior(model: Any, *, trained_ratio: float, natural_ratio: float) -> float:
    """Turns probabilities under the training mix into those under the natural share of positives.

    Bayes: the log odds move by the difference of the priors' log odds (Elkan 2001), which for a
    sigmoid is its intercept. Changes the model in place; returns the move in log odds.
    """
    move = log_odds(natural_ratio) - log_odds(trained_ratio)
    # p = 1 / (1 + exp(a score + b))
    _sigmoid(model).b_ -= move
    return move


def moved(probabilities: NDArray[np.float64], move: float) -> NDArray[np.float64]:
    """Probabilities with their log odds moved."""
    odds = probabilities / (1.0 - probabilities) * np.exp(move)
    return odds / (1.0 + odds)


def log_odds(ratio: float) -> float:
    return float(np.log(ratio / (1.0 - ratio)))


def _sigmoid(model: Any) -> Any:
    return model.calibrated_classifiers_[0].calibrators[0]
