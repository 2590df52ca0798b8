"""IoT Hub's life-cycle events of devices -> events of ours, with the devices nobody described named."""

from typing import Any, Protocol

from shared.decode import DeviceEntry
from shared.ports import Document, Events

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
