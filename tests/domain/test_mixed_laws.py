"""Replay and batching again, with everything else that changes a machine among its readings."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.alarms.inputs import Acknowledge
from shared.domain.inputs import (
    Blocked,
    Input,
    Position,
    Reading,
    Resumed,
    SpecChanged,
    Tick,
)
from shared.domain.maintenance.inputs import Maintained
from shared.domain.spec import MachineSpec
from tests.machine import Machine
from tests.plants import DAY, HOUR, MINUTE, SPEC, deliveries

SPECS: list[MachineSpec] = [
    replace(SPEC, version=2, rules=SPEC.rules[:1], signals=(SPEC.signals[1], SPEC.signals[0])),
    replace(SPEC, version=3, signals=SPEC.signals[:1], rules=(), models=()),
    replace(
        SPEC, version=4, silence_ms=HOUR, calendar=replace(SPEC.calendar, shifts=SPEC.calendar.shifts[:1])
    ),
]


@st.composite
def lives(draw: st.DrawFn) -> list[Input]:
    """Deliveries with ticks, commands, blocks and new descriptions in between."""
    lived: list[Input] = []
    for number, one in enumerate(draw(deliveries(longest=25))):
        now = one.arrived_at
        lived.append(one)
        match draw(st.integers(0, 15)):
            case 0 | 1:
                then = now + draw(st.sampled_from([0, MINUTE, HOUR, 2 * DAY]))
                lived.append(Tick(Position("timer/due", then), then))
            case 2:
                alarm_id = f"{SPEC.machine_id}:{draw(st.integers(1, 12))}"
                lived.append(Acknowledge(f"key-{number}", alarm_id, "Ada", now))
            case 3:
                lived.append(Maintained(f"key-{number}", draw(st.sampled_from("ab")), now, "Ada"))
            case 4:
                lived.append(Blocked("a bug", now))
            case 5 | 6:
                lived.append(Resumed(now))
            case 7:
                spec = draw(st.sampled_from(SPECS))
                lived.append(SpecChanged(Position("apply/SITE-1", spec.version), spec, now))
            case _:
                pass
    return lived


@given(lives(), st.data())
@settings(max_examples=80, deadline=None)
def test_decisions_do_not_depend_on_how_a_life_is_cut(inputs: list[Input], data: st.DataObject) -> None:
    whole, pieces = Machine(), Machine()
    whole.fold(*inputs)
    start = 0
    while start < len(inputs):
        end = data.draw(st.integers(start + 1, len(inputs)))
        pieces.fold(*inputs[start:end])
        start = end
    assert repr(pieces.effects) == repr(whole.effects)  # rows may hold NaN, which equals nothing
    assert pieces.state == whole.state


@given(lives())
@settings(max_examples=80, deadline=None)
def test_what_has_a_place_changes_nothing_when_it_comes_again(inputs: list[Input]) -> None:
    machine = Machine()
    machine.fold(*inputs)
    before = machine.state
    assert machine.fold(*(item for item in inputs if isinstance(item, Reading | Tick | SpecChanged))) == []
    assert machine.state == before


@given(lives())
@settings(max_examples=80, deadline=None)
def test_every_shift_of_a_life_adds_up_and_becomes_final_once_it_was_measured(inputs: list[Input]) -> None:
    machine = Machine()
    machine.fold(*inputs, Resumed(0))
    machine.close()
    for elements in machine.final.values():
        assert sum(elements.times_ms.values()) == elements.end - elements.start
