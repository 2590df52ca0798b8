"""Features are the same in training and in the stream, in constant space, and honest about gaps."""

from dataclasses import replace
from math import exp, isnan, pi, sqrt
from statistics import fmean, linear_regression, stdev

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.domain.features import (
    HOLD_AVERAGE_MS,
    HOLD_LAST_MS,
    FeaturePlan,
    FeatureState,
    Regimes,
    fold_pane,
    initial,
    problems,
    recipe,
    row,
)

MINUTE = 60_000
WARM_UP, BASELINE = 12, 60
TAUS = (600_000, 7_200_000)
PLAN = FeaturePlan(TAUS, (36 * MINUTE, 144 * MINUTE), WARM_UP, BASELINE, shrinkage=0.2)
SIGNALS = ("spindle_torque", "spindle_speed")
INPUTS = (("torque", "spindle_torque"), ("rpm", "spindle_speed"))
FEATURES = (
    "torque.last",
    "torque.ewma0",
    "torque.ewma1",
    "torque.ewstd",
    "torque.delta1",
    "rpm.z0",
    "torque.away",
    "torque.pull",
    "rpm.away",
    "rpm.pull",
    *(f"torque.{what}{window}" for what in ("mean", "std", "slope") for window in (0, 1)),
    "power_w",
    "hours_since.tool",
    "age_hours",
    "age_years",
)
ATTRIBUTES = (("age_years", 7.0),)
RECIPE = recipe(FEATURES, INPUTS, ATTRIBUTES, PLAN, SIGNALS)

type Pane = tuple[int, tuple[float | None, ...]]

values = st.floats(-1e6, 1e6, allow_nan=False)
panes = st.lists(
    st.tuples(st.integers(1, 3 * HOLD_AVERAGE_MS), st.tuples(values | st.none(), values | st.none())),
    max_size=90,
)
steady = st.lists(st.tuples(st.just(MINUTE), st.tuples(values, values)), min_size=80, max_size=160)


def folded(steps: list[Pane], state: FeatureState | None = None, at: int = 0) -> FeatureState:
    state = state or initial(RECIPE)
    for step_ms, means in steps:
        at += step_ms
        state = fold_pane(state, RECIPE, at=at, means=means)
    return state


def named(state: FeatureState, *, maintained_at: dict[str, int] | None = None) -> dict[str, float]:
    columns = row(state, RECIPE, at=state.at or 0, maintained_at=maintained_at or {})
    return dict(zip(FEATURES, columns, strict=True))


STORED = TypeAdapter(FeatureState)


def restored(state: FeatureState) -> FeatureState:
    """The state after a trip through the store."""
    return STORED.validate_python(orjson.loads(orjson.dumps(state)))


@given(panes | steady)
def test_a_stream_that_stores_its_state_after_every_pane_gives_the_rows_of_a_batch_bit_for_bit(
    steps: list[Pane],
) -> None:
    batch, stream, at = initial(RECIPE), initial(RECIPE), 0
    for step_ms, means in steps:
        at += step_ms
        batch = fold_pane(batch, RECIPE, at=at, means=means)
        stream = restored(fold_pane(stream, RECIPE, at=at, means=means))
        assert stream == batch
        assert repr(named(stream)) == repr(named(batch))


@given(panes)
def test_rows_carry_at_most_three_decimals_and_no_negative_zero(steps: list[Pane]) -> None:
    for value in named(folded(steps)).values():
        assert isnan(value) or (value == round(value, 3) and repr(value) != "-0.0")


@given(panes)
def test_averages_stay_between_the_lowest_and_the_highest_pane(steps: list[Pane]) -> None:
    state = folded(steps)
    for signal in range(2):
        seen = [value for _, means in steps if (value := means[signal]) is not None]
        for value in state.ewma[signal * 2 : signal * 2 + 2]:
            if value is not None:
                slack = 1e-6 * max(map(abs, seen))
                assert min(seen) - slack <= value <= max(seen) + slack
        assert state.variance[signal] >= 0


EIGHT = tuple(f"s{number}" for number in range(8))


@pytest.mark.parametrize(
    ("statistics", "at_most"),
    [
        (("last", "ewma0", "ewma1"), 900),
        (("last", "ewma0", "ewma1", "ewstd", "z1"), 1_200),
        (("away", "pull"), 1_200),
        (("last", "ewma0", "ewma1", "ewstd", "z1", "mean0", "std1", "slope1"), 4_096),
    ],
    ids=["averages", "baseline", "joint", "windows"],
)
def test_the_state_of_eight_signals_costs_what_the_columns_need(
    statistics: tuple[str, ...], at_most: int
) -> None:
    names = tuple(f"{signal}.{statistic}" for signal in EIGHT for statistic in statistics)
    made = recipe(names, tuple((one, one) for one in EIGHT), (), PLAN, EIGHT)
    state, at = initial(made), 1_760_000_000_000
    for pane in range(500):
        at += MINUTE
        means = tuple(-1234.5678901 / (signal + 1 + (pane * (signal + 3)) % 7) for signal in range(8))
        state = fold_pane(state, made, at=at, means=means)
    assert len(orjson.dumps(state)) <= at_most


def test_a_statistic_that_no_column_needs_is_not_kept() -> None:
    bare = initial(recipe(("torque.last",), INPUTS, (), PLAN, SIGNALS))
    assert (bare.ewma, bare.variance, bare.baseline_mean, bare.joint, bare.windows) == (
        (),
        (),
        (),
        None,
        None,
    )
    assert len(bare.last) == 1


def test_averages_weigh_panes_by_the_time_between_them() -> None:
    state = folded([(MINUTE, (10.0, None)), (300_000, (20.0, None))])
    fast, slow = 1 - exp(-300_000 / TAUS[0]), 1 - exp(-300_000 / TAUS[1])
    assert state.ewma[0] == pytest.approx(10 + fast * 10, rel=1e-8)
    assert state.ewma[1] == pytest.approx(10 + slow * 10, rel=1e-8)
    assert state.variance[0] == pytest.approx((1 - slow) * slow * 100, rel=1e-8)


def test_a_signal_that_was_missing_is_weighed_by_the_time_since_it_was_last_good() -> None:
    steps: list[Pane] = [(MINUTE, (10.0, 1.0)), (MINUTE, (None, 1.0)), (MINUTE, (20.0, 1.0))]
    assert folded(steps).ewma[0] == pytest.approx(10 + (1 - exp(-2 * MINUTE / TAUS[0])) * 10, rel=1e-8)


def test_averages_are_unknown_until_they_are_warm() -> None:
    cold = folded([(MINUTE, (10.0, 1500.0))] * (WARM_UP - 1))
    assert isnan(named(cold)["torque.ewma0"])
    assert isnan(named(cold)["torque.ewstd"])
    assert named(cold)["torque.last"] == 10.0
    warm = folded([(MINUTE, (10.0, 1500.0))], cold, cold.at or 0)
    assert named(warm)["torque.ewma1"] == 10.0
    assert named(warm)["torque.ewstd"] == 0.0


def test_the_baseline_is_the_first_panes_and_stays_what_it_was() -> None:
    healthy: list[Pane] = [(MINUTE, (10.0, 1500.0 + (-1) ** pane)) for pane in range(BASELINE)]
    mature = folded(healthy)
    assert isnan(named(folded(healthy[:-1]))["rpm.z0"])
    assert not isnan(named(mature)["rpm.z0"])
    worn = folded([(MINUTE, (13.0, 1600.0))] * 1000, mature, mature.at or 0)
    assert worn.baseline_mean == mature.baseline_mean == (10.0, 1500.0)
    assert named(worn)["torque.delta1"] == pytest.approx(3.0, abs=0.01)
    spread = sqrt(BASELINE / (BASELINE - 1))
    assert named(worn)["rpm.z0"] == pytest.approx(100 / spread, abs=0.01)


def test_a_baseline_without_spread_gives_no_z() -> None:
    constant = folded([(MINUTE, (10.0, 1500.0))] * (BASELINE + 5))
    assert isnan(named(constant)["rpm.z0"])


def test_a_missing_signal_holds_for_a_while_and_is_then_unknown() -> None:
    warm = folded([(MINUTE, (10.0, 1500.0))] * WARM_UP)
    held = folded([(HOLD_LAST_MS, (None, 1500.0))], warm, warm.at or 0)
    assert named(held)["torque.last"] == 10.0
    gone = folded([(1, (None, 1500.0))], held, held.at or 0)
    assert isnan(named(gone)["torque.last"])
    assert isnan(named(gone)["power_w"])
    assert named(gone)["torque.ewma0"] == 10.0
    forgotten = folded([(HOLD_AVERAGE_MS, (None, 1500.0))], warm, warm.at or 0)
    assert named(forgotten)["torque.ewma0"] == 10.0
    assert isnan(named(folded([(1, (None, None))], forgotten, forgotten.at or 0))["torque.ewma0"])


def test_a_signal_that_was_never_good_is_not_a_number_and_not_zero() -> None:
    state = folded([(MINUTE, (None, 1500.0))] * 20)
    assert isnan(named(state)["torque.last"])
    assert isnan(named(state)["torque.ewma0"])
    assert isnan(named(state)["power_w"])


def test_physics_power_is_torque_times_angular_speed() -> None:
    assert named(folded([(MINUTE, (40.0, 1500.0))]))["power_w"] == round(40 * 1500 * 2 * pi / 60, 3)


def test_temperature_difference_and_wear_torque_come_from_the_bound_signals() -> None:
    made = recipe(
        ("temperature_difference_k", "wear_torque"),
        (("process_temperature", "a"), ("air_temperature", "b"), ("tool_wear", "c"), ("torque", "d")),
        (),
        FeaturePlan(),
        ("d", "c", "b", "a"),
    )
    state = fold_pane(initial(made), made, at=0, means=(40.0, 100.0, 300.25, 310.5))
    assert row(state, made, at=0, maintained_at={}) == (10.25, 4000.0)


def test_hours_since_maintenance_count_to_the_instant_that_is_asked_for() -> None:
    state = folded([(7_200_000, (1.0, 1.0))])
    assert named(state, maintained_at={"tool": 1_800_000})["hours_since.tool"] == 1.5
    assert isnan(named(state)["hours_since.tool"])


def test_the_age_counts_from_the_first_pane() -> None:
    assert named(folded([(MINUTE, (1.0, 1.0)), (5_400_000, (1.0, 1.0))]))["age_hours"] == 1.5


@given(st.lists(st.floats(-1000, 1000).map(lambda x: round(x, 3)), min_size=30, max_size=400))
def test_windows_are_what_their_definition_says_of_the_panes_in_them(torque: list[float]) -> None:
    state = folded([(MINUTE, (x, 1.0)) for x in torque])
    features = named(state)
    pane_ms = PLAN.windows_ms[1] // 12
    for number, window_ms in enumerate(PLAN.windows_ms):
        start = (len(torque) * MINUTE // pane_ms - window_ms // pane_ms + 1) * pane_ms
        inside = [x for minute, x in enumerate(torque, start=1) if minute * MINUTE >= start]
        assert features[f"torque.mean{number}"] == pytest.approx(fmean(inside), abs=0.002)
        assert features[f"torque.std{number}"] == pytest.approx(stdev(inside), abs=0.01)


def test_the_trend_is_the_least_squares_change_over_the_window() -> None:
    """One reading a pane of sums: then the closed form over the sums is ordinary least squares."""
    pane_ms = PLAN.windows_ms[1] // 12
    torque = [50 + number % 5 - 0.3 * number for number in range(40)]
    state = folded([(pane_ms, (x, 1.0)) for x in torque])
    slope, _ = linear_regression(range(12), torque[-12:])
    assert named(state)["torque.slope1"] == pytest.approx(12 * slope, abs=0.001)
    slope, _ = linear_regression(range(3), torque[-3:])
    assert named(state)["torque.slope0"] == pytest.approx(3 * slope, abs=0.001)


def test_a_window_forgets_what_has_left_it() -> None:
    old = folded([(MINUTE, (1000.0, 1.0))] * 200)
    after = folded([(PLAN.windows_ms[1] * 2, (1.0, 1.0)), *[(MINUTE, (1.0, 1.0))] * 30], old, old.at or 0)
    assert named(after)["torque.mean1"] == 1.0
    assert named(after)["torque.std1"] == 0.0
    assert after.windows is not None
    assert len(after.windows.number) <= 12


def test_contributions_sum_to_the_squared_distance_from_the_joint_baseline() -> None:
    random = np.random.default_rng(5)
    cause = random.normal(size=400)
    healthy = np.stack([cause, 3 * cause + random.normal(size=400)], axis=1)
    state = folded([(MINUTE, (float(a), float(b))) for a, b in healthy])
    strange = folded([(MINUTE, (4.0, -9.0))] * 30, state, state.at or 0)
    assert strange.joint is not None
    assert state.joint is not None
    assert strange.joint == state.joint  # frozen

    averages = []
    tau_s = TAUS[0] / 1000
    average = healthy[0]
    for pane in healthy[1:]:
        average = average + (1 - exp(-60 / tau_s)) * (pane - average)
        averages.append(average)
    # The average is known after the warm-up, then the baseline's panes are taken.
    taken = np.array(averages[WARM_UP - 1 : WARM_UP - 1 + BASELINE])
    correlation = np.corrcoef(taken.T)
    shrunk = (1 - PLAN.shrinkage) * correlation + PLAN.shrinkage * np.eye(2)
    now = np.array([strange.ewma[0], strange.ewma[2]], dtype=float)
    away = (now - taken.mean(axis=0)) / taken.std(axis=0, ddof=1)
    features = named(strange)
    assert [features["torque.away"], features["rpm.away"]] == pytest.approx(away, abs=0.002)
    squared = features["torque.away"] * features["torque.pull"] + features["rpm.away"] * features["rpm.pull"]
    assert squared == pytest.approx(away @ np.linalg.inv(shrunk) @ away, rel=1e-3)
    assert squared > 100


def test_a_channel_that_never_moved_takes_no_part_in_the_joint_baseline() -> None:
    state = folded([(MINUTE, (float(pane % 7), 1500.0)) for pane in range(100)])
    assert named(state)["rpm.away"] == 0.0
    assert named(state)["rpm.pull"] == 0.0
    assert not isnan(named(state)["torque.pull"])


def test_what_the_way_of_running_explains_is_taken_out_of_a_channel() -> None:
    regimes = Regimes(
        by=("rpm",),
        scale=(100.0,),
        centres=((1000.0,), (3000.0,)),
        normalised=("torque",),
        mean=((20.0,), (60.0,)),
        std=((2.0,), (5.0,)),
    )
    made = recipe(("torque.last", "regime"), INPUTS, (), FeaturePlan(regimes=regimes), SIGNALS)
    state = initial(made)
    rows = []
    for at, means in enumerate([(24.0, 1100.0), (50.0, 2900.0), (50.0, None)]):
        state = fold_pane(state, made, at=at, means=means)
        rows.append(row(state, made, at=at, maintained_at={}))
    assert rows[:2] == [(2.0, 0.0), (-2.0, 1.0)]
    assert rows[2][0] == -2.0  # held: without its speed the load of that pane is not known
    assert isnan(rows[2][1])


def test_a_pane_that_does_not_follow_the_latest_is_a_programming_error() -> None:
    state = folded([(MINUTE, (1.0, 1.0))])
    with pytest.raises(ValueError, match="does not follow"):
        fold_pane(state, RECIPE, at=MINUTE, means=(1.0, 1.0))


@pytest.mark.parametrize(
    "name", ["torque.median", "torque.mean2", "torque.ewma2", "torque.ewma", ".last", "torque.z"]
)
def test_a_name_without_meaning_is_found_before_it_is_used(name: str) -> None:
    found = problems((name,), inputs=INPUTS, attributes=(), plan=PLAN, signal_names=SIGNALS)
    assert len(found) == 1
    assert name in found[0]


def test_a_recipe_refuses_a_name_without_meaning() -> None:
    with pytest.raises(ValueError, match="not a feature"):
        recipe(("torque.median",), INPUTS, (), PLAN, SIGNALS)


def test_problems_name_what_a_binding_lacks() -> None:
    def found(features: tuple[str, ...], **changed: object) -> tuple[str, ...]:
        return problems(
            features,
            inputs=(("torque", "speed"),),
            attributes=(),
            plan=replace(PLAN, **changed),
            signal_names=SIGNALS,
        )[1:]

    assert problems(FEATURES, inputs=INPUTS, attributes=("age_years",), plan=PLAN, signal_names=SIGNALS) == ()
    assert problems(
        ("torque.last", "rpm.last", "power_w", "age_years"),
        inputs=(("torque", "speed"),),
        attributes=(),
        plan=PLAN,
        signal_names=SIGNALS,
    ) == (
        "model input torque is bound to speed, which the machine class does not have",
        "rpm.last needs model input rpm",
        "power_w needs model input rpm",
        "age_years needs an attribute of that name",
    )
    assert found(("torque.mean0",), windows_ms=()) == ("torque.mean0 needs windows",)
    assert found(("regime",)) == ("regime needs regimes",)
    assert found((), taus_ms=(2, 1)) == ("time constants are positive and run from fast to slow",)
    assert found((), windows_ms=(5, 13)) == (
        "the long window is 12 panes, the short one a whole number of them",
    )
    wide = tuple((f"s{number}", "spindle_torque") for number in range(17))
    assert problems(
        tuple(f"{channel}.away" for channel, _ in wide),
        inputs=wide,
        attributes=(),
        plan=PLAN,
        signal_names=SIGNALS,
    ) == ("a joint baseline of 17 channels: at most 16",)
