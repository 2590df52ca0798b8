"""HTTP requests about relationships."""

from aiohttp import web

from local.digital_twins.billed import Billed
from local.digital_twins.relationships import Relationships
from local.digital_twins.wire import parsed, raw_response, read_body

_TWIN = "/digitaltwins/{twin}"


class RelationshipRoutes:
    def __init__(self, relationships: Relationships, billed: Billed) -> None:
        self._relationships = relationships
        self._billed = billed

    def add_to(self, router: web.UrlDispatcher) -> None:
        one = _TWIN + "/relationships/{relationship}"
        router.add_route("GET", _TWIN + "/relationships", self._list)
        router.add_route("GET", _TWIN + "/incomingrelationships", self._list_incoming)
        router.add_route("GET", one, self._get)
        router.add_route("PUT", one, self._put)
        router.add_route("PATCH", one, self._patch)
        router.add_route("DELETE", one, self._delete)

    async def _get(self, request: web.Request) -> web.Response:
        match = request.match_info
        return self._billed.read(self._relationships.get(match["twin"], match["relationship"]))

    async def _put(self, request: web.Request) -> web.Response:
        match, body = request.match_info, await read_body(request)
        condition = request.headers.get("If-None-Match")
        answer = self._relationships.put(match["twin"], match["relationship"], parsed(body), condition)
        self._billed.count("creates", len(body))
        return raw_response(answer.body, answer.etag)

    async def _patch(self, request: web.Request) -> web.Response:
        match, body = request.match_info, await read_body(request)
        condition = request.headers.get("If-Match")
        etag = self._relationships.patch(match["twin"], match["relationship"], parsed(body), condition)
        self._billed.count("patches", len(body))
        return web.Response(status=204, headers={"ETag": etag})

    async def _delete(self, request: web.Request) -> web.Response:
        match, condition = request.match_info, request.headers.get("If-Match")
        self._relationships.delete(match["twin"], match["relationship"], condition)
        self._billed.count("deletes", 0)
        return web.Response(status=204)

    async def _list(self, request: web.Request) -> web.Response:
        after = request.query.get("continuationToken", "")
        name = request.query.get("relationshipName")
        return self._billed.listed(
            request, self._relationships.list_outgoing(request.match_info["twin"], name, after)
        )

    async def _list_incoming(self, request: web.Request) -> web.Response:
        after = request.query.get("continuationToken", "")
        return self._billed.listed(
            request, self._relationships.list_incoming(request.match_info["twin"], after)
        )
