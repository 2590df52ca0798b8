"""The pages about Azure lead where they say, and name what is there."""

import re

import pytest

from tests.infra.bicep_text import INFRA, ROOT

PAGES = ("deploy", "security", "operations", "scaling")
TEXT = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in PAGES}


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", TEXT[name]):
        path, _, anchor = link.partition("#")
        target = (ROOT / "docs" / path) if path else ROOT / "docs" / f"{name}.md"
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert f'id="{anchor}"' in target.read_text(), link


@pytest.mark.parametrize("name", PAGES)
def test_every_variable_that_is_set_is_one_that_something_reads(name: str) -> None:
    read = "".join(
        path.read_text()
        for folder in (INFRA, ROOT / "millwright", ROOT / "shared")
        for path in folder.rglob("*")
        if path.suffix in {".py", ".json", ".bicep", ".sh"}
    )
    for variable in re.findall(r"azd env set (\w+)", TEXT[name]):
        assert re.search(rf"\b{variable}\b", read), variable


def test_what_nobody_has_run_is_said_on_the_first_lines_and_by_item() -> None:
    assert "Not run against Azure yet" in TEXT["deploy"].partition("## Steps")[0]
    _, _, unproven = TEXT["deploy"].partition("## What has not been proven")
    assert len(re.findall(r"^\| .* \| .* \| .* \|$", unproven, re.MULTILINE)) > 8


def test_every_alert_of_the_runbook_is_one_that_is_made() -> None:
    alerts = (INFRA / "modules" / "alerts.bicep").read_text()
    told = re.findall(r"^\| `([\w-]+)` \| [^|]+ \| [^|]+ \|$", TEXT["operations"], re.MULTILINE)
    made = re.findall(r"^    name: '([\w-]+)'", alerts, re.MULTILINE)
    assert sorted(one for one in told if "." not in one) == sorted(made)
