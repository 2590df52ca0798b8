"""What happens as readings arrive: current values, silence, blocking, and what the twin shows of it."""

from dataclasses import replace

from shared.domain.effects import (
    CameBack,
    CommandDone,
    MachineBlocked,
    MachineResumed,
    MachineStateChanged,
    OeeMeasured,
    PredictionMade,
    Queued,
    ReadingRefused,
    ThresholdCrossed,
    TwinChanged,
    WentSilent,
)
from shared.domain.inputs import (
    QUEUE,
    Blocked,
    Position,
    Resumed,
    Scored,
    SpecChanged,
)
from shared.domain.maintenance.inputs import Maintained
from shared.domain.maintenance.orders import COMPONENTS_MAX
from shared.domain.packml import PackMLState
from tests.machine import Machine, of
from tests.plants import DAY, HOUR, MINUTE, MODEL, MONDAY, SECOND, SPEC, reading

START = MONDAY + 8 * HOUR
HELD, EXECUTE = PackMLState.HELD, PackMLState.EXECUTE


def second(number: int, **more: object):
    """The reading of a second, on time."""
    return reading(number, START + number * SECOND, arrived_at=START + number * SECOND, **more)


# Current values


def test_a_state_counts_although_newer_readings_without_one_arrived_before_it() -> None:
    machine = Machine()
    machine.fold(second(1), second(3, state=None, torque_nm=1.0), reading(4, START + 2 * SECOND, state=HELD))
    assert machine.state.state is HELD
    assert machine.state.state_since == START + 2 * SECOND
    assert machine.twin.state is HELD


def test_an_older_state_never_replaces_a_newer_one() -> None:
    machine = Machine()
    machine.fold(second(3), reading(4, START + 2 * SECOND, state=HELD))
    assert machine.state.state is EXECUTE
    assert len(machine.of(MachineStateChanged)) == 1


def test_of_readings_at_the_same_instant_the_devices_counter_decides() -> None:
    machine = Machine()
    newer = replace(second(1, torque_nm=2.0), sequence=9)
    older = replace(reading(2, START + SECOND, state=HELD, torque_nm=1.0), sequence=8)
    machine.fold(newer, older)
    assert (machine.state.state, machine.state.values[1]) == (EXECUTE, 2.0)


def test_an_order_counts_although_newer_readings_without_one_arrived_before_it() -> None:
    machine = Machine()
    machine.fold(second(3), reading(4, START + SECOND, product="gear"))
    assert (machine.state.order, machine.state.product) == ("ORDER-1", "gear")


def test_the_far_future_is_refused_and_makes_nothing_of_itself() -> None:
    machine = Machine()
    machine.fold(reading(1, START + HOUR, arrived_at=START, torque_nm=1.0))
    assert len(machine.of(ReadingRefused)) == 1
    assert (machine.state.reading_at, machine.state.arrived_at) == (-1, -1)


# The twin


def shown(machine: Machine) -> list[int]:
    """When the twin changed, in seconds after the start."""
    return [(twin.at - START) // SECOND for twin in machine.of(TwinChanged)]


def test_a_moving_measurement_is_shown_every_half_minute() -> None:
    machine = Machine()
    machine.fold(*(second(n, torque_nm=40.0 + 10.0 * (n % 2)) for n in range(95)))
    assert shown(machine) == [0, 30, 60, 90]


def test_a_measurement_within_its_deadband_is_not_shown() -> None:
    machine = Machine()
    machine.fold(*(second(n, torque_nm=40.0 + n % 2) for n in range(35)))
    assert shown(machine) == [0]


def test_a_value_within_its_deadband_stays_as_told_beside_one_that_moved_and_for_a_minute_at_most() -> None:
    machine = Machine()
    machine.fold(
        *(second(n, torque_nm=10.0 + 5 * (n // 10), temperature_c=20.0 + n / 100) for n in range(0, 70, 5))
    )
    told = [twin.measurements["temperature_c"] for twin in machine.of(TwinChanged)]
    assert {measured.value for measured in told} == {20.0, 20.6}
    assert [(m.at - START) // SECOND for m in told if m.value == 20.6] == [60]


def test_the_trailing_value_is_shown_by_a_tick() -> None:
    machine = Machine()
    machine.fold(second(0, torque_nm=10.0), second(3, torque_nm=30.0))
    assert machine.due_at == START + 30 * SECOND
    machine.tick(START + 30 * SECOND)
    assert machine.twin.measurements["torque_nm"].value == 30.0
    assert machine.due_at == START + 63 * SECOND


def test_a_change_of_state_is_shown_at_once() -> None:
    machine = Machine()
    machine.fold(second(0), second(1, state=HELD))
    assert shown(machine) == [0, 1]


def test_what_is_shown_at_once_takes_the_newest_values_along() -> None:
    machine = Machine()
    machine.fold(second(0, torque_nm=10.0), second(5, torque_nm=30.0), second(6, state=HELD))
    assert shown(machine) == [0, 6]
    assert machine.twin.measurements["torque_nm"].value == 30.0


def test_a_value_that_is_bad_once_does_not_stay_bad_on_the_twin() -> None:
    machine = Machine()
    machine.fold(second(0, torque_nm=10.0), second(32, torque_nm=9999.0), second(64, torque_nm=10.0))
    assert [twin.measurements["torque_nm"].bad for twin in machine.of(TwinChanged)] == [False, True, False]


def test_a_sensor_that_stays_bad_is_shown_once() -> None:
    machine = Machine()
    machine.fold(second(0, torque_nm=10.0), *(second(n, torque_nm=9999.0) for n in range(1, 50)))
    assert shown(machine) == [0, 30]


def test_a_new_band_is_shown_with_the_minute_that_brought_it() -> None:
    machine = Machine()
    machine.fold(*(second(5 * n, good=n, reject=0, product="") for n in range(40)))
    bands = [e.elements for e in machine.of(OeeMeasured)]
    assert bands
    assert machine.state.shown.band == "green"
    machine.fold(*(second(200 + 5 * n, state=HELD, good=40, reject=0) for n in range(60)))
    assert machine.state.shown.band == "red"


def test_new_figures_reach_the_twin_of_a_machine_whose_measurements_rest() -> None:
    machine = Machine()
    machine.fold(*(second(5 * n, state=HELD, torque_nm=0.0) for n in range(100)))
    assert machine.twin.oee is not None
    assert machine.twin.oee.measured_at > START + 6 * MINUTE


# Silence


def test_a_machine_goes_silent_once_and_comes_back_once() -> None:
    machine = Machine()
    machine.fold(second(0))
    assert machine.tick(START + 59 * SECOND) == []
    assert machine.due_at == START + MINUTE
    [silent] = of(WentSilent, machine.tick(START + MINUTE))
    assert (silent.last_arrived_at, silent.at) == (START, START + MINUTE)
    assert machine.twin.silent
    machine.tick(START + 2 * MINUTE)
    machine.fold(second(180), second(181))
    assert (len(machine.of(WentSilent)), len(machine.of(CameBack))) == (1, 1)
    assert not machine.twin.silent


def test_a_tick_given_again_changes_nothing() -> None:
    machine = Machine()
    machine.fold(second(0))
    machine.tick(START + MINUTE)
    before = machine.state
    assert machine.tick(START + MINUTE) == []
    assert machine.state == before


def test_a_machine_that_was_never_heard_of_is_not_silent() -> None:
    machine = Machine()
    assert of(WentSilent, machine.tick(START + DAY)) == []


# Blocked machines


def queued(machine: Machine) -> list[Queued]:
    return machine.of(Queued)


def release(machine: Machine, *, at: int) -> None:
    """Fold the queue as `resume` does."""
    machine.fold(
        *(replace(one.reading, position=Position(QUEUE, one.number)) for one in queued(machine)),
        Resumed(at),
    )


def test_a_blocked_machine_queues_and_catches_up_in_order() -> None:
    readings = [second(5 * n, good=n, product="gear") for n in range(60)]
    calm, machine = Machine(), Machine()
    calm.fold(*readings)
    machine.fold(*readings[:20], Blocked("a bug", START), *readings[20:])
    assert len(queued(machine)) == 40
    assert machine.twin.blocked == "a bug"
    release(machine, at=START + HOUR)
    assert machine.twin.blocked is None
    assert machine.close() == calm.close()
    assert (len(machine.of(MachineBlocked)), len(machine.of(MachineResumed))) == (1, 1)


def test_no_tick_closes_what_a_queue_may_still_change() -> None:
    readings = [second(5 * n, good=n, product="gear") for n in range(60)]
    calm, machine = Machine(), Machine()
    calm.fold(*readings)
    machine.fold(*readings[:20], Blocked("a bug", START), *readings[20:])
    for day in range(1, 4):
        machine.tick(START + day * DAY)
    assert machine.final == {}
    assert machine.due_at is None
    release(machine, at=START + 4 * DAY)
    assert machine.state.late_count == 0
    assert machine.close() == calm.close()


def test_the_twin_shows_at_once_that_a_machine_is_resumed() -> None:
    machine = Machine()
    machine.fold(second(0), Blocked("a bug", START))
    machine.fold(Resumed(START + SECOND))
    assert machine.twin.blocked is None


# Models and maintenance


def scored(model: str, minute: int, probability: float | None) -> Scored:
    return Scored(model, "1", START + minute * MINUTE, probability)


def test_a_threshold_is_crossed_up_and_down_and_not_by_abstaining() -> None:
    machine = Machine()
    machine.fold(second(0), *(scored("wear", n, p) for n, p in enumerate([0.2, 0.5, None, 0.9, 0.4])))
    assert [crossed.health.warning for crossed in machine.of(ThresholdCrossed)] == [True, False]
    assert len(machine.of(PredictionMade)) == 5


def test_two_models_of_one_machine_cross_their_thresholds_each_for_itself() -> None:
    machine = Machine(replace(SPEC, models=(MODEL, replace(MODEL, model="heat"))))
    machine.fold(second(0))
    for minute in range(5):
        machine.fold(scored("wear", minute, 0.9), scored("heat", minute, 0.1))
    assert len(machine.of(ThresholdCrossed)) == 1
    assert machine.twin.health is not None
    assert machine.twin.health.model == "wear"


def test_a_model_that_is_bound_no_more_leaves_no_verdict() -> None:
    machine = Machine()
    machine.fold(second(0), scored("wear", 0, 0.9))
    machine.fold(SpecChanged(Position("apply/SITE-1", 2), replace(SPEC, version=2, models=()), START))
    assert machine.twin.health is None


def test_a_machine_follows_its_description_to_another_site() -> None:
    machine = Machine()
    moved = replace(SPEC, version=1, site_id="SITE-2", line_id="LINE-9")
    machine.fold(SpecChanged(Position("apply/SITE-2", 1), moved, START))
    assert (machine.state.site_id, machine.state.line_id) == ("SITE-2", "LINE-9")


def test_maintenance_of_ever_new_components_does_not_grow_the_state() -> None:
    machine = Machine()
    for n in range(COMPONENTS_MAX + 1):
        machine.fold(Maintained(f"key-{n}", f"component {n}", START, "Ada"))
    assert machine.of(CommandDone)[-1].outcome == "64 other components are on record"
    machine.fold(Maintained("again", "component 0", START + 1, "Ada"))
    assert machine.state.maintained_at["component 0"] == START + 1
