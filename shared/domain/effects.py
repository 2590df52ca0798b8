"""What `advance` decided: data for the shell to persist and publish, in the order of the decisions.

An effect that becomes a document or an event carries `n`, its number in the machine's life:
`machine:n` is the event's id, so a repeated run of the same inputs publishes the same ids.
"""

from dataclasses import dataclass

from shared.domain.inputs import Reading
from shared.domain.packml import PackMLState, TimeCategory


@dataclass(frozen=True, slots=True)
class Alarm:
    """One occurrence of an alarm rule (ISA-18.2)."""

    alarm_id: str
    rule_id: str
    signal: str
    kind: str
    priority: str
    state: str
    """`unacknowledged`, `acknowledged`, `returnedUnacknowledged` or `normal`."""
    limit: float
    unit: str
    value: float
    """The value that confirmed the alarm."""
    violated_at: int
    """First reading beyond the limit."""
    raised_at: int
    cleared_at: int | None = None
    acknowledged_at: int | None = None
    acknowledged_by: str | None = None
    comment: str = ""
    occurrence_count: int = 1
    retrip_at: int | None = None
    """A returned alarm violates again since then and waits for its delay."""


@dataclass(frozen=True, slots=True)
class OeeElements:
    """The summable parts of OEE for one machine and shift. KPIs are derived, never stored apart."""

    shift_id: str
    start: int
    end: int
    times_ms: dict[TimeCategory, int]
    """Partition of [start, measured_at)."""
    measured_at: int
    good_count: int
    reject_count: int
    ideal_ms: int
    """Units made times the ideal cycle time of their product."""
    unpriced_count: int
    """Units of products without an ideal cycle time: effectiveness is then unknown."""
    reset_count: int
    late_count: int
    final: bool
    rejects: dict[str, int]


@dataclass(frozen=True, slots=True)
class SignalAggregate:
    """One signal over one minute. `n` counts good values; mean, low and high are None without any."""

    n: int
    low: float | None
    mean: float | None
    high: float | None
    bad: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """The current value of a signal."""

    value: float
    at: int
    bad: bool


@dataclass(frozen=True, slots=True)
class Health:
    """The latest verdict of a machine's model."""

    model: str
    version: str
    at: int
    probability: float | None
    reason: str
    warning: bool


@dataclass(frozen=True, slots=True)
class AlarmRaised:
    n: int
    alarm: Alarm


@dataclass(frozen=True, slots=True)
class AlarmCleared:
    n: int
    alarm: Alarm


@dataclass(frozen=True, slots=True)
class AlarmAcknowledged:
    n: int
    alarm: Alarm


@dataclass(frozen=True, slots=True)
class CommandDone:
    """An operator's command was carried out or refused; its key must not run again."""

    command_id: str
    at: int
    outcome: str
    """`done`, or why it could not be."""


@dataclass(frozen=True, slots=True)
class ViolationRecorded:
    """A reading older than the current value broke a limit: too late to alarm, never hidden."""

    n: int
    rule_id: str
    signal: str
    value: float
    at: int


@dataclass(frozen=True, slots=True)
class MachineStateChanged:
    n: int
    old: PackMLState
    new: PackMLState
    reason: str | None
    at: int


@dataclass(frozen=True, slots=True)
class WentSilent:
    n: int
    last_arrived_at: int
    at: int


@dataclass(frozen=True, slots=True)
class CameBack:
    n: int
    at: int


@dataclass(frozen=True, slots=True)
class MachineBlocked:
    n: int
    reason: str
    at: int


@dataclass(frozen=True, slots=True)
class MachineResumed:
    n: int
    at: int


@dataclass(frozen=True, slots=True)
class Queued:
    """A reading of a blocked machine, to be folded in the order of `number` once it is resumed."""

    number: int
    reading: Reading


@dataclass(frozen=True, slots=True)
class StopStarted:
    n: int
    stop_id: str
    at: int
    category: TimeCategory
    reason: str | None


@dataclass(frozen=True, slots=True)
class StopEnded:
    n: int
    stop_id: str
    started_at: int
    at: int
    category: TimeCategory
    reason: str | None


@dataclass(frozen=True, slots=True)
class OeeMeasured:
    """A shift's elements so far; `final` on the last one."""

    n: int
    elements: OeeElements


@dataclass(frozen=True, slots=True)
class GapClosed:
    """Whole shifts without any data, as rows of one document."""

    n: int
    start: int
    end: int
    rows: tuple[tuple[str, int, int, int], ...]
    """(shift, start, end, planned busy ms, all of it unknown)."""


@dataclass(frozen=True, slots=True)
class MinuteClosed:
    """One minute's aggregates, in the order of `signals`."""

    at: int
    """Start of the minute."""
    spec_version: int
    first_of_hour: bool
    signals: tuple[str, ...]
    aggregates: tuple[SignalAggregate, ...]


@dataclass(frozen=True, slots=True)
class ScoreRequested:
    """A model's row came due. The shell answers with a `Scored` right behind the same reading."""

    machine_id: str
    model: str
    version: str
    at: int
    row: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PredictionMade:
    n: int
    health: Health
    threshold: float
    contributions: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class ThresholdCrossed:
    """A model's probability passed its threshold, up or down."""

    n: int
    health: Health
    threshold: float


@dataclass(frozen=True, slots=True)
class LateKept:
    """A reading beyond the lateness bound: kept, counted on its shift, not folded."""

    reading: Reading
    shift_id: str | None


@dataclass(frozen=True, slots=True)
class ReadingRefused:
    """A reading that cannot be believed at all, e.g. from the far future. Goes to quarantine."""

    reading: Reading
    reason: str


@dataclass(frozen=True, slots=True)
class TwinChanged:
    """What the machine's twin should show now."""

    version: int
    at: int
    state: PackMLState
    state_since: int
    reason: str | None
    last_reading_at: int
    order: str | None
    product: str | None
    silent: bool
    blocked: str | None
    measurements: dict[str, Measurement]
    oee: OeeElements | None
    health: Health | None
    active_alarm_count: int
    unacknowledged_alarm_count: int
    highest_priority: str


type Effect = (
    AlarmRaised
    | AlarmCleared
    | AlarmAcknowledged
    | CommandDone
    | ViolationRecorded
    | MachineStateChanged
    | WentSilent
    | CameBack
    | MachineBlocked
    | MachineResumed
    | Queued
    | StopStarted
    | StopEnded
    | OeeMeasured
    | GapClosed
    | MinuteClosed
    | ScoreRequested
    | PredictionMade
    | ThresholdCrossed
    | LateKept
    | ReadingRefused
    | TwinChanged
)
