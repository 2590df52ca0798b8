"""What operators and engineers do with alarms. Each is carried out once by its key, or refused."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Commanded:
    """Somebody wants something of an alarm or a rule."""

    command_id: str
    """Idempotency key."""
    target: str
    """The occurrence's id, or the rule's."""
    who: str
    now: int


@dataclass(frozen=True, slots=True)
class Acknowledge(Commanded):
    """An operator has seen an alarm."""

    comment: str = ""
    expected: int | None = None
    """Refused when the alarm's version is another by now; None: whatever it is."""


@dataclass(frozen=True, slots=True)
class Comment(Commanded):
    """Something worth knowing about an alarm."""

    comment: str = ""
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Reset(Commanded):
    """Let go of a latched alarm whose condition has returned."""

    comment: str = ""
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Shelve(Commanded):
    """Hide a rule's alarm until an instant."""

    why: str
    until: int
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Unshelve(Commanded):
    why: str = ""
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class TakeOutOfService(Commanded):
    """Maintenance begins. Without a target: on the whole machine."""

    why: str
    work_order: str | None = None


@dataclass(frozen=True, slots=True)
class ReturnToService(Commanded):
    """Maintenance is over."""

    why: str = ""
    work_order: str | None = None


@dataclass(frozen=True, slots=True)
class ChangeSetPoint(Commanded):
    """Another limit for an adjustable rule; None: the description's again."""

    value: float | None
    why: str


type Command = (
    Acknowledge | Comment | Reset | Shelve | Unshelve | TakeOutOfService | ReturnToService | ChangeSetPoint
)
