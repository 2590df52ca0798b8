"""What could not be believed, and where it came from."""

from pydantic import Field

from shared.contracts.documents.base import At, Contract


class Position(Contract):
    source: str
    sequence: int
    index: int


class Quarantined(Contract):
    """A message, or a reading of one, that could not be believed."""

    id: str
    device: str
    machine_id: str | None
    reason: str
    detail: str
    arrived_at: At
    position: Position


class QuarantineDocument(Quarantined):
    device_day: str = Field(description="device/yyyymmdd, by arrival.")
    body: str = Field(description="The bytes, Base64.")
