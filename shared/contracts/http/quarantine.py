"""Quarantined messages: to be listed, read and replayed."""

from typing import Annotated

from pydantic import Field, StringConstraints

from shared.contracts.documents.base import Contract, Count
from shared.contracts.documents.quarantine import Quarantined
from shared.contracts.http.base import Id, Page, Paged


class QuarantineAsked(Paged):
    device: Id | None = Field(None, description="Only messages of this device.")
    day: Annotated[str, StringConstraints(pattern=r"^\d{4}-?\d\d-?\d\d$")] | None = Field(
        None, description="Only messages that arrived on this day (UTC), yyyy-mm-dd; needs a device."
    )
    machine: Id | None = Field(None, description="Only messages known to be about this machine.")
    reason: Id | None = Field(None, description="Only messages rejected for this reason.")


class QuarantinePage(Page):
    items: list[Quarantined]


class QuarantinedMessage(Quarantined):
    body: str = Field(description="The bytes, Base64.")


class Replayed(Contract):
    """What became of a replayed message."""

    reading_count: Count = Field(description="Readings that reached their machines.")
    rejected: list[Quarantined] = Field(
        description="What of it stays in quarantine, perhaps under ids of its own; empty: nothing."
    )
