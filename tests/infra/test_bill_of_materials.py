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
