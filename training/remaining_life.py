"""How many cycles has this turbofan left? Trained on C-MAPSS, one model a subset.

Run: python -m training.remaining_life --data DIR [--subset FD001 ...]   (cmapss.py says what DIR holds)

Gradient boosted trees over smoothed sensors, their drift from the engine's own first 20 cycles, their
trend and the engine's age. Two of them, each on a random third of the columns a split, are averaged:
one alone scatters by 0.2 cycles from seed to seed. The settings were fixed on FD001 and FD002 and are the
same for every subset. Labels are capped at 125 cycles, in training and in judging.

The interval was once calibrated on all cycles: near the cap it was then too narrow (FD002 covered 0.86 of the
test engines), because most calibration cycles lay far before the cap and were easily answered.

Tried: one ensemble on all columns (FD001 11.5, FD002 11.1 cycles), which is worse on six regimes; three
smaller ones of 150 trees with 12 leaves (FD001 11.65), which make half the file.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor, VotingRegressor
from sklearn.model_selection import GroupKFold, cross_val_predict

from shared.contracts.model_card import (
    DataSource,
    Interval,
    Metric,
    ModelCard,
    ModelInput,
)
from shared.domain.features import FeaturePlan
from shared.onnx_model import OnnxModel, ends
from training import shipping
from training.cmapss import (
    CAP_CYCLES,
    SETTINGS,
    Engines,
    files,
    fold,
    plan_for,
    read_cycles,
    units_for,
)
from training.conformal import covered, interval_for
from training.evidence import calibration_bins, defined, fingerprint, metric, ratio

SEED = 20260101
VERSION = "1.0.0"
SUBSETS = ("FD001", "FD002", "FD003", "FD004")
MEMBERS = 2
FOLDS = 3
EDGES = (15.0, 30.0, 50.0, 75.0, 100.0, 120.0, CAP_CYCLES)
WARN_CYCLES = 30.0
EARLY_RATIO = 0.05
"""Budget of false warnings: this share of warned cycles may have more than `WARN_CYCLES` left."""

# scikit-learn ships no types, and those inferred from its defaults are wrong.
_Trees: Any = HistGradientBoostingRegressor
_Average: Any = VotingRegressor
_held_out: Any = cross_val_predict


def name_of(subset: str) -> str:
    return f"turbofan-life-{subset.lower()}"


def estimator() -> Any:
    return _Average(
        [
            (
                f"trees{number}",
                _Trees(
                    max_iter=300,
                    learning_rate=0.04,
                    max_leaf_nodes=15,
                    min_samples_leaf=60,
                    l2_regularization=5.0,
                    max_features=0.3,
                    early_stopping=False,
                    random_state=SEED + number,
                ),
            )
            for number in range(MEMBERS)
        ]
    )


def capped(remaining: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.minimum(remaining, CAP_CYCLES)


def nasa_score(off: NDArray[np.float64]) -> float:
    """Sum of exp(-d/13) - 1 for early and exp(d/10) - 1 for late answers (Saxena 2008), d in cycles."""
    return float(np.where(off < 0, np.expm1(-off / 13.0), np.expm1(off / 10.0)).sum())


def threshold_for(answered: NDArray[np.float64], remaining: NDArray[np.float64]) -> float:
    """The highest answer up to which at most `EARLY_RATIO` of the cycles have more than 30 left."""
    order = np.argsort(answered, kind="stable")
    early = np.cumsum(remaining[order] > WARN_CYCLES) / np.arange(1, len(order) + 1)
    within = np.flatnonzero(early <= EARLY_RATIO)
    return round(float(answered[order][within[-1]]), 1)


def figures(
    engines: Engines, answered: NDArray[np.float64], interval: Interval, threshold: float
) -> tuple[Metric, ...]:
    """What the card reports; intervals resample engines. `answered` are one answer a recorded cycle."""
    last = engines.last
    truth, given, unit = engines.remaining[last], answered[last], engines.unit[last]
    off = np.clip(given, 0.0, CAP_CYCLES) - capped(truth)
    inside = covered(interval, given, capped(truth))
    everywhere = covered(interval, answered, capped(engines.remaining))
    low, high = ends(interval, np.maximum(given, 0.0))
    width = high - low
    chance = 1.96 * np.sqrt(interval.coverage_ratio * (1 - interval.coverage_ratio) / len(unit))
    warned, due = given <= threshold, truth <= WARN_CYCLES

    def figure(name: str, of: Any, meaning: str, unit_of: str = "") -> Metric | None:
        return metric(name, of, unit, meaning=meaning, seed=SEED, unit=unit_of)

    return defined(
        figure(
            "rmse",
            lambda at: float(np.sqrt((off[at] ** 2).mean())),
            f"at the last recorded cycle of the {len(unit)} official test engines, labels capped at "
            f"{CAP_CYCLES:g}; always answering the mean gives {capped(truth).std():.1f}",
            "cycles",
        ),
        figure(
            "nasaScore",
            lambda at: nasa_score(off[at]),
            "sum over the same engines; late answers weigh more than early ones",
        ),
        figure("mae", lambda at: float(np.abs(off[at]).mean()), "mean absolute error, the same", "cycles"),
        figure(
            "rmseUncapped",
            lambda at: float(np.sqrt(((np.clip(given, 0, CAP_CYCLES) - truth)[at] ** 2).mean())),
            f"the same against labels beyond {CAP_CYCLES:g}, which the model cannot answer",
            "cycles",
        ),
        figure(
            "coverage",
            lambda at: float(inside[at].mean()),
            f"share of these engines inside the interval, which promises {interval.coverage_ratio:g}; "
            f"{len(unit)} draws that keep such a promise give {interval.coverage_ratio - chance:.2f} to "
            f"{interval.coverage_ratio + chance:.2f}",
        ),
        metric(
            "coverageAllCycles",
            lambda at: float(everywhere[at].mean()),
            engines.unit,
            meaning="the same over every recorded cycle of the test engines",
            seed=SEED,
        ),
        figure("intervalWidth", lambda at: float(width[at].mean()), "mean width of the interval", "cycles"),
        figure(
            "recall",
            lambda at: ratio(warned[at], due[at]),
            f"share of the {int(due.sum())} test engines within {WARN_CYCLES:g} cycles that are warned of",
        ),
        figure("precision", lambda at: ratio(due[at], warned[at]), "share of warnings that are within them"),
    )


def judge(model: OnnxModel, folder: Path, parts: list[str]) -> shipping.Judgement:
    """A shipped model on the test engines of a subset: its own, or one that it was not made from."""
    if len(parts) > 1:
        raise ValueError(f"one subset at a time, not {' '.join(parts)}")
    subset = parts[0] if parts else model.card.name.rpartition("-")[2].upper()
    _, tested, final = files(folder, subset)
    test = fold(read_cycles(tested), model.card.plan, np.loadtxt(final))
    assert model.card.interval is not None
    answered = model.outputs(test.rows)[:, 0]
    found = figures(test, answered, model.card.interval, model.card.threshold)
    return shipping.Judgement(found, test.rows, test.remaining <= WARN_CYCLES)


def card(
    *,
    subset: str,
    folder: Path,
    plan: FeaturePlan,
    train: Engines,
    test: Engines,
    measured: shipping.Measured,
    interval: Interval,
    onnx: bytes,
) -> ModelCard:
    """Everything the card says beside the figures."""
    assert plan.regimes is not None
    return ModelCard(
        name=name_of(subset),
        version=VERSION,
        kind="remaining-life",
        answer_unit="cycles",
        interval=interval,
        predicts=f"Flight cycles that a turbofan engine has left, up to {CAP_CYCLES:g}.",
        horizon_hours=None,
        intended_use="Demonstration and regression tests of remaining life with an interval. On site, train "
        "it again on histories of your own machines that ran until they failed.",
        not_for=(
            "any engine or machine in service: simulated engines do not transfer",
            "safety functions, or putting off maintenance without a person",
            "machines whose life is not counted in like cycles from new",
        ),
        limits=(
            f"Answers near {CAP_CYCLES:g} mean at least that many: the interval is against capped labels.",
            "Age counts from the first cycle seen; an engine that was already old then looks too young.",
            "Drift from the engine's own baseline is unknown for its first 20 cycles.",
        ),
        data=DataSource(
            title=f"NASA C-MAPSS {subset}: {len(np.unique(train.unit))} engines run to failure, "
            f"{len(np.unique(test.unit))} test engines; {len(plan.regimes.centres)} regimes found",
            origin="NASA Ames Prognostics Center of Excellence, Turbofan Engine Degradation Simulation",
            licence="US Government work; NASA asks for attribution",
            citation="A. Saxena, K. Goebel, D. Simon, N. Eklund, Damage Propagation Modeling for Aircraft "
            "Engine Run-to-Failure Simulation, PHM 2008",
            simulated=True,
            files=tuple(fingerprint(path) for path in files(folder, subset)),
        ),
        split=f"The official one: trained on {len(train.unit):,} cycles of the training engines, judged at "
        "the last recorded cycle of the test engines, which the model has not seen. Interval and threshold "
        f"come from out-of-fold answers, {FOLDS} folds of whole training engines; the interval from cycles "
        f"with at most {CAP_CYCLES:g} left, since earlier ones all have the same, easily answered label.",
        threshold_rule=f"A warning at or below it. The highest at which at most {EARLY_RATIO:.0%} of warned "
        f"training cycles had more than {WARN_CYCLES:g} left, on out-of-fold answers.",
        inputs=tuple(
            ModelInput(
                name=one,
                unit="as recorded",
                meaning="operating condition" if one in SETTINGS else "sensor, numbered as by NASA",
            )
            for one in (*SETTINGS, *plan.regimes.normalised)
        ),
        attributes=(),
        components=(),
        reproduce=f"python -m training.remaining_life --data DIR --subset {subset}",
        seed=SEED,
        **measured,
        **shipping.closing(
            onnx,
            kind="remaining-life",
            rows=train.rows,
            units=units_for(plan),
            plan=plan,
            asked=test.rows,
            margin_ratio=1.0,
        ),
    )


def make(subset: str, folder: Path, models: Path) -> None:
    """Trains the model of one subset, measures it on the test engines and writes it below `models`."""
    trained, tested, final = files(folder, subset)
    recorded = read_cycles(trained)
    plan = plan_for(recorded)
    train = fold(recorded, plan)
    test = fold(read_cycles(tested), plan, np.loadtxt(final))
    labels = capped(train.remaining)
    held_out = _held_out(estimator(), train.rows, labels, groups=train.unit, cv=GroupKFold(FOLDS))
    # Earlier cycles all have the same label, which is easily answered: with them, the interval would be too
    # narrow where the cap hides nothing.
    near = train.remaining <= CAP_CYCLES
    interval = interval_for(held_out[near], labels[near], train.unit[near], edges=EDGES)
    threshold = threshold_for(held_out, train.remaining)
    model = estimator().fit(train.rows, labels)
    onnx = shipping.to_model(model, tuple(units_for(plan)), "remaining-life")
    answered = shipping.answers(onnx, test.rows, "remaining-life")
    made = card(
        subset=subset,
        folder=folder,
        plan=plan,
        train=train,
        test=test,
        measured=shipping.Measured(
            metrics=figures(test, answered, interval, threshold),
            calibration=calibration_bins(answered, capped(test.remaining)),
            threshold=threshold,
            parity=shipping.parity(model.predict(test.rows), answered, lambda answers: answers <= threshold),
        ),
        interval=interval,
        onnx=onnx,
    )
    shipping.ship(made, onnx, models, judged=(test.rows, test.remaining <= WARN_CYCLES))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Trains the turbofan models and writes them below models/.")
    parser.add_argument("--data", type=Path, required=True, help="folder with the C-MAPSS files")
    parser.add_argument("--subset", nargs="*", help="FD001 to FD004; left out: all that are in the folder")
    parser.add_argument("--models", type=Path, default=shipping.MODELS, help="where to write")
    options = parser.parse_args(arguments)
    subsets = options.subset or [one for one in SUBSETS if files(options.data, one)[0].exists()]
    for subset in subsets:
        make(subset, options.data, options.models)


if __name__ == "__main__":
    main()
