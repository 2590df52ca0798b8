"""HTTP requests to operations, and back. What was done is metered here."""

import math
from collections.abc import Awaitable, Callable
from uuid import uuid4

from aiohttp import web

from local.digital_twins.answers import Answer, Page
from local.digital_twins.errors import ServiceError
from local.digital_twins.jobs.jobs import Jobs
from local.digital_twins.jobs.register import Kind
from local.digital_twins.jsontypes import JsonObject, dump
from local.digital_twins.patch import decommissioned
from local.digital_twins.query.answer import PAGE_LIMIT, Position, charge, from_continuation
from local.digital_twins.service import TwinService
from local.digital_twins.trace import enter
from local.digital_twins.wire import (
    KB,
    check_request,
    error_response,
    json_response,
    number,
    page_size,
    parsed,
    raw_response,
    read_body,
)
from local.meter import Meter

MODELS_BODY_LIMIT_BYTES = 16 * 1024 * 1024

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Routes:
    """HTTP requests to operations, and back."""

    def __init__(self, service: TwinService, jobs: Jobs, meter: Meter) -> None:
        self._service = service
        self._jobs = jobs
        self._meter = meter

    def application(self) -> web.Application:
        application = web.Application(
            middlewares=[self._answer_errors], client_max_size=MODELS_BODY_LIMIT_BYTES
        )
        twin = "/digitaltwins/{twin}"
        relationship = twin + "/relationships/{relationship}"
        component = twin + "/components/{component}"
        add = application.router.add_route
        add("GET", "/_local/meter", self._read_meter)
        add("POST", "/models", self._create_models)
        add("GET", "/models", self._list_models)
        add("GET", "/models/{model}", self._get_model)
        add("PATCH", "/models/{model}", self._patch_model)
        add("DELETE", "/models/{model}", self._delete_model)
        add("GET", twin, self._get_twin)
        add("PUT", twin, self._put_twin)
        add("PATCH", twin, self._patch_twin)
        add("DELETE", twin, self._delete_twin)
        add("POST", twin + "/telemetry", self._telemetry)
        add("GET", component, self._get_component)
        add("PATCH", component, self._patch_twin)
        add("POST", component + "/telemetry", self._telemetry)
        add("GET", twin + "/relationships", self._list_relationships)
        add("GET", twin + "/incomingrelationships", self._list_incoming)
        add("GET", relationship, self._get_relationship)
        add("PUT", relationship, self._put_relationship)
        add("PATCH", relationship, self._patch_relationship)
        add("DELETE", relationship, self._delete_relationship)
        add("POST", "/query", self._query)
        add("GET", "/eventroutes", self._list_event_routes)
        add("GET", "/eventroutes/{route}", self._get_event_route)
        add("PUT", "/eventroutes/{route}", self._put_event_route)
        add("DELETE", "/eventroutes/{route}", self._delete_event_route)
        add("GET", "/jobs/imports", self._list_jobs)
        add("PUT", "/jobs/imports/{job}", self._put_import)
        add("GET", "/jobs/imports/{job}", self._get_job)
        add("DELETE", "/jobs/imports/{job}", self._delete_import)
        add("POST", "/jobs/imports/{job}/cancel", self._cancel_import)
        add("POST", "/jobs/deletions", self._post_deletion)
        add("GET", "/jobs/deletions", self._list_jobs)
        add("GET", "/jobs/deletions/{job}", self._get_job)
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

    # Models

    async def _create_models(self, request: web.Request) -> web.Response:
        body = await read_body(request, MODELS_BODY_LIMIT_BYTES)
        created = self._service.models.create(parsed(body))
        self._count("creates", len(body))
        return json_response([*created], status=201)

    async def _list_models(self, request: web.Request) -> web.Response:
        query = request.query
        items, further = self._service.models.list_all(
            after=number(query.get("continuationToken"), 0),
            limit=page_size(request, 100),
            definition=query.get("includeModelDefinition", "false").lower() == "true",
            dependencies_for=query.getall("dependenciesFor", []),
        )
        return self._list(request, Page(items, None if further is None else str(further)))

    async def _get_model(self, request: web.Request) -> web.Response:
        definition = request.query.get("includeModelDefinition", "false").lower() == "true"
        answer = dump(self._service.models.get(request.match_info["model"], definition=definition))
        self._count("reads", len(answer))
        return raw_response(answer)

    async def _patch_model(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        self._service.models.decommission(request.match_info["model"], decommissioned(parsed(body)))
        self._count("patches", len(body))
        return web.Response(status=204)

    async def _delete_model(self, request: web.Request) -> web.Response:
        self._service.models.delete(request.match_info["model"])
        self._count("deletes", 0)
        return web.Response(status=204)

    # Twins and components

    async def _get_twin(self, request: web.Request) -> web.Response:
        return self._read(self._service.get_twin(request.match_info["twin"]))

    async def _put_twin(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        condition = request.headers.get("If-None-Match")
        answer = self._service.put_twin(request.match_info["twin"], parsed(body), condition)
        self._count("creates", len(body))
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
        self._count("patches", len(body))
        return web.Response(status=204, headers={"ETag": etag})

    async def _delete_twin(self, request: web.Request) -> web.Response:
        self._service.delete_twin(request.match_info["twin"], request.headers.get("If-Match"))
        self._count("deletes", 0)
        return web.Response(status=204)

    async def _get_component(self, request: web.Request) -> web.Response:
        match = request.match_info
        return self._read(self._service.get_component(match["twin"], match["component"]))

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
        self._count("telemetry", len(body))
        return web.Response(status=204)

    # Relationships

    async def _get_relationship(self, request: web.Request) -> web.Response:
        match = request.match_info
        return self._read(self._service.relationships.get(match["twin"], match["relationship"]))

    async def _put_relationship(self, request: web.Request) -> web.Response:
        match, body = request.match_info, await read_body(request)
        condition = request.headers.get("If-None-Match")
        answer = self._service.relationships.put(
            match["twin"], match["relationship"], parsed(body), condition
        )
        self._count("creates", len(body))
        return raw_response(answer.body, answer.etag)

    async def _patch_relationship(self, request: web.Request) -> web.Response:
        match, body = request.match_info, await read_body(request)
        condition = request.headers.get("If-Match")
        etag = self._service.relationships.patch(
            match["twin"], match["relationship"], parsed(body), condition
        )
        self._count("patches", len(body))
        return web.Response(status=204, headers={"ETag": etag})

    async def _delete_relationship(self, request: web.Request) -> web.Response:
        match, condition = request.match_info, request.headers.get("If-Match")
        self._service.relationships.delete(match["twin"], match["relationship"], condition)
        self._count("deletes", 0)
        return web.Response(status=204)

    async def _list_relationships(self, request: web.Request) -> web.Response:
        after = request.query.get("continuationToken", "")
        name = request.query.get("relationshipName")
        return self._list(
            request, self._service.relationships.list_outgoing(request.match_info["twin"], name, after)
        )

    async def _list_incoming(self, request: web.Request) -> web.Response:
        after = request.query.get("continuationToken", "")
        return self._list(
            request, self._service.relationships.list_incoming(request.match_info["twin"], after)
        )

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
        self._meter.add("query_units", units)
        self._count("queries", 0)
        response = raw_response(page.body)
        response.headers["query-charge"] = str(units)
        return response

    # Event routes

    async def _list_event_routes(self, request: web.Request) -> web.Response:
        return self._list(request, self._service.list_event_routes())

    async def _get_event_route(self, request: web.Request) -> web.Response:
        answer = dump(self._service.get_event_route(request.match_info["route"]))
        self._count("reads", len(answer))
        return raw_response(answer)

    async def _put_event_route(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        self._service.put_event_route(request.match_info["route"], parsed(body))
        self._count("creates", len(body))
        return web.Response(status=204)

    async def _delete_event_route(self, request: web.Request) -> web.Response:
        self._service.delete_event_route(request.match_info["route"])
        self._count("deletes", 0)
        return web.Response(status=204)

    # Jobs

    async def _put_import(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        created = self._jobs.put_import(request.match_info["job"], parsed(body))
        self._count("creates", len(body))
        return json_response(created, status=201)

    async def _cancel_import(self, request: web.Request) -> web.Response:
        return json_response(self._jobs.cancel_import(request.match_info["job"]))

    async def _delete_import(self, request: web.Request) -> web.Response:
        self._jobs.delete_import(request.match_info["job"])
        self._count("deletes", 0)
        return web.Response(status=204)

    async def _post_deletion(self, request: web.Request) -> web.Response:
        minutes = number(request.query.get("timeoutInMinutes"), 0)
        created = self._jobs.post_deletion(request.headers.get("operation-id"), minutes)
        response = json_response(created, status=202)
        query = {"api-version": request.query["api-version"]}
        location = request.url.with_path(f"/jobs/deletions/{created['id']}").with_query(query)
        response.headers["Operation-Location"] = str(location)
        return response

    async def _get_job(self, request: web.Request) -> web.Response:
        answer = dump(self._jobs.get(_kind_of_jobs(request), request.match_info["job"]))
        self._count("reads", len(answer))
        return raw_response(answer)

    async def _list_jobs(self, request: web.Request) -> web.Response:
        return self._list(request, Page(self._jobs.list_all(_kind_of_jobs(request)), None))

    async def _read_meter(self, request: web.Request) -> web.Response:
        totals: JsonObject = {**self._meter.snapshot()}
        return json_response(totals)

    def _count(self, operation: str, size_bytes: int) -> None:
        """Bill one operation in increments of 1 KB of what it carries."""
        increments = max(1, math.ceil(size_bytes / KB))
        self._meter.add(operation)
        if operation != "queries":
            self._meter.add("operations", increments)

    def _read(self, answer: Answer) -> web.Response:
        self._count("reads", len(answer.body))
        return raw_response(answer.body, answer.etag)

    def _list(self, request: web.Request, page: Page) -> web.Response:
        link = None if page.next is None else str(request.url.update_query({"continuationToken": page.next}))
        answer = dump({"value": [*page.items], "nextLink": link})
        self._count("reads", len(answer))
        return raw_response(answer)


def _kind_of_jobs(request: web.Request) -> Kind:
    return "imports" if request.path.startswith("/jobs/imports") else "deletions"
