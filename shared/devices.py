"""IoT Hub's life-cycle events of devices -> events of ours, and the devices' twins kept true.

A device has a twin only if a factory description lists it: a stranger is reported, never twinned.
"""

import logging
from collections.abc import Sequence
from typing import Any, Protocol

from shared.decode import DeviceEntry
from shared.ports import Conflict, Document, Events, Refused, Twins, Unavailable

log = logging.getLogger(__name__)

DEVICE_MODEL = "dtmi:millwright:Device;1"
REPORTS = "reports"
_CONFLICTS_BORNE = 8

_TYPES = {
    "Microsoft.Devices.DeviceCreated": "created",
    "Microsoft.Devices.DeviceDeleted": "deleted",
    "Microsoft.Devices.DeviceConnected": "connected",
    "Microsoft.Devices.DeviceDisconnected": "disconnected",
}


class Directory(Protocol):
    async def device(self, device_id: str) -> DeviceEntry | None: ...


async def tell(
    directory: Directory, events: Events, *, event_id: str, kind: str, time: str, data: dict[str, Any]
) -> Document | None:
    """Publish what happened to a device; None for kinds that are not about devices.

    `described` says whether a factory description lists it: an unknown device is reported and
    nothing is made up for it.
    """
    happened = _TYPES.get(kind)
    if happened is None:
        return None
    device_id = str(data["deviceId"])
    entry = await directory.device(device_id)
    event: Document = {
        "specversion": "1.0",
        "id": f"device:{event_id}",
        "source": f"/millwright/{entry.site_id if entry else 'unknown'}",
        "type": f"millwright.device.{happened}.v1",
        "subject": f"{entry.site_id if entry else 'unknown'}/devices/{device_id}",
        "time": time,
        "datacontenttype": "application/json",
        "data": {
            "deviceId": device_id,
            "described": entry is not None,
            "machines": sorted(entry.machines) if entry else [],
        },
    }
    await events.publish([event])
    return event


def device_twin_id(device_id: str) -> str:
    """A device may be called as its machine is; their twins share one space of ids.

    >>> device_twin_id("LINE-1-GATEWAY")
    'LINE-1-GATEWAY.device'
    """
    return f"{device_id}.device"


async def mark(
    directory: Directory, twins: Twins, *, kind: str, time: str, data: dict[str, Any]
) -> Document | None:
    """Make the device's twin if it is missing, and say on it what happened; returns the twin's new values.

    None when nobody describes the device, or the event is older than what the twin says:
    connections are ordered by IoT Hub's sequence number, registrations by the events' times.
    Raises Unavailable: Event Grid then brings the event again.
    """
    happened = _TYPES.get(kind)
    device_id = str(data.get("deviceId"))
    entry = None if happened is None else await directory.device(device_id)
    if happened is None:
        return None
    if entry is None:
        log.warning(
            "device %s %s, but no factory description lists it: add it to a machine and apply, "
            "or remove it from IoT Hub",
            device_id,
            happened,
        )
        return None
    number = data.get("deviceConnectionStateEventInfo", {}).get("sequenceNumber", "")
    wanted = _values(happened, time, number)
    twin_id = device_twin_id(device_id)
    try:
        for _ in range(_CONFLICTS_BORNE):
            twin = await twins.get(twin_id)
            if twin is None:
                await _make(twins, twin_id, entry)
                continue
            if _is_older(twin, wanted):
                return None
            patch = _patch(twin, wanted)
            try:
                if patch:
                    await twins.patch(twin_id, patch, etag=twin["$etag"])
            except Conflict:
                continue
            return wanted
    except Refused as exc:
        log.error("device %s cannot be shown: %s; run `millwright factory apply`", device_id, exc)
        return None
    raise Unavailable(f"twin {twin_id} is written by somebody else all the time")


def _values(happened: str, time: str, number: str) -> Document:
    match happened:
        case "created":
            return {"registered": True, "registrationChangedAt": time}
        case "deleted":
            return {"registered": False, "registrationChangedAt": time, "connected": False}
        case _:
            return {
                "connected": happened == "connected",
                "connectionChangedAt": time,
                "connectionSequence": number,
            }


def _is_older(twin: Document, wanted: Document) -> bool:
    """Text compares as the instants and numbers do: both have a fixed form."""
    ordering = "connectionSequence" if "connectionSequence" in wanted else "registrationChangedAt"
    return twin.get(ordering, "") > wanted[ordering]


def _patch(twin: Document, wanted: Document) -> Sequence[Document]:
    return [
        {"op": "add", "path": f"/{name}", "value": value}
        for name, value in wanted.items()
        if twin.get(name) != value
    ]


async def _make(twins: Twins, twin_id: str, entry: DeviceEntry) -> None:
    await twins.create(twin_id, {"$metadata": {"$model": DEVICE_MODEL}, "name": entry.device_id})
    for machine_id in entry.machines:
        await twins.relate(twin_id, REPORTS, machine_id)
