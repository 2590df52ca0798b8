"""What operators do with stops. Each is carried out once by its key, or refused."""

from dataclasses import dataclass

from shared.domain.elements import LedgerPage, OeeElements
from shared.domain.stop_records import Stop


@dataclass(frozen=True, slots=True)
class Classify:
    """Say why the machine stood, all of the stop or from `begin` to `end`."""

    reason: str | None
    """Of the catalogue; None: as the machine said it."""
    begin: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """Cut a stop in two, or from the one before that it was merged with."""

    at: int


@dataclass(frozen=True, slots=True)
class Merge:
    """Undo a cut: the later part gets the earlier's reason.

    At the stop's start: it continues the stop before, has its reason and is the same failure.
    """

    at: int


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of the time in question, read under the state that it is folded into."""

    stop: Stop | None
    before: Stop | None
    """The machine's stop before that one."""
    pages: tuple[LedgerPage, ...]
    """All closed pages with time of these stops, in order."""
    buckets: tuple[OeeElements, ...]
    """The shifts that these pages are of."""
    is_complete: bool = True
    """False: there are more pages than anybody can wait for."""


@dataclass(frozen=True, slots=True)
class StopCommand:
    """An operator knows better than the machine why it stood."""

    command_id: str
    """Idempotency key."""
    stop_id: str
    change: Classify | Split | Merge
    who: str
    now: int
    why: str = ""
    expected: int | None = None
    """Refused when the stop's version is another by now; None: whatever it is."""
    known: Known | None = None
    """Put in by the door, which alone knows the state that the command meets."""
