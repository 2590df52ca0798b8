"""HTTP requests about models."""

from aiohttp import web

from local.digital_twins.answers import Page
from local.digital_twins.billed import Billed
from local.digital_twins.jsontypes import dump
from local.digital_twins.models import Models
from local.digital_twins.patch import decommissioned
from local.digital_twins.wire import json_response, number, page_size, parsed, raw_response, read_body

BODY_LIMIT_BYTES = 16 * 1024 * 1024


class ModelRoutes:
    def __init__(self, models: Models, billed: Billed) -> None:
        self._models = models
        self._billed = billed

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_route("POST", "/models", self._create)
        router.add_route("GET", "/models", self._list)
        router.add_route("GET", "/models/{model}", self._get)
        router.add_route("PATCH", "/models/{model}", self._patch)
        router.add_route("DELETE", "/models/{model}", self._delete)

    async def _create(self, request: web.Request) -> web.Response:
        body = await read_body(request, BODY_LIMIT_BYTES)
        created = self._models.create(parsed(body))
        self._billed.count("creates", len(body))
        return json_response([*created], status=201)

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        items, further = self._models.list_all(
            after=number(query.get("continuationToken"), 0),
            limit=page_size(request, 100),
            definition=query.get("includeModelDefinition", "false").lower() == "true",
            dependencies_for=query.getall("dependenciesFor", []),
        )
        return self._billed.listed(request, Page(items, None if further is None else str(further)))

    async def _get(self, request: web.Request) -> web.Response:
        definition = request.query.get("includeModelDefinition", "false").lower() == "true"
        answer = dump(self._models.get(request.match_info["model"], definition=definition))
        self._billed.count("reads", len(answer))
        return raw_response(answer)

    async def _patch(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        self._models.decommission(request.match_info["model"], decommissioned(parsed(body)))
        self._billed.count("patches", len(body))
        return web.Response(status=204)

    async def _delete(self, request: web.Request) -> web.Response:
        self._models.delete(request.match_info["model"])
        self._billed.count("deletes", 0)
        return web.Response(status=204)
