"""Tells Event Grid, and the route, when devices are created, deleted, connected and disconnected.

An announcement is stored in the transaction that makes it true and sent from there, in order, so
neither a crash nor an absent Event Grid loses one.
"""

import asyncio
import logging
import uuid

import aiohttp
import orjson

from local.iot_hub.devices import Device, Json, stamp
from local.iot_hub.forward import Notices
from local.iot_hub.store import Store
from local.iot_hub.telemetry import CONNECTION_STATE, HUB_NAME, LIFECYCLE
from local.service import Clock

LOG = logging.getLogger(__name__)
TOPIC = (
    "/SUBSCRIPTIONS/00000000-0000-0000-0000-000000000000/RESOURCEGROUPS/LOCAL"
    "/PROVIDERS/MICROSOFT.DEVICES/IOTHUBS/MILLWRIGHT"
)
BATCH = 100
LIMIT = 100_000
"""Announcements kept for an absent Event Grid; the oldest go first."""
RETRY_S = 0.5
FILE_TIME_OF_1970 = 116_444_736_000_000_000
"""100 ns ticks from 1601 to 1970: the service's sequence numbers begin with a Windows file time."""


class Announcer:
    """Stores announcements and sends them. Without `url` nothing is stored."""

    def __init__(self, store: Store, notices: Notices, url: str | None, key: str, clock: Clock) -> None:
        self._store, self._notices, self._url, self._key, self._clock = store, notices, url, key, clock
        self._wake = asyncio.Event()
        file_time = int(clock() * 10_000_000) + FILE_TIME_OF_1970
        self._epoch = store.setting("sequence_epoch", f"{file_time:016X}")
        self._number = int(store.setting("sequence_number", "0"))

    def created(self, device: Device, twin: Json) -> None:
        self._lifecycle("DeviceCreated", "create", device, twin)

    def deleted(self, device: Device, twin: Json) -> None:
        self._lifecycle("DeviceDeleted", "delete", device, twin)

    def _lifecycle(self, kind: str, verb: str, device: Device, twin: Json) -> None:
        """Event Grid hears of devices, the route of modules too."""
        identity = "Device" if device.module_id is None else "Module"
        if device.module_id is None:
            self._add(kind, device.device_id, {"twin": twin})
        self._notices.add(LIFECYCLE, f"{verb}{identity}Identity", device.device_id, device.module_id, twin)

    def connected(self, device: Device) -> None:
        self._connection("DeviceConnected", "Connected", device)

    def disconnected(self, device: Device) -> None:
        self._connection("DeviceDisconnected", "Disconnected", device)

    def _connection(self, kind: str, verb: str, device: Device) -> None:
        """The number orders a device's connects and disconnects: hex, compared as a string."""
        self._number += 1
        self._store.set_setting("sequence_number", str(self._number))
        info = {"sequenceNumber": f"{'0' * 16}{self._epoch}00000002{self._number:024X}"}
        identity = "device" if device.module_id is None else "module"
        self._add(kind, device.device_id, {"deviceConnectionStateEventInfo": info}, device.module_id)
        self._notices.add(CONNECTION_STATE, f"{identity}{verb}", device.device_id, device.module_id, info)

    def _add(self, kind: str, device_id: str, data: Json, module_id: str | None = None) -> None:
        if self._url is None:
            return
        if module_id is not None:
            data["moduleId"] = module_id
        event = {
            "id": str(uuid.uuid4()),
            "topic": TOPIC,
            "subject": f"devices/{device_id}",
            "eventType": f"Microsoft.Devices.{kind}",
            "eventTime": stamp(self._clock()),
            "data": data | {"hubName": HUB_NAME, "deviceId": device_id},
            "dataVersion": "1",
            "metadataVersion": "1",
        }
        self._store.announce(orjson.dumps(event), limit=LIMIT)
        self._wake.set()

    async def run(self) -> None:
        """Send what is stored, until cancelled."""
        if self._url is None:
            return
        away = False
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http:
            while True:
                self._wake.clear()
                batch = self._store.announcements(BATCH)
                if not batch:
                    await self._wake.wait()
                    continue
                body = b"[" + b",".join(event.encode() for _, event in batch) + b"]"
                problem = await self._post(http, self._url, body)
                if problem is None:
                    self._store.announced(batch[-1][0])
                else:
                    if not away:
                        LOG.warning("Event Grid did not take device announcements: %s", problem)
                    await asyncio.sleep(RETRY_S)
                away = problem is not None

    async def _post(self, http: aiohttp.ClientSession, url: str, body: bytes) -> str | None:
        """None when taken, else what went wrong."""
        headers = {"aeg-sas-key": self._key, "Content-Type": "application/json; charset=utf-8"}
        try:
            async with http.post(url, data=body, headers=headers) as answer:
                return None if answer.status == 200 else f"{answer.status} {(await answer.text())[:200]}"
        except (aiohttp.ClientError, TimeoutError) as exc:
            return repr(exc)
