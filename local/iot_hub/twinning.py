"""Twins in the hub: who reads and changes them, and who is told."""

from collections.abc import Callable

import orjson

from local.iot_hub import errors, rules, telemetry, twins
from local.iot_hub.devices import Device, Json, stamp
from local.iot_hub.forward import Notices
from local.iot_hub.session import Session
from local.iot_hub.store import Store
from local.iot_hub.twins import Twin
from local.service import Clock

type Sessions = Callable[[str], Session | None]
"""The open connection of an identity, by its key."""


class Twins:
    def __init__(self, store: Store, sessions: Sessions, notices: Notices, clock: Clock) -> None:
        self._store, self._sessions, self._notices, self._clock = store, sessions, notices, clock

    def of(self, device: Device) -> Twin:
        """Its twin; an identity from before there were twins gets a fresh one."""
        return self._store.twin(device.key) or Twin.new(stamp(self._clock()))

    def update(self, device: Device, wanted: Json, *, match: str | None, replace: bool) -> Twin:
        """A back end's change of tags and desired properties. HubError 412 if `match` is no longer true."""
        with self._store.transaction():
            twin = self.of(device)
            if match not in (None, "*", twin.etag):
                raise errors.twin_mismatch(twin.etag, match or "")
            notice = twins.change(twin, wanted, replace=replace, now=stamp(self._clock()))
            self._store.put_twin(device.key, twin)
            # What has changed, or all of it: as the operation's name says.
            shown = twin.document() if replace else _changed(twin, wanted, notice)
            self._tell(device, "replaceTwin" if replace else "updateTwin", shown)
        if notice is not None:
            self._push(device, notice)
        return twin

    def report(self, device: Device, payload: bytes) -> int:
        """A device's patch of its reported properties; returns their new version."""
        try:
            patch: object = orjson.loads(payload)
        except orjson.JSONDecodeError as exc:
            raise errors.invalid(f"The patch is not JSON: {exc}") from exc
        with self._store.transaction():
            twin = self.of(device)
            understood = twins.report(twin, patch, stamp(self._clock()))
            self._store.put_twin(device.key, twin)
            body: Json = {"version": twin.version, "properties": {"reported": _versioned(understood, twin)}}
            self._tell(device, "updateTwin", body)
        return twin.reported.version

    def shown_to_device(self, device: Device) -> bytes:
        twin = self.of(device)
        return orjson.dumps({"desired": twin.desired.shown(), "reported": twin.reported.shown()})

    def document(self, device: Device, waiting_count: int = 0) -> Json:
        """The twin as a back end sees it."""
        return document(device, self.of(device), waiting_count)

    def _push(self, device: Device, notice: Json) -> None:
        session = self._sessions(device.key)
        if session and session.listens(rules.DESIRED_CHANGES):
            version = notice["$version"]
            topic = f"$iothub/twin/PATCH/properties/desired/?$version={version}"
            session.publish(topic, orjson.dumps(notice))

    def _tell(self, device: Device, operation: str, body: Json) -> None:
        self._notices.add(telemetry.TWIN_CHANGES, operation, device.device_id, device.module_id, body)


def document(device: Device, twin: Twin, waiting_count: int = 0) -> Json:
    identity: Json = {"deviceId": device.device_id}
    if device.module_id is not None:
        identity["moduleId"] = device.module_id
    if device.model_id is not None:
        identity["modelId"] = device.model_id
    return (
        identity
        | {
            "etag": twin.etag,
            "deviceEtag": device.etag,
            "status": device.status,
            "statusUpdateTime": device.status_updated_at,
            "connectionState": "Connected" if device.connected else "Disconnected",
            "lastActivityTime": device.last_activity_at,
            "cloudToDeviceMessageCount": waiting_count,
            "authenticationType": device.authentication,
            "x509Thumbprint": device.thumbprint_document(),
        }
        | twin.document()
        | {"capabilities": {"iotEdge": False}}
    )


def _changed(twin: Twin, wanted: Json, notice: Json | None) -> Json:
    body: Json = {"version": twin.version}
    if wanted.get("tags") is not None:
        body["tags"] = wanted["tags"]
    if notice is not None:
        metadata = {name: twin.desired.metadata[name] for name in notice if name in twin.desired.metadata}
        marks = {name: value for name, value in twin.desired.metadata.items() if name.startswith("$")}
        body["properties"] = {"desired": notice | {"$metadata": marks | metadata}}
    return body


def _versioned(patch: Json, twin: Twin) -> Json:
    known = twin.reported.metadata
    metadata = {name: known[name] for name in ("$lastUpdated", *patch) if name in known}
    return patch | {"$metadata": metadata, "$version": twin.reported.version}
