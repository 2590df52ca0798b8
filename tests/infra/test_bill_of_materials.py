"""Everything the design draws is in the environment, and tied together."""

import json
import re
from collections import Counter

import pytest

from tests.infra.bicep_text import INFRA, declared, made

MODULES = INFRA / "modules"

DRAWN = {
    "Microsoft.Devices/IotHubs": 1,
    "Microsoft.Devices/provisioningServices": 1,
    "Microsoft.EventHub/namespaces": 1,
    "Microsoft.EventHub/namespaces/eventhubs": 3,
    "Microsoft.EventHub/namespaces/eventhubs/consumergroups": 2,
    "Microsoft.DocumentDB/databaseAccounts": 1,
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases": 1,
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers": 1,
    "Microsoft.DigitalTwins/digitalTwinsInstances": 1,
    "Microsoft.DigitalTwins/digitalTwinsInstances/endpoints": 1,
    "Microsoft.EventGrid/topics": 1,
    "Microsoft.EventGrid/topics/eventSubscriptions": 1,
    "Microsoft.EventGrid/systemTopics": 1,
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": 1,
    "Microsoft.Web/serverfarms": 1,
    "Microsoft.Web/sites": 1,
    "Microsoft.Storage/storageAccounts": 1,
    "Microsoft.Storage/storageAccounts/managementPolicies": 1,
    "Microsoft.KeyVault/vaults": 1,
    "Microsoft.OperationalInsights/workspaces": 1,
    "Microsoft.Insights/components": 1,
    "Microsoft.Insights/scheduledQueryRules": 1,
    "Microsoft.Insights/metricAlerts": 1,
    "Microsoft.Insights/workbooks": 1,
    "Microsoft.Consumption/budgets": 1,
}
"""Type -> how many declarations; loops count once."""

WIRES = {
    "devices to the event hub, by identity": (
        "iot-hub.bicep",
        ["authenticationType: 'identityBased'", "source: 'DeviceMessages'", "isEnabled: true"],
    ),
    "messages to the archive": ("event-hubs.bicep", ["enabled: true", "EventHubArchive.AzureBlockBlob"]),
    "changes of twins to their hub": ("digital-twins.bicep", ["'IdentityBased'", "endpointType: 'EventHub'"]),
    "events as CloudEvents": ("event-grid.bicep", ["inputSchema: 'CloudEventSchemaV1_0'"]),
    "blobs grow old": ("storage.bicep", ["tierToCool", "tierToArchive", "delete: {"]),
    "the app on Flex Consumption": ("function-app.bicep", ["'FC1'", "name: 'python'", "version: '3.13'"]),
    "channels from the vault": ("function-app.bicep", ["@Microsoft.KeyVault(SecretUri="]),
}


@pytest.mark.parametrize("type_", DRAWN)
def test_each_service_of_the_design_is_made(type_: str) -> None:
    assert Counter(one.type for one in made())[type_] == DRAWN[type_]


@pytest.mark.parametrize("wire", WIRES)
def test_they_are_tied_together(wire: str) -> None:
    file, lines = WIRES[wire]
    text = (MODULES / file).read_text()
    for line in lines:
        assert line in text


def test_rights_come_before_what_needs_them() -> None:
    modules = {one.symbol: one.body for one in declared(INFRA / "main.bicep")}
    for module, before in {
        "eventHubs": "archiveRoles",
        "iotHub": "storeRoles",
        "digitalTwins": "storeRoles",
        "functionApp": "sourceRoles",
        "provisioning": "sourceRoles",
    }.items():
        assert re.search(rf"dependsOn: \[.*\b{before}\b", modules[module])


def test_events_that_nobody_took_are_kept() -> None:
    text = (INFRA / "subscriptions.bicep").read_text()
    assert text.count("deadLetterWithResourceIdentity: deadLetters") == 2
    main = (INFRA / "main.bicep").read_text()
    assert "containers: ['telemetry', 'dead-letters', importContainer]" in main


def test_the_archive_can_be_archived() -> None:
    """Zone-redundant accounts have no archive tier."""
    for path in (INFRA / "environments").iterdir():
        chosen = json.loads(path.read_text())["archive"]
        assert chosen["redundancy"] in {"Standard_LRS", "Standard_GRS", "Standard_RAGRS"}
        assert chosen["coolAfterDays"] < chosen["archiveAfterDays"] < chosen["deleteAfterDays"]


def test_every_alert_says_what_it_means_and_the_runbook_what_to_do() -> None:
    text = (MODULES / "alerts.bicep").read_text()
    names = re.findall(r"^    name: '([\w-]+)'", text, re.MULTILINE)
    assert len(names) == text.count("    description: '")
    runbook = (INFRA.parent / "docs" / "operations.md").read_text()
    assert [name for name in names if f"`{name}`" not in runbook] == []


EDGES = {
    # what devices send, and what comes of it
    "iotHub": {"eventHubs": {"hostName", "telemetry"}},
    "digitalTwins": {"eventHubs": {"hostName", "twinChanges"}},
    "eventHubs": {"archive": {"id"}},
    "provisioning": {"iotHub": {"hostName"}},
    "functionApp": {
        "eventHubs": {"hostName", "telemetry"},
        "cosmos": {"endpoint", "database"},
        "digitalTwins": {"url"},
        "eventGrid": {"endpoint"},
        "keyVault": {"uri"},
        "hostStorage": {"blobEndpoint"},
        "iotHub": {"hostName"},
        "network": {"appSubnetId"},
    },
    "alerts": {
        "iotHub": {"id", "systemTopicId"},
        "eventHubs": {"id"},
        "cosmos": {"id"},
        "digitalTwins": {"id"},
        "eventGrid": {"id"},
    },
}
"""Module of main.bicep -> module -> the outputs of it that it takes."""
ACTS_AS = {
    "iotHub": {"devices", "archive"},
    "digitalTwins": {"twins"},
    "eventHubs": {"archive"},
    "eventGrid": {"archive"},
    "provisioning": {"provisioning"},
    "functionApp": {"app"},
}
"""Module -> the identities that it acts as."""


def walked() -> dict[str, str]:
    """Symbol -> body of each module of main.bicep."""
    return {one.symbol: one.body for one in declared(INFRA / "main.bicep") if one.kind == "module"}


@pytest.mark.parametrize("symbol", EDGES)
def test_each_module_is_tied_to_those_that_the_design_ties_it_to(symbol: str) -> None:
    body = walked()[symbol]
    for other, outputs in EDGES[symbol].items():
        assert outputs <= set(re.findall(rf"\b{other}!?\.outputs\.(\w+)", body)), (symbol, other)


@pytest.mark.parametrize("symbol", ACTS_AS)
def test_each_service_acts_as_its_own_identity_and_no_other(symbol: str) -> None:
    assert set(re.findall(r"identities\.outputs\.(\w+)", walked()[symbol])) == ACTS_AS[symbol]


def test_every_output_that_is_asked_for_is_one_that_its_module_has() -> None:
    text = (INFRA / "main.bicep").read_text()
    files = {one.symbol: one.of for one in declared(INFRA / "main.bicep") if one.kind == "module"}
    asked = set(re.findall(r"\b(\w+)!?\.outputs\.(\w+)", text))
    assert len(asked) > 30
    for symbol, output in asked:
        assert re.search(rf"^output {output} ", (INFRA / files[symbol]).read_text(), re.MULTILINE)


def test_everything_that_makes_something_is_told_where_to_log_and_what_it_belongs_to() -> None:
    for one in declared(INFRA / "main.bicep"):
        if one.kind == "module" and "roles.bicep" not in one.of:
            takes = set(re.findall(r"^param (\w+)", (INFRA / one.of).read_text(), re.MULTILINE))
            given = set(re.findall(r"^ +(\w+): ", one.body, re.MULTILINE))
            for param in takes & {"workspaceId", "tags", "lock", "privateNetworking", "zoneRedundant"}:
                assert param in given, (one.symbol, param)
            assert "tags" in takes or one.of == "modules/budget.bicep"  # a budget takes none


def test_names_are_an_abbreviation_and_the_environments_token() -> None:
    """But for what Azure names by a guid, and what a resource group holds once."""
    for symbol, body in walked().items():
        for name in re.findall(r"^    (?:name|\w+Name): '(.*)'$", body, re.MULTILINE):
            if "abbreviations." in name:
                assert name.endswith(("${token}", "${environmentName}")), (symbol, name)
