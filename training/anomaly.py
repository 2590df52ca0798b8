"""How far is this machine from its own healthy behaviour? A distance, learnt from the machine itself.

Run: python -m training.anomaly --data DIR   (DIR holds the folders skab and nab: see skab.py, nab.py)

Each machine's first panes give the mean and the correlations of its smoothed signals; from then on the
model answers the Mahalanobis distance of the smoothed signals from them, per channel. The baseline lives
in the machine's state (`feature_baseline`), so the file holds no weights: what is chosen here is one time
constant, one shrinkage and one threshold. The distance is a sum over signals, so its parts are exact.

Chosen on valve1 and judged on valve2, and the other way round; the shipped setting is chosen on both.
NAB was not used to choose anything.
"""

import argparse
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from shared.contracts.model_card import (
    DataSource,
    Metric,
    ModelCard,
    ModelInput,
)
from shared.domain.features import FeaturePlan
from shared.onnx_model import OnnxModel
from training import nab, shipping, skab
from training.evidence import calibration_bins, defined, fingerprint, metric
from training.folding import Pane, recipe_for, rows_of

SEED = 20260101
NAME, VERSION = "anomaly", "1.0.0"
CHANNELS = tuple(f"x{number}" for number in range(1, 9))
UNITS = {f"{channel}.{what}": "healthy std" for what in ("away", "pull") for channel in CHANNELS}
PLAN = FeaturePlan(warm_up_panes=60, baseline_panes=skab.TRAINED_ON - 60)
TAUS_PANES = (10, 20, 30)
SHRINKAGES = (0.2, 0.5)
THRESHOLDS = tuple(np.arange(2.0, 8.01, 0.25).tolist())
FALSE_ALARM_BUDGET = 0.15
"""Share of healthy panes that may be called anomalous where the setting is chosen."""

VALVES = ("valve1", "valve2")

# Its annotations do not know that a scalar attribute may be left out.
_node: Any = helper.make_node


@dataclass(frozen=True, slots=True)
class Setting:
    """What there is to choose."""

    tau_panes: int
    shrinkage: float
    threshold: float

    @property
    def plan(self) -> FeaturePlan:
        return replace(PLAN, taus_ms=(self.tau_panes * skab.PANE_MS,), shrinkage=self.shrinkage)


def graph() -> bytes:
    """sqrt(sum of away x pull / known channels): rows of 8 `away` and 8 `pull`, NaN for unused channels."""
    width = len(CHANNELS)

    def constant(name: str, value: NDArray[Any]) -> Any:
        return onnx.numpy_helper.from_array(value, name)

    nodes = [
        _node("Split", ["row"], ["away", "pull"], axis=1, num_outputs=2),
        _node("Mul", ["away", "pull"], ["part"]),
        _node("IsNaN", ["part"], ["unknown"]),
        _node("Where", ["unknown", "zero", "part"], ["known_part"]),
        _node("Where", ["unknown", "zero", "one"], ["counted"]),
        _node("ReduceSum", ["known_part", "columns"], ["squared"], keepdims=1),
        # Rounding of the columns may leave a sum just below 0.
        _node("Max", ["squared", "zero"], ["positive"]),
        _node("ReduceSum", ["counted", "columns"], ["count"], keepdims=1),
        # No channel at all: 0 / 0 is NaN, which is no answer.
        _node("Div", ["positive", "count"], ["per_channel"]),
        _node("Sqrt", ["per_channel"], ["distance"]),
    ]
    made = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("row", TensorProto.FLOAT, [None, 2 * width])],
        [helper.make_tensor_value_info("distance", TensorProto.FLOAT, [None, 1])],
        [
            constant("zero", np.zeros(1, dtype=np.float32)),
            constant("one", np.ones(1, dtype=np.float32)),
            constant("columns", np.ones(1, dtype=np.int64)),
        ],
    )
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", shipping.OPSET)], ir_version=shipping.IR_VERSION
    )
    onnx.checker.check_model(model)
    return shipping.sealed(model, tuple(UNITS))


def distances(rows: shipping.Matrix) -> NDArray[np.float64]:
    """The same by numpy in double precision, to compare the file with."""
    away, pull = np.split(rows.astype(np.float64), 2, axis=1)
    part = away * pull
    count = (~np.isnan(part)).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.sqrt(np.maximum(np.nansum(part, axis=1), 0.0) / np.where(count, count, np.nan))


def rows_for(panes: list[Pane], plan: FeaturePlan) -> shipping.Matrix:
    """A recording as rows; its columns are the first channels."""
    recipe = recipe_for(UNITS, CHANNELS[: len(panes[0][1])], plan)
    return shipping.matrix([row for _, row in rows_of(recipe, panes)])


def answer(recordings: list[skab.Recording], plan: FeaturePlan) -> list[NDArray[np.float64]]:
    """Distances of the judged samples of each recording."""
    return [distances(rows_for(one.panes, plan))[skab.TRAINED_ON :] for one in recordings]


def truth(recordings: list[skab.Recording]) -> list[NDArray[np.bool_]]:
    return [one.anomalous[skab.TRAINED_ON :] for one in recordings]


def choose(answers: dict[Setting, NDArray[np.float64]], anomalous: NDArray[np.bool_]) -> Setting:
    """The setting with the best F1 within the budget of false alarms."""
    judged = {
        replace(setting, threshold=threshold): skab.judge(given >= threshold, anomalous)
        for setting, given in answers.items()
        for threshold in THRESHOLDS
    }
    within = {
        setting: found for setting, found in judged.items() if found.false_alarm_ratio <= FALSE_ALARM_BUDGET
    }
    return max(within, key=lambda setting: within[setting].f1)


def settings() -> list[Setting]:
    return [Setting(tau, shrinkage, 1.0) for tau in TAUS_PANES for shrinkage in SHRINKAGES]


def figures(
    warned: list[NDArray[np.bool_]], anomalous: list[NDArray[np.bool_]], *, suffix: str, how: str
) -> tuple[Metric, ...]:
    """The leaderboard's figures; intervals resample recordings."""
    each = np.arange(len(warned))

    def of(at: NDArray[np.intp], field: str) -> float:
        found = skab.judge(
            np.concatenate([warned[one] for one in at]), np.concatenate([anomalous[one] for one in at])
        )
        return float(getattr(found, field))

    every = np.concatenate(anomalous)
    always = skab.judge(np.ones_like(every), every).f1
    meanings = {
        "f1": f"over the judged samples; always calling an anomaly gives {always:.3f}",
        "false_alarm_ratio": "share of healthy samples that were called anomalous (FAR)",
        "missed_alarm_ratio": "share of anomalous samples that were not (MAR)",
    }
    names = {"f1": "f1", "false_alarm_ratio": "falseAlarmRatio", "missed_alarm_ratio": "missedAlarmRatio"}
    return defined(
        *(
            metric(
                names[field] + suffix, partial(of, field=field), each, meaning=f"{meaning}; {how}", seed=SEED
            )
            for field, meaning in meanings.items()
        )
    )


def judge(model: OnnxModel, folder: Path, parts: list[str]) -> shipping.Judgement:
    """The shipped setting on recordings in SKAB's form: the folders named, or all."""
    paths = skab.paths(folder, *(parts or sorted(one.name for one in folder.iterdir() if one.is_dir())))
    if not paths:
        raise ValueError(f"{folder} holds no recordings (*.csv) of {' '.join(parts) or 'any group'}")
    recordings = [skab.read(path) for path in paths]
    rows = [rows_for(one.panes, model.card.plan)[skab.TRAINED_ON :] for one in recordings]
    warned = [model.outputs(one)[:, 0] >= model.card.threshold for one in rows]
    found = figures(warned, truth(recordings), suffix="", how="with the shipped setting")
    return shipping.Judgement(found, np.concatenate(rows), np.concatenate(truth(recordings)))


def nab_figures(folder: Path, setting: Setting) -> tuple[list[Metric], list[shipping.Matrix]]:
    """What the shipped setting makes of recordings that chose nothing."""
    found: list[Metric] = []
    rows: list[shipping.Matrix] = []
    for name in nab.FILES:
        one = nab.read(folder, name)
        hours = (one.panes[1][0] - one.panes[0][0]) / 3_600_000
        plan = replace(setting.plan, taus_ms=(round(setting.tau_panes * hours * 3_600_000),))
        rows.append(rows_for(one.panes, plan))
        warned = (distances(rows[-1]) >= setting.threshold)[skab.TRAINED_ON :]
        window = one.window[skab.TRAINED_ON :]
        windows = [number for number in np.unique(window) if number >= 0]
        noticed = sum(bool(warned[window == number].any()) for number in windows)
        short = "Machine" if name.startswith("machine") else "Ambient"
        found += [
            shipping.plain(
                f"nab{short}Noticed",
                noticed,
                f"of {len(windows)} labelled windows of NAB {name}, shipped setting; baseline frozen "
                f"after {skab.TRAINED_ON * hours:.0f} h",
            ),
            shipping.plain(
                f"nab{short}FalseAlarmRatio",
                float(warned[window < 0].mean()),
                "share of samples outside windows that were called anomalous",
            ),
        ]
    return found, rows


def card(
    *,
    files: list[Path],
    setting: Setting,
    rows: shipping.Matrix,
    known: shipping.Matrix,
    measured: shipping.Measured,
    model: bytes,
) -> ModelCard:
    """Everything the card says beside the figures."""
    return ModelCard(
        name=NAME,
        version=VERSION,
        kind="anomaly",
        answer_unit="",
        predicts="Distance of a machine's smoothed signals from its own healthy behaviour, per channel "
        "(Mahalanobis); near 1 while nothing has changed.",
        horizon_hours=None,
        intended_use="Machines without failure records: notice that signals move as they never did while "
        "the machine was known to be healthy. It says that something changed, not what will fail.",
        not_for=(
            "safety functions, or stopping a machine without a person",
            "machines whose first panes were not healthy, or did not show every normal way of running",
            "naming a cause, or a time until failure",
        ),
        limits=(
            f"The first {skab.TRAINED_ON} panes of a machine must be healthy; nothing is answered before.",
            "The baseline is frozen: seasons and slow drift are called anomalous until it is taken anew (see "
            "the NAB figures).",
            "SKAB's seconds were folded as minutes: what carries over is a number of panes, not of seconds.",
            "A channel that never moved while healthy takes no part.",
            "SKAB's own run without anomalies drifts away from its first 400 samples and is called "
            "anomalous: see anomalyFreeFalseAlarmRatio. A baseline must have seen every level that is "
            "normal.",
        ),
        data=DataSource(
            title="Skoltech Anomaly Benchmark v0.9, valve1, valve2 and anomaly-free (a real water circuit); "
            "Numenta Anomaly Benchmark, two temperatures (real)",
            origin="github.com/waico/SKAB; github.com/numenta/NAB",
            licence="SKAB: GPL-3.0, measured on; nothing of it is in the model file. NAB: MIT",
            citation="Katser and Kozitsin 2020, doi:10.34740/KAGGLE/DSV/1693952; Ahmad, Lavin, Purdy and "
            "Agha 2017, doi:10.1016/j.neucom.2017.04.070",
            simulated=False,
            files=tuple(fingerprint(path) for path in files),
        ),
        split=f"SKAB's leaderboard protocol: of every recording the first {skab.TRAINED_ON} samples make the "
        "baseline and are not judged. The setting judged on valve1 was chosen on valve2 and the other way "
        "round; the figures ending in Shipped are those of the shipped setting on the recordings that it was "
        "chosen on.",
        threshold_rule=f"With time constant and shrinkage: the best F1 among those that call at most "
        f"{FALSE_ALARM_BUDGET:.0%} of healthy samples anomalous, on both valves.",
        inputs=tuple(
            ModelInput(name=one, unit="any", meaning="a signal of the machine", optional=one != CHANNELS[0])
            for one in CHANNELS
        ),
        attributes=(),
        components=(),
        reproduce="python -m training.anomaly --data DIR   # DIR holds the folders skab and nab",
        seed=SEED,
        **measured,
        **shipping.closing(
            model, kind="anomaly", rows=rows, units=UNITS, plan=setting.plan, margin_ratio=1e6, asked=known
        ),
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=f"Chooses {NAME} {VERSION} and writes it below models/.")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds skab and nab")
    parser.add_argument("--models", type=Path, default=shipping.MODELS, help="where to write")
    options = parser.parse_args(arguments)
    paths = {group: skab.paths(options.data / "skab", group) for group in VALVES}
    valves = {group: [skab.read(path) for path in found] for group, found in paths.items()}
    given = {
        group: {one: answer(recordings, one.plan) for one in settings()}
        for group, recordings in valves.items()
    }
    labels = {group: truth(recordings) for group, recordings in valves.items()}
    joined = {
        group: {one: np.concatenate(found) for one, found in answers.items()}
        for group, answers in given.items()
    }
    chosen = {group: choose(joined[group], np.concatenate(labels[group])) for group in VALVES}
    crossed: list[NDArray[np.bool_]] = []
    for group, other in zip(VALVES, reversed(VALVES), strict=True):
        setting = chosen[other]
        crossed += [found >= setting.threshold for found in given[group][replace(setting, threshold=1.0)]]
    both = {one: np.concatenate([joined[group][one] for group in VALVES]) for one in settings()}
    every = [one for group in VALVES for one in labels[group]]
    shipped = choose(both, np.concatenate(every))
    answers = both[replace(shipped, threshold=1.0)]
    splits = np.cumsum([len(one) for one in every])[:-1]
    warned = np.split(answers >= shipped.threshold, splits)

    healthy = [skab.read(path) for path in skab.paths(options.data / "skab", "anomaly-free")]
    calm = np.concatenate(answer(healthy, shipped.plan)) >= shipped.threshold
    of_nab, temperatures = nab_figures(options.data / "nab", shipped)
    model = graph()
    rows = np.concatenate(
        [rows_for(one.panes, shipped.plan) for group in VALVES for one in valves[group]] + temperatures
    )
    known = rows[~np.isnan(rows).all(axis=1)]
    made = card(
        files=[
            *(path for group in VALVES for path in paths[group]),
            *skab.paths(options.data / "skab", "anomaly-free"),
            *(options.data / "nab" / name for name in nab.FILES),
        ],
        setting=shipped,
        rows=rows,
        known=known,
        measured=shipping.Measured(
            metrics=(
                *figures(crossed, every, suffix="", how="with the setting chosen on the other valve"),
                *figures(warned, every, suffix="Shipped", how="with the shipped setting"),
                *figures(
                    warned[len(paths["valve1"]) :],
                    labels["valve2"],
                    suffix="Valve2",
                    how="the shipped setting on the recordings of valve2 alone",
                ),
                shipping.plain(
                    "anomalyFreeFalseAlarmRatio",
                    float(calm.mean()),
                    f"share of {len(calm):,} samples of SKAB's run without anomalies called anomalous",
                ),
                *of_nab,
            ),
            calibration=calibration_bins(np.minimum(answers, 20.0), np.concatenate(every)),
            threshold=shipped.threshold,
            parity=shipping.parity(
                distances(known),
                shipping.answers(model, known, "anomaly"),
                lambda found: found >= shipped.threshold,
            ),
        ),
        model=model,
    )
    print({group: chosen[group] for group in VALVES}, shipped)
    judged = np.concatenate(
        [rows_for(one.panes, shipped.plan)[skab.TRAINED_ON :] for one in valves["valve2"]]
    )
    shipping.ship(made, model, options.models, judged=(judged, np.concatenate(labels["valve2"])))


if __name__ == "__main__":
    main()
