"""The service's own error codes and words.

HTTP bodies are `{"Message": "ErrorCode:CODE;words", "ExceptionMessage": "Tracking ID:..."}`. CONNACK
return codes are those of MQTT 3.1.1, section 3.2.2.3.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

ACCEPTED = 0
BAD_PROTOCOL_VERSION = 1
IDENTIFIER_REJECTED = 2
SERVER_UNAVAILABLE = 3
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
    """An HTTP error of the registry."""

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


def not_implemented(what: str) -> HubError:
    return HubError(501, "NotImplemented", f"The local IoT Hub does not do {what}.")
