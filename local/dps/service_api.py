"""The service API over HTTPS: enrollments of devices and groups, and their registrations."""

from collections.abc import Awaitable, Callable
from typing import cast

import orjson
from aiohttp import web

from local.dps import errors
from local.dps.enrollments import GROUP, INDIVIDUAL, Enrollment, Json, requested
from local.dps.errors import DpsError
from local.dps.registration import Hub
from local.dps.store import Enrollments
from local.iot_hub.devices import stamp
from local.iot_hub.sas import BadToken, Token

POLICY = "provisioningserviceowner"
PAGE_LIMIT = 100
BULK_LIMIT = 10

type Handler = Callable[[web.Request], Awaitable[web.Response]]


class ServiceApi:
    def __init__(self, hub: Hub, enrollments: Enrollments, key: str) -> None:
        self._hub, self._enrollments, self._key = hub, enrollments, key

    def routes(self) -> list[web.RouteDef]:
        both = [
            route
            for kind in (INDIVIDUAL, GROUP)
            for route in (
                web.put(f"/{kind}/{{id}}", self._answering(self.put)),
                web.get(f"/{kind}/{{id}}", self._answering(self.get)),
                web.delete(f"/{kind}/{{id}}", self._answering(self.delete)),
                web.post(f"/{kind}/query", self._answering(self.query)),
                web.post(f"/{kind}/{{id}}/attestationmechanism", self._answering(self.attestation)),
            )
        ]
        return [
            *both,
            web.post(f"/{INDIVIDUAL}", self._answering(self.bulk)),
            web.get("/registrations/{id}", self._answering(self.registration)),
            web.delete("/registrations/{id}", self._answering(self.forget)),
            web.post("/registrations/{id}/query", self._answering(self.registrations)),
        ]

    def _answering(self, handler: Handler) -> Handler:
        """Checks the policy's key and turns refusals into answers."""

        async def answer(request: web.Request) -> web.Response:
            try:
                self._authorize(request)
                return await handler(request)
            except DpsError as exc:
                body = exc.body(self._hub.clock())
                return web.Response(body=body, status=exc.status, content_type="application/json")

        return answer

    def _authorize(self, request: web.Request) -> None:
        try:
            token = Token.parse(request.headers.get("Authorization"))
        except BadToken as exc:
            raise errors.unauthorized() from exc
        signed = token.policy == POLICY and token.signed_with(self._key)
        if not signed or token.expires_at <= self._hub.clock() or not token.covers(request.path.strip("/")):
            raise errors.unauthorized()

    async def put(self, request: web.Request) -> web.Response:
        """Create, or with If-Match replace."""
        body = _object(await _json(request))
        enrollment = self._put(
            _kind(request), request.match_info["id"], body, request.headers.get("If-Match")
        )
        return web.json_response(enrollment.document, headers={"ETag": enrollment.etag})

    def _put(self, kind: str, name: str, body: Json, match: str | None) -> Enrollment:
        before = self._enrollments.get(kind, name)
        if match is not None:
            if before is None:
                raise errors.not_found("Enrollment")
            _check_match(before, match)
        elif before is not None:
            raise errors.conflict(f"{name} is already enrolled.")
        enrollment = requested(kind, name, body, now=stamp(self._hub.clock()), before=before)
        self._enrollments.put(enrollment)
        return enrollment

    async def get(self, request: web.Request) -> web.Response:
        enrollment = self._known(request)
        shown = enrollment.shown()
        if enrollment.kind == INDIVIDUAL:
            shown = shown | {"registrationState": self._enrollments.registration(enrollment.name)}
        return web.json_response(shown, headers={"ETag": enrollment.etag})

    async def delete(self, request: web.Request) -> web.Response:
        enrollment = self._known(request)
        if (match := request.headers.get("If-Match")) is not None:
            _check_match(enrollment, match)
        self._enrollments.delete(enrollment)
        return web.Response(status=204)

    async def attestation(self, request: web.Request) -> web.Response:
        return web.json_response(self._known(request).attestation)

    async def query(self, request: web.Request) -> web.Response:
        """`SELECT *` alone, in pages."""
        asked = " ".join(str(_object(await _json(request)).get("query", "")).split()).lower()
        if asked not in ("select *", f"select * from {_kind(request)}".lower()):
            raise errors.not_implemented(f"the query {asked!r}: only SELECT *")
        kind = _kind(request)
        shown = [enrollment.shown() for enrollment in self._enrollments.all(kind)]
        return _page(request, shown, "enrollment" if kind == INDIVIDUAL else "enrollmentGroup")

    async def bulk(self, request: web.Request) -> web.Response:
        body = _object(await _json(request))
        entries: object = body.get("enrollments")
        if not isinstance(entries, list) or not 1 <= len(cast("list[object]", entries)) <= BULK_LIMIT:
            raise errors.invalid(f"Give 1 to {BULK_LIMIT} enrollments.")
        problems: list[Json] = []
        for entry in map(_object, cast("list[object]", entries)):
            name = str(entry.get("registrationId"))
            try:
                self._one(str(body.get("mode")), name, entry)
            except DpsError as exc:
                problems.append({"registrationId": name, "errorCode": exc.number, "errorStatus": exc.words})
        return web.json_response({"isSuccessful": not problems, "errors": problems})

    def _one(self, mode: str, name: str, entry: Json) -> None:
        match mode:
            case "create":
                self._put(INDIVIDUAL, name, entry, None)
            case "update":
                self._put(INDIVIDUAL, name, entry, "*")
            case "updateIfMatchETag":
                self._put(INDIVIDUAL, name, entry, str(entry.get("etag")))
            case "delete":
                enrollment = self._enrollments.get(INDIVIDUAL, name)
                if enrollment is None:
                    raise errors.not_found("Enrollment")
                self._enrollments.delete(enrollment)
            case _:
                raise errors.invalid(f"Invalid mode: {mode}")

    async def registration(self, request: web.Request) -> web.Response:
        state = self._enrollments.registration(request.match_info["id"])
        if state is None:
            raise errors.not_found("Registration")
        return web.json_response(state, headers={"ETag": state["etag"]})

    async def forget(self, request: web.Request) -> web.Response:
        if self._enrollments.registration(request.match_info["id"]) is None:
            raise errors.not_found("Registration")
        self._enrollments.delete_registration(request.match_info["id"])
        return web.Response(status=204)

    async def registrations(self, request: web.Request) -> web.Response:
        states = self._enrollments.registrations(request.match_info["id"])
        return _page(request, states, "deviceRegistration")

    def _known(self, request: web.Request) -> Enrollment:
        enrollment = self._enrollments.get(_kind(request), request.match_info["id"])
        if enrollment is None:
            raise errors.not_found("Enrollment")
        return enrollment


def _kind(request: web.Request) -> str:
    return request.path.split("/", 2)[1]


async def _json(request: web.Request) -> object:
    try:
        return orjson.loads(await request.read())
    except orjson.JSONDecodeError as exc:
        raise errors.invalid(f"The body is not JSON: {exc}") from exc


def _object(body: object) -> Json:
    if not isinstance(body, dict):
        raise errors.invalid("The body is not a JSON object.")
    return cast(Json, body)


def _check_match(enrollment: Enrollment, match: str) -> None:
    if match != "*" and match.strip('"') != enrollment.etag.strip('"'):
        raise errors.precondition_failed()


def _page(request: web.Request, rows: list[Json], kind: str) -> web.Response:
    size, start = (
        request.headers.get("x-ms-max-item-count", str(PAGE_LIMIT)),
        request.headers.get("x-ms-continuation"),
    )
    if not (size.isascii() and size.isdigit() and int(size[:9]) > 0) or not (start or "0").isdecimal():
        raise errors.invalid("x-ms-max-item-count or x-ms-continuation is none of this service's.")
    at, count = int((start or "0")[:9]), min(int(size[:9]), PAGE_LIMIT)
    headers = {"x-ms-item-type": kind, "x-ms-max-item-count": str(count)}
    if at + count < len(rows):
        headers["x-ms-continuation"] = str(at + count)
    return web.json_response(rows[at : at + count], headers=headers)
