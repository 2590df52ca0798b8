"""What a factory description says about OEE arrives in the specs, and its mistakes are named."""

from pathlib import Path

import pytest
import yaml

from millwright.checks import problems
from millwright.documents import site_versions
from shared.contracts.factory import Factory
from shared.specs import compile_machine

FACTORY = Path(__file__).parents[2] / "factories/smart-factory.yaml"


def described(**line: object) -> dict:
    raw = yaml.safe_load(FACTORY.read_text("utf-8"))
    site = raw["sites"][0]
    place = site["areas"][0]["lines"][0] if site.get("areas") else site["lines"][0]
    place.update(line)
    return raw


def test_targets_counters_and_exceptions_reach_the_machine() -> None:
    raw = described(calendar_exceptions=[{"day": "2026-12-24", "shifts": []}])
    site = raw["sites"][0]["id"]
    raw["oee"]["targets"] = [
        {"scope": site, "first_day": "2026-01-01", "green_ratio": 0.7, "yellow_ratio": 0.5}
    ]
    raw["classes"]["CncMachine"] |= {"minor_stop_s": 300, "counter_fastest_s": 5, "startup_s": 60}
    version = site_versions(Factory.model_validate(raw), {})[0]
    line = next(line for line in version.lines if line.calendar is not None)
    machine_id = next(m for m, part in line.machines.items() if part.machine_class == "CncMachine")
    spec = compile_machine(version.site, line, machine_id)
    assert (spec.minor_stop_ms, spec.counters.fastest_ms, spec.startup_ms) == (300_000, 5_000, 60_000)
    assert spec.calendar.exceptions[0].day == "2026-12-24"
    assert spec.bands_at(1_773_014_400_000) == (0.7, 0.5)
    assert spec.bands_at(0) == (0.9, 0.8)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"oee_by": "bottleneck"}, "does not name its bottleneck"),
        ({"oee_by": "bottleneck", "bottleneck": "NOBODY"}, "unknown machine NOBODY"),
        ({"calendar_exceptions": [{"day": "2026-12-24"}, {"day": "2026-12-24"}]}, "2026-12-24 is taken"),
    ],
    ids=["bottleneck", "unknown", "twice"],
)
def test_a_line_rule_that_says_nothing_is_a_problem(line: dict, said: str) -> None:
    found = problems(Factory.model_validate(described(**line)), None)
    assert [problem for problem in found if said in problem.message], found
