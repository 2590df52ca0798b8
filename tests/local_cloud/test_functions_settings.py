"""App settings, host.json and bindings: what they mean, and what is said when they are wrong."""

import json
import logging
from pathlib import Path

import pytest

from local.functions.host_json import HostJson
from local.functions.invoke import Invoker
from local.functions.listeners import LeaseTimes, Surroundings, listener_for, shared_positions
from local.functions.retry import RetryPolicy
from local.functions.routes import Route
from local.functions.settings import AppSettings, load_local_settings
from local.functions.store import Store
from local.functions.triggers import EventHubTrigger, trigger_of
from local.functions.worker import AppBroken, Function, Worker

EVENT_HUBS = (
    "Endpoint=sb://127.0.0.1:5672;SharedAccessKeyName=n;SharedAccessKey=k;UseDevelopmentEmulator=true"
)


def function(name: str = "f", **binding: object) -> Function:
    return Function(name, name, ({"name": "x", "direction": "IN", **binding},), None)


def hub_function(name: str = "f", **more: object) -> Function:
    return function(name, type="eventHubTrigger", eventHubName="h", **{"connection": "EH", **more})


async def start(one: Function, folder: Path, settings: dict[str, str]) -> None:
    """What the host does with a function before it listens."""
    app_settings = AppSettings(settings)
    store = Store(folder / "functions.sqlite")
    surroundings = Surroundings(
        host_json=HostJson(),
        settings=app_settings,
        invoker=Invoker(Worker([]), 1.0),
        store=store,
        owner_id="me",
        clock=lambda: 0.0,
        leases=LeaseTimes(),
    )
    try:
        listener_for(one, trigger_of(one, app_settings.expand), surroundings)
    finally:
        store.close()


@pytest.mark.parametrize(
    ("broken", "settings", "words"),
    [
        (function(type="timerTrigger", schedule="%NOPE%"), {}, ["'%NOPE%' does not resolve to a value."]),
        (function(type="timerTrigger", schedule="61 * * * * *"), {}, ["'f' function", "61 * * * * *"]),
        (hub_function(), {}, ["'f' function", "EH", "missing"]),
        (hub_function(), {"EH": "nonsense"}, ["'f' function", "Connection string"]),
        (
            hub_function(),
            {"EH__fullyQualifiedNamespace": "x.servicebus.windows.net"},
            ["EH__fullyQualifiedNamespace", "connection string"],
        ),
        (
            function(type="cosmosDBTrigger", databaseName="d", containerName="c", connection="C"),
            {"C__accountEndpoint": "https://x"},
            ["C__accountEndpoint"],
        ),
        (
            function(type="cosmosDBTrigger", databaseName="d", containerName="c", connection="C"),
            {"C": EVENT_HUBS},
            ["no Cosmos DB connection string"],
        ),
        (function(type="queueTrigger", queueName="q"), {}, ["'f' function", "'x'", "queueTrigger"]),
        (function(type="eventHubTrigger", connection="EH"), {}, ["'f' function", "eventHubName"]),
    ],
)
async def test_a_function_in_error_is_named_with_its_fault(
    broken: Function, settings: dict[str, str], words: list[str], tmp_path: Path
) -> None:
    with pytest.raises(AppBroken) as raised:
        await start(broken, tmp_path, settings)
    for word in words:
        assert word in str(raised.value)


def test_percent_signs_expand_to_settings() -> None:
    expanded = trigger_of(
        function(type="eventHubTrigger", eventHubName="%HUB%-1", connection="EH"),
        AppSettings({"HUB": "telemetry"}).expand,
    )
    assert isinstance(expanded, EventHubTrigger)
    assert (expanded.event_hub_name, expanded.consumer_group, expanded.cardinality) == (
        "telemetry-1",
        "$Default",
        "ONE",
    )


def test_the_environment_wins_over_local_settings(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": {"A": "file", "B": "file"}}))
    environment = {"A": "environment"}
    load_local_settings(tmp_path, environment)
    assert environment == {"A": "environment", "B": "file"}


def test_host_json_has_azure_defaults_and_its_own_values(tmp_path: Path) -> None:
    options = HostJson().extensions.event_hubs
    assert (options.max_event_batch_size, options.min_event_batch_size) == (100, 1)
    assert (options.max_wait_time, options.prefetch_count, options.batch_checkpoint_frequency) == (
        60.0,
        300,
        1,
    )
    (tmp_path / "host.json").write_text(
        json.dumps(
            {
                "version": "2.0",
                "functionTimeout": "00:05:00",
                "extensionBundle": {"id": "Microsoft.Azure.Functions.ExtensionBundle"},
                "extensions": {"eventHubs": {"maxEventBatchSize": 500}, "http": {"routePrefix": ""}},
            }
        )
    )
    read = HostJson.read(tmp_path)
    assert read.function_timeout == 300.0
    assert read.extensions.event_hubs.max_event_batch_size == 500
    assert read.extensions.http.route_prefix == ""


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{", "not valid JSON"),
        ('{"version": "1.0"}', "version"),
        ('{"version": "2.0", "functionTimeout": "soon"}', "functionTimeout"),
        ('{"version": "2.0", "extensions": {"eventHubs": {"maxEventBatchSize": 0}}}', "maxEventBatchSize"),
    ],
)
def test_a_wrong_host_json_is_refused_by_name(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "host.json").write_text(text)
    with pytest.raises(AppBroken, match=word):
        HostJson.read(tmp_path)


def test_retry_delays_stay_between_their_bounds_and_counts_end() -> None:
    exponential = RetryPolicy(max_retry_count=3, minimum_s=1.0, maximum_s=10.0)
    delays = [exponential.delay_s(count) for count in range(1, 8)]
    assert all(1.0 <= delay <= 10.0 for delay in delays)
    assert 1.6 <= delays[1] <= 2.4
    assert delays[-1] == 10.0
    assert [exponential.allows(count) for count in (1, 3, 4)] == [True, True, False]
    assert RetryPolicy(max_retry_count=-1, minimum_s=1.0, maximum_s=1.0).allows(1_000_000)


def test_functions_that_share_a_position_are_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    functions = [hub_function("a"), hub_function("b"), hub_function("c", consumerGroup="own")]
    triggers = {one: trigger_of(one, str) for one in functions}
    (warning,) = shared_positions(triggers)
    assert warning.startswith("a and b share one consumer group")


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("a/{id}", "a/x%2Fy", {"id": "x/y"}),
        ("a/{id?}", "a", {}),
        ("a/{id=7}", "a", {"id": "7"}),
        ("a/{*rest}", "a", {}),
        ("a/{id:guid}", "a/0", None),
        ("a/{id:length(2)}/b", "a/xy/b", {"id": "xy"}),
        ("a/{id:range(1,5)}", "a/6", None),
        ("a/{id:min(3):max(5)}", "a/4", {"id": "4"}),
        (r"a/{id:regex(^\d{{2}}$)}", "a/12", {"id": "12"}),
        (r"a/{id:regex(^\d{{2}}$)}", "a/123", None),
        ("a/{on:bool}", "a/TRUE", {"on": "TRUE"}),
        ("a", "b", None),
    ],
)
def test_routes_match_as_in_asp_net(template: str, path: str, values: dict[str, str] | None) -> None:
    assert Route.parse(template, "f").match(path) == values


@pytest.mark.parametrize("template", ["a/{id:nothing}", "{*all}/b", "a/x{id}", "a/{id:length(x)}", "a/{}"])
def test_routes_that_cannot_be_read_name_their_function(template: str) -> None:
    with pytest.raises(AppBroken, match="'f' function"):
        Route.parse(template, "f")
