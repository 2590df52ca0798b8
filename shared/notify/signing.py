"""Webhooks signed by the Standard Webhooks scheme (https://www.standardwebhooks.com): symmetric, v1.

The receiver computes HMAC-SHA256 over `id.timestamp.body` with the key it shares with us, and knows
who sent the body, that nobody changed it, and, by the time stamp, that it is no recording.
"""

import base64
import binascii
import hashlib
import hmac

from shared.ports import Refused

_PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)
"""As the scheme demands."""


def headers(secret: str, *, message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """The three headers. Refused when the secret is none: `whsec_` and 24 to 64 bytes in Base64.

    Several secrets, separated by spaces, give several signatures: so a key is changed without a gap.
    The message says nothing of the secret itself.

    >>> signed = headers("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", message_id="m", at_s=1, body=b"{}")
    >>> signed["webhook-signature"][:3], signed["webhook-id"], signed["webhook-timestamp"]
    ('v1,', 'm', '1')
    """
    content = b".".join((message_id.encode(), str(at_s).encode(), body))
    signatures = [hmac.digest(_key(one), content, hashlib.sha256) for one in secret.split()]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(one).decode()}" for one in signatures),
    }


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(_PREFIX) or len(key) not in _KEY_BYTES:
        raise Refused("the secret is no `whsec_` and 24 to 64 bytes in Base64; see to it in Key Vault")
    return key
