"""Master-key signatures: who may call, and the service's words for who may not."""

import base64
import binascii
import hmac
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import parse_qs, unquote

from local.cosmos.errors import CosmosError, forbidden, unauthorized

VALIDITY = timedelta(minutes=15)


def signature(key: str, verb: str, resource_type: str, resource_link: str, date: str) -> str:
    """Base64 HMAC-SHA256 over verb, type, link and date (Access control in the Cosmos DB REST API)."""
    payload = signed_payload(verb, resource_type, resource_link, date)
    return base64.b64encode(hmac.digest(base64.b64decode(key), payload.encode(), "sha256")).decode()


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
    fields = parse_qs(unquote(authorization).replace("+", "%2B"))
    kind, given = fields.get("type", [""])[0], fields.get("sig", [""])[0]
    if kind != "master" or not given:
        raise unauthorized(
            "The input authorization token is not supported here: the local Cosmos DB knows master keys only."
            if kind in ("aad", "resource")
            else "The authorization header is in an invalid format: type=master&ver=1.0&sig=... is expected."
        )
    _check_date(date, now)
    expected = signature(key, verb, *resource, date)
    if not hmac.compare_digest(_bytes(given), _bytes(expected)):
        payload = signed_payload(verb, *resource, date).replace("\n", "\\n")
        raise unauthorized(
            "The input authorization token can't serve the request. The wrong key is being used or the "
            "expected payload is not built as per the protocol. For more info: "
            f"https://aka.ms/cosmosdb-tsg-unauthorized. Server used the following payload to sign: '{payload}'"
        )


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _check_date(date: str, now: float) -> None:
    server = datetime.fromtimestamp(now, UTC)
    try:
        given = parsedate_to_datetime(date)
    except ValueError as exc:
        raise unauthorized("The 'x-ms-date' or 'date' header is missing or is no RFC 1123 date.") from exc
    if given.tzinfo is None:
        given = given.replace(tzinfo=UTC)
    if abs(server - given) > VALIDITY:
        raise _expired(given, server)


def _expired(given: datetime, server: datetime) -> CosmosError:
    start, end = (format_datetime(one, usegmt=True) for one in (given, given + VALIDITY))
    return forbidden(
        "The authorization token is not valid at the current time. Please create another token and retry "
        f"(token start time: {start}, token expiry time: {end}, "
        f"current server time: {format_datetime(server, usegmt=True)})."
    )
