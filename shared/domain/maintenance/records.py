"""The values of maintenance: the catalogue's tasks, work orders, a model's calls, suspended models."""

from dataclasses import dataclass, field
from typing import Literal

type Finding = Literal["fault", "failed", "nothing"]
"""What whoever did the work found: a fault that had not stopped the machine yet, a component that had
failed, or nothing wrong."""

ORDERS_MAX = 16
"""So many work orders of one machine may be open: they are part of its state."""


@dataclass(frozen=True, slots=True)
class Task:
    """Work that the factory description knows for a class of machines."""

    task_id: str
    component: str
    work: str
    due_ms: int
    """How long there is to do it, from the prediction or alarm on."""
    models: tuple[str, ...] = ()
    """Recommended when one of these warns."""
    signals: tuple[str, ...] = ()
    """Recommended only if one of these contributes to the warning; empty: whatever contributes."""
    rules: tuple[str, ...] = ()
    """Ordered when one of these alarms is raised."""
    renews: tuple[str, ...] = ()
    """Signals that are others once the work is done: what was learnt of them starts anew."""


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """Work to be done on one component."""

    order_id: str
    """`machine:n`."""
    task_id: str | None
    component: str
    work: str
    state: Literal["open", "inProgress", "done", "cancelled"]
    cause: Literal["prediction", "alarm", "operator"]
    cause_id: str | None
    """The call or the alarm's occurrence."""
    opened_at: int
    due_at: int
    changed_at: int
    who: str | None = None
    """Who changed it last; None: it happened by itself."""
    finding: Finding | None = None
    note: str = ""
    version: int = 0
    """Number of the last effect that changed it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A model's warning, from its beginning until it is known whether it was right.

    A failure that no call announced is a call, too: one that was missed.
    """

    call_id: str
    """From the machine, the model and event time (or the command that found it missed): whatever the
    order of arrival, the same call has the same name."""
    model: str
    version: str
    component: str
    """Of the recommended task; "" where the catalogue recommends none."""
    called_at: int | None
    """None: it was missed."""
    answer: float | None
    """Probability or amount with which it began."""
    ended_at: int | None = None
    """When the warning ended; None: it lasts."""
    outcome: Literal["open", "confirmed", "falseCall", "missed", "unknown"] = "open"
    judged_at: int | None = None
    order_id: str | None = None
    why: str = ""
    """How the outcome is known."""

    @property
    def lead_ms(self) -> int | None:
        """How long before the finding it came; None unless confirmed."""
        if self.outcome != "confirmed" or self.called_at is None or self.judged_at is None:
            return None
        return self.judged_at - self.called_at


@dataclass(frozen=True, slots=True)
class Suspension:
    """A model that is not asked for a while."""

    version: str
    reason: str
    at: int
    """Event time at which it was asked last."""


@dataclass(frozen=True, slots=True)
class Care:
    """What a machine's state keeps of all this. Replaced, never changed in place: clones share it."""

    orders: dict[str, WorkOrder] = field(default_factory=dict[str, WorkOrder])
    """Open ones, by id."""
    calls: dict[str, Call] = field(default_factory=dict[str, Call])
    """Model -> its call that nobody has judged yet."""
    suspended: dict[str, Suspension] = field(default_factory=dict[str, Suspension])
    """Model -> why it is not asked."""
