"""Requests in, answers out: parameters checked, callers known, errors as problem details (RFC 9457)."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol

import azure.functions as func
import orjson
from pydantic import BaseModel, ValidationError

from functions.principal import Principal, Role, principal
from shared.commit import Machines
from shared.oee_grains import Sites
from shared.ports import Conflict, Document, Documents, Refused, Twins, Unavailable
from shared.replay import Replay

log = logging.getLogger(__name__)

RETRY_AFTER_S = "2"


class Problem(Exception):
    """An answer that is an error. `detail` says what to do about it; `more` is added to the body."""

    def __init__(self, status: HTTPStatus, name: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.detail = detail
        self.more = more


class Backend(Protocol):
    """What handlers use of the app."""

    @property
    def documents(self) -> Documents: ...

    @property
    def machines(self) -> Machines: ...

    @property
    def replay(self) -> Replay: ...

    @property
    def specs(self) -> Sites: ...

    @property
    def twins(self) -> Twins: ...


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked: `asked` and `body` are of the classes that the route declares."""

    backend: Backend
    principal: Principal | None
    path: dict[str, str]
    asked: Any
    body: Any
    idempotency_key: str | None
    if_match: str | None
    """The ETag of what the caller has seen, where a change depends on it."""
    now: int
    """ms since the epoch."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON value; `etag` where the thing has one."""

    content: Document
    etag: str | None = None


type Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the API: where, who may, what may be asked, what answers."""

    name: str
    method: str
    template: str
    handler: Handler
    role: Role | None
    """None: anybody, signed in or not."""
    asks: type[BaseModel]
    gives: type[BaseModel]
    body: type[BaseModel] | None = None
    tagged: bool = False
    """Whether its answer carries an ETag."""
    keyed: bool = False
    """Whether it heeds Idempotency-Key."""
    problems: tuple[HTTPStatus, ...] = field(default=())
    """What it may answer besides what every route may."""


async def answer(
    route: Route, backend: Callable[[], Awaitable[Backend]], request: func.HttpRequest
) -> func.HttpResponse:
    """Carry a request out. Only mistakes of our own code escape as exceptions."""
    try:
        caller = _allowed(route, request)
        call = Call(
            backend=await backend(),
            principal=caller,
            path=dict(request.route_params),
            asked=_checked(route.asks, dict(request.params), "query"),
            body=_body(route, request),
            idempotency_key=_key(request),
            if_match=_headers(request).get("If-Match"),
            now=time.time_ns() // 1_000_000,
        )
        answered = await route.handler(call)
    except Problem as problem:
        return _problem(problem, request)
    except (Unavailable, Conflict) as exc:
        log.warning("%s %s: %s", request.method, request.url, exc)
        detail = f"The store cannot answer now: {exc}. Ask again in {RETRY_AFTER_S} s."
        return _problem(Problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail), request)
    except Refused as exc:
        detail = f"The store refuses this: {exc}. Check cursor and parameters."
        return _problem(Problem(HTTPStatus.BAD_REQUEST, "refused", detail), request)
    headers = {"Cache-Control": "no-store" if answered.etag is None else "private, no-cache"}
    if answered.etag is not None:
        headers["ETag"] = answered.etag
        if _matches(_headers(request).get("If-None-Match"), answered.etag):
            return func.HttpResponse(None, status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return func.HttpResponse(
        orjson.dumps(answered.content),
        status_code=HTTPStatus.OK,
        headers=headers,
        mimetype="application/json",
    )


def _headers(request: func.HttpRequest) -> Mapping[str, str]:
    """Looked up without regard to case. The library leaves the mapping's types open."""
    return request.headers  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _allowed(route: Route, request: func.HttpRequest) -> Principal | None:
    caller = principal(_headers(request))
    if route.role is None:
        return caller
    if caller is None:
        detail = "Nobody is signed in. Sign in with an account of this app and send its token."
        raise Problem(HTTPStatus.UNAUTHORIZED, "not-signed-in", detail)
    if not caller.may(route.role):
        wanted = route.role.name.lower()
        detail = f"{caller.name} lacks the app role {wanted}. Ask an administrator to assign it."
        raise Problem(HTTPStatus.FORBIDDEN, "role-missing", detail, role=wanted)
    return caller


def _checked(model: type[BaseModel], values: dict[str, Any], place: str) -> BaseModel:
    """The values as the model has them; a problem names every mistake at once."""
    try:
        return model.model_validate(values)
    except ValidationError as exc:
        errors = [
            {"in": place, "name": ".".join(map(str, error["loc"])), "detail": error["msg"]}
            for error in exc.errors(include_url=False)
        ]
        named = "; ".join(f"{error['name']}: {error['detail']}" for error in errors)
        known = ", ".join(field.alias or name for name, field in model.model_fields.items()) or "nothing"
        detail = f"{named}. This takes {known}; see docs/contracts/openapi.json."
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid-parameters", detail, errors=errors) from exc


def _body(route: Route, request: func.HttpRequest) -> BaseModel | None:
    if route.body is None:
        return None
    raw = request.get_body()
    if not raw.strip():
        return _checked(route.body, {}, "body")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        detail = f"The body is no JSON ({exc}). Send an object, or nothing."
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid-body", detail) from exc
    return _checked(route.body, value, "body")


def _key(request: func.HttpRequest) -> str | None:
    key = _headers(request).get("Idempotency-Key")
    if key is not None and not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
        detail = "Idempotency-Key must be 1 to 255 printable ASCII characters; send a UUID."
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid-parameters", detail)
    return key


def _matches(given: str | None, etag: str) -> bool:
    """If-None-Match of RFC 9110: any of the listed tags, compared weakly, or *."""
    listed = [one.strip().removeprefix("W/") for one in (given or "").split(",")]
    return "*" in listed or etag.removeprefix("W/") in listed


def _problem(problem: Problem, request: func.HttpRequest) -> func.HttpResponse:
    headers = {"Cache-Control": "no-store"}
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = RETRY_AFTER_S
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    content = {
        "type": f"urn:millwright:problem:{problem.name}",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.detail,
        "instance": request.url,
        **problem.more,
    }
    return func.HttpResponse(
        orjson.dumps(content),
        status_code=problem.status,
        headers=headers,
        mimetype="application/problem+json",
    )
