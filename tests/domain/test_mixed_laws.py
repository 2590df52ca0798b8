"""Replay and batching again, with everything else that changes a machine among its readings."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.alarms.inputs import (
    Acknowledge,
    ChangeSetPoint,
    Command,
    Comment,
    Reset,
    ReturnToService,
    Shelve,
    TakeOutOfService,
    Unshelve,
)
from shared.domain.alarms.rules import (
    CounterRate,
    Deviation,
    Frozen,
    InState,
    Oee,
    RateOfChange,
    Rule,
    Score,
    Silence,
)
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
from shared.domain.packml import PackMLState
from shared.domain.spec import MachineSpec
from shared.state_document import from_document, to_document
from tests.domain.test_alarm_rules import expression
from tests.machine import Machine
from tests.plants import DAY, HOUR, MINUTE, SECOND, SPEC, deliveries

EXECUTE = (PackMLState.EXECUTE,)
EVERY_KIND = replace(
    SPEC,
    rules=(
        replace(SPEC.rules[0], adjustable=(60.0, 95.0), off_delay_ms=SECOND, realarm_ms=HOUR),
        replace(SPEC.rules[1], latching=True, states=EXECUTE),
        replace(SPEC.rules[2], products=("gear", "shaft"), schedule="planned"),
        Rule("off", Deviation("deviation", "temperature_c", 10.0, 1.0, target_signal="torque_nm"), "low"),
        Rule("far", Deviation("deviation", "torque_nm", 30.0, target=50.0), "low", states=EXECUTE),
        Rule("fast", RateOfChange("rateOfChange", "temperature_c", 5.0, MINUTE), "low", 2 * SECOND),
        Rule("slow", CounterRate("counterRate", "total", 20.0, MINUTE, 2.0), "low"),
        Rule("held", InState("state", (PackMLState.HELD, PackMLState.STOPPED)), "low", 5 * SECOND),
        Rule("quiet", Silence("silence", 30 * SECOND), "high", realarm_ms=MINUTE),
        Rule("cut", Silence("silence", 10 * SECOND, "torque_nm"), "low", latching=True),
        Rule("stuck", Frozen("frozen", "temperature_c", 2 * SECOND), "low"),
        Rule("worn", Score("score", "wear", 0.2, 0.05), "low"),
        Rule("poor", Oee("oee", "availability", 0.8), "low", MINUTE, schedule="planned"),
        Rule("both", expression("temperature_c > 80 °C and (alarm(held) or not state == Execute)"), "low"),
    ),
)
RULES = [rule.rule_id for rule in EVERY_KIND.rules]

SPECS: list[MachineSpec] = [
    replace(EVERY_KIND, version=5, rules=EVERY_KIND.rules[3:]),
    replace(EVERY_KIND, version=6, rules=tuple(replace(rule, latching=True) for rule in EVERY_KIND.rules)),
    replace(SPEC, version=2, rules=SPEC.rules[:1], signals=(SPEC.signals[1], SPEC.signals[0])),
    replace(SPEC, version=3, signals=SPEC.signals[:1], rules=(), models=()),
    replace(
        SPEC, version=4, silence_ms=HOUR, calendar=replace(SPEC.calendar, shifts=SPEC.calendar.shifts[:1])
    ),
]


@st.composite
def commands(draw: st.DrawFn, key: str, now: int) -> Command:
    """Whatever somebody may want of an alarm, a rule or the machine; much of it will be refused."""
    alarm_id = f"{SPEC.machine_id}:{draw(st.integers(1, 12))}"
    name = draw(st.sampled_from(RULES))
    target = draw(st.sampled_from(["", name]))
    return draw(
        st.sampled_from(
            [
                Acknowledge(key, alarm_id, "Ada", now),
                Acknowledge(key, alarm_id, "Ada", now, expected=3),
                Comment(key, alarm_id, "Ada", now, "looking"),
                Reset(key, alarm_id, "Ada", now),
                Shelve(key, name, "Ada", now, "loose", now + draw(st.sampled_from([SECOND, HOUR, DAY]))),
                Unshelve(key, name, "Ada", now),
                TakeOutOfService(key, target, "Bo", now, "repair", "WO-1"),
                ReturnToService(key, target, "Bo", now),
                ChangeSetPoint(
                    key, "hot", "Ada", now, draw(st.sampled_from([None, 50.0, 75.0, 90.0])), "why"
                ),
            ]
        )
    )


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
            case 2 | 8 | 9:
                lived.append(draw(commands(f"key-{number}", now)))
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
    whole, pieces = Machine(EVERY_KIND), Machine(EVERY_KIND)
    whole.fold(*inputs)
    start = 0
    while start < len(inputs):
        end = data.draw(st.integers(start + 1, len(inputs)))
        pieces.fold(*inputs[start:end])
        start = end
    assert repr(pieces.effects) == repr(whole.effects)  # rows may hold NaN, which equals nothing
    assert repr(pieces.state) == repr(whole.state)
    assert from_document(to_document(whole.spec, whole.state)) == whole.state


@given(lives())
@settings(max_examples=80, deadline=None)
def test_what_has_a_place_changes_nothing_when_it_comes_again(inputs: list[Input]) -> None:
    machine = Machine(EVERY_KIND)
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
