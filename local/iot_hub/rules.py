"""Who may connect, and what a connected device or module may publish and subscribe to.

Source: "Communicate with an IoT hub using the MQTT protocol" (IoT Hub documentation).
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qs

from local.iot_hub import errors
from local.iot_hub.devices import SELF_SIGNED, Device, identity_key
from local.iot_hub.errors import Forbidden, Refused
from local.iot_hub.packets import SUBSCRIPTION_FAILURE, Connect, Publish
from local.iot_hub.sas import BadToken, Token, is_local
from local.iot_hub.session import BODY_LIMIT

MESSAGE_LIMIT = BODY_LIMIT
"""Bytes of one device-to-cloud message: body, names and values of its properties."""

SUBSCRIPTION_LIMIT = 5
HUB_POLICY = "iothubowner"
TWIN_ANSWERS = "$iothub/twin/res/#"
DESIRED_CHANGES = "$iothub/twin/PATCH/properties/desired/#"
METHOD_CALLS = "$iothub/methods/POST/#"


class Registry(Protocol):
    hub_key: str

    def device(self, device_id: str, module_id: str | None = None) -> Device | None: ...


@dataclass(frozen=True, slots=True)
class Admitted:
    """A device or module whose CONNECT was accepted."""

    device_id: str
    generation_id: str
    scope: str
    """`device` or `module` when its own credentials were shown, `hub` when the hub's key signed."""

    expires_at: float
    """When the token ends, and the connection with it; seconds since the epoch."""

    model_id: str | None
    module_id: str | None = None
    with_certificate: bool = False

    @property
    def key(self) -> str:
        return identity_key(self.device_id, self.module_id)

    @property
    def address(self) -> str:
        """Where its own topics begin."""
        return own_topics(self.device_id, self.module_id)


def own_topics(device_id: str, module_id: str | None) -> str:
    """
    >>> own_topics("press-1", None), own_topics("press-1", "camera")
    ('devices/press-1', 'devices/press-1/modules/camera')
    """
    return f"devices/{device_id}" if module_id is None else f"devices/{device_id}/modules/{module_id}"


def admit(connect: Connect, certificate: bytes | None, registry: Registry, now: float) -> Admitted:
    """Check a CONNECT and the certificate (DER) shown before. Raises Refused with the CONNACK's code."""
    if connect.protocol != "MQTT" or connect.level != 4:
        raise Refused(errors.BAD_PROTOCOL_VERSION, "only MQTT 3.1.1 is spoken here")
    if connect.username is None:
        raise Refused(errors.BAD_USER_NAME, "a user name is required")
    path, _, query = connect.username.partition("/?")
    if not query and path.count("/") == 2:  # an older form: host/device/api-version=...
        path, _, query = path.rpartition("/")
    host, *ids = path.split("/")
    if not is_local(host) or len(ids) not in (1, 2) or not all(ids):
        raise Refused(errors.BAD_USER_NAME, "the user name is not {host}/{device}/?api-version=...")
    if not query.startswith("api-version="):
        raise Refused(errors.BAD_USER_NAME, "the user name names no api-version")
    device_id, module_id = ids[0], ids[1] if len(ids) == 2 else None
    if connect.client_id != identity_key(device_id, module_id):
        raise Refused(errors.IDENTIFIER_REJECTED, "the client id is not the device id, or device/module")
    device = registry.device(device_id, module_id)
    owner = device if module_id is None else registry.device(device_id)
    if device is None or owner is None or owner.status != "enabled":
        raise Refused(errors.NOT_AUTHORIZED, f"{connect.client_id} is not registered or not enabled")
    scope, expires_at = _proof(connect, certificate, device, registry.hub_key, now)
    if connect.will and not is_telemetry(connect.will.topic, own_topics(device_id, module_id)):
        raise Refused(errors.NOT_AUTHORIZED, "the will's topic is not the device's own")
    return Admitted(
        device_id=device_id,
        generation_id=device.generation_id,
        scope=scope,
        expires_at=expires_at,
        model_id=next(iter(parse_qs(query).get("model-id", [])), None),
        module_id=module_id,
        with_certificate=device.authentication == SELF_SIGNED,
    )


def _proof(
    connect: Connect, certificate: bytes | None, device: Device, hub_key: str, now: float
) -> tuple[str, float]:
    """Scope and end of what the device has shown: a token, or a certificate with a known thumbprint."""
    own_scope = "device" if device.module_id is None else "module"
    if device.authentication == SELF_SIGNED and not connect.password:
        if certificate is None or not (thumbprints_of(certificate) & set(device.thumbprints())):
            raise Refused(errors.NOT_AUTHORIZED, "no certificate with the device's thumbprint was shown")
        return own_scope, float("inf")
    if connect.password is None:
        raise Refused(errors.BAD_USER_NAME, "a password is required")
    token = _check(connect.password, device, hub_key, now)
    return "hub" if token.policy else own_scope, token.expires_at


def thumbprints_of(certificate: bytes) -> set[str | None]:
    """SHA-1 and SHA-256 of a certificate in DER: a registry may hold either."""
    return {
        hashlib.sha1(certificate, usedforsecurity=False).hexdigest().upper(),
        hashlib.sha256(certificate).hexdigest().upper(),
    }


def _check(password: str, device: Device, hub_key: str, now: float) -> Token:
    try:
        token = Token.parse(password)
    except BadToken as exc:
        raise Refused(errors.NOT_AUTHORIZED, str(exc)) from exc
    if token.policy is None:
        good = token.signed_with(*device.keys())
    else:
        good = token.policy == HUB_POLICY and token.signed_with(hub_key)
    if not good:
        raise Refused(errors.NOT_AUTHORIZED, "the token is signed with another key")
    if token.expires_at <= now:
        raise Refused(errors.NOT_AUTHORIZED, "the token has expired")
    if not token.covers(own_topics(device.device_id, device.module_id)):
        raise Refused(errors.NOT_AUTHORIZED, f"the token is for {token.resource}")
    return token


def is_telemetry(topic: str, address: str) -> bool:
    """Whether this is the topic for messages to the cloud of the one whose topics begin with `address`."""
    own = f"{address}/messages/events"
    return topic == own or topic.startswith(f"{own}/")


def property_bag(topic: str, address: str) -> str:
    """What follows `{address}/messages/events/`; empty when nothing does."""
    return topic.removeprefix(f"{address}/messages/events").removeprefix("/")


@dataclass(frozen=True, slots=True)
class TwinRequest:
    """A device asks for its twin, or reports properties."""

    request_id: str
    reports: bool


@dataclass(frozen=True, slots=True)
class MethodAnswer:
    request_id: str
    status: int


def request(packet: Publish) -> TwinRequest | MethodAnswer:
    """What a device wants with a message that is no telemetry. Forbidden if it may not publish there."""
    topic, _, query = packet.topic.partition("?")
    request_id = next((value for name, value in _pairs(query) if name == "$rid"), None)
    if request_id is not None:
        if topic == "$iothub/twin/GET/":
            return TwinRequest(request_id, reports=False)
        if topic == "$iothub/twin/PATCH/properties/reported/":
            return TwinRequest(request_id, reports=True)
        status = topic.removeprefix("$iothub/methods/res/").removesuffix("/")
        if topic.startswith("$iothub/methods/res/") and _is_status(status):
            return MethodAnswer(request_id, int(status))
    raise Forbidden(f"a device may not publish on {packet.topic[:200]!r}")


def _pairs(query: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&"))]


def _is_status(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 9


def granted(topic: str, qos: int, admitted: Admitted, have: Collection[str]) -> int:
    """The QoS granted to a topic filter (at most 1), or the code for failure."""
    allowed = {METHOD_CALLS, TWIN_ANSWERS, DESIRED_CHANGES}
    if admitted.module_id is None:
        allowed.add(commands_filter(admitted.device_id))
    else:
        allowed.add(f"{admitted.address}/inputs/#")
    if topic not in allowed or (topic not in have and len(have) >= SUBSCRIPTION_LIMIT):
        return SUBSCRIPTION_FAILURE
    return min(qos, 1)


def commands_filter(device_id: str) -> str:
    """The topic filter of a device's cloud-to-device messages."""
    return f"devices/{device_id}/messages/devicebound/#"
