"""No keys, no open doors, a right for every call and a reason for every right."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.digitaltwins.core.aio import DigitalTwinsClient
from azure.eventgrid.aio import EventGridPublisherClient
from azure.eventhub.aio import EventHubProducerClient
from azure.iot.hub import IoTHubRegistryManager

from tests.infra.bicep_text import INFRA, ROOT, Declared, declared, everything, made

ROLES = {one.symbol: one for one in declared(INFRA / "roles.bicep")}
RIGHTS = {
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments",
}

KEYLESS = {
    "Microsoft.Storage/storageAccounts": (
        "allowSharedKeyAccess: false",
        "isLocalUserEnabled: false",
        "allowBlobPublicAccess: false",
        "minimumTlsVersion: 'TLS1_2'",
        "supportsHttpsTrafficOnly: true",
    ),
    "Microsoft.EventHub/namespaces": ("disableLocalAuth: true", "minimumTlsVersion: '1.2'"),
    "Microsoft.DocumentDB/databaseAccounts": ("disableLocalAuth: true", "minimalTlsVersion: 'Tls12'"),
    "Microsoft.EventGrid/topics": ("disableLocalAuth: true", "minimumTlsVersionAllowed: '1.2'"),
    "Microsoft.Devices/IotHubs": (
        "disableLocalAuth: true",
        "disableDeviceSAS: true",
        "disableModuleSAS: true",
        "minTlsVersion: '1.2'",
    ),
    "Microsoft.KeyVault/vaults": ("enableRbacAuthorization: true", "enableSoftDelete: true"),
    "Microsoft.Insights/components": ("DisableLocalAuth: true",),
    "Microsoft.OperationalInsights/workspaces": ("disableLocalAuth: true",),
    "Microsoft.Web/sites": (
        "httpsOnly: true",
        "minTlsVersion: '1.2'",
        "scmMinTlsVersion: '1.2'",
        "ftpsState: 'Disabled'",
        "name: 'authsettingsV2'",
        "requireAuthentication: true",
        "unauthenticatedClientAction: 'Return401'",
    ),
    "Microsoft.DigitalTwins/digitalTwinsInstances": (),  # Entra only, TLS 1.2 only: nothing to turn off
    "Microsoft.Devices/provisioningServices": ("authenticationType: 'UserAssigned'",),
}
"""Service -> what must stand in it."""

DIAGNOSED = {
    *KEYLESS,
    "Microsoft.EventGrid/systemTopics",
    "Microsoft.Web/serverfarms",
    "Microsoft.Network/virtualNetworks",
    "Microsoft.Network/publicIPAddresses",
    "Microsoft.Network/networkSecurityGroups",
} - {"Microsoft.Insights/components"}
"""All that writes logs or metrics. Application Insights is itself where they go."""

SILENT = {
    "Microsoft.Resources/resourceGroups": "the subscription's activity log has what is done to it",
    "Microsoft.Authorization/": "the subscription's activity log has what is done to it",
    "Microsoft.Insights/": "is itself what watches",
    "Microsoft.Consumption/budgets": "is itself what watches",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "sign-ins are Entra ID's, which a tenant exports",
    "Microsoft.EventHub/namespaces/": "the namespace tells for its parts",
    "Microsoft.DocumentDB/databaseAccounts/": "the account tells for its parts",
    "Microsoft.Storage/storageAccounts/": "the blob service has the settings",
    "Microsoft.DigitalTwins/digitalTwinsInstances/": "the instance tells for its parts",
    "Microsoft.EventGrid/topics/": "the topic tells for its subscriptions",
    "Microsoft.EventGrid/systemTopics/": "the topic tells for its subscriptions",
    "Microsoft.Network/natGateways": "metrics only, which are there without settings",
    "Microsoft.Network/privateEndpoints": "metrics only, which are there without settings",
    "Microsoft.Network/privateDnsZones": "metrics only, which are there without settings",
}
"""What has no diagnostics of its own, or what it is part of has them -> why."""

CALLS = {
    "cosmos.py": {
        "get_database_client": None,
        "get_container_client": None,
        "read": "appDocuments",
        "read_item": "appDocuments",
        "upsert_item": "appDocuments",
        "execute_item_batch": "appDocuments",
        "query_items": "appDocuments",
    },
    "containers.py": {
        # Only the local cloud's set-up runs it; in Azure Bicep makes the containers.
        "create_database_if_not_exists": None,
        "create_container_if_not_exists": None,
    },
    "digital_twins.py": {
        "update_digital_twin": "appTwins",
        "get_digital_twin": "appTwins",
        "upsert_digital_twin": "appTwins",
        "upsert_relationship": "appTwins",
        "list_relationships": "appTwins",
        "query_twins": "appTwins",
        "delete_relationship": "appTwins",
        "delete_digital_twin": "appTwins",
    },
    "event_grid.py": {"send": "appPublishes"},
    "event_hub.py": {"from_connection_string": None, "get_eventhub_properties": "appReceives"},
    "iot_hub.py": {
        "from_connection_string": None,
        "from_token_credential": None,
        "invoke_device_method": "appCallsMachines",
        "update_twin": "appCallsMachines",
        "get_twin": "appCallsMachines",
    },
}
"""Adapter -> call of Microsoft's SDK -> the role assignment that allows it; None: nothing is asked for."""

DEPLOYING = {
    "millwright/twin_service.py": {
        "list_models": "deployerTwins",
        "create_models": "deployerTwins",
        "query_twins": "deployerTwins",
        "upsert_digital_twin": "deployerTwins",
        "update_digital_twin": "deployerTwins",
        "delete_digital_twin": "deployerTwins",
        "upsert_relationship": "deployerTwins",
        "delete_relationship": "deployerTwins",
        "upsert_event_route": "deployerTwins",
    },
    # Import jobs are asked for as requests: the job at Digital Twins, its file in the container.
    "millwright/bulk.py": {"_TWINS_SCOPE": "deployerTwins", "_STORAGE_SCOPE": "deployerImports"},
    # Documents through the adapter of the app, which CALLS has.
    "millwright/connect.py": {"CosmosDocuments": "deployerDocuments"},
    "infra/hooks/twin_route.py": {"upsert_event_route": "deployerTwins"},
    "infra/hooks/smoke.py": {
        "from_token_credential": None,
        "from_connection_string": None,
        "get_digital_twin": "deployerTwins",
    },
    "infra/hooks/first_device.py": {
        "create_device_with_x509": "deployerRegisters",
        "get_device": "deployerRegisters",
        "update_device_with_x509": "deployerRegisters",
    },
    "infra/hooks/enrolment.py": {"SCOPE": "deployerEnrols"},
}
"""What applies the factory file or sends the first reading -> its call, or the scope of a token that it asks
for -> the right of who deploys."""

TRIGGERS = {
    "eventHubTrigger": ("appReceives", "appReceivesTwinChanges", "appHost"),
    "cosmosDBTrigger": ("appDocuments",),
    "timerTrigger": ("appHost",),
    "eventGridTrigger": ("appHost",),
    "httpTrigger": (),
}
"""What the host itself needs for a kind of trigger: checkpoints, leases and keys are blobs."""


def _is_grant(one: Declared) -> bool:
    return one.type in RIGHTS


def _sdk_calls(path: Path) -> Iterator[str]:
    known = {
        name
        for client in (
            CosmosClient,
            ContainerProxy,
            DigitalTwinsClient,
            EventGridPublisherClient,
            EventHubProducerClient,
        )
        for name in dir(client)
        if not name.startswith("_")
    } | {
        "create_container_if_not_exists",
        "get_container_client",
        "invoke_device_method",
        "update_twin",
        "get_twin",
        "from_token_credential",
    }
    everywhere = {"close", "get", "page", "items", "query"}
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in known - everywhere
        ):
            yield node.func.attr


@pytest.mark.parametrize("adapter", CALLS)
def test_every_call_of_an_sdk_is_allowed_by_a_role(adapter: str) -> None:
    assert set(_sdk_calls(ROOT / "shared" / "adapters" / adapter)) == set(CALLS[adapter])
    for grant in CALLS[adapter].values():
        assert grant is None or (_is_grant(ROLES[grant]) and "principals.app" in ROLES[grant].body)


def test_no_other_adapter_talks_to_azure() -> None:
    talking = {
        path.name
        for path in (ROOT / "shared" / "adapters").glob("*.py")
        if re.search(r"azure\.(cosmos|digitaltwins|eventgrid|eventhub|iot)", path.read_text())
    }
    assert talking == set(CALLS)


@pytest.mark.parametrize("file", DEPLOYING)
def test_whoever_deploys_may_do_what_the_hooks_and_the_command_line_do(file: str) -> None:
    text = (ROOT / file).read_text()
    clients = {name for one in (DigitalTwinsClient, IoTHubRegistryManager) for name in dir(one)}
    names = {name for name in clients if not name.startswith("_")} - {"close"}
    calls = {
        node.func.attr
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names
    }
    named = {name for name in DEPLOYING[file] if name not in names}
    assert calls | named == set(DEPLOYING[file])
    for name in named:
        assert re.search(rf"\b{name}\b", text)
    for grant in DEPLOYING[file].values():
        assert grant is None or "principalId: deployerId" in ROLES[grant].body


def test_nothing_else_that_is_run_by_who_deploys_talks_to_azure() -> None:
    files = [*(ROOT / "millwright").rglob("*.py"), *(INFRA / "hooks").glob("*.py")]
    talking = {
        str(path.relative_to(ROOT))
        for path in files
        if re.search(r"^\s*(from|import) azure\.", path.read_text(), re.M)
    }
    assert talking == set(DEPLOYING)


def test_what_is_measured_may_be_sent_without_a_key() -> None:
    assert "principals.app" in ROLES["appMetrics"].body
    assert "roles.metricsPublisher" in ROLES["appMetrics"].body
    settings = (INFRA / "modules" / "function-app.bicep").read_text()
    assert (
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.clientId};Authorization=AAD'"
        in settings
    )


def test_devices_are_enrolled_by_certificate_and_by_who_deploys() -> None:
    """The hub takes no shared keys of devices, so enrolments by symmetric key would lead nowhere."""
    assert "disableDeviceSAS: true" in (INFRA / "modules" / "iot-hub.bicep").read_text()
    assert "deployerId" in ROLES["deployerEnrols"].body
    assert "scope: enrolments" in ROLES["deployerEnrols"].body
    guide = (ROOT / "docs" / "deploy.md").read_text()
    assert "az iot dps enrollment-group create" in guide
    assert "--auth-type login" in guide


def test_every_kind_of_trigger_is_allowed_by_a_role() -> None:
    from tests.infra.test_agreement import FUNCTIONS  # noqa: PLC0415  it indexes the app

    for trigger in FUNCTIONS.values():
        for grant in TRIGGERS[trigger["type"]]:
            assert "principals.app" in ROLES[grant].body


def test_rights_are_given_in_one_file_only() -> None:
    assert {one.file for one in made() if _is_grant(one)} == {"roles.bicep"}


@pytest.mark.parametrize(
    "grant", [one for one in ROLES.values() if _is_grant(one)], ids=lambda one: one.symbol
)
def test_every_right_has_a_reason_and_ends_at_one_service(grant: Declared) -> None:
    if grant.type == "Microsoft.Authorization/roleAssignments":
        assert re.search(r"description: '.{20,}'", grant.body)
        scope = re.search(r"scope: (\w+)", grant.body)
        assert scope is not None
        assert ROLES[scope[1]].existing
    else:
        assert "/dbs/${cosmosDatabase}" in grant.body
        assert re.search(
            rf"^// .{{20,}}\nresource {grant.symbol} ", (INFRA / "roles.bicep").read_text(), re.M
        )


def test_no_role_is_declared_and_never_given() -> None:
    text = (INFRA / "roles.bicep").read_text()
    names = re.findall(r"^  (\w+): '[0-9a-f-]{36}'", text, re.MULTILINE)
    assert len(names) > 5
    for name in names:
        assert f"roles.{name})" in text


def test_nothing_asks_for_a_key() -> None:
    for path in INFRA.rglob("*.bicep"):
        text = path.read_text()
        assert not re.search(r"\blist(Keys|AccountSas|ServiceSas|Secrets)?\(", text), path.name
        assert not re.search(r"AccountKey|SharedAccessKey|connectionString:|primaryKey", text), path.name
        assert "Microsoft.Authorization/roleAssignments" not in text or path.name == "roles.bicep"


def test_no_output_is_secret() -> None:
    for path in INFRA.rglob("*.bicep"):
        for name, value in re.findall(r"^output (\w+) \S+ = (.*)$", path.read_text(), re.MULTILINE):
            assert not re.search(
                r"key\b|secret|password|sas\b|connectionstring$", f"{name} {value}".lower()
            ) or (value == "insights.properties.ConnectionString"), f"{path.name}: {name}"


@pytest.mark.parametrize("service", KEYLESS)
def test_keys_are_off_and_tls_is_new_wherever_the_service_allows(service: str) -> None:
    found = [one for one in made() if one.type == service]
    assert found, f"nothing makes {service}"
    for one in found:
        for line in KEYLESS[service]:
            assert line in one.body, f"{one.file}: {one.symbol} lacks {line}"


def test_sign_in_to_the_api_is_never_conditional() -> None:
    [site] = [one for one in made() if one.type == "Microsoft.Web/sites"]
    assert re.search(r"resource signIn 'config' = \{", site.body)
    excluded = re.search(r"excludedPaths: \[(.*?)\]", site.body, re.DOTALL)
    assert excluded is not None
    assert re.findall(r"^\s+'(.*)'", excluded[1], re.MULTILINE) == ["/api/health", "/runtime/webhooks/*"]


@pytest.mark.parametrize("service", sorted(DIAGNOSED))
def test_every_service_has_diagnostics(service: str) -> None:
    settings = [one for one in made() if one.type == "Microsoft.Insights/diagnosticSettings"]
    for one in made():
        if one.type == service:
            mine = [each for each in settings if each.file == one.file]
            parts = {one.symbol, *(each.symbol for each in made() if f"parent: {one.symbol}\n" in each.body)}
            assert any(f"scope: {part}\n" in each.body for each in mine for part in parts), one.symbol


def test_whatever_has_no_diagnostics_has_a_reason() -> None:
    rest = {one.type for one in made()} - DIAGNOSED
    assert [type_ for type_ in sorted(rest) if not type_.startswith(tuple(SILENT))] == []


def test_production_is_private_redundant_and_locked() -> None:
    prod = json.loads((INFRA / "environments" / "prod.json").read_text())
    assert all(prod[name] for name in ("privateNetworking", "zoneRedundant", "locks"))
    assert prod["keyVault"]["purgeProtection"]
    assert not prod["machineControl"]


def test_every_service_that_closes_has_an_address_in_the_private_network() -> None:
    files = {one.file for one in made() if "publicNetworkAccess: privateNetworking ?" in one.body}
    assert files == {
        "storage.bicep",
        "event-hubs.bicep",
        "cosmos.bicep",
        "key-vault.bicep",
        "event-grid.bicep",
        "digital-twins.bicep",
    }
    main = (INFRA / "main.bicep").read_text()
    modules = {one.symbol: one for one in declared(INFRA / "main.bicep") if one.kind == "module"}
    private = re.findall(r"resourceId: (\w+)\.outputs\.id, groupId", main)
    assert {Path(modules[name].of).name for name in private} == files
    assert f"range(0, private ? {len(private)} : 0)" in main
    hub = next(one for one in made() if one.type == "Microsoft.Devices/IotHubs")
    assert "publicNetworkAccess: 'Enabled'" in hub.body  # machines come from outside: the one open door


def test_a_private_app_has_a_way_out() -> None:
    """To Application Insights, IoT Hub and webhooks: networks of one's own have none by default."""
    text = (INFRA / "modules" / "network.bicep").read_text()
    app = text[text.index("name: 'app'") : text.index("name: 'endpoints'")]
    assert "id: wayOut.id" in app


def test_what_cannot_be_made_again_can_be_locked() -> None:
    locked = {one.file for one in made() if one.type == "Microsoft.Authorization/locks"}
    assert locked >= {
        "cosmos.bicep",
        "storage.bicep",
        "event-hubs.bicep",
        "iot-hub.bicep",
        "digital-twins.bicep",
    }


def test_no_module_comes_from_elsewhere_and_none_is_unused() -> None:
    modules = [one for one in everything() if one.kind == "module"]
    assert not [one for one in modules if one.of.startswith(("br:", "br/", "ts:"))]
    used = {(INFRA / one.of).resolve() for one in modules}
    entries = {INFRA / "main.bicep", INFRA / "subscriptions.bicep"}
    assert {path.resolve() for path in INFRA.rglob("*.bicep")} - {one.resolve() for one in entries} == used
