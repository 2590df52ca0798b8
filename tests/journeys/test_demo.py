"""What a newcomer does first: the README's commands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_a_factory_runs_stops_by_itself_and_accounts_for_every_reading(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "local", "run", "--seconds", "25", "--history-s", "120"]
    done = subprocess.run(
        [*command, "--dir", str(tmp_path), "--ports-from", "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        env={**os.environ, "NO_COLOR": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "\x1b[" not in done.stdout
    assert "LINE-3-CONVEYOR-1" in done.stdout
    folded = re.search(r"readings folded\s+│\s+([\d,]+)", done.stdout)
    assert folded is not None, done.stdout
    assert int(folded[1].replace(",", "")) > 0
    assert not (tmp_path / "endpoints.json").exists()


def test_a_broken_factory_is_refused_with_its_line_and_nothing_is_left_running(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(
        (ROOT / "factories" / "smart-factory.yaml").read_text().replace("class: Robot,", "class: Robt,")
    )
    command = [sys.executable, "-m", "local", "run", "--seconds", "5", "--factory", str(broken)]
    done = subprocess.run(
        [*command, "--dir", str(tmp_path / "home"), "--ports-from", "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "broken.yaml:" in done.stderr
    assert "Robt" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make ([a-z]+)", README))))
def test_every_make_target_of_the_readme_exists(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([\w./-]+)\)", README))))
def test_every_link_of_the_readme_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
