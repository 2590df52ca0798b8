"""Who may connect, and what a connected device may publish and subscribe to.

Source: "Communicate with an IoT hub using the MQTT protocol" (IoT Hub documentation).
"""

from dataclasses import dataclass
from urllib.parse import parse_qs

from local.iot_hub import errors
from local.iot_hub.devices import Device
from local.iot_hub.errors import Forbidden, Refused
from local.iot_hub.packets import SUBSCRIPTION_FAILURE, Connect, Publish
from local.iot_hub.sas import BadToken, Token, is_local
from local.iot_hub.store import Store

MESSAGE_LIMIT = 256 * 1024
"""Bytes of one device-to-cloud message: body, names and values of its properties."""

PACKET_LIMIT = MESSAGE_LIMIT + (1 << 16)
"""The longest packet that is read: the body plus the longest topic MQTT allows."""

SUBSCRIPTION_LIMIT = 5
KEEP_ALIVE_LIMIT_S = 1767
HUB_POLICY = "iothubowner"


@dataclass(frozen=True, slots=True)
class Admitted:
    """A device whose CONNECT was accepted."""

    device_id: str
    generation_id: str
    scope: str
    """`device` when its own key signed, `hub` when the hub's did."""

    expires_at: float
    """When the token ends, and the connection with it; seconds since the epoch."""

    model_id: str | None


def admit(connect: Connect, store: Store, now: float) -> Admitted:
    """Check a CONNECT. Raises Refused with the return code for the CONNACK."""
    if connect.protocol != "MQTT" or connect.level != 4:
        raise Refused(errors.BAD_PROTOCOL_VERSION, "only MQTT 3.1.1 is spoken here")
    if connect.username is None or connect.password is None:
        raise Refused(errors.BAD_USER_NAME, "user name and password are required")
    parts = connect.username.split("/", 2)
    if len(parts) < 2 or not is_local(parts[0]):
        raise Refused(errors.BAD_USER_NAME, "the user name is not {host}/{device}/?api-version=...")
    device_id, query = parts[1], parts[2] if len(parts) == 3 else ""
    if not query.removeprefix("?").startswith("api-version="):
        raise Refused(errors.BAD_USER_NAME, "the user name names no api-version (modules are not done here)")
    if connect.client_id != device_id:
        raise Refused(errors.IDENTIFIER_REJECTED, "the client id is not the device id")
    device = store.device(device_id)
    if device is None or device.status != "enabled":
        raise Refused(errors.NOT_AUTHORIZED, f"{device_id} is not registered or not enabled")
    token = _check(connect.password, device, store.hub_key, now)
    if connect.will and not is_telemetry(connect.will.topic, device_id):
        raise Refused(errors.NOT_AUTHORIZED, "the will's topic is not the device's own")
    return Admitted(
        device_id=device_id,
        generation_id=device.generation_id,
        scope="hub" if token.policy else "device",
        expires_at=token.expires_at,
        model_id=next(iter(parse_qs(query.removeprefix("?")).get("model-id", [])), None),
    )


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
    if not token.covers(f"devices/{device.device_id}"):
        raise Refused(errors.NOT_AUTHORIZED, f"the token is for {token.resource}")
    return token


def is_telemetry(topic: str, device_id: str) -> bool:
    """Whether this is the device's own topic for messages to the cloud."""
    own = f"devices/{device_id}/messages/events"
    return topic == own or topic.startswith(f"{own}/")


def property_bag(topic: str) -> str:
    """What follows `devices/{id}/messages/events/`; empty when nothing does."""
    return topic.split("/", 4)[4] if topic.count("/") >= 4 else ""


def twin_request(topic: str) -> str | None:
    """The request id of a twin request, None when the topic is none."""
    if topic.startswith(("$iothub/twin/GET/", "$iothub/twin/PATCH/properties/reported/")):
        return next(iter(parse_qs(topic.partition("?")[2]).get("$rid", [])), None)
    return None


def check_publish(packet: Publish, device_id: str) -> None:
    """Raises Forbidden for what the service answers by closing the connection."""
    if packet.qos == 2:
        raise Forbidden("QoS 2 is not supported")
    if is_telemetry(packet.topic, device_id) or twin_request(packet.topic) is not None:
        return
    if packet.topic.startswith("$iothub/methods/res/"):
        return
    raise Forbidden(f"{device_id} may not publish on {packet.topic[:200]!r}")


def granted(topic: str, qos: int, device_id: str, have: set[str]) -> int:
    """The QoS granted to a topic filter (at most 1), or the code for failure."""
    allowed = (
        f"devices/{device_id}/messages/devicebound/#",
        "$iothub/methods/POST/#",
        "$iothub/twin/res/#",
        "$iothub/twin/PATCH/properties/desired/#",
    )
    if topic not in allowed or (topic not in have and len(have) >= SUBSCRIPTION_LIMIT):
        return SUBSCRIPTION_FAILURE
    return min(qos, 1)
