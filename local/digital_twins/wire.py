"""Reading requests and writing answers: what every operation has in common on the wire."""

import asyncio

from aiohttp import web

from local.digital_twins.errors import ServiceError, invalid_argument, limit_exceeded, unauthorized
from local.digital_twins.jsontypes import Json, NotJson, dump, parse

API_VERSIONS = ("2020-10-31", "2022-05-31", "2023-06-30", "2023-10-31")
BODY_LIMIT_BYTES = 32 * 1024
KB = 1024
_BODY_TIMEOUT_S = 60


def check_request(request: web.Request) -> None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthorized()
    version = request.query.get("api-version")
    if version is None:
        raise ServiceError(400, "MissingArgument", "The query parameter api-version is missing.")
    if version not in API_VERSIONS:
        raise invalid_argument(f"api-version {version[:40]} is not one of {', '.join(API_VERSIONS)}.")


async def read_body(request: web.Request, limit: int = BODY_LIMIT_BYTES) -> bytes:
    """The whole body; 400 when it is larger than `limit` or takes a minute to arrive."""
    if (request.content_length or 0) > limit:
        raise limit_exceeded(f"The request body is larger than {limit // KB} KB.")
    found = bytearray()
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            async for chunk in request.content.iter_any():
                found += chunk
                if len(found) > limit:
                    raise limit_exceeded(f"The request body is larger than {limit // KB} KB.")
    except TimeoutError as exc:
        raise ServiceError(400, "TimeoutError", "The request body did not arrive in time.") from exc
    return bytes(found)


def parsed(body: bytes) -> Json:
    try:
        return parse(body)
    except NotJson as exc:
        raise invalid_argument(f"The request body is not valid JSON: {exc}.") from exc


def number(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not (text.isdecimal() and text.isascii() and len(text) < 10):
        raise invalid_argument(f"'{text[:40]}' is not a whole number.")
    return int(text)


def page_size(request: web.Request, limit: int) -> int:
    return max(1, min(limit, number(request.headers.get("max-items-per-page"), 100)))


def json_response(value: Json, status: int = 200) -> web.Response:
    return raw_response(dump(value), status=status)


def raw_response(body: bytes, etag: str | None = None, status: int = 200) -> web.Response:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if etag is not None:
        headers["ETag"] = etag
    return web.Response(body=body, status=status, headers=headers)


def error_response(error: ServiceError) -> web.Response:
    response = json_response(error.body(), error.status)
    response.headers["x-ms-error-code"] = error.code
    if error.retry_after_s:
        response.headers["Retry-After"] = str(error.retry_after_s)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = (
            'Bearer authorization_uri="https://login.microsoftonline.com/common"'
        )
    return response
