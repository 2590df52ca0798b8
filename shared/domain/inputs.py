"""Whatever changes a machine: the only values that `advance` folds."""

from dataclasses import dataclass, field

from shared.domain.alarms.inputs import Command
from shared.domain.maintenance.inputs import WorkCommand
from shared.domain.packml import PackMLState
from shared.domain.spec import MachineSpec
from shared.domain.stop_commands import StopCommand

QUEUE = "queue"
"""Source of a blocked machine's queued readings: they alone are folded while it is blocked."""


@dataclass(frozen=True, slots=True)
class Position:
    """The place of an input in its source; positions of one source only ever grow."""

    source: str
    """`telemetry/<generation>/<partition>`, `timer/<name>`, `replay/<id>`, `queue`, `apply/<site>`."""
    sequence: int
    index: int = 0
    """Place within an array message."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of one machine, parsed and checked for form, not yet judged."""

    position: Position
    device: str
    key: str
    """Duplicate key: device, machine, timestamp, device sequence and content as one hash."""
    at: int
    arrived_at: int
    sequence: int = 0
    """The device's own counter; orders readings of equal `at`."""
    state: PackMLState | None = None
    reason: str | None = None
    order: str | None = None
    product: str | None = None
    good: int | None = None
    reject: int | None = None
    rejects: dict[str, int] = field(default_factory=dict[str, int])
    signals: dict[str, float] = field(default_factory=dict[str, float])
    rework: int | None = None
    """Units to be worked again."""
    total: int | None = None
    """All units made; checks the others, or stands for them where there is no good counter."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The answer of a model to a row that `advance` asked for, folded right behind its reading."""

    model: str
    version: str
    at: int
    probability: float | None
    reason: str = ""
    """Why the model abstained: it then gives neither a probability nor an amount."""
    contributions: tuple[tuple[str, float], ...] = ()
    """(channel or column, by how much it moved the answer), the greatest first."""
    amount: float | None = None
    """Remaining life in the model's unit, or distance from the machine's own baseline."""
    low: float | None = None
    high: float | None = None
    label: str | None = None
    data_age_ms: int = 0


@dataclass(frozen=True, slots=True)
class Suspended:
    """The model could not be asked: refused, failed or too slow. It rests; alarms and OEE went on."""

    model: str
    version: str
    at: int
    reason: str


type Answered = Scored | Suspended
"""What follows a row that `advance` asked for."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Arrival-side time passed. Closes nothing that data may still change."""

    position: Position
    now: int


@dataclass(frozen=True, slots=True)
class SpecChanged:
    """The machine's description was applied in a new version (or for the first time)."""

    position: Position
    spec: MachineSpec
    now: int


@dataclass(frozen=True, slots=True)
class Blocked:
    """This machine's inputs keep failing: from now on its readings queue, in order, unfolded."""

    reason: str
    now: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """The cause is mended: readings are folded again."""

    now: int


type Asked = Command | WorkCommand | StopCommand
"""What people want, each carried out once by its key."""

type Input = Reading | Scored | Suspended | Tick | Asked | SpecChanged | Blocked | Resumed
