"""The property bag at the end of a device's topic: percent-encoded system and application properties.

`$.mid` is the message id, `$.ct` the content type and so on; what has no `$.` is the application's own.
A plus sign stays a plus sign (the device SDKs encode a space as %20).
"""

from dataclasses import dataclass, field
from urllib.parse import unquote

from local.iot_hub.errors import Forbidden

IN_PROPERTIES = {
    "$.mid": "message-id",
    "$.cid": "correlation-id",
    "$.uid": "user-id",
    "$.ct": "content-type",
    "$.ce": "content-encoding",
}
"""System properties that travel in the AMQP properties section, by their MQTT name."""

IN_ANNOTATIONS = {"$.sub": "dt-subject", "$.ifid": "iothub-interface-id", "$.on": "iothub-outputname"}
WITHOUT_EFFECT = ("$.exp", "$.to")
"""Set by the device SDKs; they mean nothing on the way to the cloud."""
IN_APPLICATION_PROPERTIES = {"$.ctime": "iothub-creation-time-utc", "$.schema": "iothub-message-schema"}


@dataclass(slots=True)
class PropertyBag:
    system: dict[str, str] = field(default_factory=dict[str, str])
    annotations: dict[str, str] = field(default_factory=dict[str, str])
    application: dict[str, str] = field(default_factory=dict[str, str])

    def size(self) -> int:
        """Bytes of names and values, which count towards the message's size."""
        return sum(
            len(name.encode()) + len(value.encode())
            for part in (self.system, self.annotations, self.application)
            for name, value in part.items()
        )


def parse(text: str) -> PropertyBag:
    """Read a property bag. An unknown `$.` name raises Forbidden: it is reserved for the service.

    >>> bag = parse("$.ct=application%2Fjson&line=3%264")
    >>> bag.system, bag.application
    ({'content-type': 'application/json'}, {'line': '3&4'})
    """
    bag = PropertyBag()
    for pair in text.removeprefix("?").split("&"):
        if not pair:
            continue
        raw_name, _, raw_value = pair.partition("=")
        name, value = unquote(raw_name), unquote(raw_value)
        if name in IN_PROPERTIES:
            if name in ("$.ct", "$.ce") and not value.isascii():
                raise Forbidden(f"{name} is not ASCII")
            bag.system[IN_PROPERTIES[name]] = value
        elif name in IN_ANNOTATIONS:
            bag.annotations[IN_ANNOTATIONS[name]] = value
        elif name in IN_APPLICATION_PROPERTIES:
            bag.application[IN_APPLICATION_PROPERTIES[name]] = value
        elif name in WITHOUT_EFFECT:
            continue
        elif name.startswith("$."):
            raise Forbidden(f"{name} is no system property that a device may set")
        else:
            bag.application[name] = value
    return bag
