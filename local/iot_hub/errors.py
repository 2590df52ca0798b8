"""The service's own error codes and words.

HTTP bodies are `{"Message": "ErrorCode:CODE;words", "ExceptionMessage": "Tracking ID:..."}`. CONNACK
return codes are those of MQTT 3.1.1, section 3.2.2.3.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

ACCEPTED = 0
BAD_PROTOCOL_VERSION = 1
IDENTIFIER_REJECTED = 2
BAD_USER_NAME = 4
NOT_AUTHORIZED = 5


class Refused(Exception):
    """A CONNECT that is answered with a return code other than 0."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


class Forbidden(Exception):
    """A packet after which the service closes the connection."""


@dataclass
class HubError(Exception):
    """An error of the service's interfaces, HTTP or AMQP."""

    status: int
    code: str
    words: str

    def body(self, now: float) -> dict[str, str]:
        stamp = datetime.fromtimestamp(now, UTC).strftime("%m/%d/%Y %H:%M:%S")
        return {
            "Message": f"ErrorCode:{self.code};{self.words}",
            "ExceptionMessage": f"Tracking ID:{secrets.token_hex(16)}-G:0-TimeStamp:{stamp}",
        }


def unauthorized() -> HubError:
    return HubError(401, "IotHubUnauthorizedAccess", "Unauthorized")


def device_not_found(device_id: str) -> HubError:
    return HubError(404, "DeviceNotFound", device_id)


def device_already_exists(device_id: str) -> HubError:
    return HubError(409, "DeviceAlreadyExists", f"A device with ID '{device_id}' is already registered.")


def precondition_failed(existing: str, given: str) -> HubError:
    return HubError(
        412,
        "PreconditionFailed",
        f"Precondition failed: Device version did not match, existingVersion:{existing} newVersion:{given}",
    )


def invalid(words: str) -> HubError:
    return HubError(400, "ArgumentInvalid", words)


def too_large(limit: int) -> HubError:
    return HubError(413, "MessageTooLarge", f"The request is larger than {limit} bytes.")


def module_not_found(device_id: str, module_id: str) -> HubError:
    return HubError(404, "ModuleNotFound", f"{device_id}/{module_id}")


def identity_not_found(device_id: str, module_id: str | None) -> HubError:
    return device_not_found(device_id) if module_id is None else module_not_found(device_id, module_id)


def module_already_exists(device_id: str, module_id: str) -> HubError:
    return HubError(
        409, "ModuleAlreadyExistsOnDevice", f"A module with ID '{module_id}' is already on '{device_id}'."
    )


def twin_mismatch(existing: str, given: str) -> HubError:
    """An update named an ETag that is no longer the twin's."""
    return HubError(
        412, "PreconditionFailed", f"Twin version did not match, existing ETag: {existing}, given: {given}"
    )


def not_online(waited_s: float, now: float) -> HubError:
    """A direct method for a device that is not connected, or listens to no methods."""
    return _method_error(
        404, "DeviceNotOnline", 404103, "Timed out waiting for device to connect.", waited_s, now
    )


def no_answer(waited_s: float, now: float) -> HubError:
    """A direct method that the device got and did not answer in time."""
    words = "Timed out waiting for the response from device."
    return _method_error(504, "GatewayTimeout", 504101, words, waited_s, now)


def bad_answer(words: str) -> HubError:
    """A device answered a direct method with something that the service cannot pass on."""
    return HubError(502, "GenericBadGateway", words)


def _method_error(status: int, code: str, number: int, words: str, waited_s: float, now: float) -> HubError:
    """The service puts a JSON document into the words of these two."""
    detail = {
        "errorCode": number,
        "trackingId": secrets.token_hex(16),
        "message": words,
        "info": {"timeout": f"00:{int(waited_s) // 60:02d}:{int(waited_s) % 60:02d}"},
        "timestampUtc": datetime.fromtimestamp(now, UTC).isoformat(),
    }
    return HubError(status, code, orjson.dumps(detail).decode())


def queue_full(limit: int) -> HubError:
    return HubError(
        403, "DeviceMaximumQueueDepthExceeded", f"Device Queue depth cannot exceed {limit} messages"
    )


def lock_lost() -> HubError:
    """A feedback message that was locked too long ago, or settled already."""
    return HubError(412, "DeviceMessageLockLost", "Failed to acquire the lock of the message.")


def not_implemented(what: str) -> HubError:
    return HubError(501, "NotImplemented", f"The local IoT Hub does not do {what}.")
