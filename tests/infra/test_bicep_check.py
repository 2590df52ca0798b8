"""The Bicep by a checker that knows its grammar and Azure's resource types. It is no compiler."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.bicep_text import INFRA

VARIABLE = "MILLWRIGHT_BICEP_CHECK"


def test_syntax_names_and_resource_types_are_right() -> None:
    folder = os.environ.get(VARIABLE)
    if not folder:
        pytest.skip(
            f"{VARIABLE} does not name the folder of a checker (bicep_check.py); CI runs `az bicep build`"
        )
    checker = Path(folder) / "bicep_check.py"
    ran = subprocess.run([sys.executable, checker, INFRA], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.splitlines()[-1].endswith(" 0 errors, 0 warnings"), ran.stdout
