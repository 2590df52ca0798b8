"""HTTP requests about import and deletion jobs."""

from aiohttp import web

from local.digital_twins.answers import Page
from local.digital_twins.billed import Billed
from local.digital_twins.jobs.jobs import Jobs
from local.digital_twins.jobs.register import Kind
from local.digital_twins.jsontypes import dump
from local.digital_twins.wire import json_response, number, parsed, raw_response, read_body


class JobRoutes:
    def __init__(self, jobs: Jobs, billed: Billed) -> None:
        self._jobs = jobs
        self._billed = billed

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_route("GET", "/jobs/imports", self._list)
        router.add_route("PUT", "/jobs/imports/{job}", self._put_import)
        router.add_route("GET", "/jobs/imports/{job}", self._get)
        router.add_route("DELETE", "/jobs/imports/{job}", self._delete_import)
        router.add_route("POST", "/jobs/imports/{job}/cancel", self._cancel_import)
        router.add_route("POST", "/jobs/deletions", self._post_deletion)
        router.add_route("GET", "/jobs/deletions", self._list)
        router.add_route("GET", "/jobs/deletions/{job}", self._get)

    async def _put_import(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        created = self._jobs.put_import(request.match_info["job"], parsed(body))
        self._billed.count("creates", len(body))
        return json_response(created, status=201)

    async def _cancel_import(self, request: web.Request) -> web.Response:
        return json_response(self._jobs.cancel_import(request.match_info["job"]))

    async def _delete_import(self, request: web.Request) -> web.Response:
        self._jobs.delete_import(request.match_info["job"])
        self._billed.count("deletes", 0)
        return web.Response(status=204)

    async def _post_deletion(self, request: web.Request) -> web.Response:
        minutes = number(request.query.get("timeoutInMinutes"), 0)
        created = self._jobs.post_deletion(request.headers.get("operation-id"), minutes)
        response = json_response(created, status=202)
        query = {"api-version": request.query["api-version"]}
        location = request.url.with_path(f"/jobs/deletions/{created['id']}").with_query(query)
        response.headers["Operation-Location"] = str(location)
        return response

    async def _get(self, request: web.Request) -> web.Response:
        answer = dump(self._jobs.get(_kind_of_jobs(request), request.match_info["job"]))
        self._billed.count("reads", len(answer))
        return raw_response(answer)

    async def _list(self, request: web.Request) -> web.Response:
        return self._billed.listed(request, Page(self._jobs.list_all(_kind_of_jobs(request)), None))


def _kind_of_jobs(request: web.Request) -> Kind:
    return "imports" if request.path.startswith("/jobs/imports") else "deletions"
