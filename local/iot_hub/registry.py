"""The registry over HTTPS, as azure-iot-hub speaks it: devices, modules, many at once, statistics."""

import re
from typing import cast

from aiohttp import web

from local.iot_hub import errors
from local.iot_hub.devices import Device, Json, requested
from local.iot_hub.http_api import Hub, etag, ids, json_object, known, read_json

LIST_LIMIT = 1000
BULK_LIMIT = 100
MODULE_LIMIT = 50


class Registry:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def routes(self) -> list[web.RouteDef]:
        return [
            web.route(method, path, handler)
            for path in ("/devices/{id}", "/devices/{id}/modules/{module}")
            for method, handler in (("PUT", self.put), ("GET", self.get), ("DELETE", self.delete))
        ] + [
            web.get("/devices", self.list),
            web.post("/devices", self.bulk),
            web.get("/devices/{id}/modules", self.modules),
            web.get("/statistics/devices", self.count),
            web.get("/statistics/service", self.count_connected),
            web.get("/_local/meter", self.meter),
            web.post("/_local/devices", self.make),
        ]

    async def put(self, request: web.Request) -> web.Response:
        """Create, or with If-Match replace."""
        body = await json_object(request)
        with self._hub.store.transaction():
            device = self._put(*ids(request), body, etag(request))
        return self._shown(device)

    def _put(self, device_id: str, module_id: str | None, body: Json, match: str | None) -> Device:
        store = self._hub.store
        before = store.device(device_id, module_id)
        if module_id is not None and store.device(device_id) is None:
            raise errors.device_not_found(device_id)
        if before and match is None:
            if module_id is not None:
                raise errors.module_already_exists(device_id, module_id)
            raise errors.device_already_exists(device_id)
        if before is None and match is not None:
            raise errors.identity_not_found(device_id, module_id)
        if before is None and module_id is not None and len(store.modules(device_id)) >= MODULE_LIMIT:
            raise errors.HubError(
                403, "TooManyModulesOnDevice", f"A device has {MODULE_LIMIT} modules at most."
            )
        if before is not None:
            _check_match(before, match)
        device = requested(device_id, module_id, body, now=self._hub.clock(), before=before)
        self._hub.put(device, before=before)
        return device

    async def get(self, request: web.Request) -> web.Response:
        return self._shown(known(self._hub, request))

    async def delete(self, request: web.Request) -> web.Response:
        """If-Match is required; `*` deletes whatever is there."""
        with self._hub.store.transaction():
            device, match = known(self._hub, request), etag(request)
            if match is None:
                raise errors.HubError(412, "PreconditionFailed", "PreconditionFailed, ETag may be invalid.")
            _check_match(device, match)
            self._hub.delete(device)
        return web.Response(status=204)

    async def list(self, request: web.Request) -> web.Response:
        top = request.query.get("top", str(LIST_LIMIT))
        if not re.fullmatch("[0-9]{1,4}", top) or not 1 <= int(top) <= LIST_LIMIT:
            raise errors.invalid(f"top must be from 1 to {LIST_LIMIT}.")
        return web.json_response([self._document(device) for device in self._hub.store.devices(int(top))])

    async def modules(self, request: web.Request) -> web.Response:
        device = known(self._hub, request)
        return web.json_response([self._document(m) for m in self._hub.store.modules(device.device_id)])

    async def bulk(self, request: web.Request) -> web.Response:
        """Up to 100 operations, each for itself; what went wrong with which is in the answer."""
        body = await read_json(request)
        if not isinstance(body, list) or not 1 <= len(cast("list[object]", body)) <= BULK_LIMIT:
            raise errors.HubError(400, "TooManyDevices", f"Give 1 to {BULK_LIMIT} identities in an array.")
        if not all(isinstance(entry, dict) for entry in cast("list[object]", body)):
            raise errors.invalid("Each operation must be an object.")
        operations = cast("list[Json]", body)
        named = [(entry.get("id"), entry.get("moduleId")) for entry in operations]
        if len({repr(name) for name in named}) != len(named):
            raise errors.HubError(400, "DeviceDefinedMultipleTimes", "An identity is named more than once.")
        problems = [problem for entry in operations if (problem := self._one(entry))]
        result = {"isSuccessful": not problems, "errors": problems, "warnings": []}
        return web.json_response(result, status=400 if problems else 200)

    def _one(self, entry: Json) -> Json | None:
        """Carry out one operation; returns what the answer says if it fails."""
        device_id: object = entry.get("id")
        module_id: object = entry.get("moduleId")
        try:
            if not isinstance(device_id, str) or not isinstance(module_id, str | None):
                raise errors.invalid("id and moduleId must be strings.")
            with self._hub.store.transaction():
                self._carry_out(entry, device_id, module_id)
        except errors.HubError as exc:
            return {
                "deviceId": device_id if isinstance(device_id, str) else None,
                "moduleId": module_id if isinstance(module_id, str) else None,
                "errorCode": exc.code,
                "errorStatus": exc.words,
            }
        return None

    def _carry_out(self, entry: Json, device_id: str, module_id: str | None) -> None:
        hub, mode = self._hub, entry.get("importMode") or "create"
        body: Json = entry | {"deviceId": device_id, "moduleId": module_id}
        twin = {name: entry[name] for name in ("tags", "properties") if entry.get(name) is not None}
        if mode == "create":
            device = self._put(device_id, module_id, body, None)
            if twin:
                hub.twins.update(device, twin, match=None, replace=False)
            return
        device = hub.store.device(device_id, module_id)
        if device is None:
            raise errors.identity_not_found(device_id, module_id)
        match mode:
            case "update" | "updateIfMatchETag":
                self._put(device_id, module_id, body, _match_of(entry, "eTag", mode))
            case "delete" | "deleteIfMatchETag":
                _check_match(device, _match_of(entry, "eTag", mode))
                hub.delete(device)
            case "updateTwin" | "updateTwinIfMatchETag":
                hub.twins.update(device, twin, match=_match_of(entry, "twinETag", mode), replace=False)
            case _:
                raise errors.invalid(f"Invalid importMode: {mode}")

    async def count(self, request: web.Request) -> web.Response:
        counts = self._hub.store.count_devices()
        return web.json_response(
            {
                "totalDeviceCount": counts["total"],
                "enabledDeviceCount": counts["enabled"],
                "disabledDeviceCount": counts["total"] - counts["enabled"],
            }
        )

    async def count_connected(self, request: web.Request) -> web.Response:
        return web.json_response({"connectedDeviceCount": self._hub.store.count_devices()["connected"]})

    async def meter(self, request: web.Request) -> web.Response:
        return web.json_response(self._hub.billed.snapshot())

    async def make(self, request: web.Request) -> web.Response:
        """`{"devices": [id, ...]}` to `{id: connection string}`: creates those that are missing."""
        wanted: object = (await json_object(request)).get("devices")
        if not isinstance(wanted, list):
            raise errors.invalid('Give {"devices": [device id, ...]}.')
        strings: dict[str, str] = {}
        store = self._hub.store
        with store.transaction():
            for name in map(str, cast("list[object]", wanted)):
                device = store.device(name) or self._put(name, None, {"deviceId": name}, None)
                strings[device.device_id] = self._hub.device_connection_string(device)
        return web.json_response(strings)

    def _document(self, device: Device) -> Json:
        waiting = self._hub.commands.count(device.device_id) if device.module_id is None else 0
        return device.document(waiting)

    def _shown(self, device: Device) -> web.Response:
        return web.json_response(self._document(device), headers={"ETag": f'"{device.etag}"'})


def _match_of(entry: Json, name: str, mode: str) -> str:
    if not mode.endswith("IfMatchETag"):
        return "*"
    value: object = entry.get(name)
    if not isinstance(value, str):
        raise errors.invalid(f"{mode} needs {name}.")
    return value.removeprefix("W/").strip('"')


def _check_match(device: Device, match: str | None) -> None:
    if match not in ("*", device.etag):
        raise errors.precondition_failed(device.etag, match or "")
