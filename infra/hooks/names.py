"""The names that all of Azure shares: known before anything is created, so that a taken one is found before.

Each is an abbreviation and one token. The token comes from subscription, environment and region; azd keeps
it, so that an environment keeps its names. Prints the token: the hook keeps it.
"""

import base64
import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from azure_cli import ask, az, plain

VARIABLE = "MILLWRIGHT_TOKEN"
ABBREVIATIONS = Path(__file__).parents[1] / "abbreviations.json"
LENGTH = 13
"""Of the token: with the longest abbreviation a storage account's name has 22 of 24 characters."""


@dataclass(frozen=True, slots=True)
class Check:
    """A provider's operation that tells whether a name is free."""

    operation: str
    version: str
    typed: bool
    """Whether it wants to know the type besides the name."""


CHECKS = {
    "Microsoft.Storage/storageAccounts": Check("checkNameAvailability", "2023-05-01", True),
    "Microsoft.KeyVault/vaults": Check("checkNameAvailability", "2023-07-01", True),
    "Microsoft.EventHub/namespaces": Check("checkNameAvailability", "2024-01-01", False),
    "Microsoft.Devices/IotHubs": Check("checkNameAvailability", "2023-06-30", False),
    "Microsoft.Devices/provisioningServices": Check(
        "checkProvisioningServiceNameAvailability", "2022-12-12", False
    ),
    "Microsoft.DigitalTwins/digitalTwinsInstances": Check(
        "locations/{location}/checkNameAvailability", "2023-01-31", True
    ),
    "Microsoft.Web/sites": Check("checknameavailability", "2024-04-01", True),
}
COSMOS = "Microsoft.DocumentDB/databaseAccounts"
"""Has an operation of its own, which the CLI knows."""


def token(environment: Mapping[str, str], subscription: str) -> str:
    """The environment's token: what azd keeps, or a new one, always the same for the same environment."""
    kept = environment.get(VARIABLE)
    if kept:
        return kept
    of = "/".join((subscription, environment["AZURE_ENV_NAME"], plain(environment["AZURE_LOCATION"])))
    return base64.b32encode(hashlib.sha256(of.encode()).digest())[:LENGTH].decode().lower()


def names(token: str) -> dict[str, tuple[str, ...]]:
    """Type -> the names that main.bicep gives."""
    short: dict[str, str] = json.loads(ABBREVIATIONS.read_text())
    return {
        "Microsoft.Storage/storageAccounts": (
            f"{short['storage']}archive{token}",
            f"{short['storage']}host{token}",
        ),
        "Microsoft.KeyVault/vaults": (f"{short['keyVault']}{token}",),
        "Microsoft.EventHub/namespaces": (f"{short['eventHubs']}{token}",),
        "Microsoft.Devices/IotHubs": (f"{short['iotHub']}{token}",),
        "Microsoft.Devices/provisioningServices": (f"{short['provisioning']}{token}",),
        "Microsoft.DigitalTwins/digitalTwinsInstances": (f"{short['digitalTwins']}{token}",),
        "Microsoft.Web/sites": (f"{short['functionApp']}{token}",),
        COSMOS: (f"{short['cosmos']}{token}",),
    }


def name_problems(environment: Mapping[str, str], subscription: str) -> list[str]:
    """Names that somebody else has. Our own, of an earlier deployment, are no problem. Raises Failed."""
    tag = f"azd-env-name={environment['AZURE_ENV_NAME']}"
    ours = {one["name"].lower() for one in az("resource", "list", "--tag", tag)}
    problems: list[str] = []
    for type_, given in names(token(environment, subscription)).items():
        for name in given:
            said = None if name in ours else _taken(type_, name, environment, subscription)
            if said is not None:
                problems.append(f"{type_} {name} cannot be had: {said} {_remedy(type_, name)}")
    return problems


def _taken(type_: str, name: str, environment: Mapping[str, str], subscription: str) -> str | None:
    """Why the name cannot be had; None: it can."""
    if type_ == COSMOS:
        return "the name is taken." if az("cosmosdb", "check-name-exists", "--name", name) else None
    check = CHECKS[type_]
    path = check.operation.format(location=plain(environment["AZURE_LOCATION"]))
    url = f"/subscriptions/{subscription}/providers/{type_.partition('/')[0]}/{path}"
    body = {"name": name, "type": type_} if check.typed else {"name": name}
    answer: dict[str, Any] = ask("post", url, check.version, body)
    return None if answer["nameAvailable"] else str(answer.get("message") or answer.get("reason"))


def _remedy(type_: str, name: str) -> str:
    other = f"Take another token: azd env set {VARIABLE} followed by {LENGTH} small letters and digits."
    if type_ == "Microsoft.KeyVault/vaults":
        return (
            f"Was it deleted a while ago? Then az keyvault recover --name {name}, "
            f"or az keyvault purge --name {name} unless it is protected. {other}"
        )
    return other


def main() -> int:
    subscription = os.environ.get("AZURE_SUBSCRIPTION_ID") or az("account", "show")["id"]
    print(token(os.environ, subscription))
    return 0


if __name__ == "__main__":
    sys.exit(main())
