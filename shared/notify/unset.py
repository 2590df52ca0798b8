"""Channels that lead nowhere: settings that a description names and the app does not have.

A message to such a channel is refused and kept as a dead letter, but only once there is an alarm to tell
of. This says so before: as soon as a worker runs the timer, and again while it stays so.
"""

import logging
from collections.abc import Callable
from typing import Protocol

from shared.contracts.spec_documents import CurrentDocument, SiteDocument

log = logging.getLogger(__name__)

AGAIN_AFTER_MS = 600_000
UNRESOLVED = "@Microsoft.KeyVault("
"""What Azure leaves in a setting whose secret it cannot read."""


class Sites(Protocol):
    async def current(self) -> list[CurrentDocument]: ...
    async def current_site(self, site_id: str) -> SiteDocument | None: ...


def named(site: SiteDocument) -> dict[str, str]:
    """Setting -> what needs it. Nothing while no policy tells anybody anything."""
    if not site.notifications:
        return {}
    found: dict[str, str] = {}
    for policy in site.notifications:
        if policy.webhook_setting is not None:
            found[policy.webhook_setting] = f"policy {policy.id}"
    for name, channel in site.recipients.channels.items():
        found[channel.url_setting] = f"channel {name}"
        if channel.secret_setting is not None:
            found[channel.secret_setting] = f"signature of channel {name}"
    if site.recipients.email is not None:
        found[site.recipients.email.url_setting] = "mail"
    return found


class UnsetChannels:
    """Warns of each such setting, at most every ten minutes a worker; an alert reads the warning."""

    def __init__(
        self, sites: Sites, *, setting: Callable[[str], str | None], clock: Callable[[], int]
    ) -> None:
        """`setting` looks a setting up; `clock` gives ms."""
        self._sites = sites
        self._setting = setting
        self._clock = clock
        self._looked_at: int | None = None

    async def warn(self) -> None:
        """Look, unless it was a while ago. Raises Unavailable."""
        now = self._clock()
        if self._looked_at is not None and now - self._looked_at < AGAIN_AFTER_MS:
            return
        for current in await self._sites.current():
            site = await self._sites.current_site(current.site_id)
            for setting, user in named(site).items() if site is not None else ():
                value = self._setting(setting)
                if not value or value.startswith(UNRESOLVED):
                    log.warning(
                        "%s: notifications go nowhere, %s needs the setting %s. Write the secret %s to "
                        "Key Vault and restart the app (docs/notifications.md)",
                        current.site_id,
                        user,
                        setting,
                        setting.replace("_", "-"),
                    )
        self._looked_at = now
