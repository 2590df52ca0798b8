"""Master-key signatures: who may call, and the service's words for who may not."""

import base64
import binascii
import hmac
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from urllib.parse import unquote

from local.cosmos.errors import CosmosError, forbidden, unauthorized

VALIDITY = timedelta(minutes=15)


@lru_cache(maxsize=16)
def secret(key: str) -> bytes:
    """The account's key as bytes."""
    return base64.b64decode(key)


def signature(key: str, verb: str, resource_type: str, resource_link: str, date: str) -> bytes:
    """HMAC-SHA256 over verb, type, link and date ("Access control" in Cosmos DB's REST reference)."""
    payload = signed_payload(verb, resource_type, resource_link, date)
    return hmac.digest(secret(key), payload.encode(), "sha256")


def signed_payload(verb: str, resource_type: str, resource_link: str, date: str) -> str:
    return f"{verb.lower()}\n{resource_type.lower()}\n{resource_link}\n{date.lower()}\n\n"


def check(
    key: str, *, authorization: str | None, date: str, verb: str, resource: tuple[str, str], now: float
) -> None:
    """Refuse with 401 or 403 what the service would refuse; returns when the caller holds the key."""
    if not authorization:
        raise unauthorized(
            "Required Header authorization is missing. Ensure to pass a valid Authorization token."
        )
    fields = {name: value for name, _, value in _fields(authorization)}
    kind, given = fields.get("type"), fields.get("sig")
    if kind != "master" or not given:
        raise unauthorized(
            "The local Cosmos DB knows master keys and resource tokens, no Microsoft Entra ID tokens."
            if kind == "aad"
            else "The authorization header is in an invalid format: type=master&ver=1.0&sig=... is expected."
        )
    _check_date(date, now)
    expected = signature(key, verb, *resource, date)
    if not hmac.compare_digest(_bytes(given), expected):
        payload = signed_payload(verb, *resource, date).replace("\n", "\\n")
        raise unauthorized(
            "The input authorization token can't serve the request. The wrong key is being used or the "
            "expected payload is not built as per the protocol. For more info: "
            "https://aka.ms/cosmosdb-tsg-unauthorized. "
            f"Server used the following payload to sign: '{payload}'"
        )


def _fields(authorization: str) -> list[tuple[str, str, str]]:
    return [field.partition("=") for field in unquote(authorization).split("&")]


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


@lru_cache(maxsize=256)
def _parsed(date: str) -> datetime:
    try:
        given = parsedate_to_datetime(date)
    except (ValueError, OverflowError) as exc:
        raise unauthorized("The 'x-ms-date' or 'date' header is missing or is no RFC 1123 date.") from exc
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def _check_date(date: str, now: float) -> None:
    given = _parsed(date)
    if abs(given.timestamp() - now) > VALIDITY.total_seconds():
        raise _expired(given, datetime.fromtimestamp(now, UTC))


def _expired(given: datetime, server: datetime) -> CosmosError:
    start, end = (format_datetime(one, usegmt=True) for one in (given, given + VALIDITY))
    return forbidden(
        "The authorization token is not valid at the current time. Please create another token and retry "
        f"(token start time: {start}, token expiry time: {end}, "
        f"current server time: {format_datetime(server, usegmt=True)})."
    )
