"""How the relays hang on the change feed: apart from each other, from the beginning, for ever."""

import json
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from functions import relays
from shared.adapters.containers import CONTAINERS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def triggers() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Function -> its trigger and its retry policy."""
    app = func.FunctionApp()
    app.register_functions(relays.bp)
    return {
        function.get_function_name(): (
            function.get_trigger().get_dict_repr(),
            function.get_settings_dict("retry_policy"),
        )
        for function in app.get_functions()
    }


def test_each_sink_has_leases_of_its_own(triggers: dict[str, Any]) -> None:
    assert set(triggers) == {
        "relay_twins",
        "relay_events",
        "relay_quarantine",
        "relay_scopes",
        "relay_scope_twins",
    }
    assert len({trigger["leaseContainerPrefix"] for trigger, _ in triggers.values()}) == len(triggers)


def test_nothing_committed_is_missed_and_no_batch_is_given_up(triggers: dict[str, Any]) -> None:
    for trigger, retry in triggers.values():
        assert trigger["startFromBeginning"] is True
        assert retry["strategy"] == "exponential_backoff"
        assert retry["max_retry_count"] == "-1"
        assert retry["maximum_interval"] == "00:01:00"


def test_the_containers_exist_and_an_identity_need_not_make_any(triggers: dict[str, Any]) -> None:
    names = {container.name for container in CONTAINERS}
    for trigger, _ in triggers.values():
        assert trigger["containerName"] in names
        assert trigger["leaseContainerName"] in names
        assert trigger["createLeaseContainerIfNotExists"] is False


def test_settings_that_triggers_name_have_a_local_default(triggers: dict[str, Any]) -> None:
    values = json.loads((ROOT / "local.settings.json").read_text())["Values"]
    for trigger, _ in triggers.values():
        assert trigger["databaseName"].strip("%") in values


def test_scopes_are_polled_as_seldom_as_they_may_be_written(triggers: dict[str, Any]) -> None:
    assert triggers["relay_scopes"][0]["feedPollDelay"] == 5_000
