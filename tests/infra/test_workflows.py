"""The workflows: what they run exists, what they use cannot be moved, and no job may do more than it must."""

import json
import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.infra.bicep_text import INFRA, ROOT

WORKFLOWS = {path.name: path for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
FEDERATED = {("deploy.yml", "deploy"), ("preview.yml", "preview")}
"""The jobs that sign in to Azure."""
OF_THE_RUN = {"MILLWRIGHT_BUDGET_START", "MILLWRIGHT_TOKEN", "AZURE_PRINCIPAL_ID"}
"""Hooks find these out, or azd."""


def jobs() -> list[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """File, job, the job, its workflow."""
    read = {name: yaml.safe_load(path.read_text()) for name, path in WORKFLOWS.items()}
    return [(name, job, text, flow) for name, flow in read.items() for job, text in flow["jobs"].items()]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_named_by_commit_since_tags_can_be_moved(name: str) -> None:
    used = re.findall(r"uses: (\S+)(?: # (v[\d.]+))?$", WORKFLOWS[name].read_text(), re.MULTILINE)
    assert used
    for action, tag in used:
        assert action.startswith("./") or (re.search(r"@[0-9a-f]{40}$", action) and tag), action


def test_each_action_is_one_version_everywhere() -> None:
    used = {one for path in WORKFLOWS.values() for one in re.findall(r"uses: ([^.]\S+)", path.read_text())}
    assert len({one.partition("@")[0] for one in used}) == len(used)


def test_only_the_jobs_that_sign_in_get_a_token_and_nothing_may_write() -> None:
    tokens: set[tuple[str, str]] = set()
    for name, job, text, flow in jobs():
        may = text.get("permissions", flow["permissions"])
        assert set(may) <= {"contents", "id-token"}, (name, job)
        assert may.get("contents", "read") == "read"
        if "id-token" in may:
            tokens.add((name, job))
    assert tokens == FEDERATED


def test_no_secret_is_stored_and_nothing_a_stranger_wrote_is_run() -> None:
    for path in WORKFLOWS.values():
        text = path.read_text()
        assert "secrets." not in text
        assert not re.search(r"^on:(\n .*)*\n  (pull_request_target|workflow_run):", text, re.MULTILINE)
        for script in re.findall(r"run: .*(?:\n {10,}.*)*", text):
            assert "${{" not in script, script


def test_what_azd_takes_from_the_environment_is_given_to_it() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (INFRA / "main.parameters.json").read_text())) - OF_THE_RUN
    for name, job, text, _ in jobs():
        if (name, job) in FEDERATED:
            assert asked <= set(text["env"]), (name, job, asked - set(text["env"]))


def test_the_targets_and_files_that_they_name_exist() -> None:
    text = "".join(path.read_text() for path in WORKFLOWS.values())
    for target in sorted(set(re.findall(r"run: make (\w+)", text))):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    for file in re.findall(r"--file (\S+)|uses: \./(\S+)", text):
        assert (ROOT / "".join(file)).exists()


def test_production_is_deployed_only_by_hand_and_after_the_checks() -> None:
    [deploy] = [text for name, job, text, _ in jobs() if (name, job) == ("deploy.yml", "deploy")]
    assert deploy["needs"] == "checks"
    assert deploy["environment"] == "${{ inputs.environment || 'dev' }}"
    assert json.dumps(deploy["if"]).count("MILLWRIGHT_DEPLOY") == 1
