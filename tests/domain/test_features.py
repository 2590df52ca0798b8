"""Features are the same in training and in the stream, in constant space, and honest about gaps."""

import json
from dataclasses import asdict, replace
from math import exp, isnan, pi, sqrt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.features import (
    BASELINE_PANES,
    HOLD_AVERAGE_MS,
    HOLD_LAST_MS,
    WARM_UP_PANES,
    FeatureState,
    fold_pane,
    initial,
    problems,
    row,
)
from shared.domain.spec import ModelBinding

MINUTE = 60_000
TAUS = (600_000, 7_200_000)
SIGNALS = ("spindle_torque", "spindle_speed")
BINDING = ModelBinding(
    model="cnc-failure",
    version="1.0.0",
    inputs=(("torque", "spindle_torque"), ("rpm", "spindle_speed")),
    threshold=0.5,
    features=(
        "torque.last",
        "torque.ewma0",
        "torque.ewma1",
        "torque.std1",
        "torque.delta1",
        "rpm.z0",
        "power_w",
        "hours_since.tool",
        "age_years",
    ),
    attributes=(("age_years", 7.0),),
)

type Pane = tuple[int, tuple[float | None, ...]]

values = st.floats(-1e6, 1e6, allow_nan=False)
panes = st.lists(
    st.tuples(st.integers(1, 3 * HOLD_AVERAGE_MS), st.tuples(values | st.none(), values | st.none())),
    max_size=90,
)


def folded(steps: list[Pane], state: FeatureState | None = None, at: int = 0) -> FeatureState:
    state = state or initial(len(SIGNALS), len(TAUS))
    for step_ms, means in steps:
        at += step_ms
        state = fold_pane(state, at=at, means=means, taus_ms=TAUS)
    return state


def named(state: FeatureState, *, maintained_at: dict[str, int] | None = None) -> dict[str, float]:
    columns = row(
        state, binding=BINDING, signal_names=SIGNALS, at=state.at or 0, maintained_at=maintained_at or {}
    )
    return dict(zip(BINDING.features, columns, strict=True))


def restored(state: FeatureState) -> FeatureState:
    """The state after a trip through the store."""
    fields: dict[str, Any] = json.loads(json.dumps(asdict(state), allow_nan=False))
    for name, value in fields.items():
        if isinstance(value, list):
            fields[name] = tuple(value)
    return FeatureState(**fields)


@given(panes)
def test_a_stream_that_stores_its_state_after_every_pane_gives_the_rows_of_a_batch_bit_for_bit(
    steps: list[Pane],
) -> None:
    batch, stream, at = initial(2, 2), initial(2, 2), 0
    for step_ms, means in steps:
        at += step_ms
        batch = fold_pane(batch, at=at, means=means, taus_ms=TAUS)
        stream = restored(fold_pane(stream, at=at, means=means, taus_ms=TAUS))
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


def test_the_state_of_eight_signals_fits_in_a_kilobyte_of_json() -> None:
    state, at = initial(8, 2), 1_760_000_000_000
    for pane in range(500):
        at += MINUTE
        means = tuple(-1234.5678901 / (signal + 1 + pane % 7) for signal in range(8))
        state = fold_pane(state, at=at, means=means, taus_ms=TAUS)
    assert len(json.dumps(asdict(state), separators=(",", ":"))) <= 1024


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
    cold = folded([(MINUTE, (10.0, 1500.0))] * (WARM_UP_PANES - 1))
    assert isnan(named(cold)["torque.ewma0"])
    assert isnan(named(cold)["torque.std1"])
    assert named(cold)["torque.last"] == 10.0
    warm = folded([(MINUTE, (10.0, 1500.0))], cold, cold.at or 0)
    assert named(warm)["torque.ewma1"] == 10.0
    assert named(warm)["torque.std1"] == 0.0


def test_the_baseline_is_the_first_panes_and_stays_what_it_was() -> None:
    healthy: list[Pane] = [(MINUTE, (10.0, 1500.0 + (-1) ** pane)) for pane in range(BASELINE_PANES)]
    mature = folded(healthy)
    assert isnan(named(folded(healthy[:-1]))["rpm.z0"])
    assert not isnan(named(mature)["rpm.z0"])
    worn = folded([(MINUTE, (13.0, 1600.0))] * 1000, mature, mature.at or 0)
    assert worn.baseline_mean == mature.baseline_mean == (10.0, 1500.0)
    assert named(worn)["torque.delta1"] == pytest.approx(3.0, abs=0.01)
    spread = sqrt(BASELINE_PANES / (BASELINE_PANES - 1))
    assert named(worn)["rpm.z0"] == pytest.approx(100 / spread, abs=0.01)


def test_a_baseline_without_spread_gives_no_z() -> None:
    constant = folded([(MINUTE, (10.0, 1500.0))] * (BASELINE_PANES + 5))
    assert isnan(named(constant)["rpm.z0"])


def test_a_missing_signal_holds_for_a_while_and_is_then_unknown() -> None:
    warm = folded([(MINUTE, (10.0, 1500.0))] * WARM_UP_PANES)
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
    binding = ModelBinding(
        model="m",
        version="1.0.0",
        inputs=(("process_temperature", "a"), ("air_temperature", "b"), ("tool_wear", "c"), ("torque", "d")),
        threshold=0.5,
        features=("temperature_difference_k", "wear_torque"),
    )
    state = fold_pane(initial(4, 1), at=0, means=(310.5, 300.25, 100.0, 40.0), taus_ms=(1,))
    assert row(state, binding=binding, signal_names=("a", "b", "c", "d"), at=0, maintained_at={}) == (
        10.25,
        4000.0,
    )


def test_hours_since_maintenance_count_to_the_instant_that_is_asked_for() -> None:
    state = folded([(7_200_000, (1.0, 1.0))])
    assert named(state, maintained_at={"tool": 1_800_000})["hours_since.tool"] == 1.5
    assert isnan(named(state)["hours_since.tool"])


def test_a_pane_that_does_not_follow_the_latest_is_a_programming_error() -> None:
    state = folded([(MINUTE, (1.0, 1.0))])
    with pytest.raises(ValueError, match="does not follow"):
        fold_pane(state, at=MINUTE, means=(1.0, 1.0), taus_ms=TAUS)


def test_means_of_another_shape_than_the_state_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        fold_pane(initial(2, 2), at=0, means=(1.0,), taus_ms=TAUS)
    with pytest.raises(ValueError, match="do not fit"):
        fold_pane(initial(2, 2), at=0, means=(1.0, 1.0), taus_ms=(1,))


@pytest.mark.parametrize("name", ["torque.median", "torque.std0", "torque.ewma2", "torque.ewma", ".last"])
def test_a_name_without_meaning_is_found_before_it_is_used(name: str) -> None:
    binding = replace(BINDING, features=(name,))
    assert len(problems(binding, SIGNALS, len(TAUS))) == 1
    with pytest.raises(ValueError, match=r"not a feature|time constant"):
        row(folded([(MINUTE, (1.0, 1.0))]), binding=binding, signal_names=SIGNALS, at=0, maintained_at={})


def test_problems_name_what_a_binding_lacks() -> None:
    assert problems(BINDING, SIGNALS, len(TAUS)) == ()
    broken = replace(
        BINDING,
        inputs=(("torque", "speed"),),
        features=("torque.last", "rpm.last", "power_w", "age_years"),
        attributes=(),
    )
    assert problems(broken, SIGNALS, len(TAUS)) == (
        "model input torque is bound to speed, which the machine class does not have",
        "rpm.last needs model input rpm",
        "power_w needs model input rpm",
        "age_years needs an attribute of that name",
    )
