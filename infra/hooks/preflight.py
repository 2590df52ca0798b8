"""Says everything that would make the deployment fail, and what to do about it, before anything is created.

Asks the Azure CLI only for what it reads; changes nothing. Exit code 1 when something is wrong.
"""

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from azure_cli import Failed, ask, az, plain
from names import LENGTH, VARIABLE, name_problems, token
from refusals import explained

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
    "Microsoft.Network": "virtualNetworks",
    "Microsoft.ManagedIdentity": "userAssignedIdentities",
    "Microsoft.OperationalInsights": "workspaces",
    "Microsoft.Insights": "components",
}
"""Resource provider -> the resource that must be offered in the region."""

MAKES_RESOURCES = {"Owner", "Contributor"}
GIVES_RIGHTS = {"Owner", "User Access Administrator", "Role Based Access Control Administrator"}
LOCKS = {"Owner", "User Access Administrator", "Locks Contributor"}
MAKES_ROLES = {"Owner", "User Access Administrator"}
NOBODY = "00000000-0000-0000-0000-000000000000"


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


def right_problems(subscription: str, who: str, chosen: dict[str, Any]) -> list[str]:
    """Rights that the deployment of `chosen` needs and `who`, an object id, lacks."""
    given = az(
        "role", "assignment", "list", "--assignee", who, "--scope", f"/subscriptions/{subscription}",
        "--include-inherited", "--include-groups",
    )  # fmt: skip
    names = {one["roleDefinitionName"] for one in given}
    wanted = [
        (True, MAKES_RESOURCES, "create resources", "Contributor"),
        (True, GIVES_RIGHTS, "give the identities their roles", "Role Based Access Control Administrator"),
        (chosen["locks"], LOCKS, "lock what must not be deleted (`locks`)", "User Access Administrator"),
        (
            chosen["machineControl"],
            MAKES_ROLES,
            "make the role for calling machines (`machineControl`)",
            "User Access Administrator",
        ),
    ]
    return [
        f"You may not {what} in {subscription}: ask for the role {role}."
        for needed, enough, what, role in wanted
        if needed and not names & enough
    ]


def quota_problems(subscription: str, location: str, chosen: dict[str, Any]) -> list[str]:
    """Numbers of things that this subscription has used up, as far as their providers tell them."""
    of = f"/subscriptions/{subscription}/providers"
    wanted = [("StorageAccounts", 2, f"{of}/Microsoft.Storage/locations/{location}/usages", "2023-05-01")]
    if chosen["privateNetworking"]:
        network = f"{of}/Microsoft.Network/locations/{location}/usages"
        wanted += [(name, 1, network, "2024-05-01") for name in ("VirtualNetworks", "NatGateways")]
    problems: list[str] = []
    for name, count, url, version in wanted:
        for one in ask("get", url, version)["value"]:
            if one["name"]["value"] == name and one["currentValue"] + count > one["limit"]:
                problems.append(
                    f"{location}: {one['currentValue']} of {one['limit']} {name} are used and {count} more "
                    "needed. Ask for more (portal: Quotas), delete some, or azd env set AZURE_LOCATION ..."
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
            f"nameToken={environment[VARIABLE]}",
        )  # fmt: skip
    except Failed as exc:
        return [f"Azure would refuse the deployment: {explained(str(exc))}"]
    return []


def deployed(environment: dict[str, str]) -> bool:
    """Whether this environment was made before: then it has its places in the quotas."""
    return bool(az("resource", "list", "--tag", f"azd-env-name={environment['AZURE_ENV_NAME']}"))


def problems(environment: dict[str, str]) -> list[str]:
    """Everything that is wrong. What needs an answer that is itself missing is left out."""
    missing = [name for name in ("AZURE_ENV_NAME", "AZURE_LOCATION") if not environment.get(name)]
    found = [f"{name} is not set: azd env set {name} ..." for name in missing]
    if environment.get("MILLWRIGHT_PROFILE", "dev") not in ("", "dev", "prod"):
        found.append("MILLWRIGHT_PROFILE is neither dev nor prod: azd env set MILLWRIGHT_PROFILE dev")
    if environment.get(VARIABLE) and not re.fullmatch(rf"[a-z0-9]{{3,{LENGTH}}}", environment[VARIABLE]):
        found.append(f"{VARIABLE} is not 3 to {LENGTH} small letters and digits: azd env set {VARIABLE} ...")
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
    profile = environment.get("MILLWRIGHT_PROFILE") or "dev"
    chosen = json.loads((INFRA / "environments" / f"{profile}.json").read_text())
    location = environment["AZURE_LOCATION"]
    try:
        found = region_problems(location)
        if environment.get("AZURE_PRINCIPAL_ID"):
            found += right_problems(wanted, environment["AZURE_PRINCIPAL_ID"], chosen)
        if found:
            return found  # what follows can only be asked of a region that is there
        found = name_problems(environment, wanted)
        if not deployed(environment):
            found += quota_problems(wanted, plain(location), chosen)
    except Failed as exc:
        return [f"Azure could not be asked: {explained(str(exc))}"]
    return found or deployment_problems({**environment, VARIABLE: token(environment, wanted)})


def main() -> int:
    found = problems(dict(os.environ))
    for one in found:
        print(f"- {one}", file=sys.stderr)
    if found:
        print(f"{len(found)} to mend; nothing was created.", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
