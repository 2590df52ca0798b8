"""Shared access signatures: how devices and back ends prove that they hold a key.

`SharedAccessSignature sr={resource}&sig={signature}&se={expiry}[&skn={policy}]`, the signature being
HMAC-SHA256 over the resource as sent, a line feed and the expiry (IoT Hub, "Control access with
shared access signatures").
"""

import base64
import binascii
import hmac
import secrets
from dataclasses import dataclass
from urllib.parse import unquote

PREFIX = "SharedAccessSignature "


class BadToken(Exception):
    """Not a shared access signature at all."""


@dataclass(frozen=True, slots=True)
class Token:
    resource: str
    """Decoded: `localhost/devices/press-1`."""

    signed: bytes
    signature: bytes
    expires_at: float
    """Seconds since the epoch."""

    policy: str | None
    """The hub's policy whose key signed; None when a device's own key did."""

    @classmethod
    def parse(cls, text: str | None) -> "Token":
        """Read a token. BadToken when it is none."""
        if text is None or not text.startswith(PREFIX):
            raise BadToken("no shared access signature")
        fields: dict[str, str] = {}
        for field in text[len(PREFIX) :].split("&"):
            name, _, value = field.partition("=")
            fields[name] = value
        try:
            return cls(
                resource=unquote(fields["sr"]),
                signed=f"{fields['sr']}\n{fields['se']}".encode(),
                signature=base64.b64decode(unquote(fields["sig"]), validate=True),
                expires_at=float(int(fields["se"])),
                policy=fields.get("skn") or None,
            )
        except (KeyError, ValueError) as exc:
            raise BadToken("sr, sig or se is missing or malformed") from exc

    def signed_with(self, *keys: str) -> bool:
        """Whether one of these base64 keys made the signature."""
        return any(
            hmac.compare_digest(self.signature, hmac.digest(base64.b64decode(key), self.signed, "sha256"))
            for key in keys
        )

    def covers(self, path: str) -> bool:
        """Whether the token's resource is `path` or a parent of it; hosts of this machine are one.

        >>> token = Token("localhost:8443/devices", b"", b"", 0.0, None)
        >>> token.covers("devices/press-1"), token.covers("statistics/devices")
        (True, False)
        """
        host, _, scope = self.resource.partition("/")
        scope = scope.rstrip("/").lower()
        path = path.lower()
        return is_local(host) and (not scope or path == scope or path.startswith(f"{scope}/"))


def is_local(host: str) -> bool:
    """Whether this host name, with or without a port, is ours.

    >>> is_local("localhost"), is_local("127.0.0.1:8443"), is_local("contoso.azure-devices.net")
    (True, True, False)
    """
    return host.rpartition(":")[0] in ("localhost", "127.0.0.1") or host in ("localhost", "127.0.0.1")


def new_key() -> str:
    """A fresh 256-bit key, base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def is_key(text: str) -> bool:
    """Whether this is a symmetric key as the service takes it: base64 of 16 to 64 bytes."""
    try:
        return 16 <= len(base64.b64decode(text, validate=True)) <= 64
    except (binascii.Error, ValueError):
        return False
