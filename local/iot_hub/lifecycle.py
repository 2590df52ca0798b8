"""Tells Event Grid when devices are created, deleted, connected and disconnected.

An announcement is stored in the transaction that makes it true and sent from there, in order, so
neither a crash nor an absent Event Grid loses one.
"""

import asyncio
import logging
import uuid
from typing import Protocol

import aiohttp
import orjson

from local.iot_hub.devices import Device, Json, stamp
from local.iot_hub.store import Store

LOG = logging.getLogger(__name__)
HUB_NAME = "millwright"
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


class Clock(Protocol):
    def __call__(self) -> float: ...


class Announcer:
    """Stores announcements and sends them. Without `url` nothing is stored."""

    def __init__(self, store: Store, url: str | None, key: str, clock: Clock) -> None:
        self._store, self._url, self._key, self._clock = store, url, key, clock
        self._wake = asyncio.Event()
        file_time = int(clock() * 10_000_000) + FILE_TIME_OF_1970
        self._epoch = store.setting("sequence_epoch", f"{file_time:016X}")
        self._number = int(store.setting("sequence_number", "0"))

    def created(self, device: Device) -> None:
        now = stamp(self._clock())
        self._add("DeviceCreated", device.device_id, {"twin": _twin(device, now)})

    def deleted(self, device: Device) -> None:
        now = stamp(self._clock())
        self._add("DeviceDeleted", device.device_id, {"twin": _twin(device, now)})

    def connected(self, device_id: str) -> None:
        self._add("DeviceConnected", device_id, self._connection_state())

    def disconnected(self, device_id: str) -> None:
        self._add("DeviceDisconnected", device_id, self._connection_state())

    def _connection_state(self) -> Json:
        """The number orders a device's connects and disconnects: hex, compared as a string."""
        self._number += 1
        self._store.set_setting("sequence_number", str(self._number))
        number = f"{'0' * 16}{self._epoch}00000002{self._number:024X}"
        return {"deviceConnectionStateEventInfo": {"sequenceNumber": number}}

    def _add(self, kind: str, device_id: str, data: Json) -> None:
        if self._url is None:
            return
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


def _twin(device: Device, now: str) -> Json:
    empty = {"$metadata": {"$lastUpdated": now}, "$version": 1}
    return {
        "deviceId": device.device_id,
        "etag": "AAAAAAAAAAE=",
        "deviceEtag": device.etag,
        "status": device.status,
        "statusUpdateTime": device.status_updated_at,
        "connectionState": "Connected" if device.connected else "Disconnected",
        "lastActivityTime": device.last_activity_at,
        "cloudToDeviceMessageCount": 0,
        "authenticationType": "sas",
        "x509Thumbprint": {"primaryThumbprint": None, "secondaryThumbprint": None},
        "version": 2,
        "properties": {"desired": empty, "reported": empty},
    }
