"""What `advance` decided: data for the shell to persist and publish, in the order of the decisions.

An effect that becomes a document or an event carries `n`, its number in the machine's life:
`machine:n` is the event's id, so a repeated run of the same inputs publishes the same ids.
"""

from dataclasses import dataclass

from shared.domain.elements import Interval, OeeElements
from shared.domain.inputs import Reading
from shared.domain.maintenance.records import Call, Task, WorkOrder
from shared.domain.packml import PackMLState, TimeCategory
from shared.domain.stop_records import Stop, StopPart


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is known of one alarm rule that is not at rest: an occurrence (ISA-18.2), or one in the making."""

    alarm_id: str
    """"" while the on-delay runs: nothing has happened yet."""
    rule_id: str
    signal: str
    """"" where the rule does not watch one signal."""
    kind: str
    priority: str
    state: str
    """One of alarms.life_cycle.State."""
    limit: float | None
    """As it was when the alarm was raised; None where the condition is no number."""
    unit: str
    value: float | None
    """The number that confirmed the alarm, in `unit`."""
    violated_at: int
    """Since when the condition held."""
    raised_at: int
    """Of an alarm that was hidden before it was ever raised: when it was hidden."""
    cleared_at: int | None = None
    acknowledged_at: int | None = None
    acknowledged_by: str | None = None
    comment: str = ""
    occurrence_count: int = 1
    since: int | None = None
    """The condition is no longer what the state says since then: a delay is running."""
    version: int = 0
    """Number of the last effect that changed it."""
    until: int | None = None
    """Shelved until then."""
    nuisance: str | None = None
    """`chattering` or `repeating`, once found out."""


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
    """None where the model abstains, or answers something else."""
    reason: str
    warning: bool
    amount: float | None = None
    """Remaining life, or distance from the machine's own baseline."""
    low: float | None = None
    high: float | None = None
    """The interval of a remaining life."""
    label: str | None = None
    """The class that `probability` is about."""

    @property
    def answer(self) -> float | None:
        """What thresholds and alarm rules compare; None while the model abstains."""
        return self.amount if self.probability is None else self.probability


@dataclass(frozen=True, slots=True)
class AlarmChanged:
    """Something happened to an occurrence of an alarm; `alarm` is how it is now."""

    n: int
    bundle: int
    """Number of the first such effect of the same input: they are written down together."""
    event: str
    """One of alarms.life_cycle.Event, or `commented`, `chattering`, `repeating`."""
    before: str
    """The state that it was in."""
    alarm: Alarm
    at: int
    who: str | None = None
    """The operator; None: it happened by itself."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class OutageChanged:
    """The whole machine was taken out of service, or returned to it."""

    n: int
    bundle: int
    out: bool
    at: int
    who: str
    why: str
    work_order: str | None


@dataclass(frozen=True, slots=True)
class SetPointChanged:
    """A rule's limit was changed at run time."""

    n: int
    bundle: int
    rule_id: str
    old: float | None
    new: float | None
    at: int
    who: str
    why: str


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
    parts: tuple[StopPart, ...] = ()
    continues: str | None = None


@dataclass(frozen=True, slots=True)
class StopClassified:
    """An operator said why a machine stood, cut its stop in two, or joined stops."""

    n: int
    action: str
    """`classified`, `split` or `merged`."""
    before: Stop
    stop: Stop
    who: str
    at: int
    why: str


@dataclass(frozen=True, slots=True)
class OeeMeasured:
    """A shift's elements so far; `final` once it is closed, of a higher version when that changes."""

    n: int
    elements: OeeElements
    restated: bool = False
    """It was final before."""


@dataclass(frozen=True, slots=True)
class PageClosed:
    """A page of the ledger: at most one hour that is known of, with every interval of it.

    The pages of a machine tile its time; a shift is the sum of its pages.
    """

    elements: OeeElements
    intervals: tuple[Interval, ...]
    recorded: tuple[Interval, ...] | None = None
    """What the machine said, where an operator said otherwise."""


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
    threshold: float | None = None
    """From here the answer is to be explained; None: from the card's threshold."""
    data_age_ms: int = 0
    """How old the oldest value is that the row rests on."""
    gaps: tuple[tuple[str, str], ...] = ()
    """(column, why) of the columns that are not known."""


@dataclass(frozen=True, slots=True)
class PredictionMade:
    n: int
    health: Health
    threshold: float
    contributions: tuple[tuple[str, float], ...]
    """(signal or column, by how much it moved the answer), the greatest first."""
    data_age_ms: int = 0
    task: Task | None = None
    """What the catalogue recommends."""
    call_id: str | None = None
    """The call that the verdict belongs to."""


@dataclass(frozen=True, slots=True)
class ThresholdCrossed:
    """A model's answer passed its threshold, one way or the other."""

    n: int
    health: Health
    threshold: float


@dataclass(frozen=True, slots=True)
class ModelSuspended:
    """A model was refused, failed or took too long: it is not asked for a while."""

    n: int
    model: str
    version: str
    reason: str
    at: int


@dataclass(frozen=True, slots=True)
class ModelResumed:
    n: int
    model: str
    version: str
    at: int


@dataclass(frozen=True, slots=True)
class CallChanged:
    """A model's call began, ended, or was judged."""

    n: int
    call: Call


@dataclass(frozen=True, slots=True)
class WorkOrderChanged:
    """A work order was opened, begun, completed or cancelled."""

    n: int
    order: WorkOrder


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
    AlarmChanged
    | OutageChanged
    | SetPointChanged
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
    | StopClassified
    | OeeMeasured
    | PageClosed
    | GapClosed
    | MinuteClosed
    | ScoreRequested
    | PredictionMade
    | ThresholdCrossed
    | ModelSuspended
    | ModelResumed
    | CallChanged
    | WorkOrderChanged
    | LateKept
    | ReadingRefused
    | TwinChanged
)
