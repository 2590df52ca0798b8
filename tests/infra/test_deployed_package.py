"""What a deployment takes to Azure: these files, these packages, and nothing of the rest."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LARGEST_BYTES = 4_000_000
"""A cold start fetches the package: models and code are small, and stay small."""

uv = os.environ.get("UV") or shutil.which("uv") or shutil.which("uv", path=ROOT / ".tools" / "bin")
needs_uv = pytest.mark.skipif(uv is None, reason="uv is not here; `make test` brings it")


def git(*arguments: str) -> set[str]:
    command = ["git", "ls-files", "-z", "--exclude-from=.funcignore", *arguments]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if name and (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def deployed() -> list[str]:
    """Files that `.funcignore`, whose rules are those of .gitignore, lets through."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing here reads ignore rules")
    listed = git("--cached") - git("--cached", "--ignored") | git("--others")
    return sorted(name for name in listed if "__pycache__" not in name)


def exported(*arguments: str) -> str:
    assert uv is not None
    command = [uv, "export", "--frozen", "--quiet", "--offline", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_only_the_app_its_code_and_its_models_are_deployed(deployed: list[str]) -> None:
    assert {name.partition("/")[0] for name in deployed} == {
        "function_app.py",
        "functions",
        "host.json",
        "models",
        "requirements.txt",
        "shared",
    }
    assert {Path(name).suffix for name in deployed} == {".py", ".json", ".txt", ".onnx"}


def test_the_package_stays_small(deployed: list[str]) -> None:
    assert sum((ROOT / name).stat().st_size for name in deployed) < LARGEST_BYTES


@needs_uv
def test_the_requirements_are_those_of_the_lock() -> None:
    pinned = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line[0] != "#"]
    fresh = exported(
        "--no-default-groups", "--no-hashes", "--no-annotate", "--no-header", "--no-emit-project"
    ).splitlines()
    assert pinned == fresh, "run `make requirements`"


def test_nothing_that_only_development_needs_is_required() -> None:
    names = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    assert "azure-functions" in names
    assert not names & {"azure-iot-device", "azure-functions-runtime", "pytest", "scikit-learn", "typer"}


@needs_uv
def test_the_app_can_be_indexed_with_what_is_deployed_and_nothing_else(
    deployed: list[str], tmp_path: Path
) -> None:
    """Deployed files and the packages of the requirements alone, as the worker in Azure finds them."""
    for name in deployed:
        (tmp_path / "app" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "app" / name)
    assert uv is not None
    installed = subprocess.run(
        [uv, "sync", "--frozen", "--quiet", "--offline", "--no-default-groups", "--python", sys.executable],
        cwd=ROOT,
        env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(tmp_path / "venv")},
        capture_output=True,
        text=True,
        check=False,
    )
    if installed.returncode:
        pytest.skip(f"packages are not in uv's cache: {installed.stderr}")
    program = "import function_app; print(*(f.get_function_name() for f in function_app.app.get_functions()))"
    ran = subprocess.run(
        [tmp_path / "venv" / "bin" / "python", "-c", program],
        cwd=tmp_path / "app",
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert {"telemetry", "relay_twins", "relay_events", "relay_scopes", "due"} <= set(ran.stdout.split())
