"""Tools that answer from a file: what `az` was recorded to say, or what a test has it say instead."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.infra.bicep_text import INFRA, ROOT

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
TAKEN = """ERROR: (InvalidTemplateDeployment) The template deployment 'try' is not valid. See inner errors.
Code: InvalidTemplateDeployment
Message: The template deployment 'try' is not valid. See inner errors.
Exception Details:\t(StorageAccountAlreadyTaken) The storage account named stx is already taken.
\tCode: StorageAccountAlreadyTaken
\tMessage: The storage account named stx is already taken."""
"""How the CLI writes a refusal: outer errors that say little, and the one that counts last."""

_AZD = """#!/bin/sh
echo "azd $*" >> "$ASKED"
"""
_UV = """#!/bin/sh
# uv run --frozen python PROGRAM ...
shift 3
exec PYTHON "$@"
"""


def provider(name: str, *types: str, state: str = "Registered") -> dict[str, Any]:
    offered = [{"resourceType": one, "locations": ["West Europe", "North Europe"]} for one in types]
    return {"namespace": name, "registrationState": state, "resourceTypes": offered}


def usage(name: str, used: int, limit: int) -> dict[str, Any]:
    return {"value": [{"name": {"value": name}, "currentValue": used, "limit": limit}]}


def well() -> dict[str, Any]:
    """What `az` answers where everything is as it should be. The first that is part of the call answers."""
    from infra.hooks.preflight import PROVIDERS  # noqa: PLC0415  a script, found by path

    return {
        "account show": {"id": SUBSCRIPTION},
        **{f"provider show --namespace {name} ": provider(name, type_) for name, type_ in PROVIDERS.items()},
        "functionapp list-flexconsumption-locations": [{"name": "westeurope"}],
        "role assignment list": [{"roleDefinitionName": "Owner"}],
        "resource list": [],
        "cosmosdb check-name-exists": False,
        "ameAvailability": {"nameAvailable": True},
        "checknameavailability": {"nameAvailable": True},
        "Microsoft.Storage/locations/westeurope/usages": usage("StorageAccounts", 3, 250),
        "Microsoft.Network/locations/westeurope/usages": usage("VirtualNetworks", 3, 1000),
        "deployment sub validate": {},
        "budgets/budget-try": 'ERROR: Not Found({"error":{"code":"ResourceGroupNotFound"}})',
        "ad app list": [],
        "ad app create": {"appId": "22222222-2222-2222-2222-222222222222"},
        "ad app update": None,
        "ad sp create": {},
    }


def _az(answers: Mapping[str, Any]) -> str:
    """A script that answers the first call that has the text in it; an answer that is a text is a refusal."""
    cases = [
        f"*{shlex.quote(asked)}*) echo {shlex.quote(answer)} >&2; exit 1;;"
        if isinstance(answer, str)
        else f"*{shlex.quote(asked)}*) echo {shlex.quote(json.dumps(answer))};;"
        for asked, answer in answers.items()
    ]
    unknown = '*) echo "az was asked: $*" >&2; exit 1;;'
    return "\n".join(("#!/bin/sh", 'echo "$*" >> "$ASKED"', 'case "$*" in', *cases, unknown, "esac", ""))


class Recorded:
    """Runs hooks with tools that answer as told."""

    def __init__(self, folder: Path, uv: str = _UV) -> None:
        """`uv`: a script in its place, where it is not to run what it is told."""
        self._tools = folder / "bin"
        self._tools.mkdir()
        self._uv = uv
        self._asked = folder / "asked"
        self._missing: set[str] = set()

    def without(self, tool: str) -> None:
        self._missing.add(tool)

    def __call__(
        self, name: str, answers: Mapping[str, Any], **environment: str
    ) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        """The hook's result, and what it asked of az and azd."""
        for tool, text in (("az", _az(answers)), ("azd", _AZD), ("uv", self._uv), ("sleep", "#!/bin/sh\n")):
            if tool not in self._missing:
                (self._tools / tool).write_text(text.replace("PYTHON", sys.executable))
                (self._tools / tool).chmod(0o755)
        self._asked.unlink(missing_ok=True)
        program = "sh" if name.endswith(".sh") else sys.executable
        system = os.pathsep + os.defpath if name.endswith(".sh") else ""
        ran = subprocess.run(
            [program, INFRA / "hooks" / name],
            cwd=ROOT,
            env={
                "PATH": f"{self._tools}{system}",
                "ASKED": str(self._asked),
                "AZURE_ENV_NAME": "try",
                "AZURE_LOCATION": "westeurope",
                "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
                "AZURE_PRINCIPAL_ID": "33333333-3333-3333-3333-333333333333",
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return ran, self._asked.read_text().splitlines() if self._asked.exists() else []
