"""Factory descriptions: what the check finds, where, and what it advises."""
# ruff: noqa: E501  a table of mistakes is read line by line

from pathlib import Path

import pytest
import yaml
from pydantic.alias_generators import to_camel

from millwright.documents import site_versions
from millwright.factory_file import Broken, load, parse
from millwright.model_cards import read_cards
from millwright.ontology import Ontology
from shared.contracts.factory import Factory
from shared.domain.alarms.rules import Limit

ROOT = Path(__file__).parents[2]
FACTORIES = sorted((ROOT / "factories").glob("*.yaml"))

SOUND = """\
format: 1
enterprise: {id: ACME, name: Acme}
products:
  P-1: {name: Part, ideal_cycle_s: {Press: 10}}
stop_reasons:
  jam: {category: unplannedStop, texts: {en: Jam}}
state_maps:
  words:
    running: Execute
profiles:
  flat: {fields: {timestamp: ts}, signals: {temperature_c: {at: t, unit: °F}}}
classes:
  Press:
    description: A press
    signals:
      temperature_c: {unit: °C, range: [0, 200], deadband: 0.5}
      pressure_bar: {unit: bar, range: [0, 50], deadband: 0.1}
    state_map: words
    rules:
      - id: hot
        signal: temperature_c
        kind: high
        limit: 85 °C
        clear: 80 °C
        priority: high
        consequence: It melts
        response: Cool it
sites:
  - id: SITE
    name: Site
    time_zone: Europe/Vienna
    shifts:
      - {id: early, start: "06:00", end: "14:00", breaks: [{start: "09:00", end: "09:15"}]}
      - {id: night, start: "22:00", end: "06:00"}
    devices:
      BOX: {profile: flat}
    lines:
      - id: LINE
        name: Line
        machines:
          - {id: A, class: Press, devices: [BOX], feeds: [B]}
          - {id: B, class: Press, devices: [BOX]}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(Broken) as caught:
        parse(text.encode(), None, file="f.yaml")
    return [str(problem) for problem in caught.value.problems]


def line_of(fragment: str, text: str = SOUND) -> int:
    (number,) = [n for n, line in enumerate(text.splitlines(), start=1) if fragment in line]
    return number


def changed(old: str, new: str) -> str:
    assert SOUND.count(old) == 1, old
    return SOUND.replace(old, new)


def test_a_sound_description_has_no_problems() -> None:
    factory = parse(SOUND.encode(), None, file="f.yaml")
    assert factory.sites[0].lines[0].machines[0].machine_class == "Press"


@pytest.mark.parametrize("path", FACTORIES, ids=lambda path: path.stem)
def test_the_factories_that_ship_are_sound_and_their_models_fit(path: Path) -> None:
    assert load(path, read_cards(ROOT / "models")).factory.sites


@pytest.mark.parametrize("name", ["smart-factory", "contoso-bakery"])
def test_machine_classes_have_the_signals_that_their_twins_have(name: str) -> None:
    shipped = Ontology.shipped(ROOT / "dtdl")
    for version in site_versions(load(ROOT / "factories" / f"{name}.yaml", None).factory, {}):
        for part in version.site.classes.values():
            twin = shipped.interfaces[part.twin_model]
            measured = [each["name"] for each in twin["contents"] if "Property" in each["@type"]]
            assert measured == [to_camel(signal.name) for signal in part.signals]


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("state_map: words", "state_map: word", "state_map: word", "unknown state map word; did you mean words?"),
        ("class: Press, devices: [BOX], feeds: [B]", "class: Pres, devices: [BOX]", "{id: A", "unknown class Pres; did you mean Press?"),
        ("signal: temperature_c", "signal: temperatur_c", "signal: temp", "unknown signal temperatur_c; did you mean temperature_c?"),
        ("{Press: 10}", "{Pres: 10}", "{Pres: 10}", "unknown class Pres"),
        ("feeds: [B]", "feeds: [C]", "{id: A", "unknown machine C"),
        ("{id: B, class: Press, devices: [BOX]}", "{id: B, class: Press, devices: [BOX], feeds: [A]}", "{id: ", "material flows in a circle: "),
        ("{id: B, class", "{id: A, class", "{id: A, class: Press, devices: [BOX]}", "twin id A is taken"),
        ("  P-1: {name: Part, ideal_cycle_s: {Press: 10}}", "  A: {name: Part, ideal_cycle_s: {Press: 10}}", "  A: {", "twin id A is taken"),
        ("devices: [BOX], feeds: [B]", "devices: [BOX, BOX], feeds: [B]", "{id: A", "device id BOX is taken"),
        ("BOX: {profile: flat}", "BOX: {profile: flut}", "BOX: {", "unknown profile flut; did you mean flat?"),
        ("BOX: {profile: flat}", "BAX: {profile: flat}", "BAX: {", "unknown device BAX; did you mean BOX?"),
        ("Europe/Vienna", "Europe/Viena", "time_zone", "Europe/Viena is no IANA time zone; did you mean Europe/Vienna?"),
        ("time_zone: Europe/Vienna", "time_zone: US/Seattle/Vienna", "time_zone", "did you mean Europe/Vienna?"),
        ('{start: "09:00", end: "09:15"}', '{start: "05:00", end: "05:15"}', "id: early", "the break 05:00 to 05:15 is not inside shift early, 06:00 to 14:00"),
        ('start: "22:00", end: "06:00"', 'start: "22:00", end: "07:00"', "id: night", "shift night overlaps shift early"),
        ("clear: 80 °C", "clear: 90 °C", "clear: 90", "clear 90 °C must be below the limit 85 °C of a high alarm"),
        ("clear: 80 °C", "deadband: -1", "deadband: -1", "is negative"),
        ("limit: 85 °C", "limit: 85 bar", "limit: 85 bar", "85 bar cannot be compared with a signal in °C"),
        ("limit: 85 °C", "limit: 250 °C", "limit: 250", "can never trip"),
        ("limit: 85 °C", "limit: 85 °X", "limit: 85", "'°X' is no unit known here"),
        ("unit: bar", "unit: °C", "pressure_bar", "signal pressure_bar is in °C, but its name says bar"),
        ("range: [0, 200]", "range: [200, 0]", "range: [200", "is empty"),
        ("unit: °F", "unit: bar", "flat:", "temperature_c cannot be sent in bar"),
        ("running: Execute", "held: Execute", "held: Execute", "held is PackML's own state and cannot mean Execute"),
        ("running: Execute", "running: Executing", "running: Executing", "did you mean Execute?"),
        ("kind: high", "kind: hi", "kind: hi", "did you mean high?"),
        ("        priority: high\n", "        prioritie: high\n", "prioritie", "there is no such key; did you mean priority?"),
        ("        priority: high\n", "", "- id: hot", "priority is missing; add `priority`"),
        ("format: 1", "format: 2", "format: 2", "is not one of 1"),
        ('start: "22:00"', 'start: "25:00"', "id: night", "hour must be in 0..23"),
        ("signals: {temperature_c: {at: t", "signals: {temperature_c: {at: 't['", "flat:", "not a JMESPath expression"),
        ("name: Line\n", "name: Line\n        name: Twice\n", "name: Twice", "key 'name' stands here a second time"),
        ("{id: B, class", "{id: BOX.device, class", "{id: A", "the twin of device BOX would be called BOX.device"),
        ("{id: B, class", "{id: A.pressure_bar, class", "{id: A, ", "the twin of signal pressure_bar of A would be"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_its_line_and_a_remedy(old: str, new: str, place: str, words: str) -> None:
    text = changed(old, new)
    found = problems(text)
    lines = [n for n, line in enumerate(text.splitlines(), start=1) if place in line]
    assert any(f"f.yaml:{n}: " in problem and words in problem for problem in found for n in lines), found


def test_one_mistake_gives_one_problem() -> None:
    """A class with a slip in it is not also an unknown class to its machines."""
    assert problems(changed("description: A press", "description: 5")) == [
        f"f.yaml:{line_of('description')}: classes.Press.description: input should be a valid string; it is 5"
    ]


def test_mistakes_of_form_and_of_meaning_are_reported_together() -> None:
    text = (
        changed("Europe/Vienna", "Europe/Viena")
        .replace("kind: high", "kind: hi")
        .replace("{Press: 10}", "{Pres: 10}")
    )
    found = problems(text.replace("name: Acme", "name: Acme, colour: red"))
    assert [problem.split(": ")[0] for problem in found] == [
        f"f.yaml:{line_of(fragment)}" for fragment in ("enterprise", "P-1", "kind", "time_zone")
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "f.yaml:1: the file is empty"),
        ("a: [1, 2", "f.yaml:1: "),
        ("a: 1\n\tb: 2", "f.yaml:2: "),
        ("a: 1\n---\nb: 2", "f.yaml:2: "),
        ("5", "f.yaml:1: "),
        ("[]", "f.yaml:1: "),
        ("? [1, 2]\n: 3", "a key must be text"),
        ("a: &a [1]\nb: *c", "f.yaml:2: "),
        ("[" * 200 + "]" * 200, "nested more than"),
        ("a: &a {b: *a}", "nested more than"),
    ],
)
def test_what_is_no_description_at_all_is_one_clear_problem(text: str, words: str) -> None:
    assert words in problems(text)[0]


def test_aliases_that_multiply_endlessly_are_stopped() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    assert any("aliases" in problem for problem in problems("\n".join(levels)))


def test_bytes_that_are_no_text_are_a_problem_and_no_crash() -> None:
    with pytest.raises(Broken):
        parse(b"\xff\xfe\x00\x01", None, file="f.yaml")
    with pytest.raises(Broken):
        parse(b"a: \xff", None, file="f.yaml")


def test_a_quantity_in_another_unit_is_converted() -> None:
    text = changed("limit: 85 °C", "limit: 185 °F").replace("clear: 80 °C", "deadband: 9 °F")
    (version,) = site_versions(parse(text.encode(), None, file="f"), {})
    (rule,) = version.site.classes["Press"].rules
    assert isinstance(rule.condition, Limit)
    assert (rule.condition.limit, rule.condition.deadband) == (pytest.approx(85), pytest.approx(5))


def test_shifts_and_breaks_over_midnight_stay_on_the_scale_of_their_first_day() -> None:
    night = '{id: night, start: "22:00", end: "06:00", breaks: [{start: "23:45", end: "00:15"}, {start: "02:00", end: "02:30"}]}'
    text = changed('{id: night, start: "22:00", end: "06:00"}', night)
    (version,) = site_versions(parse(text.encode(), None, file="f"), {})
    shift = version.site.calendar.shifts[1]
    assert (shift.start_minute, shift.end_minute) == (1320, 1800)
    assert shift.breaks == ((1425, 1455), (1560, 1590))


def test_a_disabled_rule_is_no_rule() -> None:
    text = changed("response: Cool it", "response: Cool it\n        enabled: false")
    (version,) = site_versions(parse(text.encode(), None, file="f"), {})
    assert version.site.classes["Press"].rules == ()


def test_the_hash_of_a_version_does_not_depend_on_its_number_but_on_everything_else() -> None:
    (version,) = site_versions(parse(SOUND.encode(), None, file="f"), {})
    (other,) = site_versions(parse(changed("limit: 85", "limit: 86").encode(), None, file="f"), {})
    assert version.numbered(5).sha256 == version.sha256
    assert other.sha256 != version.sha256


def test_automation_is_off_unless_a_description_turns_it_on() -> None:
    assert not Factory.model_validate(yaml.safe_load(SOUND)).automation.enabled


def test_a_machine_without_the_attribute_that_its_model_needs_is_a_problem() -> None:
    models = "    models:\n      - {model: m, inputs: {t: temperature_c}, attributes: {age: {attribute: age_years}}}\n"
    text = changed("    state_map: words\n", models)
    assert any("machine A has no attribute age_years" in problem for problem in problems(text))


def test_a_model_that_does_not_exist_is_a_problem_where_models_are_known() -> None:
    text = changed(
        "    state_map: words\n", "    models:\n      - {model: pdm-failur, inputs: {t: temperature_c}}\n"
    )
    with pytest.raises(Broken, match=r"unknown model pdm-failur; did you mean pdm-failure\?"):
        parse(text.encode(), read_cards(ROOT / "models"), file="f.yaml")
