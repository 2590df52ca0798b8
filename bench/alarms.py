"""Alarm rules on one core: what a reading costs to fold without rules, with 5, 10, 20, 40 of them.

1,000 machines with the six signals of `fold`, a reading a second each. The rules are of every kind
that is judged with readings, in a fixed mixture; nothing is wrong with the machines. Times are
processor seconds of this process, the best of several passes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.fold import SOURCE, START, best, machine_tools, messages, read
from shared.collector import collect_seldom
from shared.domain.advance import advance, initial
from shared.domain.alarms.rules import (
    Condition,
    CounterRate,
    Deviation,
    Expression,
    Frozen,
    InState,
    Limit,
    RateOfChange,
    Rule,
    Silence,
)
from shared.domain.inputs import Position, Reading
from shared.domain.packml import PackMLState
from shared.domain.spec import MachineSpec
from shared.domain.state import MachineState

RULE_COUNTS = (0, 5, 10, 20, 40)
MIXTURE: tuple[Condition, ...] = (
    Limit("high", "temperature_c", 85.0, 3.0),
    Limit("highHigh", "temperature_c", 95.0, 5.0),
    RateOfChange("rateOfChange", "temperature_c", 20.0, 300_000),
    InState("state", (PackMLState.HELD, PackMLState.ABORTED)),
    Limit("high", "vibration_mm_s", 7.1, 0.6),
    Limit("low", "spindle_speed_rpm", 100.0, 50.0),
    Deviation("deviation", "torque_nm", 30.0, 5.0, target=41.0),
    Limit("high", "power_kw", 22.0, 1.0),
    Frozen("frozen", "power_kw", 60_000),
    Silence("silence", 90_000),
    Limit("high", "torque_nm", 80.0, 8.0),
    Limit("low", "temperature_c", 5.0, 1.0),
    Silence("silence", 60_000, "vibration_mm_s"),
    CounterRate("counterRate", "good", 0.5, 600_000),
    Limit("lowLow", "torque_nm", 1.0),
    Limit("high", "tool_wear_min", 200.0, 5.0),
    Expression(
        "expression",
        "temperature_c > 80 and (power_kw > 20 or not state == Execute)",
        (
            ("signal", "temperature_c"),
            ("number", 80.0),
            (">", 3.0),
            ("signal", "power_kw"),
            ("number", 20.0),
            (">", 0.0),
            ("state", "Execute"),
            ("not", 0.0),
            ("or", 0.0),
            ("and", 0.0),
        ),
    ),
    Limit("highHigh", "vibration_mm_s", 11.0, 1.0),
    Limit("highHigh", "power_kw", 30.0, 1.0),
    Deviation("deviation", "power_kw", 60.0, target_signal="torque_nm"),
)
"""Twenty: twelve limits, two deviations, two silences, one of each other kind."""


@dataclass(frozen=True, slots=True)
class Row:
    """With so many rules on every machine."""

    rule_count: int
    readings_per_s: float
    us_per_reading: float
    us_per_rule: float | None
    """What a rule adds to a reading, over the machine without rules."""


@dataclass(frozen=True, slots=True)
class Alarms:
    machine_count: int
    reading_count: int
    rows: list[Row]
    judging_rows: list[Row]
    """The same while another alarm of the machine is up."""


def measure(
    *, machines: int, seconds: float, passes: int, rule_counts: Sequence[int] = RULE_COUNTS
) -> Alarms:
    specs = machine_tools(machines)
    collect_seldom()
    read_ones = read(specs, messages(specs, rounds=max(5, round(seconds)), readings=1), 1)
    readings = [[reading for (reading,) in this] for this in read_ones]
    count = sum(len(this) for this in readings)
    return Alarms(
        len(specs),
        count,
        _rows(specs, readings, rule_counts, passes, up=False),
        _rows(specs, readings, rule_counts, passes, up=True),
    )


def _rows(
    specs: list[MachineSpec],
    readings: list[list[Reading]],
    rule_counts: Sequence[int],
    passes: int,
    *,
    up: bool,
) -> list[Row]:
    rows: list[Row] = []
    bare: float | None = None
    for rule_count in rule_counts:
        ruled = [with_rules(spec, rule_count, up=up) for spec in specs]
        began = [_begun(spec) for spec in ruled]
        seconds = best(passes, lambda ruled=ruled, began=began: _advance(ruled, began, readings))
        each = seconds / sum(len(this) for this in readings)
        bare = each if bare is None else bare
        per_rule = (each - bare) * 1e6 / rule_count if rule_count else None
        rows.append(Row(rule_count, 1 / each, each * 1e6, per_rule))
    return rows


def with_rules(spec: MachineSpec, rule_count: int, *, up: bool = False) -> MachineSpec:
    """The machine with so many rules of the mixture, over and over; `up`: and one that has tripped."""
    rules = [
        Rule(f"rule-{number}", MIXTURE[number % len(MIXTURE)], "low", 5_000) for number in range(rule_count)
    ]
    if up:
        rules.append(Rule("up", InState("state", (PackMLState.EXECUTE,)), "low"))
    return replace(spec, rules=tuple(rules))


def _begun(spec: MachineSpec) -> MachineState:
    """A machine whose first reading is folded, so that what is made once for a spec is made."""
    first = Reading(
        Position(SOURCE, -1), spec.devices[0], "first", START, START + 500, state=PackMLState.EXECUTE
    )
    return advance(spec, initial(spec), [first]).state


def _advance(specs: list[MachineSpec], states: list[MachineState], rounds: list[list[Reading]]) -> None:
    states = states[:]
    for this in rounds:
        for index, reading in enumerate(this):
            states[index] = advance(specs[index], states[index], [reading]).state
