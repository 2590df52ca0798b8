"""Says everything that would make the deployment fail, and what to do about it, before anything is created.

Asks the Azure CLI only for what it reads; changes nothing. Exit code 1 when something is wrong.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

INFRA = Path(__file__).parents[1]

PROVIDERS = {
    "Microsoft.Devices": "IotHubs",
    "Microsoft.DigitalTwins": "digitalTwinsInstances",
    "Microsoft.EventHub": "namespaces",
    "Microsoft.EventGrid": "topics",
    "Microsoft.DocumentDB": "databaseAccounts",
    "Microsoft.Web": "sites",
    "Microsoft.App": "managedEnvironments",
    "Microsoft.Storage": "storageAccounts",
    "Microsoft.KeyVault": "vaults",
    "Microsoft.ManagedIdentity": "userAssignedIdentities",
    "Microsoft.OperationalInsights": "workspaces",
    "Microsoft.Insights": "components",
}
"""Resource provider -> the resource that must be offered in the region."""

MAKES_RESOURCES = {"Owner", "Contributor"}
GIVES_RIGHTS = {"Owner", "User Access Administrator", "Role Based Access Control Administrator"}
NOBODY = "00000000-0000-0000-0000-000000000000"


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


def plain(location: str) -> str:
    """Regions are written `West Europe` in some places and `westeurope` in others."""
    return re.sub(r"[^a-z0-9]", "", location.lower())


def region_problems(location: str) -> list[str]:
    """Services that the region lacks, and resource providers that the subscription has not registered."""
    problems: list[str] = []
    for provider, type_ in PROVIDERS.items():
        found = az("provider", "show", "--namespace", provider)
        if found["registrationState"] != "Registered":
            problems.append(
                f"{provider} is not registered: az provider register --namespace {provider} --wait"
            )
        offered = next(
            (
                one["locations"]
                for one in found["resourceTypes"]
                if one["resourceType"].lower() == type_.lower()
            ),
            [],
        )
        if offered and plain(location) not in map(plain, offered):
            names = ", ".join(sorted(offered))
            problems.append(f"{location} has no {provider}/{type_}. Choose one of: {names}")
    flex = az("functionapp", "list-flexconsumption-locations")
    if plain(location) not in {plain(one["name"]) for one in flex}:
        names = ", ".join(sorted(one["name"] for one in flex))
        problems.append(f"{location} has no Functions on Flex Consumption. Choose one of: {names}")
    return problems


def right_problems(subscription: str, who: str) -> list[str]:
    """Rights that the deployment needs and `who`, an object id, lacks."""
    given = az(
        "role", "assignment", "list", "--assignee", who, "--scope", f"/subscriptions/{subscription}",
        "--include-inherited", "--include-groups",
    )  # fmt: skip
    names = {one["roleDefinitionName"] for one in given}
    problems: list[str] = []
    if not names & MAKES_RESOURCES:
        problems.append(f"You may not create resources in {subscription}: ask for the role Contributor.")
    if not names & GIVES_RIGHTS:
        problems.append(
            f"You may not give the identities their roles in {subscription}: "
            "ask for the role Role Based Access Control Administrator."
        )
    return problems


def deployment_problems(environment: dict[str, str]) -> list[str]:
    """What Azure itself says about this deployment: names taken, quotas, policies. Nothing is created."""
    try:
        az(
            "deployment", "sub", "validate", "--location", environment["AZURE_LOCATION"],
            "--template-file", str(INFRA / "main.bicep"), "--parameters",
            f"environmentName={environment['AZURE_ENV_NAME']}",
            f"location={environment['AZURE_LOCATION']}",
            f"profile={environment.get('MILLWRIGHT_PROFILE') or 'dev'}",
            f"apiClientId={environment.get('MILLWRIGHT_API_CLIENT_ID') or NOBODY}",
        )  # fmt: skip
    except Failed as exc:
        return [f"Azure would refuse the deployment: {exc}"]
    return []


def problems(environment: dict[str, str]) -> list[str]:
    """Everything that is wrong. What needs an answer that is itself missing is left out."""
    missing = [name for name in ("AZURE_ENV_NAME", "AZURE_LOCATION") if not environment.get(name)]
    found = [f"{name} is not set: azd env set {name} ..." for name in missing]
    if environment.get("MILLWRIGHT_PROFILE", "dev") not in ("", "dev", "prod"):
        found.append("MILLWRIGHT_PROFILE is neither dev nor prod: azd env set MILLWRIGHT_PROFILE dev")
    if shutil.which("uv") is None:
        found.append("uv is not installed; the hooks run Python with it: https://docs.astral.sh/uv")
    try:
        account = az("account", "show")
    except Failed as exc:
        return [*found, f"Not signed in to Azure: run `az login` beside `azd auth login`. ({exc})"]
    wanted = environment.get("AZURE_SUBSCRIPTION_ID") or account["id"]
    if wanted != account["id"]:
        found.append(f"az is at {account['id']}, azd at {wanted}: az account set --subscription {wanted}")
    if found:
        return found
    try:
        found = region_problems(environment["AZURE_LOCATION"])
        if environment.get("AZURE_PRINCIPAL_ID"):
            found += right_problems(wanted, environment["AZURE_PRINCIPAL_ID"])
    except Failed as exc:
        return [f"Azure could not be asked: {exc}"]
    return found or deployment_problems(environment)


def main() -> int:
    found = problems(dict(os.environ))
    for one in found:
        print(f"- {one}", file=sys.stderr)
    if found:
        print(f"{len(found)} to mend; nothing was created.", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
