"""The service's own errors: status, code and words."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

HELP = "For troubleshooting, visit https://aka.ms/esvalidation."


@dataclass
class GridError(Exception):
    """An answer other than success. `detail` is the inner code of a publish error."""

    status: int
    code: str
    words: str
    detail: str | None = None

    def body(self, now: float) -> dict[str, object]:
        if self.detail is None:
            return {"error": {"code": self.code, "message": self.words}}
        stamp = datetime.fromtimestamp(now, UTC).strftime("%m/%d/%Y %I:%M:%S %p")
        report = (
            f"Report '{uuid.uuid4()}:0:{stamp} (UTC)' to our forums for assistance or raise a support ticket."
        )
        words = f"{self.words} {report}"
        details = [{"code": self.detail, "message": words}]
        return {"error": {"code": self.code, "message": words, "details": details}}


def bad_events(schema: str, problem: str) -> GridError:
    """Events that the topic does not take. `schema` as the service calls it, e.g. CloudEventV10."""
    return GridError(
        400,
        "BadRequest",
        f"This resource is configured to receive event in '{schema}' schema. "
        f"The JSON received does not conform to the expected schema. {problem}",
        "InputJsonInvalid",
    )


def unexpected_property(schema: str, name: str) -> GridError:
    return GridError(
        400,
        "BadRequest",
        f"This resource is configured for '{schema}' schema. Received unexpected property '{name}' in "
        "JSON which does not conform to the expected schema.",
        "InputJsonInvalid",
    )


def no_credential() -> GridError:
    words = "Request must contain one of the following authorization signature: aeg-sas-token, aeg-sas-key."
    return GridError(401, "Unauthorized", words, "Unauthorized")


def wrong_credential(host: str, why: str) -> GridError:
    words = (
        f"The request authorization key is not authorized for {host.upper()}. "
        f"This is due to the reason: {why}"
    )
    return GridError(401, "Unauthorized", words, "Unauthorized")


def too_large(limit: int) -> GridError:
    return GridError(
        413, "PayloadTooLarge", f"The maximum size ({limit}) has been exceeded.", "PayloadTooLarge"
    )


def not_found(kind: str, name: str) -> GridError:
    return GridError(404, "ResourceNotFound", f"The {kind} '{name}' was not found.")


def invalid(words: str) -> GridError:
    return GridError(400, "InvalidRequest", words)


def handshake_failed(url: str, why: str) -> GridError:
    return GridError(400, "Url validation", f"Webhook validation handshake failed for {url}. {why} {HELP}")


def not_implemented(what: str) -> GridError:
    return GridError(501, "NotImplemented", f"The local Event Grid does not do {what}.")
