"""Who may publish: the topic's key, a signature made with it, or a token of Microsoft Entra ID.

A signature is `r={endpoint}&e={expiry}&s={HMAC-SHA256 of what precedes}`, each percent-encoded
("Authenticate Azure Event Grid clients using access keys or shared access signatures"). There is no Entra ID
here: of a bearer token only expiry and audience are checked, if it is a JWT.
"""

import base64
import hmac
import math
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

from local.bearer import claims
from local.event_grid import errors

SCHEME, BEARER = "SharedAccessSignature ", "Bearer "
AUDIENCE = "https://eventgrid.azure.net"
EXPIRY_FORMATS = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S")


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def authorize(headers: Mapping[str, str], key: str, *, host: str, path: str, now: float) -> None:
    """Raises GridError 401 unless the request holds the key, a good signature or a bearer token."""
    token = headers.get("aeg-sas-token")
    given = headers.get("Authorization", "")
    if token is None and given.startswith(SCHEME):
        token = given.removeprefix(SCHEME)
    if (shared := headers.get("aeg-sas-key")) is not None:
        if not hmac.compare_digest(_bytes(shared), _bytes(key)):
            raise errors.wrong_credential(host, "The key is not one of the topic's keys.")
    elif token is not None:
        _check_token(token, key, host, path, now)
    elif given.startswith(BEARER):
        _check_bearer(given.removeprefix(BEARER).strip(), host, now)
    elif given:
        raise errors.wrong_credential(host, "The Authorization header holds no token of a known kind.")
    else:
        raise errors.no_credential()


def _check_token(token: str, key: str, host: str, path: str, now: float) -> None:
    signed, _, signature = token.rpartition("&s=")
    expected = base64.b64encode(hmac.digest(base64.b64decode(key), _bytes(signed), "sha256"))
    if not hmac.compare_digest(_bytes(unquote(signature)), expected):
        raise errors.wrong_credential(host, "The signature does not match.")
    fields = dict(part.split("=", 1) for part in signed.split("&") if "=" in part)
    try:
        resource = urlsplit(unquote(fields.get("r", "")))
    except ValueError as exc:
        raise errors.wrong_credential(host, "The signature is for no URL.") from exc
    if not path.lower().startswith(resource.path.lower().rstrip("/")):
        raise errors.wrong_credential(host, "The signature is for another resource.")
    if (expires_at := _instant(unquote(fields.get("e", "")))) is None or expires_at <= now:
        raise errors.wrong_credential(host, "The signature has expired.")


def _check_bearer(token: str, host: str, now: float) -> None:
    said = claims(token)
    expires_at, audience = said.get("exp", math.inf), said.get("aud", AUDIENCE)
    if not token or not isinstance(expires_at, int | float) or not isinstance(audience, str):
        raise errors.wrong_credential(host, "The token is malformed.")
    if expires_at <= now:
        raise errors.wrong_credential(host, "The token has expired.")
    if audience.rstrip("/") != AUDIENCE:
        raise errors.wrong_credential(host, f"The token is for {audience}, not for {AUDIENCE}.")


def _bytes(header: str) -> bytes:
    """A header may hold bytes that are no text; they match nothing."""
    return header.encode(errors="replace")


def _instant(text: str) -> float | None:
    """Seconds since the epoch, from any of the forms that SDKs write. None when it is no time."""
    for form in EXPIRY_FORMATS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
