"""Models answer or abstain with a reason; one that is broken, slow or not itself harms nobody else."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle
from math import nan, sqrt
from pathlib import Path
from shutil import copytree
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from shared import observability
from shared.contracts.model_card import ModelCard
from shared.domain.effects import ScoreRequested
from shared.domain.inputs import Scored, Suspended
from shared.onnx_model import ModelRefused, load
from shared.scoring import Scorer, reason_to_abstain

SHIPPED = Path(__file__).resolve().parents[2] / "models"
CNC = ("cnc-failure", "1.0.0")
LIFE = ("turbofan-life-fd001", "1.0.0")
TINY = ("tiny", "1.0.0")

HEALTHY = (1500.0, 40.0, 50.0, 6283.185, 10.0, 2000.0, 1.0)
OVERSTRAINED = (1350.0, 62.0, 215.0, 8765.043, 9.5, 13330.0, 0.0)


def request(row: tuple[float, ...], model: tuple[str, str] = CNC, machine: str = "M1") -> ScoreRequested:
    return ScoreRequested(machine, *model, at=1000, row=row)


def answers_of(scorer: Scorer, *requests: ScoreRequested) -> list[Scored]:
    """The answers of models that are not suspended."""
    answers = scorer.score(requests)
    assert all(isinstance(answer, Scored) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Scored)]


def graph(
    *nodes: onnx.NodeProto,
    constants: dict[str, list[int] | list[float]],
    columns: int,
    output: tuple[str, int] = ("probabilities", 2),
) -> bytes:
    """A model from one row of floats to `output`, which the nodes must make."""
    tensors = [
        helper.make_tensor(
            name,
            TensorProto.INT64 if isinstance(values[0], int) else TensorProto.FLOAT,
            [len(values)],
            values,
        )
        for name, values in constants.items()
    ]
    model = helper.make_model(
        helper.make_graph(
            list(nodes),
            "model",
            [helper.make_tensor_value_info("row", TensorProto.FLOAT, [None, columns])],
            [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, [None, output[1]])],
            tensors,
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=8,
    )
    model.metadata_props.add(key="features", value=json.dumps([f"x{index}.last" for index in range(columns)]))
    return model.SerializeToString()


def square_root() -> bytes:
    """Answers the square root of its column: NaN below 0, no probability above 1."""
    return graph(
        helper.make_node("Sqrt", ["row"], ["p"]),
        helper.make_node("Sub", ["one", "p"], ["q"]),
        helper.make_node("Concat", ["q", "p"], ["probabilities"], axis=1),
        constants={"one": [1.0]},
        columns=1,
    )


def fails_on_two_rows() -> bytes:
    return graph(
        helper.make_node("Reshape", ["row", "shape"], ["p"]),
        helper.make_node("Concat", ["p", "p"], ["probabilities"], axis=1),
        constants={"shape": [1, 1]},
        columns=1,
    )


def install(folder: Path, content: bytes, reference: tuple[float, float], **changed: Any) -> None:
    """Puts a model of one column below `folder`, with a card that tells the truth about it."""
    shipped = json.loads((SHIPPED / "cnc-failure/1.0.0/card.json").read_bytes())
    feature = {
        "name": "x0.last",
        "unit": "",
        "low": -10,
        "high": 10,
        "median": 0,
        "std": 1,
        "missingShare": 0,
    }
    asked, answer = reference
    card = shipped | {
        "name": "tiny",
        "features": [feature],
        "reference": [{"row": [asked], "answer": [answer] if "kind" in changed else [1.0 - answer, answer]}],
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    place = folder / "tiny" / "1.0.0"
    place.mkdir(parents=True)
    (place / "model.onnx").write_bytes(content)
    (place / "card.json").write_text(json.dumps(card | changed))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A copy of the shipped models, to be spoilt."""
    copytree(SHIPPED, tmp_path / "models")
    return tmp_path / "models"


def change_card(models: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = models / "cnc-failure/1.0.0/card.json"
    card = json.loads(path.read_bytes())
    change(card)
    path.write_text(json.dumps(card))


def test_an_overstrained_tool_is_warned_of_and_a_healthy_one_is_not() -> None:
    healthy, strained = answers_of(Scorer(SHIPPED), request(HEALTHY), request(OVERSTRAINED))
    assert healthy.probability is not None
    assert healthy.probability < 0.05
    assert strained.probability is not None
    assert strained.probability > 0.8
    assert (strained.model, strained.version, strained.at, strained.reason) == (*CNC, 1000, "")


def test_an_answer_does_not_depend_on_the_size_of_its_batch() -> None:
    scorer = Scorer(SHIPPED)
    rows = [
        (1200.0 + 3 * n, 20.0 + n / 20, n / 5, 5000.0 + n, 8.0 + n / 400, 10.0 * n, n % 3) for n in range(999)
    ]
    together = scorer.score([request(row) for row in rows])
    assert together == [scorer.score([request(row)])[0] for row in rows]
    hundreds = [scorer.score([request(row) for row in rows[at : at + 100]]) for at in range(0, 999, 100)]
    assert together == [scored for batch in hundreds for scored in batch]


def test_probabilities_carry_at_most_six_decimals() -> None:
    for scored in answers_of(Scorer(SHIPPED), request(HEALTHY), request(OVERSTRAINED)):
        assert scored.probability == round(scored.probability or 0, 6)


def test_answers_keep_the_order_of_the_requests_across_models(models: Path) -> None:
    install(models, square_root(), (0.25, 0.5))
    requests = [request(HEALTHY), request((0.04,), TINY), request(OVERSTRAINED), request((0.09,), TINY)]
    answers = answers_of(Scorer(models), *requests)
    assert [(answer.model, answer.version) for answer in answers] == [CNC, TINY, CNC, TINY]
    assert [answer.probability for answer in answers[1::2]] == [0.2, 0.3]


def test_no_requests_give_no_answers() -> None:
    assert Scorer(SHIPPED).score([]) == []


def test_a_missing_column_that_was_never_missing_in_training_makes_the_model_abstain() -> None:
    missing, answered = answers_of(
        Scorer(SHIPPED), request((HEALTHY[0], nan, *HEALTHY[2:])), request(HEALTHY)
    )
    assert missing.probability is None
    assert missing.reason == "not known: torque.last (missing)"
    assert answered.probability is not None


def test_a_row_outside_the_training_range_makes_the_model_abstain() -> None:
    (answer,) = answers_of(Scorer(SHIPPED), request((30_000.0, *HEALTHY[1:])))
    assert answer.probability is None
    assert answer.reason.startswith("outside the training range: rpm.last = 30000 (trained on ")


def test_a_row_of_another_length_is_refused_and_not_padded() -> None:
    (answer,) = answers_of(Scorer(SHIPPED), request(HEALTHY[:-1]))
    assert answer.probability is None
    assert answer.reason == "refused: the row has 6 columns, the card lists 7"


def test_warnings_show_what_moved_the_answer_and_calm_answers_show_nothing() -> None:
    healthy, strained = answers_of(Scorer(SHIPPED), request(HEALTHY), request(OVERSTRAINED))
    assert healthy.contributions == ()
    assert {name for name, _ in strained.contributions} >= {"torque", "tool_wear"}
    sizes = [abs(size) for _, size in strained.contributions]
    assert sizes == sorted(sizes, reverse=True)


def test_a_contribution_is_what_the_answer_loses_with_the_channel_at_its_median() -> None:
    model = load(SHIPPED, *CNC)
    (strained,) = answers_of(Scorer(SHIPPED), request(OVERSTRAINED))
    assert strained.probability is not None
    medians = {feature.name: feature.median for feature in model.card.features}
    of_torque = {"torque.last", "power_w", "wear_torque"}
    without = [
        medians[name] if name in of_torque else value
        for name, value in zip(model.card.feature_names, OVERSTRAINED, strict=True)
    ]
    (calm,) = model.answers([without])
    assert dict(strained.contributions)["torque"] == round(strained.probability - calm.value, 4)


def test_what_moves_an_anomaly_are_exact_shares_of_its_squared_distance() -> None:
    away, pull = (3.0, -4.0), (2.0, -5.0)
    row = (*away, *[nan] * 6, *pull, *[nan] * 6)
    asked = replace(request(row, ("anomaly", "1.0.0")), threshold=3.0)
    (answer,) = answers_of(Scorer(SHIPPED), asked)
    assert answer.probability is None
    assert answer.amount == pytest.approx(sqrt((3.0 * 2.0 + 4.0 * 5.0) / 2), rel=1e-5)
    assert answer.contributions == (("x2", round(20 / 26, 4)), ("x1", round(6 / 26, 4)))


def test_a_remaining_life_comes_with_its_interval() -> None:
    model = load(SHIPPED, *LIFE)
    row = tuple(nan if x is None else x for x in model.card.reference[0].row)
    (answer,) = answers_of(Scorer(SHIPPED), request(row, LIFE))
    assert (answer.probability, answer.amount) == (None, model.card.reference[0].answer[0])
    assert answer.amount is not None
    assert answer.low is not None
    assert answer.high is not None
    assert 0.0 <= answer.low <= answer.amount <= answer.high


def test_most_columns_unknown_is_too_sparse_even_where_training_missed_some() -> None:
    card = load(SHIPPED, *CNC).card
    spotty = card.model_copy(
        update={"features": tuple(one.model_copy(update={"missing_share": 0.1}) for one in card.features)}
    )
    gaps = tuple((name, "rpm is 240 min old") for name in spotty.feature_names)
    three, four = (nan, nan, nan, *HEALTHY[3:]), (nan, nan, nan, nan, *HEALTHY[4:])
    assert reason_to_abstain(spotty, three, gaps[:3]) == ""
    assert reason_to_abstain(spotty, four, gaps[:4]).startswith("data too sparse: rpm.last, torque.last, ")


def test_an_anomaly_abstains_while_a_channel_that_the_machine_has_is_not_known() -> None:
    row = (3.0, nan, *[nan] * 6, nan, nan, *[nan] * 6)
    gaps = tuple((name, "x2 is 200 min old") for name in ("x2.away", "x1.pull", "x2.pull"))
    asked = replace(request(row, ("anomaly", "1.0.0")), gaps=gaps)
    (answer,) = answers_of(Scorer(SHIPPED), asked)
    assert answer.amount is None
    assert answer.reason == "not known: x2.away, x1.pull, x2.pull (x2 is 200 min old)"


def test_an_answer_that_is_no_probability_becomes_an_abstention(tmp_path: Path) -> None:
    install(tmp_path, square_root(), (0.25, 0.5))
    below, above, fine = answers_of(Scorer(tmp_path), *(request((x,), TINY) for x in (-1.0, 4.0, 0.04)))
    assert below.reason == "the model answered nan, which is no probability"
    assert above.reason == "the model answered 2.0, which is no probability"
    assert fine.probability == 0.2


def test_a_remaining_life_that_is_nan_becomes_an_abstention_and_not_nothing_left(tmp_path: Path) -> None:
    content = graph(
        helper.make_node("Sqrt", ["row"], ["remaining"]), constants={}, columns=1, output=("remaining", 1)
    )
    install(tmp_path, content, (0.25, 0.5), kind="remaining-life")
    unknown, known = answers_of(Scorer(tmp_path), request((-1.0,), TINY), request((4.0,), TINY))
    assert unknown.amount is None
    assert unknown.reason == "the model answered nan, which is no amount"
    assert known.amount == 2.0


def test_answers_and_abstentions_are_counted_by_model() -> None:
    reader = InMemoryMetricReader()
    life = load(SHIPPED, *LIFE).card.reference[0].row
    requests = [
        *(request(row) for row in (HEALTHY, HEALTHY, (30_000.0, *HEALTHY[1:]))),
        request(tuple(nan if x is None else x for x in life), LIFE),
    ]
    observability.use(meters=MeterProvider([reader], shutdown_on_exit=False))
    try:
        Scorer(SHIPPED).score(requests)
    finally:
        observability.use()
    data: Any = reader.get_metrics_data()
    counted = {
        (point.attributes["model"], point.attributes["abstained"]): point.value
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
        if metric.name == "millwright.scored"
        for point in metric.data.data_points
    }
    assert counted == {(CNC[0], False): 2, (CNC[0], True): 1, (LIFE[0], False): 1}


def test_a_model_that_fails_is_suspended_and_the_others_still_answer(models: Path) -> None:
    install(models, fails_on_two_rows(), (0.5, 0.5))
    scorer = Scorer(models)
    two = [request((0.5,), TINY), request((0.25,), TINY)]
    broken, _, fine = scorer.score([*two, request(HEALTHY)])
    assert isinstance(broken, Suspended)
    assert broken.reason.startswith("suspended: tiny 1.0.0: ")
    assert isinstance(fine, Scored)
    assert fine.probability is not None
    (later,) = scorer.score([request((0.5,), TINY)])
    assert later == broken
    assert list(scorer.stopped) == [TINY]


def test_a_model_over_its_time_budget_is_suspended_for_the_worker() -> None:
    ticks: Iterator[float] = cycle([0.0, 0.3])
    scorer = Scorer(SHIPPED, run_budget_s=0.25, clock=lambda: next(ticks))
    first, second = scorer.score([request(HEALTHY)] * 2), scorer.score([request(HEALTHY)])
    for answer in (*first, *second):
        assert answer == Suspended(*CNC, 1000, "suspended: 2 rows took 0.300 s of 0.25 s")


def test_a_suspended_model_is_tried_again_after_a_rest_and_a_refused_one_is_not(models: Path) -> None:
    now = [0.0]
    install(models, fails_on_two_rows(), (0.5, 0.5))
    scorer = Scorer(models, wall=lambda: now[0])
    scorer.score([request((0.5,), TINY), request((0.25,), TINY)])
    cut_short(models)
    assert [type(one) for one in scorer.score([request((0.5,), TINY), request(HEALTHY)])] == [Suspended] * 2
    now[0] = 1e6
    alone, refused = scorer.score([request((0.5,), TINY), request(HEALTHY)])
    assert isinstance(alone, Scored)
    assert isinstance(refused, Suspended)
    assert list(scorer.stopped) == [CNC]


def test_a_model_that_never_ends_is_ended(tmp_path: Path) -> None:
    value, boolean = helper.make_tensor_value_info, TensorProto.BOOL
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["on_still"]), helper.make_node("Abs", ["x"], ["y"])],
        "for ever",
        [
            value("round", TensorProto.INT64, []),
            value("on", boolean, []),
            value("x", TensorProto.FLOAT, [None, 1]),
        ],
        [
            value("on_still", boolean, []),
            value("y", TensorProto.FLOAT, [None, 1]),
        ],
    )
    true = helper.make_tensor("true", boolean, [], [True])
    content = graph(
        helper.make_node("Constant", [], ["true"], value=true),
        helper.make_node("Loop", ["", "true", "row"], ["p"], body=body),
        helper.make_node("Concat", ["p", "p"], ["probabilities"], axis=1),
        constants={},
        columns=1,
    )
    install(tmp_path, content, (0.5, 0.5))
    with pytest.raises(ModelRefused, match=r"cannot answer its reference rows: .* ended after 2 s"):
        Scorer(tmp_path).load(*TINY)


def cut_short(models: Path) -> None:
    path = models / "cnc-failure/1.0.0/model.onnx"
    path.write_bytes(path.read_bytes()[:-1000])


def cut_short_and_sign(models: Path) -> None:
    cut_short(models)
    content = (models / "cnc-failure/1.0.0/model.onnx").read_bytes()
    change_card(models, lambda card: card.update(sha256=hashlib.sha256(content).hexdigest()))


def swap_columns(models: Path) -> None:
    change_card(models, lambda card: card["features"].insert(0, card["features"].pop(1)))


def drop_a_column(models: Path) -> None:
    change_card(models, lambda card: card["features"].pop())


def rename(models: Path) -> None:
    change_card(models, lambda card: card.update(name="other"))


def lie_about_an_answer(models: Path) -> None:
    change_card(models, lambda card: card["reference"][0].update(answer=[0.877, 0.123]))


def shorten_a_reference(models: Path) -> None:
    change_card(models, lambda card: card["reference"][0]["row"].pop())


def make_features_otherwise(models: Path) -> None:
    change_card(models, lambda card: card.update(featuresVersion=1))


def mix_up_the_windows(models: Path) -> None:
    change_card(models, lambda card: card.update(windowsMs=[7, 5]))


def misspell(models: Path) -> None:
    change_card(models, lambda card: card.update(treshold=0.5))


def claim_another_opset(models: Path) -> None:
    change_card(models, lambda card: card.update(opset=17))


def remake_in_an_unknown_opset(models: Path) -> None:
    path = models / "cnc-failure/1.0.0/model.onnx"
    model = onnx.load_from_string(path.read_bytes())
    for operator_set in model.opset_import:
        operator_set.version = 999
    path.write_bytes(model.SerializeToString())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    change_card(models, lambda card: card.update(sha256=digest, opset=999, mlOpset=999))


def claim_to_be_an_anomaly(models: Path) -> None:
    change_card(models, lambda card: card.update(kind="anomaly"))


def remove_the_model(models: Path) -> None:
    (models / "cnc-failure/1.0.0/model.onnx").unlink()


def remove_the_card(models: Path) -> None:
    (models / "cnc-failure/1.0.0/card.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (cut_short, "sha256 of model.onnx is"),
        (cut_short_and_sign, "model.onnx is no ONNX file"),
        (swap_columns, "another order than the card's"),
        (drop_a_column, "the card lists 6 float columns"),
        (rename, "the card is about other"),
        (lie_about_an_answer, "to its reference rows, the card says"),
        (shorten_a_reference, "a reference row has another number of columns"),
        (make_features_otherwise, "made from features of version 1"),
        (mix_up_the_windows, "its columns cannot be made: windows are a short and a long one"),
        (claim_another_opset, "the card says 17"),
        (remake_in_an_unknown_opset, "ONNX Runtime does not take it"),
        (claim_to_be_an_anomaly, "has no output named distance"),
        (misspell, "card.json is not a model card"),
        (remove_the_model, "cannot read"),
        (remove_the_card, "cannot read"),
    ],
)
def test_a_model_that_is_not_what_its_card_says_is_refused(
    models: Path, spoil: Callable[[Path], None], why: str
) -> None:
    spoil(models)
    with pytest.raises(ModelRefused, match=why):
        Scorer(models).load(*CNC)
    (answer,) = Scorer(models).score([request(HEALTHY)])
    assert isinstance(answer, Suspended)
    assert answer.reason.startswith("refused: model cnc-failure 1.0.0: ")
    assert why in answer.reason


@pytest.mark.parametrize(
    ("name", "version"),
    [("../models/cnc-failure", "1.0.0"), ("cnc-failure", ".."), ("", ""), ("CNC", "1.0.0")],
)
def test_a_name_that_is_no_model_name_never_reaches_the_file_system(name: str, version: str) -> None:
    with pytest.raises(ModelRefused, match="not a model name"):
        load(SHIPPED, name, version)


def test_a_model_whose_answer_has_another_shape_is_refused(tmp_path: Path) -> None:
    content = graph(helper.make_node("Identity", ["row"], ["probabilities"]), constants={}, columns=1)
    install(tmp_path, content, (0.5, 0.5))
    with pytest.raises(ModelRefused, match=r"probabilities|shape|reference"):
        Scorer(tmp_path).load(*TINY)


def test_a_refused_model_stays_refused_and_is_not_read_again(models: Path) -> None:
    scorer = Scorer(models)
    path = models / "cnc-failure/1.0.0/model.onnx"
    content = path.read_bytes()
    cut_short(models)
    first = scorer.score([request(HEALTHY)])
    path.write_bytes(content)
    assert scorer.score([request(HEALTHY)]) == first
    assert isinstance(first[0], Suspended)


def test_a_column_that_was_missing_in_training_may_be_missing(tmp_path: Path) -> None:
    install(tmp_path, square_root(), (0.25, 0.5))
    path = tmp_path / "tiny/1.0.0/card.json"
    card = json.loads(path.read_bytes())
    card["features"][0]["missingShare"] = 0.2
    path.write_text(json.dumps(card))
    assert ModelCard.model_validate_json(path.read_bytes()).features[0].missing_share == 0.2
    (answer,) = Scorer(tmp_path).score([request((nan,), TINY)])
    # This model cannot do without, but it is the model that says so.
    assert answer == Scored(*TINY, 1000, None, "the model answered nan, which is no probability")
