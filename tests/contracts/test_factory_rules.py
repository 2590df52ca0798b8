"""Alarm rules of factory descriptions: every kind in the domain's units, every mistake with its line."""
# ruff: noqa: E501  tables are read line by line

import pytest

from millwright.documents import site_versions
from millwright.factory_file import parse
from shared.domain.alarms.rules import (
    CounterRate,
    Deviation,
    Expression,
    Frozen,
    InState,
    Limit,
    Oee,
    RateOfChange,
    Rule,
    Silence,
)
from shared.domain.packml import PackMLState
from shared.specs import compile_machine, spec_from_json, spec_to_json
from tests.contracts.test_factory import SOUND, problems

PLAIN = "priority: low, consequence: It melts, response: Cool it"
HOT = SOUND[SOUND.index("      - id: hot") : SOUND.index("sites:\n")]


def with_rules(*rules: str, line: str = "", machine: str = "") -> str:
    """The sound description with rules of its class, its line, its first machine."""
    text = SOUND.replace(HOT, "".join(f"      - {{{rule}, {PLAIN}}}\n" for rule in rules))
    if line:
        text = text.replace("        name: Line\n", f"        name: Line\n        rules: [{{{line}}}]\n")
    if machine:
        text = text.replace("feeds: [B]}", f"feeds: [B], rules: [{{{machine}}}]}}")
    return text


def rules_of(text: str, machine_id: str = "A") -> dict[str, Rule]:
    (version,) = site_versions(parse(text.encode(), None, file="f"), {})
    spec = compile_machine(version.site, version.lines[0], machine_id)
    assert spec_from_json(spec_to_json(spec)) == spec
    return {rule.rule_id: rule for rule in spec.rules}


@pytest.mark.parametrize(
    ("rule", "condition"),
    [
        ("kind: highHigh, signal: temperature_c, limit: 368.15 K, deadband: 2 %", Limit("highHigh", "temperature_c", 95, 4)),
        ("kind: low, signal: pressure_bar, limit: 400 kPa, clear: 5 bar", Limit("low", "pressure_bar", 4, 1)),
        ("kind: deviation, signal: temperature_c, target: 60 °C, limit: 9 °F", Deviation("deviation", "temperature_c", 5, 0, 60)),
        ("kind: rateOfChange, signal: temperature_c, limit: 9 °F, direction: rising", RateOfChange("rateOfChange", "temperature_c", 5, 60_000, 0, "rising")),
        ("kind: counterRate, counter: good, limit: 0.2 Hz", CounterRate("counterRate", "good", 12, 300_000)),
        ("kind: state, in_states: [Held], reasons: [jam], delay_s: 60", InState("state", (PackMLState.HELD,), ("jam",))),
        ("kind: silence, after_s: 90", Silence("silence", 90_000)),
        ("kind: frozen, signal: pressure_bar, after_s: 60, tolerance: 1 kPa", Frozen("frozen", "pressure_bar", 60_000, 0.01)),
        ("kind: oee, band: red, delay_s: 900", Oee("oee", "oee", 0.8)),
        ("kind: expression, when: temperature_c > 185 °F and pressure_bar < 4", Expression("expression", "temperature_c > 185 °F and pressure_bar < 4", (("signal", "temperature_c"), ("number", 85.0), (">", 0.0), ("signal", "pressure_bar"), ("number", 4.0), ("<", 0.0), ("and", 0.0)))),
    ],
    ids=lambda value: value.split(",")[0].removeprefix("kind: ") if isinstance(value, str) else "",
)  # fmt: skip
def test_a_rule_of_any_kind_is_in_the_units_of_its_signals(rule: str, condition: object) -> None:
    assert rules_of(with_rules(f"id: one, {rule}"))["one"].condition == condition


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("kind: rateOfChange, signal: temperature_c, limit: 5 bar", "5 bar cannot be compared with a signal in °C"),
        ("kind: deviation, signal: temperature_c, target_signal: pressure_bar, limit: 5", "temperature_c is in °C, pressure_bar in bar"),
        ("kind: deviation, signal: temperature_c, limit: 5", "either a `target` or a `target_signal`"),
        ("kind: deviation, signal: temperature_c, target: 60, limit: 5, deadband: 6", "it could never clear"),
        ("kind: expression, when: pressure_bar > 85 °C", "°C cannot be compared with bar"),
        ("kind: expression, when: pressure > 85 and", "was not expected"),
        ("kind: expression, when: pressure_ba > 85", "there is no signal pressure_ba"),
        ("kind: expression, when: state == Helt", "PackML has no state Helt"),
        ("kind: expression, when: alarm(two)", "unknown rule two"),
        ("kind: expression, when: not alarm(one)", "rules ask about each other in a circle: one -> one"),
        ("kind: score, model: wear, limit: 0.5", "unknown model wear"),
        ("kind: state, reasons: [jem]", "unknown stop reason jem"),
        ("kind: silence, after_s: 60, delay_s: 5", "silence has no delay_s"),
        ("kind: oee, delay_s: 60", "either `below` or `band`"),
        ("kind: frozen, signal: pressure, after_s: 60", "unknown signal pressure; did you mean pressure_bar?"),
        ("kind: high, signal: temperature_c, limit: 85 °C, clear: 86 °C", "clear 86 °C must be below the limit 85 °C"),
        ("kind: high, signal: temperature_c, limit: 85, deadband: 1, adjustable: [90 °C, 95 °C]", "the limit is not within 90 °C and 95 °C"),
        ("kind: low, signal: temperature_c, limit: 85, deadband: 1, products: [P-9]", "unknown product P-9"),
    ],
    ids=range(18),
)  # fmt: skip
def test_a_mistake_in_a_rule_is_told_with_its_line(rule: str, words: str) -> None:
    text = with_rules(f"id: one, {rule}")
    (line,) = [n for n, each in enumerate(text.splitlines(), start=1) if "id: one" in each]
    found = problems(text)
    assert any(problem.startswith(f"f.yaml:{line}: ") and words in problem for problem in found), found


def test_two_rules_that_ask_about_each_other_are_refused() -> None:
    text = with_rules(
        "id: one, kind: expression, when: alarm(two)", "id: two, kind: expression, when: alarm(one)"
    )
    assert any("in a circle" in problem for problem in problems(text))


def test_more_rules_than_fit_into_one_commit_are_refused() -> None:
    text = with_rules(*(f"id: r{n}, kind: silence, after_s: 60" for n in range(49)))
    assert any("at most 48" in problem for problem in problems(text))


def test_a_line_and_a_machine_change_rules_and_add_their_own() -> None:
    rule = "id: one, kind: low, signal: pressure_bar, limit: 4 bar, deadband: 0.5 bar"
    text = with_rules(
        rule,
        line="id: one, limit: 5 bar, latching: true",
        machine=f"id: own, kind: frozen, signal: temperature_c, after_s: 60, {PLAIN}",
    )
    first, second = rules_of(text, "A"), rules_of(text, "B")
    assert list(first) == ["one", "own"]
    assert list(second) == ["one"]
    assert (second["one"].limit, second["one"].latching) == (5.0, True)


def test_a_change_of_what_a_rule_has_not_is_refused() -> None:
    text = with_rules("id: one, kind: silence, after_s: 60", machine="id: one, limit: 5 bar")
    assert any("rule one is of kind silence and has no limit" in problem for problem in problems(text))


CATALOGUE = """    maintenance:
      - {id: cool, component: fan, work: Clean the fan, within_h: 8, signals: [temperature_c], rules: [hot], renews: [temperature_c]}
"""


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("rules: [hot]", "rules: [hat]"),
        ("signals: [temperature_c]", "signals: [temperature]"),
        ("renews: [temperature_c]", "renews: [sensor]"),
        ("work: Clean the fan", "work: Clean the fan, models: [ghost]"),
        ("within_h: 8", "within_h: 0"),
    ],
)
def test_the_catalogue_of_maintenance_names_only_what_the_class_has(said: str, wrong: str) -> None:
    sound = SOUND.replace("    rules:\n      - id: hot", f"{CATALOGUE}    rules:\n      - id: hot", 1)
    (version,) = site_versions(parse(sound.encode(), None, file="f"), {})
    (task,) = compile_machine(version.site, version.lines[0], "A").tasks
    assert (task.component, task.due_ms, task.rules) == ("fan", 8 * 3_600_000, ("hot",))
    (problem,) = problems(sound.replace(said, wrong, 1))
    line = next(n for n, text in enumerate(sound.splitlines(), start=1) if "id: cool" in text)
    assert problem.startswith(f"f.yaml:{line}")
