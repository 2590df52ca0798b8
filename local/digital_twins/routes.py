"""HTTP requests to operations, and back: twins, queries and event routes here, other topics beside."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

from aiohttp import web

from local.digital_twins.billed import Billed
from local.digital_twins.errors import ServiceError
from local.digital_twins.job_routes import JobRoutes
from local.digital_twins.jobs.jobs import Jobs
from local.digital_twins.jsontypes import JsonObject, dump
from local.digital_twins.model_routes import BODY_LIMIT_BYTES, ModelRoutes
from local.digital_twins.query.answer import PAGE_LIMIT, Position, charge, from_continuation
from local.digital_twins.relationship_routes import RelationshipRoutes
from local.digital_twins.service import TwinService
from local.digital_twins.trace import enter
from local.digital_twins.wire import (
    check_request,
    error_response,
    json_response,
    page_size,
    parsed,
    raw_response,
    read_body,
)
from local.meter import Meter

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Routes:
    """HTTP requests to operations, and back."""

    def __init__(self, service: TwinService, jobs: Jobs, meter: Meter) -> None:
        self._service = service
        self._billed = Billed(meter)
        self._topics = (
            ModelRoutes(service.models, self._billed),
            RelationshipRoutes(service.relationships, self._billed),
            JobRoutes(jobs, self._billed),
        )

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._answer_errors], client_max_size=BODY_LIMIT_BYTES)
        twin = "/digitaltwins/{twin}"
        component = twin + "/components/{component}"
        add = application.router.add_route
        add("GET", "/_local/meter", self._read_meter)
        for topic in self._topics:
            topic.add_to(application.router)
        add("GET", twin, self._get_twin)
        add("PUT", twin, self._put_twin)
        add("PATCH", twin, self._patch_twin)
        add("DELETE", twin, self._delete_twin)
        add("POST", twin + "/telemetry", self._telemetry)
        add("GET", component, self._get_component)
        add("PATCH", component, self._patch_twin)
        add("POST", component + "/telemetry", self._telemetry)
        add("POST", "/query", self._query)
        add("GET", "/eventroutes", self._list_event_routes)
        add("GET", "/eventroutes/{route}", self._get_event_route)
        add("PUT", "/eventroutes/{route}", self._put_event_route)
        add("DELETE", "/eventroutes/{route}", self._delete_event_route)
        return application

    @web.middleware
    async def _answer_errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        traceresponse = enter(request.headers.get("traceparent"))
        try:
            if not request.path.startswith("/_local/"):
                check_request(request)
            answer = await handler(request)
        except ServiceError as exc:
            answer = error_response(exc)
        except web.HTTPNotFound:
            answer = error_response(ServiceError(404, "NotFound", f"There is no resource {request.path}."))
        except web.HTTPMethodNotAllowed as exc:
            answer = error_response(
                ServiceError(405, "MethodNotAllowed", f"{exc.method} is not allowed here.")
            )
        await self._service.settled()
        answer.headers["traceresponse"] = traceresponse
        answer.headers["mise-correlation-id"] = str(uuid4())
        answer.headers["Strict-Transport-Security"] = "max-age=2592000"
        return answer

    # Twins and components

    async def _get_twin(self, request: web.Request) -> web.Response:
        return self._billed.read(self._service.get_twin(request.match_info["twin"]))

    async def _put_twin(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        condition = request.headers.get("If-None-Match")
        answer = self._service.put_twin(request.match_info["twin"], parsed(body), condition)
        self._billed.count("creates", len(body))
        return raw_response(answer.body, answer.etag)

    async def _patch_twin(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        component = request.match_info.get("component")
        etag = self._service.patch_twin(
            request.match_info["twin"],
            parsed(body),
            request.headers.get("If-Match"),
            (component,) if component else (),
        )
        self._billed.count("patches", len(body))
        return web.Response(status=204, headers={"ETag": etag})

    async def _delete_twin(self, request: web.Request) -> web.Response:
        self._service.delete_twin(request.match_info["twin"], request.headers.get("If-Match"))
        self._billed.count("deletes", 0)
        return web.Response(status=204)

    async def _get_component(self, request: web.Request) -> web.Response:
        match = request.match_info
        return self._billed.read(self._service.get_component(match["twin"], match["component"]))

    async def _telemetry(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        message_id = request.headers.get("Message-Id")
        if not message_id:
            raise ServiceError(400, "MissingArgument", "The Message-Id header is missing.")
        self._service.accept_telemetry(
            request.match_info["twin"],
            request.match_info.get("component"),
            parsed(body),
            message_id=message_id,
            time=request.headers.get("Telemetry-Source-Time"),
        )
        self._billed.count("telemetry", len(body))
        return web.Response(status=204)

    # Queries

    async def _query(self, request: web.Request) -> web.Response:
        specification = parsed(await read_body(request))
        match specification:
            case {"continuationToken": str(token)} if token:
                at = from_continuation(token)
            case {"query": str(text)}:
                at = Position(text)
            case _:
                raise ServiceError(
                    400, "MissingArgument", "The body has neither a query nor a continuation token."
                )
        page = await self._service.query(at, page_size(request, PAGE_LIMIT))
        units = charge(page.rows, len(page.body))
        self._service.charge_query(units)
        self._billed.meter.add("query_units", units)
        self._billed.count("queries", 0)
        response = raw_response(page.body)
        response.headers["query-charge"] = str(units)
        return response

    # Event routes

    async def _list_event_routes(self, request: web.Request) -> web.Response:
        return self._billed.listed(request, self._service.list_event_routes())

    async def _get_event_route(self, request: web.Request) -> web.Response:
        answer = dump(self._service.get_event_route(request.match_info["route"]))
        self._billed.count("reads", len(answer))
        return raw_response(answer)

    async def _put_event_route(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        self._service.put_event_route(request.match_info["route"], parsed(body))
        self._billed.count("creates", len(body))
        return web.Response(status=204)

    async def _delete_event_route(self, request: web.Request) -> web.Response:
        self._service.delete_event_route(request.match_info["route"])
        self._billed.count("deletes", 0)
        return web.Response(status=204)

    async def _read_meter(self, request: web.Request) -> web.Response:
        totals: JsonObject = {**self._billed.meter.snapshot()}
        return json_response(totals)
