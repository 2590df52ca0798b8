"""Mistakes in recipients, policies and actions are found with their line, before anybody waits in vain."""

from pathlib import Path

import pytest

from millwright.factory_file import Broken, parse

TEXT = (Path(__file__).parents[2] / "factories" / "smart-factory.yaml").read_text()


@pytest.mark.parametrize(
    ("was", "now", "line_of", "words"),
    [
        (
            "notify: [hall-screen, shift-leads]",
            "notify: [hall-scren]",
            "hall-scren",
            "did you mean hall-screen",
        ),
        ("notify: [maintenance-room]", "notify: [nobody]", "nobody", "unknown recipient nobody"),
        ("otherwise: [lena]", "otherwise: [lina]", "otherwise: [lina]", "did you mean lena"),
        (
            ", otherwise: [lena]",
            "",
            "shift-leads: {",
            "nobody of shift-leads hears of anything in shift night",
        ),
        ("by_shift: {early", "by_shift: {erly", "erly", "did you mean early"),
        ("  email: {url_setting", "  # email: {url_setting", "lena.gruber", "no mail server is described"),
        (
            "    lena: {name",
            "    hall-screen: {name",
            "hall-screen: {name",
            "recipient id hall-screen is taken",
        ),
        ("method: stop", "method: explode", "rule: temperature-very-high", "method explode is not allowed"),
        ("{reason: overheating}", "{reason: boredom}", "rule: temperature-very-high", "none of overheating"),
        (
            "spindle_speed_rpm, below",
            "spindel_speed_rpm, below",
            "confirm:",
            "did you mean spindle_speed_rpm",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line_and_a_remedy(was: str, now: str, line_of: str, words: str) -> None:
    assert TEXT.count(was) == 1
    broken = TEXT.replace(was, now)
    with pytest.raises(Broken) as caught:
        parse(broken.encode(), None, file="factory.yaml")
    lines = [number for number, line in enumerate(broken.splitlines(), 1) if line_of in line]
    problems = [line for line in str(caught.value).splitlines() if words in line]
    assert problems, str(caught.value)
    assert any(f"factory.yaml:{number}:" in problem for number in lines for problem in problems), problems
