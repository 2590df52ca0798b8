"""What people do about maintenance. Each is carried out once by its key, or refused."""

from dataclasses import dataclass
from typing import Literal

from shared.domain.maintenance.records import Finding


@dataclass(frozen=True, slots=True)
class Maintained:
    """Maintenance was done on a component: its age restarts, and what the catalogue says starts anew."""

    command_id: str
    component: str
    at: int
    """Event time of the work; of a component that failed: of its failure."""
    who: str
    finding: Finding | None = None
    """None: planned work, nobody looked for a fault."""
    order_id: str | None = None
    """The work order that it completes; None: all open ones of the component."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """Somebody wants work to be done."""

    command_id: str
    component: str
    work: str
    due_at: int
    who: str
    now: int
    task_id: str | None = None
    alarm_id: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class MoveOrder:
    """Work begins, or will not be done."""

    command_id: str
    order_id: str
    to: Literal["inProgress", "cancelled"]
    who: str
    now: int
    note: str = ""


type WorkCommand = OpenOrder | MoveOrder | Maintained
