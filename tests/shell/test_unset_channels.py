"""A channel that leads nowhere is told of before there is an alarm to tell."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from shared.contracts.reactions import Channel, Email, Notification, Recipients
from shared.contracts.spec_documents import SiteDocument
from shared.notify.unset import AGAIN_AFTER_MS, UnsetChannels

RECIPIENTS = Recipients(
    channels={
        "hall": Channel(kind="webhook", url_setting="NOTIFY_WEBHOOK_URL", secret_setting="NOTIFY_SECRET"),
        "room": Channel(kind="teams", url_setting="NOTIFY_TEAMS_URL"),
    },
    email=Email(url_setting="NOTIFY_SMTP_URL", sender="a@b.example"),
)
POLICY = Notification(id="all", webhook_setting="NOTIFY_OWN_URL", notify=["hall"])
UNRESOLVED = "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/NOTIFY-SECRET)"


class Plant:
    """A site that is described, the app's settings, and the time."""

    def __init__(self, *policies: Notification) -> None:
        self.policies = policies
        self.settings: dict[str, str] = {}
        self.now = 0
        self.watch = UnsetChannels(self, setting=self.settings.get, clock=lambda: self.now)

    async def current(self) -> Any:
        return [SimpleNamespace(site_id="GRAZ")]

    async def current_site(self, site_id: str) -> SiteDocument | None:
        return SiteDocument.model_construct(
            site_id=site_id, recipients=RECIPIENTS, notifications=self.policies
        )


async def warned(plant: Plant, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        await plant.watch.warn()
    return [record.getMessage() for record in caplog.records]


async def test_each_setting_that_is_missing_or_unresolved_is_named_with_the_remedy(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plant = Plant(POLICY)
    plant.settings |= {"NOTIFY_WEBHOOK_URL": "https://hall.example", "NOTIFY_SECRET": UNRESOLVED}
    told = await warned(plant, caplog)
    assert len(told) == 4
    [room] = [line for line in told if "NOTIFY_TEAMS_URL" in line]
    assert "GRAZ: notifications go nowhere, channel room" in room
    assert "the secret NOTIFY-TEAMS-URL to Key Vault" in room
    assert UNRESOLVED not in "".join(told)
    for setting in ("NOTIFY_SECRET", "NOTIFY_SMTP_URL", "NOTIFY_OWN_URL"):
        assert any(setting in line for line in told)


async def test_it_is_said_again_while_it_stays_so_but_not_at_each_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plant = Plant(POLICY)
    assert len(await warned(plant, caplog)) == 5
    plant.now += AGAIN_AFTER_MS - 1
    assert await warned(plant, caplog) == []
    plant.now += 1
    plant.settings["NOTIFY_TEAMS_URL"] = "https://teams.example"
    assert len(await warned(plant, caplog)) == 4


async def test_who_tells_nobody_anything_needs_no_channels(caplog: pytest.LogCaptureFixture) -> None:
    assert await warned(Plant(), caplog) == []
