"""The Azure CLI, as the hooks ask it."""

import json
import re
import shutil
import subprocess
from typing import Any


class Failed(Exception):
    """The Azure CLI did not do it; the message is its own."""


def az(*arguments: str) -> Any:
    """What the Azure CLI answers, as JSON. Raises Failed."""
    program = shutil.which("az")
    if program is None:
        raise Failed("The Azure CLI is not installed: https://aka.ms/azure-cli")
    command = [program, *arguments, "--output", "json", "--only-show-errors"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise Failed(ran.stderr.strip() or f"az {' '.join(arguments)} failed")
    return json.loads(ran.stdout) if ran.stdout.strip() else None


def ask(method: str, path: str, version: str, body: dict[str, str] | None = None) -> Any:
    """A request to Azure Resource Manager that the CLI has no command for."""
    given = ["--body", json.dumps(body)] if body is not None else []
    return az("rest", "--method", method, "--url", f"{path}?api-version={version}", *given)


def plain(location: str) -> str:
    """Regions are written `West Europe` in some places and `westeurope` in others."""
    return re.sub(r"[^a-z0-9]", "", location.lower())
