"""Twins, queries, direct methods and cloud-to-device housekeeping over HTTPS, as azure-iot-hub speaks it."""

import base64
import binascii
import re

from aiohttp import web

from local.iot_hub import errors, query, twinning
from local.iot_hub.devices import stamp
from local.iot_hub.http_api import Hub, etag, json_object, known
from local.iot_hub.methods import Call
from local.iot_hub.twins import Twin

PAGE_LIMIT = 100
"""Rows in one answer to a query, unless the client asks for another number."""


class TwinsApi:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def routes(self) -> list[web.RouteDef]:
        per_identity = [
            route
            for path in ("/twins/{id}", "/twins/{id}/modules/{module}")
            for route in (
                web.get(path, self.get),
                web.patch(path, self.update),
                web.put(path, self.replace),
                web.post(f"{path}/methods", self.invoke),
            )
        ]
        return [
            *per_identity,
            web.post("/devices/query", self.query),
            web.delete("/devices/{id}/commands", self.purge),
            web.get("/messages/serviceBound/feedback", self.feedback),
            web.delete("/messages/serviceBound/feedback/{lock}", self.complete),
            web.post("/messages/serviceBound/feedback/{lock}/abandon", self.abandon),
        ]

    async def get(self, request: web.Request) -> web.Response:
        device = known(self._hub, request)
        self._hub.billed.add("twin_reads")
        document = self._hub.twins.document(device, self._waiting(device.device_id, device.module_id))
        return web.json_response(document, headers={"ETag": f'"{document["etag"]}"'})

    async def update(self, request: web.Request) -> web.Response:
        return await self._change(request, replace=False)

    async def replace(self, request: web.Request) -> web.Response:
        return await self._change(request, replace=True)

    async def _change(self, request: web.Request, *, replace: bool) -> web.Response:
        wanted = await json_object(request)
        device = known(self._hub, request)
        self._hub.billed.add("twin_writes")
        twin = self._hub.twins.update(device, wanted, match=etag(request), replace=replace)
        waiting = self._waiting(device.device_id, device.module_id)
        document = twinning.document(device, twin, waiting)
        return web.json_response(document, headers={"ETag": f'"{twin.etag}"'})

    async def invoke(self, request: web.Request) -> web.Response:
        call = Call.of(await json_object(request))
        device = known(self._hub, request)
        self._hub.billed.add("methods")
        return web.json_response(await self._hub.methods.invoke(device, call))

    async def query(self, request: web.Request) -> web.Response:
        """A page of rows. The continuation token is the place of the next one, as base64."""
        asked = query.parse((await json_object(request)).get("query"))
        size = _page_size(request.headers.get("x-ms-max-item-count"))
        start = _place(request.headers.get("x-ms-continuation"))
        now = stamp(self._hub.clock())
        rows = asked.rows(
            twinning.document(
                device, twin or Twin.new(now), self._waiting(device.device_id, device.module_id)
            )
            for device, twin in self._hub.store.identities(modules=asked.modules)
        )
        self._hub.billed.add("queries")
        headers = {"x-ms-item-type": asked.kind}
        if start + size < len(rows):
            headers["x-ms-continuation"] = base64.b64encode(str(start + size).encode()).decode()
        return web.json_response(rows[start : start + size], headers=headers)

    async def purge(self, request: web.Request) -> web.Response:
        device = known(self._hub, request)
        count = self._hub.commands.purge(device.device_id)
        return web.json_response(
            {"totalMessagesPurged": count, "deviceId": device.device_id, "moduleId": None}
        )

    async def feedback(self, request: web.Request) -> web.Response:
        """The next feedback message, locked for a minute; its lock token is the ETag."""
        found = self._hub.commands.lock_feedback()
        if found is None:
            return web.Response(status=204)
        lock, records = found
        return web.json_response(
            records,
            headers={"ETag": f'"{lock}"', "iothub-messageid": lock},
            content_type="application/vnd.microsoft.iothub.feedback.json",
        )

    async def complete(self, request: web.Request) -> web.Response:
        self._hub.commands.settle_feedback(request.match_info["lock"], done=True)
        return web.Response(status=204)

    async def abandon(self, request: web.Request) -> web.Response:
        self._hub.commands.settle_feedback(request.match_info["lock"], done=False)
        return web.Response(status=204)

    def _waiting(self, device_id: str, module_id: str | None) -> int:
        return self._hub.commands.count(device_id) if module_id is None else 0


def _page_size(text: str | None) -> int:
    if text is None:
        return PAGE_LIMIT
    if not re.fullmatch("[0-9]{1,6}", text) or int(text) < 1:
        raise errors.invalid("x-ms-max-item-count must be a number above 0.")
    return min(int(text), PAGE_LIMIT)


def _place(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.b64decode(token, validate=True)[:12])
    except (binascii.Error, ValueError) as exc:
        raise errors.invalid("x-ms-continuation is none of this service's tokens.") from exc
