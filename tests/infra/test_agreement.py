"""The environment and the code say the same: containers, settings, triggers, subscriptions, alerts, hooks."""

import dataclasses
import json
import re
from typing import Any

import pytest
import yaml

from local.backend import SUBSCRIPTIONS
from local.wiring import CONSUMER_GROUPS, TELEMETRY_HUB
from shared import devices
from shared.adapters.containers import CONTAINERS, DATABASE
from shared.observability import METRICS
from shared.settings import READ_BY_OTHERS, Settings
from tests import indexed
from tests.infra.bicep_text import INFRA, ROOT, keys, variable

MODULES = INFRA / "modules"
APP = MODULES / "function-app.bicep"
ENVIRONMENTS = [json.loads(path.read_text()) for path in sorted((INFRA / "environments").iterdir())]
LOCAL_ONLY = {"MILLWRIGHT_COSMOS_KEY", "MILLWRIGHT_LOCAL_TOKEN", "MILLWRIGHT_EVENT_GRID_KEY", "EventHubs"}
"""Keys and their like: what the local cloud needs and Azure must not have."""


def read(name: str) -> Any:
    return json.loads((INFRA / name).read_text())


def functions() -> dict[str, dict[str, Any]]:
    """Name -> trigger, as the host reads it."""
    found: dict[str, dict[str, Any]] = {}
    for function in indexed.FUNCTIONS:
        bindings = json.loads(function.get_function_json())["bindings"]
        found[function.get_function_name() or ""] = next(one for one in bindings if "Trigger" in one["type"])
    return found


FUNCTIONS = functions()
SETTINGS = {
    name for group in ("hostSettings", "appSettings", "machineControl") for name in keys(variable(APP, group))
}


def test_the_containers_are_those_of_the_code() -> None:
    expected = [
        {
            "name": one.name,
            "partitionKey": one.partition_key,
            "indexingPolicy": one.indexing_policy,
            **({} if one.default_ttl is None else {"defaultTtl": one.default_ttl}),
        }
        for one in CONTAINERS
    ]
    assert read("cosmos-containers.json") == expected
    assert "loadJsonContent('../cosmos-containers.json')" in (MODULES / "cosmos.bicep").read_text()
    assert f"databaseName: '{DATABASE}'" in (INFRA / "main.bicep").read_text()


def test_the_app_settings_are_those_that_are_declared() -> None:
    declared = {one.metadata["name"] for one in dataclasses.fields(Settings)}
    assert declared >= LOCAL_ONLY
    assert (declared - LOCAL_ONLY) | set(READ_BY_OTHERS) == SETTINGS


def test_local_settings_hold_nothing_that_is_not_declared() -> None:
    values = json.loads((ROOT / "local.settings.json").read_text())["Values"]
    declared = {one.metadata["name"] for one in dataclasses.fields(Settings)} | set(READ_BY_OTHERS)
    assert set(values) - {"FUNCTIONS_WORKER_RUNTIME"} <= declared


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_trigger_finds_its_connection_and_its_settings(name: str) -> None:
    trigger = FUNCTIONS[name]
    address = {"eventHubTrigger": "fullyQualifiedNamespace", "cosmosDBTrigger": "accountEndpoint"}
    if trigger["type"] in address:
        connection = trigger["connection"]
        for part in (address[trigger["type"]], "credential", "clientId"):
            assert f"{connection}__{part}" in SETTINGS
    for setting in re.findall(r"%(\w+)%", json.dumps(trigger)):
        assert setting in SETTINGS


def test_the_telemetry_trigger_reads_the_hub_that_devices_are_routed_to() -> None:
    text = (MODULES / "event-hubs.bicep").read_text()
    assert f"name: '{TELEMETRY_HUB}'" in text
    assert FUNCTIONS["telemetry"]["consumerGroup"] in CONSUMER_GROUPS
    for group in CONSUMER_GROUPS:
        assert f"resource {group} 'Microsoft.EventHub/namespaces/eventhubs/consumergroups@" in text
        assert f"name: '{group}'" in text


def test_the_change_feeds_have_containers_and_leases() -> None:
    names = {one["name"] for one in read("cosmos-containers.json")}
    feeds = [one for one in FUNCTIONS.values() if one["type"] == "cosmosDBTrigger"]
    assert feeds
    for feed in feeds:
        assert {feed["containerName"], feed["leaseContainerName"]} <= names
        assert not feed["createLeaseContainerIfNotExists"]  # a data role may not


def test_the_subscriptions_are_those_of_the_local_cloud() -> None:
    ours = [(one["source"], one["function"], one["schema"]) for one in read("event-subscriptions.json")]
    assert ours == [(topic, function, schema) for topic, function, schema, _ in SUBSCRIPTIONS]
    for one, (*_, types) in zip(read("event-subscriptions.json"), SUBSCRIPTIONS, strict=True):
        # IoT Hub would deliver every reading too if it were not told which events are wanted.
        assert one["eventTypes"] == list(types or devices._TYPES)
        assert FUNCTIONS[one["function"]]["type"] == "eventGridTrigger"
    assert {name for name, one in FUNCTIONS.items() if one["type"] == "eventGridTrigger"} == {
        function for _, function, _, _ in SUBSCRIPTIONS
    }


def test_only_functions_that_exist_are_always_ready() -> None:
    for environment in ENVIRONMENTS:
        for name in environment["functions"]["alwaysReady"]:
            assert name == "http" or name.removeprefix("function:") in FUNCTIONS


def test_the_channels_that_factories_name_have_a_setting() -> None:
    given = re.search(r"param channelSettings string\[\] = \[(.*)\]", (INFRA / "main.bicep").read_text())
    assert given is not None
    for path in (ROOT / "factories").glob("*.yaml"):
        for setting in re.findall(r"_setting: (\w+)", path.read_text()):
            assert f"'{setting}'" in given[1], f"{path.name} names {setting}"


def test_both_environments_make_the_same_choices() -> None:
    def shape(value: Any) -> Any:
        return {name: shape(one) for name, one in value.items()} if isinstance(value, dict) else type(value)

    dev, prod = ENVIRONMENTS
    del dev["functions"]["alwaysReady"], prod["functions"]["alwaysReady"]
    assert shape(dev) == shape(prod)
    text = (INFRA / "main.bicep").read_text()
    for name, value in prod.items():
        for path in [f"{name}.{inner}" for inner in value] if isinstance(value, dict) else [name]:
            assert f"chosen.{path}" in text, f"{path} is chosen and never used"


def test_every_parameter_is_given_and_taken() -> None:
    text = (INFRA / "main.bicep").read_text()
    given = set(read("main.parameters.json")["parameters"])
    taken = set(re.findall(r"^param (\w+)", text, re.MULTILINE))
    required = set(re.findall(r"^param (\w+) \S+$", text, re.MULTILINE))
    assert required <= given <= taken


def queries() -> list[str]:
    alerts = (MODULES / "alerts.bicep").read_text()
    charts = [one["content"].get("query") for one in read("workbook.json")["items"]]
    return [*re.findall(r"^    query: '(.*)'$", alerts, re.MULTILINE), *filter(None, charts)]


def test_alerts_and_workbook_ask_for_metrics_that_are_recorded() -> None:
    asked = {name for query in queries() for name in re.findall(r"millwright\.[a-z.]+", query)}
    assert {"millwright.lag", "millwright.relay.lag", "millwright.quarantined"} <= asked
    assert asked - {"millwright.source", "millwright.event"} <= METRICS.keys()


def test_each_metric_sums_or_measures_as_the_queries_read_it() -> None:
    """Application Insights keeps a counter's sum in valueSum, a histogram's extremes in valueMax."""
    for query in queries():
        if "valueMax" in query and "valueSum" not in query:
            assert {METRICS[name][0] for name in re.findall(r"millwright\.[a-z.]+", query)} == {"s"}


def test_the_runbook_explains_every_metric() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    told = dict(re.findall(r"^\| `(millwright\.[a-z.]+)` \| (\S+) \|", text, re.MULTILINE))
    assert told == {name: unit for name, (unit, _) in METRICS.items()}


def test_spans_that_queries_look_for_are_made() -> None:
    code = "".join(path.read_text() for path in sorted((ROOT / "shared").rglob("*.py")))
    made = set(re.findall(r'(?:span|continued)\(\s*"([a-z ]+)"', code))
    for query in queries():
        for names in re.findall(r"dependencies \| where name (?:==|in) ([^|]*)", query):
            assert set(re.findall(r"'([a-z ]+)'", names)) <= made


def test_the_hooks_are_there_for_both_shells_and_use_outputs_that_exist() -> None:
    outputs = set(re.findall(r"^output (\w+) ", (INFRA / "main.bicep").read_text(), re.MULTILINE))
    asked = set(re.findall(r"\$\{(\w+)", (INFRA / "main.parameters.json").read_text()))
    hooks = yaml.safe_load((ROOT / "azure.yaml").read_text())["hooks"]
    assert set(hooks) == {"preprovision", "postprovision", "postdeploy"}
    for hook in hooks.values():
        for shell in ("posix", "windows"):
            script = (ROOT / hook[shell]["run"]).read_text()
            used = set(re.findall(r"\b(?:MILLWRIGHT|AZURE)_[A-Z_]+\b", script))
            own = {"MILLWRIGHT_FACTORY", "MILLWRIGHT_SMOKE_MACHINE", "MILLWRIGHT_SMOKE_DEVICE"}
            assert used <= outputs | asked | own | {"AZURE_SUBSCRIPTION_ID", "AZURE_TENANT_ID"}
