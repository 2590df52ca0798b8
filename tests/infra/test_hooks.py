"""The hooks as far as they go without Azure: an `az` that answers from a file, the smoke test locally."""

import asyncio
import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from functions.principal import Role
from local.backend import Backend
from local.home import Home
from local.plant.send import Hub, register
from tests.infra.bicep_text import INFRA, ROOT
from tests.infra.recorded import Recorded, well
from tests.ingestion import ingestion

HOOKS = INFRA / "hooks"
SCRIPTS = sorted(HOOKS.glob("*.sh"))


@pytest.fixture
def hook(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


def test_the_registration_has_the_roles_of_the_code_and_is_made_once(hook: Recorded) -> None:
    ran, asked = hook("api_registration.py", well())
    assert ran.stdout.strip() == "22222222-2222-2222-2222-222222222222"
    [made] = [line for line in asked if line.startswith("ad app create")]
    roles = json.loads(made[made.index("[") : made.rindex("]") + 1])
    assert {role["value"].upper() for role in roles} == set(Role.__members__)
    known = {**well(), "ad app list": [{"displayName": "millwright-try", "appId": "found"}]}
    ran, asked = hook("api_registration.py", known)
    assert ran.stdout.strip() == "found"
    ran, _ = hook("api_registration.py", {**well(), "ad app create": "Insufficient privileges"})
    assert ran.returncode == 1
    assert "azd env set MILLWRIGHT_API_CLIENT_ID" in ran.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_shell_scripts_are_posix_and_have_a_twin_for_windows(script: Path) -> None:
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
    assert os.access(script, os.X_OK)
    text, twin = script.read_text(), script.with_suffix(".ps1").read_text()
    assert "[[" not in text
    assert STEP.findall(text) == STEP.findall(twin)
    for opens, closes in ("{}", "()"):
        assert twin.count(opens) == twin.count(closes)
    # Windows PowerShell goes on after a program that failed: what follows one must look at its result.
    for line, after in zip(twin.splitlines(), [*twin.splitlines()[1:], ""], strict=True):
        if re.match(r" *(\$\w+ = )?(uv|azd) ", line):
            assert "$LASTEXITCODE" in after, line


STEP = re.compile(
    r"infra/hooks/\w+\.py|millwright factory \w+|azd env set \w+|az deployment \w+ create|\w+Name="
)
"""What a script does, whatever the shell."""


def test_the_first_device_gets_a_certificate_that_tls_takes(tmp_path: Path) -> None:
    from infra.hooks.first_device import make_certificate  # noqa: PLC0415  a script, found by path

    certificate, key, thumbprint = make_certificate("LINE-1-GATEWAY", tmp_path)
    ssl.create_default_context().load_cert_chain(certificate, key)
    encoded = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    assert thumbprint == hashlib.sha1(encoded, usedforsecurity=False).hexdigest().upper()
    assert key.stat().st_mode & 0o077 == 0


@pytest.fixture(scope="module")
def insights() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    with ingestion() as insights:
        yield insights


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(
    tmp_path_factory: pytest.TempPathFactory, insights: tuple[str, list[dict[str, Any]]]
) -> AsyncGenerator[Path]:
    home = Home.at(tmp_path_factory.mktemp("smoke"))
    told = {"APPLICATIONINSIGHTS_CONNECTION_STRING": insights[0]}
    factory = ROOT / "factories" / "smart-factory.yaml"
    async with Backend(home, factory=factory, ports_from=0, environment=told):
        yield home.path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def smoked(home: Path) -> subprocess.CompletedProcess[str]:
    """The smoke test, run against the local cloud."""
    program = [sys.executable, HOOKS / "smoke.py", "--local", home, "--within", "60"]
    return await asyncio.to_thread(run, program)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_smoke_test_finds_its_reading_on_twin_and_api_and_its_trace_in_application_insights(
    smoked: subprocess.CompletedProcess[str], insights: tuple[str, list[dict[str, Any]]]
) -> None:
    assert smoked.returncode == 0, smoked.stderr
    assert "a reading of LINE-1-CNC-1 was on twin and API after" in smoked.stdout
    await until(lambda: any({"ingest", "commit"} <= names for names in traces(insights[1]).values()))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.usefixtures("smoked")
async def test_what_timers_events_and_feeds_do_is_found_from_the_requests_of_the_host(
    insights: tuple[str, list[dict[str, Any]]],
) -> None:
    """Each of these spans has a parent: the invocation that the host made. The rest has sinks to wait for."""
    wanted = {"tick", "escalate", "device", "twin changes", "ingest", "machine"}

    def joined() -> set[str]:
        return {item["data"]["baseData"]["name"] for item in spans(insights[1]) if PARENT in item["tags"]}

    await until(lambda: wanted <= joined())


PARENT = "ai.operation.parentId"


def spans(arrived: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for item in list(arrived) if item["data"]["baseType"] == "RemoteDependencyData"]


def traces(arrived: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Trace -> the names of its spans."""
    found: dict[str, set[str]] = {}
    for item in spans(arrived):
        found.setdefault(item["tags"]["ai.operation.id"], set()).add(item["data"]["baseData"]["name"])
    return found


async def until(seen: Callable[[], bool]) -> None:
    deadline = asyncio.get_running_loop().time() + 60
    while not seen():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.2)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_smoke_test_says_where_to_look_when_nothing_arrives(home: Path) -> None:
    program = [sys.executable, HOOKS / "smoke.py", "--local", home, "--within", "1"]
    wrong = [*program, "--device", "LINE-2-GATEWAY"]  # which may not report LINE-1-CNC-1
    ran = await asyncio.to_thread(run, wrong)
    assert ran.returncode == 1
    assert "docs/operations.md" in ran.stderr


LOCALLY = """#!/bin/sh
# uv run --frozen python PROGRAM ...: what signs in to Azure is not run, the rest goes to the local cloud.
shift 3
echo "uv $*" >> "$ASKED"
case "$*" in
    infra/hooks/smoke.py) exec PYTHON "$@" --local "$CLOUD" --within 60;;
    *"factory check"*) exec PYTHON "$@";;
    *"factory apply"*) exec PYTHON "$@" --local "$CLOUD";;
esac
"""
OUTPUTS = {
    "AZURE_RESOURCE_GROUP": "rg-try",
    "MILLWRIGHT_FUNCTION_APP": "func-x",
    "MILLWRIGHT_TOPIC": "evgt-x",
    "MILLWRIGHT_SYSTEM_TOPIC": "evgst-x",
    "MILLWRIGHT_ARCHIVE_STORAGE": "starchivex",
    "MILLWRIGHT_ARCHIVE_IDENTITY": "id-archive-x",
}


@pytest.mark.asyncio(loop_scope="module")
async def test_the_scripts_apply_the_factory_subscribe_and_send_the_reading(
    home: Path, tmp_path: Path
) -> None:
    """The device comes again: its first certificate was thrown away, so it is enrolled anew."""
    hook = Recorded(tmp_path, LOCALLY)
    ran, asked = await asyncio.to_thread(hook, "postprovision.sh", {}, CLOUD=str(home))
    assert ran.returncode == 0, ran.stderr
    assert [line.removeprefix("uv ") for line in asked] == [
        "-m millwright factory check factories/smart-factory.yaml",
        "-m millwright factory apply factories/smart-factory.yaml",
        "infra/hooks/twin_route.py",
    ]
    made = {"deployment group create": None}
    ran, asked = await asyncio.to_thread(hook, "postdeploy.sh", made, CLOUD=str(home), **OUTPUTS)
    assert ran.returncode == 0, ran.stderr
    assert "was on twin and API after" in ran.stdout
    taken = set(re.findall(r"^param (\w+)", (INFRA / "subscriptions.bicep").read_text(), re.MULTILINE))
    assert set(re.findall(r" (\w+)=", asked[0])) == taken
    assert set(re.findall(r"=(\S+)", asked[0])) == set(OUTPUTS.values()) - {"rg-try"}


@pytest.mark.parametrize("secrets", [[], ["NOTIFY-WEBHOOK-URL", "NOTIFY-WEBHOOK-SECRET"]])
def test_channels_without_a_secret_are_told_of_with_the_command_that_writes_it(
    hook: Recorded, secrets: list[str]
) -> None:
    answers = {**well(), "keyvault secret list": secrets}
    ran, _ = hook("channels.py", answers, MILLWRIGHT_KEY_VAULT="kv-x")
    assert ran.returncode == 0
    text = (ROOT / "factories" / "smart-factory.yaml").read_text()
    settings = re.findall(r"_setting: (\w+)", text)
    assert settings
    for setting in settings:
        secret = setting.replace("_", "-")
        missing = f"az keyvault secret set --vault-name kv-x --name {secret} --value ..." in ran.stderr
        assert missing == (secret not in secrets)


def test_a_setting_that_the_app_does_not_get_is_told_of(hook: Recorded, tmp_path: Path) -> None:
    factory = tmp_path / "plant.yaml"
    factory.write_text("recipients: {channels: {horn: {kind: webhook, url_setting: NOTIFY_HORN_URL}}}\n")
    answers = {**well(), "keyvault secret list": ["NOTIFY-HORN-URL"]}
    ran, _ = hook("channels.py", answers, MILLWRIGHT_KEY_VAULT="kv-x", MILLWRIGHT_FACTORY=str(factory))
    assert "NOTIFY_HORN_URL is no app setting: add it to channelSettings" in ran.stderr
    refused = {**well(), "keyvault secret list": "Forbidden by the vault's firewall"}
    ran, _ = hook("channels.py", refused, MILLWRIGHT_KEY_VAULT="kv-x")
    assert (ran.returncode, "could not be asked" in ran.stderr) == (0, True)


def test_roles_that_are_not_known_yet_are_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    refusing = LOCALLY.replace('exec PYTHON "$@" --local "$CLOUD"', "exit 1").replace("exec PYTHON", ":")
    ran, asked = Recorded(tmp_path, refusing)("postprovision.sh", {})
    assert ran.returncode == 1
    assert sum("factory apply" in line for line in asked) == 10
    assert "Gave up after 10 attempts" in ran.stderr


def test_production_gets_no_made_up_reading_unless_a_device_is_named_for_it(tmp_path: Path) -> None:
    made = {"deployment group create": None}
    hook = Recorded(tmp_path, LOCALLY.replace("exec PYTHON", ":"))
    ran, asked = hook("postdeploy.sh", made, MILLWRIGHT_PROFILE="prod", **OUTPUTS)
    assert ran.returncode == 0
    assert [line for line in asked if line.startswith("uv ")] == ["uv infra/hooks/channels.py"]
    assert "no smoke test" in ran.stdout
    ran, asked = hook(
        "postdeploy.sh", made, MILLWRIGHT_PROFILE="prod", MILLWRIGHT_SMOKE_DEVICE="TEST", **OUTPUTS
    )
    assert asked[-1] == "uv infra/hooks/smoke.py"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_device_that_is_somebody_elses_is_left_alone(home: Path) -> None:
    program = [sys.executable, HOOKS / "smoke.py", "--local", home, "--within", "60"]
    endpoints = json.loads((home / "endpoints.json").read_text())
    await asyncio.to_thread(register, Hub.of(endpoints), ["LINE-3-GATEWAY"])
    refused = await asyncio.to_thread(run, [*program, "--device", "LINE-3-GATEWAY"])
    assert refused.returncode == 1
    assert "not ours to replace" in refused.stderr
    assert "azd env set MILLWRIGHT_SMOKE_DEVICE" in refused.stderr


def run(program: list[str | Path]) -> subprocess.CompletedProcess[str]:
    """Run it in an environment that points at no Azure."""
    ours = ("AZURE_", "MILLWRIGHT_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(program, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(shutil.which("pwsh") is None, reason="PowerShell is not here; CI has it")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_powershell_scripts_parse(script: Path) -> None:
    twin = script.with_suffix(".ps1")
    parse = (
        "$errors = $null; [void][System.Management.Automation.Language.Parser]::ParseFile("
        f"'{twin}', [ref]$null, [ref]$errors); $errors; exit $errors.Count"
    )
    assert subprocess.run(["pwsh", "-NoProfile", "-Command", parse], check=False).returncode == 0
