"""Notification channels whose secret is not there (yet)."""

import pytest

from shared.adapters.smtp import SmtpMail
from shared.adapters.webhook import HttpWebhook
from shared.ports import Refused

UNRESOLVED = "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/NOTIFY-WEBHOOK-URL)"
"""What the app finds in its setting when Azure could not read the secret."""


@pytest.mark.parametrize("address", [UNRESOLVED, "hooks.example.com/secret", "ftp://example.com/secret"])
async def test_what_is_no_address_is_refused_without_repeating_it(address: str) -> None:
    async with HttpWebhook() as webhook:
        with pytest.raises(Refused, match="Key Vault") as caught:
            await webhook.post(address, b"{}", {})
    assert address not in str(caught.value)


@pytest.mark.parametrize("address", [UNRESOLVED, "mail.example.com", "ftp://user:secret@example.com"])
async def test_what_is_no_mail_server_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(Refused, match="Key Vault") as caught:
        await SmtpMail().send(address, sender="a@b.c", to="d@e.f", subject="", text="", message_id="1")
    assert address not in str(caught.value)
