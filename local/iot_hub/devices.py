"""A device identity, and the rules by which the registry makes one from a request."""

import base64
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, cast

from local.iot_hub import errors, sas

type Json = dict[str, Any]
"""A JSON object as parsed; its members are checked where they are read."""

NEVER = "0001-01-01T00:00:00Z"
DEVICE_ID = re.compile(r"[A-Za-z0-9\-.%_*?!(),:=@$']{1,128}")


@dataclass(slots=True)
class Device:
    device_id: str
    generation_id: str
    etag: str
    primary_key: str
    secondary_key: str
    status: str = "enabled"
    status_reason: str | None = None
    status_updated_at: str = NEVER
    connected: bool = False
    connection_updated_at: str = NEVER
    last_activity_at: str = NEVER

    @classmethod
    def from_record(cls, record: Json) -> "Device":
        return cls(**record)

    def record(self) -> Json:
        return asdict(self)

    def keys(self) -> tuple[str, str]:
        return self.primary_key, self.secondary_key

    def document(self) -> Json:
        """As the registry's REST interface shows it."""
        return {
            "deviceId": self.device_id,
            "generationId": self.generation_id,
            "etag": self.etag,
            "connectionState": "Connected" if self.connected else "Disconnected",
            "status": self.status,
            "statusReason": self.status_reason,
            "connectionStateUpdatedTime": self.connection_updated_at,
            "statusUpdatedTime": self.status_updated_at,
            "lastActivityTime": self.last_activity_at,
            "cloudToDeviceMessageCount": 0,
            "authentication": {
                "symmetricKey": {"primaryKey": self.primary_key, "secondaryKey": self.secondary_key},
                "x509Thumbprint": {"primaryThumbprint": None, "secondaryThumbprint": None},
                "type": "sas",
            },
            "capabilities": {"iotEdge": False},
        }


def new_etag() -> str:
    """Base64 of a number, as the service's look."""
    return base64.b64encode(str(secrets.randbelow(10**9)).encode()).decode()


def stamp(now: float) -> str:
    """UTC with seven decimals, as the service writes times."""
    return f"{datetime.fromtimestamp(now, UTC).strftime('%Y-%m-%dT%H:%M:%S.%f')}0Z"


def generation(now: float) -> str:
    """18 digits that tell a device from its namesake before it: 100 ns ticks since year 1."""
    return str(621_355_968_000_000_000 + int(now * 10_000_000))


def requested(device_id: str, body: Json, *, now: float, before: Device | None) -> Device:
    """The device that a PUT asks for, new or in place of `before`.

    Keys not given are made. HubError 400 on what the service refuses, 501 on what it would take
    and this stand-in does not (X.509, IoT Edge).
    """
    if not DEVICE_ID.fullmatch(device_id):
        raise errors.invalid(f"Invalid device id: {device_id}")
    if body.get("deviceId") != device_id:
        raise errors.invalid("The deviceId of the body differs from the one in the path.")
    authentication = _member(body, "authentication")
    kind = authentication.get("type") or "sas"
    if kind != "sas":
        raise errors.not_implemented(f"authentication of type {kind}: give the device symmetric keys")
    if _member(body, "capabilities").get("iotEdge"):
        raise errors.not_implemented("IoT Edge devices")
    status = body.get("status") or "enabled"
    if status not in ("enabled", "disabled"):
        raise errors.invalid(f"Invalid status: {status}")
    keys = _member(authentication, "symmetricKey")
    primary, secondary = keys.get("primaryKey"), keys.get("secondaryKey")
    if bool(primary) != bool(secondary):
        raise errors.invalid("Give both symmetric keys or none.")
    for key in (primary, secondary):
        if key and not (isinstance(key, str) and sas.is_key(key)):
            raise errors.invalid("A symmetric key must be base64 of 16 to 64 bytes.")
    old_keys = before.keys() if before else (sas.new_key(), sas.new_key())
    return Device(
        device_id=device_id,
        generation_id=before.generation_id if before else generation(now),
        etag=new_etag(),
        primary_key=primary or old_keys[0],
        secondary_key=secondary or old_keys[1],
        status=status,
        status_reason=body.get("statusReason"),
        status_updated_at=_status_time(status, now, before),
        connected=before.connected if before else False,
        connection_updated_at=before.connection_updated_at if before else NEVER,
        last_activity_at=before.last_activity_at if before else NEVER,
    )


def _status_time(status: str, now: float, before: Device | None) -> str:
    if before is None:
        return NEVER
    return before.status_updated_at if before.status == status else stamp(now)


def _member(body: Json, name: str) -> Json:
    value: object = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise errors.invalid(f"{name} must be an object.")
    return cast(Json, value)
