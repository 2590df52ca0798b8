"""Training and judging take data sets that are not here: other subsets, other groups, other machines."""

from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from shared.onnx_model import load
from training import cmapss, evaluate, remaining_life

# skl2onnx gives booleans to Protobuf, which from version 7 on refuses them: the lock holds it below.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Field onnx.AttributeProto.ints. Expected an int, got a boolean"
)

CONDITIONS = np.array(
    [(0, 0, 100), (10, 0.25, 100), (20, 0.7, 100), (25, 0.62, 60), (35, 0.84, 100), (42, 0.84, 100)], float
)
"""Settings of flights as NASA has them: one condition is sea level alone."""
MODES = {"compressor": (1, 2, 3), "fan": (6, 7, 8)}
"""Sensors that move with the fault, by mode; what the others say does not change as the engine wears."""


def engine(random: np.random.Generator, *, conditions: int, mode: str) -> np.ndarray:
    """One engine from new to failure: rows of cycle, settings, 21 sensors, the last of them constant."""
    life = int(random.integers(70, 120))
    cycle = np.arange(1, life + 1)
    regime = random.integers(0, conditions, life)
    settings = CONDITIONS[regime] + random.normal(0, (0.002, 0.0003, 0), (life, 3))
    wear = np.exp((cycle - life) / 20)
    sensors = 500 + 40 * regime[:, None] + 10 * np.arange(21) + random.normal(0, 1, (life, 21))
    sensors[:, MODES[mode]] += 12 * wear[:, None] * np.array([1, -1, 1])
    sensors[:, 18:] = 100
    return np.column_stack([cycle, settings.round(4), sensors.round(2)])


def write_subset(folder: Path, subset: str, *, conditions: int) -> None:
    """A subset as NASA publishes it: text without a header; two modes take turns."""
    random = np.random.default_rng(7)
    last: list[int] = []
    for part, engines in (("train", 15), ("test", 12)):
        lines: list[str] = []
        for unit in range(1, engines + 1):
            recorded = engine(random, conditions=conditions, mode=list(MODES)[unit % 2])
            if part == "test":
                left = int(random.integers(5, 50))
                last.append(left)
                recorded = recorded[:-left]
            lines += [f"{unit} " + " ".join(f"{x:g}" for x in row) + "  " for row in recorded]
        (folder / f"{part}_{subset}.txt").write_text("\n".join(lines) + "\n")
    (folder / f"RUL_{subset}.txt").write_text("\n".join(map(str, last)) + "\n")


@pytest.fixture(scope="module")
def turbofans(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(data, models): two subsets that nobody has seen, and what `--subset FD004` makes of the larger."""
    data, models = tmp_path_factory.mktemp("cmapss"), tmp_path_factory.mktemp("models")
    write_subset(data, "FD003", conditions=1)
    write_subset(data, "FD004", conditions=6)
    # As `make train` does: threads that wait for each other on a busy machine cost far more than they win.
    with threadpool_limits(1):
        remaining_life.main(["--data", str(data), "--models", str(models), "--subset", "FD004"])
    return data, models


@pytest.mark.parametrize(("subset", "conditions"), [("FD003", 1), ("FD004", 6)])
def test_conditions_and_columns_are_read_off_the_engines_and_not_off_the_name(
    turbofans: tuple[Path, Path], subset: str, conditions: int
) -> None:
    data, _ = turbofans
    plan = cmapss.plan_for(cmapss.read_cycles(cmapss.files(data, subset)[0]))
    assert plan.regimes is not None
    assert len(plan.regimes.centres) == conditions
    assert plan.regimes.normalised == cmapss.SENSORS[:18]


def test_a_subset_of_six_conditions_and_two_fault_modes_is_trained_by_its_name_alone(
    turbofans: tuple[Path, Path],
) -> None:
    data, models = turbofans
    model = load(models, "turbofan-life-fd004", "1.0.0")
    card = model.card
    assert [one.name for one in card.data.files] == ["train_FD004.txt", "test_FD004.txt", "RUL_FD004.txt"]
    assert card.parity.p999_difference <= 1e-4

    _, tested, final = cmapss.files(data, "FD004")
    test = cmapss.fold(cmapss.read_cycles(tested), card.plan, np.loadtxt(final))
    off = model.outputs(test.rows[test.last])[:, 0] - test.remaining[test.last]
    assert np.sqrt((off**2).mean()) == pytest.approx(card.metric("rmse").value, abs=1e-3)
    # Always answering the mean would be off by this much.
    mean = test.remaining[test.last].std()
    fan = np.unique(test.unit) % 2 == 1
    for name, of_mode in (("fan", fan), ("compressor", ~fan)):
        assert np.sqrt((off[of_mode] ** 2).mean()) < 0.7 * mean, name


def test_a_model_is_judged_on_another_subset_in_one_command(
    turbofans: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data, models = turbofans
    own = ["turbofan-life-fd004", "--data", str(data), "--models", str(models)]

    assert evaluate.main(own) == 0
    found = figures_in(capsys)
    assert found["rmse"] == load(models, "turbofan-life-fd004", "1.0.0").card.metric("rmse").value

    # It knows the one condition of the other subset among its six.
    assert evaluate.main([*own, "--part", "FD003"]) == 0
    assert figures_in(capsys)["abstained"] < 0.05

    # The shipped one knows no engines like these, and says so rather than answer.
    assert evaluate.main(["turbofan-life-fd001", "--data", str(data), "--part", "FD004"]) == 0
    assert figures_in(capsys)["abstained"] > 0.95


def test_the_anomaly_model_is_judged_on_a_group_that_chose_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(3)
    group = tmp_path / "other"
    group.mkdir()
    for number in (1, 2, 3):
        values = random.normal(0, 1, (700, 8)) + np.arange(8)
        values[600:, number] += 15
        lines = ["datetime;" + ";".join(f"s{one}" for one in range(8)) + ";anomaly;changepoint"]
        for second, row in enumerate(values):
            at = f"2020-03-01 10:{second // 60:02}:{second % 60:02}"
            lines.append(f"{at};" + ";".join(f"{x:.4f}" for x in row) + f";{float(second >= 600)};0.0")
        (group / f"{number}.csv").write_text("\n".join(lines) + "\n")

    assert evaluate.main(["anomaly", "--data", str(tmp_path), "--part", "other"]) == 0
    found = figures_in(capsys)
    assert found["falseAlarmRatio"] < 0.1
    assert found["missedAlarmRatio"] < 0.2


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (["anomaly", "--part", "other"], "holds no recordings"),
        (["turbofan-life-fd001", "--part", "FD003"], "test_FD003.txt"),
        (["turbofan-life-fd001", "--part", "FD003", "FD004"], "one subset at a time"),
        (["crystal-ball"], "cannot read"),
    ],
)
def test_data_or_models_that_are_not_there_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: list[str], why: str
) -> None:
    assert evaluate.main([*asked, "--data", str(tmp_path)]) == 1
    assert why in capsys.readouterr().err


def figures_in(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    """Name -> value of the figures that were printed."""
    _, *lines = capsys.readouterr().out.splitlines()
    return {name: float(value) for name, value, *_ in map(str.split, lines)}
