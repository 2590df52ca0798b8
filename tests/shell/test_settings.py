"""Settings: each read by its name, and every mistake told at once."""

import dataclasses

import pytest

from shared.settings import Settings, SettingsWrong

LEAST = {
    "MILLWRIGHT_COSMOS_ENDPOINT": "https://c.documents.azure.com",
    "MILLWRIGHT_DIGITAL_TWINS_URL": "https://t.api.weu.digitaltwins.azure.net",
    "MILLWRIGHT_EVENT_GRID_ENDPOINT": "https://e.weu-1.eventgrid.azure.net/api/events",
    "EventHubs__fullyQualifiedNamespace": "h.servicebus.windows.net",
}


def test_what_azure_needs_holds_no_secret() -> None:
    settings = Settings.from_environment(LEAST)
    assert settings.cosmos_endpoint == LEAST["MILLWRIGHT_COSMOS_ENDPOINT"]
    assert settings.cosmos_key is None
    assert settings.local_token is None
    assert settings.event_grid_key is None
    assert (settings.cosmos_database, settings.cached_machine_count) == ("millwright", 5000)


def test_all_mistakes_are_told_at_once_with_their_meaning() -> None:
    with pytest.raises(SettingsWrong) as caught:
        Settings.from_environment({"MILLWRIGHT_CACHED_MACHINES": "many", "MILLWRIGHT_COSMOS_ENDPOINT": ""})
    text = str(caught.value)
    assert "MILLWRIGHT_COSMOS_ENDPOINT is not set: URL of the Cosmos DB account." in text
    assert "MILLWRIGHT_DIGITAL_TWINS_URL" in text
    assert "MILLWRIGHT_CACHED_MACHINES='many' is no positive whole number." in text
    assert "Neither EventHubs nor EventHubs__fullyQualifiedNamespace is set." in text


def test_every_setting_says_its_name_and_meaning() -> None:
    names = [one.metadata["name"] for one in dataclasses.fields(Settings)]
    assert len(set(names)) == len(names)
    assert all(one.metadata["meaning"].endswith(".") for one in dataclasses.fields(Settings))
