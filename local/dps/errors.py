"""The service's own errors: `{"errorCode", "trackingId", "message", "timestampUtc"}`, over HTTP and MQTT."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson


@dataclass
class DpsError(Exception):
    """`number` begins with the HTTP status."""

    number: int
    words: str

    @property
    def status(self) -> int:
        return self.number // 1000

    def body(self, now: float) -> bytes:
        return orjson.dumps(
            {
                "errorCode": self.number,
                "trackingId": secrets.token_hex(16),
                "message": self.words,
                "timestampUtc": datetime.fromtimestamp(now, UTC).isoformat(),
            }
        )


def invalid(words: str) -> DpsError:
    return DpsError(400004, words)


def unauthorized() -> DpsError:
    return DpsError(401002, "Unauthorized")


def not_found(what: str) -> DpsError:
    return DpsError(404201, f"{what} not found.")


def conflict(words: str) -> DpsError:
    return DpsError(409201, words)


def precondition_failed() -> DpsError:
    return DpsError(412001, "Precondition failed: the ETag does not match.")


def not_implemented(what: str) -> DpsError:
    return DpsError(501001, f"The local Device Provisioning Service does not do {what}.")
