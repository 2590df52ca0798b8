"""Every shipped model is what its card says, and its card says what the data show."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from threadpoolctl import threadpool_limits
from typer.testing import CliRunner

from millwright.models import app
from shared.contracts.model_card import ModelCard
from shared.domain.features import problems
from shared.onnx_model import OnnxModel, load
from training import anomaly, cmapss, cnc_failure, pdm_failure, remaining_life, skab, steel_plates
from training.card_page import page
from training.episodes import MONTH_HOURS, episodes
from training.evidence import fingerprint
from training.pdm_data import read_hours
from training.pdm_records import files, read_records
from training.shipping import describe, opsets

MODELS = Path(__file__).resolve().parents[2] / "models"
DATA = Path(os.environ.get("MILLWRIGHT_DATA", MODELS.parents[1] / "shared" / "data"))
SHIPPED = sorted((place.parent.name, place.name) for place in MODELS.glob("*/*") if place.is_dir())


def data(folder: str) -> Path:
    """The data set's folder; skips the test where it is not at hand."""
    if not (DATA / folder).is_dir():
        pytest.skip(f"needs the data set {folder} below MILLWRIGHT_DATA ({DATA}); see training/README.md")
    return DATA / folder


@pytest.fixture(params=SHIPPED, ids=" ".join)
def model(request: pytest.FixtureRequest) -> OnnxModel:
    return load(MODELS, *request.param)


def test_the_models_of_the_first_release_ship() -> None:
    assert {name for name, _ in SHIPPED} >= {
        "anomaly",
        "cnc-failure",
        "pdm-failure",
        "pdm-failure-errors",
        "pdm-failure-telemetry",
        "steel-plate-fault",
        "turbofan-life-fd001",
        "turbofan-life-fd002",
    }


def test_the_page_says_what_the_card_says(model: OnnxModel) -> None:
    card = model.card
    assert (MODELS / card.name / card.version / "card.md").read_text(encoding="utf-8") == page(card)


def test_the_file_has_the_opsets_of_the_card_and_stays_small(model: OnnxModel) -> None:
    content = (MODELS / model.card.name / model.card.version / "model.onnx").read_bytes()
    needs = opsets(content)
    assert needs[""] == model.card.opset
    assert needs.get("ai.onnx.ml", model.card.ml_opset) == model.card.ml_opset
    assert len(content) <= 1_000_000


def test_onnx_runtime_answers_as_the_trained_estimator_did(model: OnnxModel) -> None:
    assert model.card.parity.p999_difference <= 1e-4
    assert model.card.parity.flip_count <= model.card.parity.row_count / 10_000


def test_every_column_can_be_filled_from_the_inputs_of_the_card(model: OnnxModel) -> None:
    card = model.card
    names = tuple(channel.name for channel in card.inputs)
    found = problems(
        card.feature_names,
        inputs=tuple((name, name) for name in names),
        attributes=tuple(attribute.name for attribute in card.attributes),
        plan=card.plan,
        signal_names=names,
        optional=tuple(channel.name for channel in card.inputs if channel.optional),
    )
    assert found == ()
    components = {name.partition(".")[2] for name in card.feature_names if name.startswith("hours_since.")}
    assert components == set(card.components)


def test_a_card_is_honest_about_simulated_data(model: OnnxModel) -> None:
    card = model.card
    assert card.not_for
    assert not card.data.simulated or "no figure here proves performance in the field" in page(card)


def test_every_figure_lies_in_its_interval(model: OnnxModel) -> None:
    for figure in model.card.metrics:
        if figure.low is not None and figure.high is not None:
            assert figure.low <= figure.value <= figure.high, figure.name


def test_models_seldom_abstain_on_the_kind_of_data_they_were_made_from(model: OnnxModel) -> None:
    assert model.card.metric("abstained").value <= 0.001
    assert model.card.metric("abstainedFailing").value <= 0.01


def test_cnc_failure_holds_its_bars() -> None:
    card = load(MODELS, "cnc-failure", "1.0.0").card
    assert card.metric("prAuc").value >= 0.89
    assert card.metric("f1").value >= 0.86


def test_pdm_failure_holds_its_bars() -> None:
    card = load(MODELS, "pdm-failure", "1.0.0").card
    assert card.metric("prAuc").value >= 0.80
    assert card.metric("eventRecall").value >= 0.95
    assert card.metric("falseEpisodes").value <= 1.0


@pytest.mark.parametrize(("subset", "rmse", "score"), [("fd001", 11.6, 200), ("fd002", 10.8, 600)])
def test_turbofan_life_holds_its_bars(subset: str, rmse: float, score: float) -> None:
    card = load(MODELS, f"turbofan-life-{subset}", "1.0.0").card
    assert card.metric("rmse").value <= rmse
    assert card.metric("nasaScore").value <= score
    assert card.metric("coverage").high is not None
    assert (card.metric("coverage").high or 0) >= 0.9


def test_anomaly_holds_its_bars_with_settings_chosen_on_the_other_valve() -> None:
    card = load(MODELS, "anomaly", "1.0.0").card
    assert card.metric("f1").value >= 0.81
    assert card.metric("falseAlarmRatio").value <= 0.20


@pytest.mark.parametrize("subset", ["FD001", "FD002"])
def test_a_turbofan_card_agrees_with_a_fresh_evaluation_of_the_shipped_file(subset: str) -> None:
    folder = data("cmapss")
    model = load(MODELS, remaining_life.name_of(subset), "1.0.0")
    paths = cmapss.files(folder, subset)
    if tuple(map(fingerprint, paths)) != model.card.data.files:
        pytest.skip("the card was made from another copy of the data")
    rows = cmapss.fold_to_the_end(cmapss.read_cycles(paths[1]), model.card.plan)
    answers = np.array([min(one.value, cmapss.CAP_CYCLES) for one in model.answers(rows.tolist())])
    off = answers - remaining_life.capped(np.loadtxt(paths[2]))
    assert np.sqrt((off**2).mean()) == pytest.approx(model.card.metric("rmse").value, abs=1e-3)
    assert remaining_life.nasa_score(off) == pytest.approx(model.card.metric("nasaScore").value, abs=0.1)


def test_the_anomaly_card_agrees_with_a_fresh_evaluation_of_the_shipped_file() -> None:
    paths = skab.paths(data("skab"), "valve2")
    model = load(MODELS, "anomaly", "1.0.0")
    if not set(map(fingerprint, paths)) <= set(model.card.data.files):
        pytest.skip("the card was made from another copy of the data")
    recordings = [skab.read(path) for path in paths]
    asked = [anomaly.rows_for(one.panes, model.card.plan)[skab.TRAINED_ON :] for one in recordings]
    warned = [
        np.array([one.value >= model.card.threshold for one in model.answers(rows.tolist())])
        for rows in asked
    ]
    found = skab.judge(np.concatenate(warned), np.concatenate(anomaly.truth(recordings)))
    assert found.f1 == pytest.approx(model.card.metric("f1Valve2").value, abs=1e-3)
    assert found.false_alarm_ratio == pytest.approx(
        model.card.metric("falseAlarmRatioValve2").value, abs=1e-3
    )


def test_the_steel_card_agrees_with_a_fold_trained_again() -> None:
    path = steel_plates.path_in(data("steel_plates"))
    model = load(MODELS, "steel-plate-fault", "1.0.0")
    if (fingerprint(path),) != model.card.data.files:
        pytest.skip("the card was made from another copy of the data")
    rows, labels = steel_plates.load(path)
    units = dict.fromkeys(steel_plates.FEATURES, "as recorded")
    assert describe(rows, steel_plates.FEATURES, units) == model.card.features
    train, test = next(steel_plates.folds().split(rows, labels))
    # Threads that wait for each other on a busy machine cost far more than they win.
    with threadpool_limits(1):
        named = steel_plates.fit(rows[train], labels[train]).predict(rows[test])
    assert (named == labels[test]).mean() >= model.card.metric("accuracy").value - 0.1


def test_the_cnc_card_agrees_with_a_fresh_evaluation() -> None:
    path = data("ai4i2020") / "ai4i2020.csv"
    model = load(MODELS, "cnc-failure", "1.0.0")
    if (fingerprint(path),) != model.card.data.files:
        pytest.skip("the card was made from another copy of the data")
    rows, labels = cnc_failure.load(path)
    assert describe(rows, cnc_failure.FEATURES, cnc_failure.UNITS) == model.card.features
    # One of the card's five folds, trained again: within the interval, since folds vary more than all.
    train, test = next(cnc_failure.folds().split(rows, labels))
    fresh, threshold = cnc_failure.fit(rows[train], labels[train])
    probabilities = fresh.predict_proba(rows[test])[:, 1]
    assert average_precision_score(labels[test], probabilities) >= 0.85
    warned = probabilities >= threshold
    assert 2 * (warned & (labels[test] == 1)).sum() / (warned.sum() + labels[test].sum()) >= 0.82


def test_the_pdm_card_agrees_with_a_fresh_evaluation_of_the_shipped_file() -> None:
    folder = data("azure_pdm")
    model = load(MODELS, "pdm-failure", "1.0.0")
    if tuple(fingerprint(path) for path in files(folder)) != model.card.data.files:
        pytest.skip("the card was made from another copy of the data")
    variant = pdm_failure.VARIANTS[0]
    train, test = pdm_failure.split(read_hours(folder, read_records(folder)))
    assert not set(train.machine.tolist()) & set(test.machine.tolist())
    probabilities = np.array([one.value for one in model.answers(variant.rows(test).tolist())])
    found = episodes(test, probabilities, model.card.threshold)
    months = len(test.at) / MONTH_HOURS
    fresh = {
        "prAuc": average_precision_score(test.failing, probabilities),
        "eventRecall": (~np.isnan(found.event_lead_ms)).mean(),
        "falseEpisodes": found.episode_false.sum() / months,
    }
    assert fresh == {name: pytest.approx(model.card.metric(name).value, abs=1e-3) for name in fresh}


def test_verify_says_which_models_are_sound() -> None:
    result = CliRunner().invoke(app, ["verify"])
    assert result.exit_code == 0
    assert result.output.count(": sound") == len(SHIPPED)


def test_verify_fails_on_a_model_that_was_tampered_with(tmp_path: Path) -> None:
    place = tmp_path / "cnc-failure" / "1.0.0"
    place.mkdir(parents=True)
    content = (MODELS / "cnc-failure/1.0.0/model.onnx").read_bytes()
    (place / "model.onnx").write_bytes(content + b"\x00")
    (place / "card.json").write_bytes((MODELS / "cnc-failure/1.0.0/card.json").read_bytes())
    result = CliRunner().invoke(app, ["verify", "--json", "--models", str(tmp_path)])
    assert result.exit_code == 1
    assert hashlib.sha256(content + b"\x00").hexdigest() in json.loads(result.output)[0]["refused"]


def test_list_and_show_read_the_cards() -> None:
    listed = json.loads(CliRunner().invoke(app, ["list", "--json"]).output)
    assert [(card["name"], card["version"]) for card in listed] == SHIPPED
    shown = CliRunner().invoke(app, ["show", "cnc-failure", "--json"])
    assert ModelCard.model_validate_json(shown.output).name == "cnc-failure"
    assert "Do not use it for" in CliRunner().invoke(app, ["show", "pdm-failure"]).output
    assert CliRunner().invoke(app, ["show", "crystal-ball"]).exit_code == 2
