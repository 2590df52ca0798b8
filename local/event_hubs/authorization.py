"""Who may do what: SAS tokens checked by key and expiry, and what a connection has been granted by them."""

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import cast
from urllib.parse import unquote_plus

from local.bearer import claims
from local.event_hubs.amqp.addresses import path_of
from local.service import Clock

SAS_TOKEN = "servicebus.windows.net:sastoken"
JWT = "jwt"
_BEARER_AUDIENCES = ("https://eventhubs.azure.net", "https://servicebus.azure.net")


class TokenRefused(Exception):
    """The status and description that $cbs answers with."""

    def __init__(self, status: int, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.description = description


@dataclass(frozen=True, slots=True)
class Grant:
    """All rights on the entities at or below a path, until a moment (seconds since the epoch)."""

    path: str
    expires_at: float

    def covers(self, path: str, now: float) -> bool:
        return now < self.expires_at and (
            not self.path or path == self.path or path.startswith(self.path + "/")
        )


def entity_path(uri: str) -> str:
    """The path of `sb://host:port/path/`, lower case and without slashes around it.

    >>> entity_path("sb://127.0.0.1:5672/Telemetry/ConsumerGroups/$Default/")
    'telemetry/consumergroups/$default'
    """
    return path_of(uri).lower()


class Authority:
    """Checks tokens against the one key of this namespace."""

    def __init__(self, key_name: str, key: str, clock: Clock = time.time) -> None:
        self.key_name = key_name
        self.key = key
        self._clock = clock

    def now(self) -> float:
        return self._clock()

    def accepts_key(self, name: str, key: str) -> bool:
        """Whether a SASL PLAIN user gave the right key."""
        return name == self.key_name and hmac.compare_digest(key.encode(), self.key.encode())

    def check(self, kind: str, token: str, audience: str) -> Grant:
        """The grant behind a token that was put for `audience`. TokenRefused says what is wrong with it."""
        if kind == SAS_TOKEN:
            return self._check_sas(token, audience)
        if kind == JWT:
            return self._check_bearer(token, audience)
        raise TokenRefused(400, f"The token type '{kind}' is not supported.")

    def _check_sas(self, token: str, audience: str) -> Grant:
        fields = dict(
            cast(tuple[str, str], tuple(part.split("=", 1)))
            for part in token.removeprefix("SharedAccessSignature ").split("&")
            if "=" in part
        )
        resource, expiry = fields.get("sr"), fields.get("se", "")
        signature, name = fields.get("sig"), unquote_plus(fields.get("skn", ""))
        if not token.startswith("SharedAccessSignature ") or not resource or not signature:
            raise TokenRefused(401, "MalformedToken: The token is malformed.")
        if not expiry.isdigit() or len(expiry) > 12:
            raise TokenRefused(401, "MalformedToken: The token has an invalid expiry.")
        expected = base64.b64encode(
            hmac.digest(self.key.encode(), f"{resource}\n{expiry}".encode(), hashlib.sha256)
        )
        given = unquote_plus(signature).encode("utf-8", "replace")
        if name != self.key_name or not hmac.compare_digest(given, expected):
            raise TokenRefused(401, "InvalidSignature: The token has an invalid signature.")
        if int(expiry) <= self._clock():
            raise TokenRefused(401, f"ExpiredToken: The token is expired. Expiration time: {expiry}.")
        return self._grant(entity_path(unquote_plus(resource)), audience, float(expiry))

    def _check_bearer(self, token: str, audience: str) -> Grant:
        """A token for a managed identity. There is no Entra ID here: its signature cannot be checked."""
        said = claims(token)
        expires_at = said.get("exp", self._clock() + 3600)
        if not token or not isinstance(expires_at, int | float):
            raise TokenRefused(401, "MalformedToken: The token is malformed.")
        if expires_at <= self._clock():
            raise TokenRefused(401, "ExpiredToken: The token is expired.")
        meant_for = said.get("aud", _BEARER_AUDIENCES[0])
        if not isinstance(meant_for, str) or not meant_for.startswith(_BEARER_AUDIENCES):
            raise TokenRefused(401, "InvalidAudience: The token has a wrong audience.")
        return self._grant("", audience, float(expires_at))

    @staticmethod
    def _grant(scope: str, audience: str, expires_at: float) -> Grant:
        asked = entity_path(audience)
        if not Grant(scope, float("inf")).covers(asked, 0):
            raise TokenRefused(
                401, "InvalidAudience: The authorization header contains a token with a wrong audience."
            )
        return Grant(asked, expires_at)
