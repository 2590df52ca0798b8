"""Limit alarms, from readings to occurrences: trip, deadband, delays, acknowledgement."""

from dataclasses import replace

import pytest

from shared.domain.alarms.inputs import Acknowledge
from shared.domain.effects import AlarmChanged, CommandDone, ViolationRecorded
from shared.domain.inputs import Position, SpecChanged
from tests.machine import Machine, of
from tests.plants import HOUR, MINUTE, MONDAY, SECOND, SPEC, reading

START = MONDAY + 9 * HOUR


class Watched(Machine):
    """A machine whose rule `hot` trips above 85 °C for 5 s and returns at 80 °C; `cold` at once below 5."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def at(self, second: float, celsius: float) -> "Watched":
        self.count += 1
        self.fold(reading(self.count, START + round(second * SECOND), temperature_c=celsius))
        return self

    def acknowledge(self, second: int = 60, *, rule: str = "hot") -> str:
        alarm_id = self.state.alarms[rule].alarm_id
        effects = self.fold(
            Acknowledge(f"key-{self.count}-{second}", alarm_id, "Ada", START + second * SECOND)
        )
        return of(CommandDone, effects)[0].outcome

    @property
    def hot(self) -> str:
        alarm = self.state.alarms.get("hot")
        return "normal" if alarm is None else alarm.state if alarm.alarm_id else "pending"

    @property
    def told(self) -> list[str]:
        return [str(effect.event) for effect in self.of(AlarmChanged)]


def test_a_violation_is_pending_until_its_delay_is_over() -> None:
    machine = Watched().at(0, 90).at(4, 90)
    assert (machine.hot, machine.told) == ("pending", [])
    machine.at(5, 91)
    assert (machine.hot, machine.told) == ("unacknowledged", ["raised"])
    alarm = machine.state.alarms["hot"]
    assert (alarm.violated_at, alarm.raised_at, alarm.value) == (START, START + 5 * SECOND, 91)


def test_a_rule_without_a_delay_raises_at_once() -> None:
    machine = Watched().at(0, 4.9)
    assert [raised.alarm.rule_id for raised in machine.of(AlarmChanged)] == ["cold"]


def test_the_limit_itself_does_not_violate() -> None:
    assert Watched().at(0, 85).hot == "normal"


def test_a_pending_alarm_is_dropped_when_the_value_returns_even_within_the_deadband() -> None:
    machine = Watched().at(0, 90).at(2, 84).at(5, 90)
    assert (machine.hot, machine.told) == ("pending", [])


def test_a_delay_does_not_run_through_a_gap_in_the_data() -> None:
    machine = Watched().at(0, 90).at(120, 90)
    assert machine.hot == "pending"
    assert machine.at(125, 90).hot == "unacknowledged"


def test_an_unacknowledged_alarm_stays_while_the_value_is_within_the_deadband() -> None:
    machine = Watched().at(0, 90).at(5, 90).at(6, 80.1)
    assert machine.hot == "unacknowledged"
    machine.at(7, 80)
    assert (machine.hot, machine.told) == ("returnedUnacknowledged", ["raised", "cleared"])


def test_an_acknowledged_alarm_is_normal_once_it_returns() -> None:
    machine = Watched().at(0, 90).at(5, 90)
    assert machine.acknowledge() == "done"
    assert machine.hot == "acknowledged"
    machine.at(65, 80)
    assert (machine.hot, machine.told) == ("normal", ["raised", "acknowledged", "cleared"])


def test_a_returned_alarm_is_normal_once_it_is_acknowledged() -> None:
    machine = Watched().at(0, 90).at(5, 90).at(6, 70)
    assert machine.acknowledge() == "done"
    assert machine.hot == "normal"
    assert machine.of(AlarmChanged)[-1].alarm.state == "normal"


def test_a_returned_alarm_that_violates_again_is_the_same_occurrence_after_its_delay() -> None:
    machine = Watched().at(0, 90).at(5, 90).at(6, 70).at(10, 90)
    assert machine.hot == "returnedUnacknowledged"
    machine.at(15, 90)
    assert machine.hot == "unacknowledged"
    first, _, again = machine.of(AlarmChanged)
    assert first.alarm.alarm_id == again.alarm.alarm_id
    assert (again.alarm.occurrence_count, again.alarm.cleared_at) == (2, None)
    assert first.n != again.n


def test_a_returned_alarm_waits_its_whole_delay_anew_after_a_dip() -> None:
    machine = Watched().at(0, 90).at(5, 90).at(6, 70).at(10, 90).at(12, 70).at(14, 90).at(16, 90)
    assert machine.hot == "returnedUnacknowledged"


@pytest.mark.parametrize("second", [61, 62])
def test_an_alarm_is_acknowledged_once(second: int) -> None:
    machine = Watched().at(0, 90).at(5, 90)
    machine.acknowledge(60)
    assert machine.acknowledge(second) == "already acknowledged by Ada"
    assert machine.told == ["raised", "acknowledged"]


def test_a_pending_alarm_cannot_be_acknowledged() -> None:
    machine = Watched().at(0, 90)
    assert machine.acknowledge() == "the alarm is not active"


def test_an_older_sample_changes_no_alarm_but_its_violation_is_written_down() -> None:
    machine = Watched().at(0, 50).at(8, 60).at(4, 3)
    assert machine.told == []
    [violation] = machine.of(ViolationRecorded)
    assert (violation.rule_id, violation.value, violation.at) == ("cold", 3, START + 4 * SECOND)


def test_a_late_sample_that_comes_twice_records_its_violation_once() -> None:
    machine = Watched().at(0, 50).at(60, 60)
    late = reading(100, START + 30 * SECOND, temperature_c=3)
    machine.fold(late, replace(late, position=Position("telemetry/1/0", 101)))
    assert len(machine.of(ViolationRecorded)) == 1
    assert (machine.state.late_count, machine.state.duplicate_count) == (1, 1)


def test_an_implausible_value_neither_raises_nor_returns_an_alarm() -> None:
    machine = Watched().at(0, 900).at(6, 900)
    assert machine.hot == "normal"
    machine.at(10, 90).at(15, 90).at(16, -273)
    assert machine.hot == "unacknowledged"


def test_an_alarm_whose_rule_is_gone_returns() -> None:
    machine = Watched().at(0, 90).at(5, 90)
    spec = replace(SPEC, version=2, rules=SPEC.rules[1:])
    machine.fold(SpecChanged(Position("apply/SITE-1", 2), spec, START + MINUTE))
    assert (machine.hot, machine.told) == ("normal", ["raised", "dropped"])
    assert machine.twin.active_alarm_count == 0


def test_the_twin_counts_alarms_and_names_the_highest_active_priority() -> None:
    machine = Watched().at(0, 90).at(5, 90)
    machine.fold(reading(50, START + 6 * SECOND, torque_nm=90))
    twin = machine.twin
    assert (twin.active_alarm_count, twin.unacknowledged_alarm_count) == (2, 2)
    assert twin.highest_priority == "critical"
