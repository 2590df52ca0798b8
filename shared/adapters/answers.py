"""What an Azure service's refusal means to us, for the services that follow Azure's common REST rules."""

from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus

from azure.core.exceptions import AzureError, HttpResponseError

from shared.ports import Refused, Unavailable

NEVER = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})
"""Answers that stay the same however often one asks. A missing role or key may yet be granted."""


def error(status: int | None, message: str) -> Refused | Unavailable:
    """Refused for what is ours to mend in the request, Unavailable for whatever may pass."""
    return Refused(f"{status}: {message}") if status in NEVER else Unavailable(f"{status}: {message}")


@contextmanager
def translated(what: str) -> Generator[None]:
    """The SDK's errors as ours, `what` naming the thing that was asked for."""
    try:
        yield
    except HttpResponseError as exc:
        raise error(exc.status_code, f"{what}: {exc.message}") from exc
    except (AzureError, OSError) as exc:
        raise Unavailable(f"{what}: {exc}") from exc
