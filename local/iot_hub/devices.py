"""An identity of the registry, a device's or a module's, and the rules by which a request makes one."""

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
THUMBPRINT = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}")
SAS, SELF_SIGNED = "sas", "selfSigned"


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
    module_id: str | None = None
    managed_by: str | None = None
    authentication: str = SAS
    """How it proves who it is: `sas` by a key, `selfSigned` by a certificate with a known thumbprint."""

    primary_thumbprint: str | None = None
    secondary_thumbprint: str | None = None
    model_id: str | None = None
    """The DTDL model that it named when it connected last."""

    @classmethod
    def from_record(cls, record: Json) -> "Device":
        return cls(**record)

    @property
    def key(self) -> str:
        """What tells it from every other identity; also its MQTT client id."""
        return identity_key(self.device_id, self.module_id)

    def record(self) -> Json:
        return asdict(self)

    def keys(self) -> tuple[str, ...]:
        """The symmetric keys that may sign its tokens: none when it shows a certificate."""
        return (self.primary_key, self.secondary_key) if self.authentication == SAS else ()

    def thumbprints(self) -> tuple[str | None, str | None]:
        return self.primary_thumbprint, self.secondary_thumbprint

    def document(self, waiting_count: int = 0) -> Json:
        """As the registry's REST interface shows it, with its cloud-to-device messages that wait."""
        symmetric = dict(zip(("primaryKey", "secondaryKey"), self.keys() or (None, None), strict=True))
        common: Json = {
            "deviceId": self.device_id,
            "generationId": self.generation_id,
            "etag": self.etag,
            "connectionState": "Connected" if self.connected else "Disconnected",
            "connectionStateUpdatedTime": self.connection_updated_at,
            "lastActivityTime": self.last_activity_at,
            "cloudToDeviceMessageCount": waiting_count,
            "authentication": {
                "symmetricKey": symmetric,
                "x509Thumbprint": self.thumbprint_document(),
                "type": self.authentication,
            },
        }
        if self.module_id is not None:
            return common | {"moduleId": self.module_id, "managedBy": self.managed_by}
        return common | {
            "status": self.status,
            "statusReason": self.status_reason,
            "statusUpdatedTime": self.status_updated_at,
            "capabilities": {"iotEdge": False},
        }

    def thumbprint_document(self) -> Json:
        return {
            "primaryThumbprint": self.primary_thumbprint,
            "secondaryThumbprint": self.secondary_thumbprint,
        }


def identity_key(device_id: str, module_id: str | None) -> str:
    """`device` or `device/module`: no id contains a slash."""
    return device_id if module_id is None else f"{device_id}/{module_id}"


def new_etag() -> str:
    """Base64 of a number, as the service's look."""
    return base64.b64encode(str(secrets.randbelow(10**9)).encode()).decode()


def stamp(now: float) -> str:
    """UTC with seven decimals, as the service writes times."""
    return f"{datetime.fromtimestamp(now, UTC).strftime('%Y-%m-%dT%H:%M:%S.%f')}0Z"


def generation(now: float) -> str:
    """18 digits that tell a device from its namesake before it: 100 ns ticks since year 1."""
    return str(621_355_968_000_000_000 + int(now * 10_000_000))


def requested(
    device_id: str, module_id: str | None, body: Json, *, now: float, before: Device | None
) -> Device:
    """The identity that a PUT asks for, new or in place of `before`.

    Keys not given are made. HubError 400 on what the service refuses, 501 on what it would take
    and this stand-in does not (certificate authorities, IoT Edge).
    """
    for name, value in (("deviceId", device_id), ("moduleId", module_id)):
        if value is not None and not DEVICE_ID.fullmatch(value):
            raise errors.invalid(f"Invalid {name}: {value}")
        if body.get(name) != value:
            raise errors.invalid(f"The {name} of the body differs from the one in the path.")
    authentication = member(body, "authentication")
    kind = _kind(authentication)
    if member(body, "capabilities").get("iotEdge"):
        raise errors.not_implemented("IoT Edge devices")
    status = body.get("status") or "enabled"
    if status not in ("enabled", "disabled"):
        raise errors.invalid(f"Invalid status: {status}")
    primary, secondary = _keys(member(authentication, "symmetricKey"), before)
    prints = _thumbprints(member(authentication, "x509Thumbprint"), kind)
    device = Device(
        device_id=device_id,
        generation_id=generation(now),
        etag=new_etag(),
        primary_key=primary,
        secondary_key=secondary,
        status=status,
        status_reason=_text(body, "statusReason"),
        module_id=module_id,
        managed_by=_text(body, "managedBy"),
        authentication=kind,
        primary_thumbprint=prints[0],
        secondary_thumbprint=prints[1],
    )
    if before is not None:
        device.generation_id, device.model_id = before.generation_id, before.model_id
        device.connected, device.connection_updated_at = before.connected, before.connection_updated_at
        device.last_activity_at = before.last_activity_at
        device.status_updated_at = before.status_updated_at if before.status == status else stamp(now)
    return device


def _kind(authentication: Json) -> str:
    kind: object = authentication.get("type")
    if kind in (None, "none"):
        return SELF_SIGNED if any(member(authentication, "x509Thumbprint").values()) else SAS
    if kind not in (SAS, SELF_SIGNED):
        raise errors.not_implemented(f"authentication of type {kind}: give keys or thumbprints")
    return kind


def _keys(given: Json, before: Device | None) -> tuple[str, str]:
    primary, secondary = given.get("primaryKey"), given.get("secondaryKey")
    if bool(primary) != bool(secondary):
        raise errors.invalid("Give both symmetric keys or none.")
    for key in (primary, secondary):
        if key and not (isinstance(key, str) and sas.is_key(key)):
            raise errors.invalid("A symmetric key must be base64 of 16 to 64 bytes.")
    if primary and secondary:
        return primary, secondary
    return (before.primary_key, before.secondary_key) if before else (sas.new_key(), sas.new_key())


def _thumbprints(given: Json, kind: str) -> tuple[str | None, str | None]:
    """SHA-1 or SHA-256 in hex, upper case; the first is required of a device with a certificate."""
    found: list[str | None] = []
    for name in ("primaryThumbprint", "secondaryThumbprint"):
        value: object = given.get(name)
        if not value:
            found.append(None)
        elif isinstance(value, str) and THUMBPRINT.fullmatch(value.replace(":", "").upper()):
            found.append(value.replace(":", "").upper())
        else:
            raise errors.invalid(f"{name} must be the SHA-1 or SHA-256 of a certificate in hexadecimal.")
    if kind == SELF_SIGNED and not any(found):
        raise errors.invalid("A device with a certificate needs a primaryThumbprint.")
    return found[0], found[1]


def _text(body: Json, name: str) -> str | None:
    value: object = body.get(name)
    if value is None or isinstance(value, str):
        return value
    raise errors.invalid(f"{name} must be a string.")


def member(body: Json, name: str) -> Json:
    """A member that is an object; empty when it is absent. HubError 400 for anything else."""
    value: object = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise errors.invalid(f"{name} must be an object.")
    return cast(Json, value)
