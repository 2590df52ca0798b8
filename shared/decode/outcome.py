"""What comes out of decoding: readings, and rejections that say why. Never an exception."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from shared.domain.inputs import Position, Reading


class Reason(StrEnum):
    """Why something was rejected; the words stand in quarantine documents and events."""

    TOO_LARGE = "tooLarge"
    EMPTY = "empty"
    NOT_UTF8 = "notUtf8"
    NOT_JSON = "notJson"
    TOO_DEEP = "tooDeep"
    NOT_FINITE = "notFinite"
    WRONG_SHAPE = "wrongShape"
    UNKNOWN_FIELD = "unknownField"
    MISSING_TIMESTAMP = "missingTimestamp"
    NAIVE_TIMESTAMP = "naiveTimestamp"
    BAD_TIMESTAMP = "badTimestamp"
    UNKNOWN_STATE = "unknownState"
    UNKNOWN_DEVICE = "unknownDevice"
    MISSING_MACHINE = "missingMachine"
    NOT_ITS_DEVICE = "notItsDevice"
    PROFILE_FAILED = "profileFailed"
    UNREADABLE_STATE = "unreadableState"


@dataclass(slots=True)
class Decoded:
    """One reading and the machine it belongs to. Not frozen: one is made for every reading."""

    machine_id: str
    reading: Reading
    word: str | None = None
    """A state word that PackML does not know; `resolve` looks it up in the machine's pinned spec."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something that is no reading: to be quarantined under its position, with its bytes."""

    position: Position
    device: str
    arrived_at: int
    reason: Reason
    detail: str
    raw: bytes
    """The rejected element alone, so that replaying it does not repeat its neighbours."""
    machine_id: str | None = None


class Dialect(Protocol):
    """Turns one parsed JSON value into v1 telemetry messages, as plain JSON objects."""

    def messages(self, value: object, arrived_at: int) -> list[dict[str, object]]:
        """Empty when the value knowingly is no reading. Raises ProfileFailed."""
        ...


class ProfileFailed(Exception):
    """A device's profile does not fit what the device sent."""


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    """What the device directory knows: whom a device may report, and how it speaks."""

    device_id: str
    site_id: str
    version: int
    """The site's current spec version: what a machine without state starts with."""
    machines: Mapping[str, str]
    """Machine id -> line id."""
    profile: Dialect | None = None

    @property
    def default_machine(self) -> str:
        """Whom a message without machineId is about: the only machine, else the device's namesake."""
        return next(iter(self.machines)) if len(self.machines) == 1 else self.device_id
