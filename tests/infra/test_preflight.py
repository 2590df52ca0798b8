"""What would fail is told before anything is created: which, and what to do."""

import datetime
import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.hooks.names import CHECKS, COSMOS, names, token
from infra.hooks.preflight import PROVIDERS
from infra.hooks.refusals import REMEDIES, explained
from tests.infra.bicep_text import INFRA, made
from tests.infra.recorded import SUBSCRIPTION, TAKEN, Recorded, provider, usage, well

CHANGING = {"create", "update", "delete", "register", "set", "put", "patch", "purge"}
ENVIRONMENT = {"AZURE_ENV_NAME": "try", "AZURE_LOCATION": "westeurope"}
OURS = token(ENVIRONMENT, SUBSCRIPTION)
PROD = {"MILLWRIGHT_PROFILE": "prod"}


@pytest.fixture
def hook(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


@pytest.mark.parametrize("profile", ["dev", "prod"])
def test_it_passes_where_everything_is_there_and_changes_nothing(hook: Recorded, profile: str) -> None:
    ran, asked = hook("preflight.py", well(), MILLWRIGHT_PROFILE=profile)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert not [line for line in asked if CHANGING & set(line.split(" --")[0].split())]
    methods = {found for line in asked for found in re.findall(r"--method (\w+)", line)}
    assert methods <= {"get", "post"}
    assert all("vailability" in line for line in asked if "--method post" in line)


def name_taken(where: str, message: str = "The name is already in use.") -> dict[str, Any]:
    return {where: {"nameAvailable": False, "reason": "AlreadyExists", "message": message}}


MISSING = provider("Microsoft.DigitalTwins", "digitalTwinsInstances", state="NotRegistered")
CASES: dict[str, tuple[dict[str, Any], dict[str, str], list[str]]] = {
    "not signed in": ({"account show": "Please run 'az login'"}, {}, ["Not signed in", "az login"]),
    "another subscription": ({"account show": {"id": "other"}}, {}, ["az account set --subscription"]),
    "no region": ({}, {"AZURE_LOCATION": ""}, ["AZURE_LOCATION is not set", "azd env set"]),
    "a profile that is none": ({}, {"MILLWRIGHT_PROFILE": "test"}, ["neither dev nor prod"]),
    "a token that is none": ({}, {"MILLWRIGHT_TOKEN": "Not-One"}, ["MILLWRIGHT_TOKEN", "azd env set"]),
    "a region that is none": (
        {},
        {"AZURE_LOCATION": "mars"},
        ["mars has no Microsoft.Devices", "Flex", "North Europe"],
    ),
    "a region without one service": (
        {
            "provider show --namespace Microsoft.Web ": {
                **provider("Microsoft.Web"),
                "resourceTypes": [{"resourceType": "sites", "locations": ["North Europe"]}],
            }
        },
        {},
        ["westeurope has no Microsoft.Web/sites", "Choose one of: North Europe"],
    ),
    "a provider that is not registered": (
        {"provider show --namespace Microsoft.DigitalTwins ": MISSING},
        {},
        ["az provider register --namespace Microsoft.DigitalTwins"],
    ),
    "no rights": (
        {"role assignment list": []},
        {},
        ["the role Contributor", "Role Based Access Control Administrator"],
    ),
    "no right to give roles": (
        {"role assignment list": [{"roleDefinitionName": "Contributor"}]},
        {},
        ["give the identities their roles", "Role Based Access Control Administrator"],
    ),
    "no right to lock, in prod": (
        {
            "role assignment list": [
                {"roleDefinitionName": "Contributor"},
                {"roleDefinitionName": "Role Based Access Control Administrator"},
            ]
        },
        PROD,
        ["lock what must not be deleted", "User Access Administrator"],
    ),
    "a storage account's name": (
        name_taken("Microsoft.Storage/checkNameAvailability"),
        {},
        [f"starchive{OURS} cannot be had: The name is already in use.", "azd env set MILLWRIGHT_TOKEN"],
    ),
    "a vault that was deleted": (
        name_taken("Microsoft.KeyVault/checkNameAvailability", "It is in a recoverable state."),
        {},
        [f"kv-{OURS} cannot be had", f"az keyvault recover --name kv-{OURS}", "az keyvault purge"],
    ),
    "an IoT hub's name": (
        name_taken("Microsoft.Devices/checkNameAvailability"),
        {},
        [f"iot-{OURS} cannot be had"],
    ),
    "a function app's name": (name_taken("checknameavailability"), {}, [f"func-{OURS} cannot be had"]),
    "a Cosmos DB account's name": (
        {"cosmosdb check-name-exists": True},
        {},
        [f"cosmos-{OURS} cannot be had: the name is taken."],
    ),
    "no storage accounts left": (
        {"Microsoft.Storage/locations": usage("StorageAccounts", 249, 250)},
        {},
        ["249 of 250 StorageAccounts are used and 2 more needed", "Quotas"],
    ),
    "no networks left, in prod": (
        {"Microsoft.Network/locations": usage("VirtualNetworks", 50, 50)},
        PROD,
        ["50 of 50 VirtualNetworks"],
    ),
    "what only Azure knows: a name": (
        {"deployment sub validate": TAKEN},
        {},
        ["Azure would refuse", "StorageAccountAlreadyTaken", "azd env set MILLWRIGHT_TOKEN"],
    ),
    "what only Azure knows: a quota": (
        {"deployment sub validate": "ERROR: (IotHubQuotaExceeded) 50 of 50 IoT hubs in westeurope are used."},
        {},
        ["Azure would refuse", "50 of 50 IoT hubs", "azd env set AZURE_LOCATION"],
    ),
    "what only Azure knows: a right": (
        {
            "deployment sub validate": "ERROR: (AuthorizationFailed) The client has no authorization to "
            "perform action 'Microsoft.Resources/deployments/validate/action'."
        },
        {},
        ["Microsoft.Resources/deployments/validate/action", "ask for a role that has it"],
    ),
    "what only Azure knows: a policy": (
        {"deployment sub validate": "ERROR: (RequestDisallowedByPolicy) Disallowed by 'no-egress'."},
        {},
        ["no-egress", "ask its owner for an exemption"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_says_what_is_wrong_and_what_to_do(hook: Recorded, case: str) -> None:
    change, environment, said = CASES[case]
    ran, asked = hook("preflight.py", {**change, **well(), **change}, **environment)
    assert ran.returncode == 1, ran.stderr
    assert "nothing was created" in ran.stderr
    for words in said:
        assert words in ran.stderr
    assert not [line for line in asked if CHANGING & set(line.split(" --")[0].split())]


def test_everything_that_is_wrong_is_told_at_once(hook: Recorded) -> None:
    change = name_taken("vailability") | {"cosmosdb check-name-exists": True}
    ran, _ = hook("preflight.py", {**change, **well(), **change})
    assert "9 to mend" in ran.stderr


def test_names_and_places_that_this_environment_has_already_are_its_own(hook: Recorded) -> None:
    mine = [{"name": name} for given in names(OURS).values() for name in given]
    taken = name_taken("vailability") | {"cosmosdb check-name-exists": True, "resource list": mine}
    full = {"Microsoft.Storage/locations": usage("StorageAccounts", 250, 250)}
    ran, _ = hook("preflight.py", {**taken, **full, **well(), **taken, **full})
    assert (ran.returncode, ran.stderr) == (0, "")


def test_without_uv_or_az_it_says_where_to_get_them(hook: Recorded) -> None:
    hook.without("az")
    ran, _ = hook("preflight.py", well())
    assert "https://aka.ms/azure-cli" in ran.stderr


def test_the_names_are_those_that_the_bicep_gives() -> None:
    text = (INFRA / "main.bicep").read_text()
    short = json.loads((INFRA / "abbreviations.json").read_text())
    given = {name for found in names("TOKEN").values() for name in found}
    written = {
        f"{short[short_name]}{middle}TOKEN"
        for short_name, middle in re.findall(r"name: '\$\{abbreviations\.(\w+)\}(\w*)\$\{token\}'", text)
    }
    assert given <= written | {f"{short['functionApp']}TOKEN"}
    assert {len(name) <= 24 for name in names(OURS)["Microsoft.Storage/storageAccounts"]} == {True}
    assert re.fullmatch(r"[a-z2-7]{13}", OURS)


def test_the_token_is_the_environments_and_is_kept() -> None:
    assert token({**ENVIRONMENT, "AZURE_LOCATION": "West Europe"}, SUBSCRIPTION) == OURS
    assert token({**ENVIRONMENT, "AZURE_ENV_NAME": "other"}, SUBSCRIPTION) != OURS
    assert token({**ENVIRONMENT, "MILLWRIGHT_TOKEN": "abc123"}, SUBSCRIPTION) == "abc123"


def test_every_type_whose_name_is_looked_up_is_made_and_its_region_checked() -> None:
    types = {one.type for one in made()}
    for type_ in (*CHECKS, COSMOS):
        assert type_ in types
        assert type_.partition("/")[0] in PROVIDERS


def test_every_provider_of_the_environment_is_checked() -> None:
    everywhere = {"Microsoft.Resources", "Microsoft.Authorization", "Microsoft.Consumption"}
    providers = {one.type.partition("/")[0] for one in made()} - everywhere
    assert providers <= set(PROVIDERS), providers - set(PROVIDERS)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("VaultAlreadyExists", "MILLWRIGHT_TOKEN"),
        ("SubscriptionIsOverQuotaForSku", "Quotas"),
        ("LinkedAuthorizationFailed", "role"),
        ("LocationNotAvailableForResourceType", "AZURE_LOCATION"),
        ("MissingSubscriptionRegistration", "az provider register"),
        ("InvalidTemplate", "report it"),
    ],
)
def test_azures_codes_have_remedies_also_when_written_as_json(code: str, words: str) -> None:
    for message in (f"({code}) it is so", json.dumps({"error": {"code": code, "message": "it is so"}})):
        assert explained(message).startswith(message)
        assert words in explained(message).removeprefix(message)


def test_words_that_nobody_knows_stand_alone() -> None:
    assert explained("(Strange) a thing happened") == "(Strange) a thing happened"
    assert len({remedy for _, remedy in REMEDIES}) == len(REMEDIES)


def test_the_hook_keeps_token_month_and_registration_only_after_the_checks(hook: Recorded) -> None:
    before = datetime.datetime.now(datetime.UTC)
    ran, asked = hook("preprovision.sh", well(), MILLWRIGHT_MONTHLY_BUDGET="500")
    assert ran.returncode == 0, ran.stderr
    kept = [line for line in asked if line.startswith("azd ")]
    months = {at.strftime("%Y-%m-01") for at in (before, datetime.datetime.now(datetime.UTC))}
    assert kept[1].removeprefix("azd env set MILLWRIGHT_BUDGET_START ") in months
    assert kept[::2] == [
        f"azd env set MILLWRIGHT_TOKEN {OURS}",
        "azd env set MILLWRIGHT_API_CLIENT_ID 22222222-2222-2222-2222-222222222222",
    ]
    ran, asked = hook("preprovision.sh", well())
    assert not [line for line in asked if "MILLWRIGHT_BUDGET_START" in line]
    ran, asked = hook("preprovision.sh", {**well(), "role assignment list": []})
    assert ran.returncode == 1
    assert not [line for line in asked if line.startswith(("azd ", "ad "))]


def test_a_hook_that_fails_halfway_keeps_nothing_empty(hook: Recorded) -> None:
    refused = {**well(), "ad app create": "Insufficient privileges"}
    ran, asked = hook("preprovision.sh", refused)
    assert ran.returncode == 1
    assert not [line for line in asked if "MILLWRIGHT_API_CLIENT_ID" in line]


def test_a_budgets_first_month_stays_since_azure_lets_nobody_change_it(hook: Recorded) -> None:
    begun = {"properties": {"timePeriod": {"startDate": "2026-03-01T00:00:00Z"}}}
    ran, _ = hook("budget_start.py", {**well(), "budgets/budget-try": begun}, MILLWRIGHT_MONTHLY_BUDGET="500")
    assert ran.stdout == "2026-03-01\n"
    ran, asked = hook("budget_start.py", well())
    assert (ran.stdout, asked) == ("\n", [])
    refused = {**well(), "budgets/budget-try": "(AuthorizationFailed) no"}
    ran, _ = hook("budget_start.py", refused, MILLWRIGHT_MONTHLY_BUDGET="500")
    assert (ran.returncode, ran.stdout) == (1, "")
