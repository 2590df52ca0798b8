"""Everything Millwright remembers about one machine: the document that one commit guards by ETag.

The parts are mutable and slotted for speed. `advance` clones a state before it folds, so a
caller's state never changes; columns are in the order of the spec's signals.
"""

from dataclasses import dataclass, field

from shared.domain.alarms.memory import Memory, Outage, SetPoint
from shared.domain.calendar import Segment
from shared.domain.effects import Alarm, Health, Interval
from shared.domain.features import FeatureState
from shared.domain.maintenance.records import Care
from shared.domain.packml import PackMLState, TimeCategory
from shared.domain.stop_records import Said


@dataclass(slots=True)
class Held:
    """A reading that waits in the reorder buffer: only what the event-time fold needs."""

    at: int
    sequence: int
    key: str
    state: PackMLState | None
    reason: str | None
    product: str | None
    good: int | None
    reject: int | None
    rejects: dict[str, int]
    values: tuple[float | None, ...]
    """None: not reported. Bad values come as None with the column in `bad`."""
    bad: tuple[int, ...]
    order: str | None = None
    rework: int | None = None
    total: int | None = None
    device: str = ""


@dataclass(slots=True)
class Made:
    """What was made of one product for one order, and the production time it took."""

    product: str
    order: str
    production_ms: int = 0
    good_count: int = 0
    reject_count: int = 0
    rework_count: int = 0
    ideal_ms: int = 0


@dataclass(slots=True)
class Sums:
    """What time and units add up to: the mutable twin of `effects.OeeElements`."""

    times_ms: dict[TimeCategory, int] = field(default_factory=dict[TimeCategory, int])
    good_count: int = 0
    reject_count: int = 0
    ideal_ms: int = 0
    unpriced_count: int = 0
    reset_count: int = 0
    rework_count: int = 0
    ideal_good_ms: int = 0
    startup_count: int = 0
    startup_ideal_ms: int = 0
    failure_count: int = 0
    corrective_ms: int = 0
    preventive_ms: int = 0
    rejects: dict[str, int] = field(default_factory=dict[str, int])
    losses_ms: dict[str, int] = field(default_factory=dict[str, int])
    """`category/reason` -> time."""
    flags: dict[str, int] = field(default_factory=dict[str, int])
    """What was wrong with the data -> how often, or how many units."""
    made: dict[str, Made] = field(default_factory=dict[str, Made])
    """By product and order."""

    def clone(self) -> "Sums":
        return Sums(
            dict(self.times_ms),
            self.good_count,
            self.reject_count,
            self.ideal_ms,
            self.unpriced_count,
            self.reset_count,
            self.rework_count,
            self.ideal_good_ms,
            self.startup_count,
            self.startup_ideal_ms,
            self.failure_count,
            self.corrective_ms,
            self.preventive_ms,
            dict(self.rejects) if self.rejects else {},
            dict(self.losses_ms) if self.losses_ms else {},
            dict(self.flags) if self.flags else {},
            {
                key: Made(
                    m.product,
                    m.order,
                    m.production_ms,
                    m.good_count,
                    m.reject_count,
                    m.rework_count,
                    m.ideal_ms,
                )
                for key, m in self.made.items()
            }
            if self.made
            else {},
        )


@dataclass(slots=True)
class Bucket:
    """A shift in the making: the sums of its closed pages."""

    shift_id: str
    start: int
    end: int
    sums: Sums = field(default_factory=Sums)
    late_count: int = 0
    version: int = 1
    """Grows when the bucket changes after it was closed."""

    def clone(self) -> "Bucket":
        return Bucket(self.shift_id, self.start, self.end, self.sums.clone(), self.late_count, self.version)


@dataclass(frozen=True, slots=True)
class Part:
    """What a machine says of itself; a stretch of time has one of it."""

    state: PackMLState = PackMLState.UNDEFINED
    reason: str | None = None
    product: str = ""
    order: str = ""


@dataclass(slots=True)
class Page:
    """The stretch of the ledger that is being written: an hour at most of which something is known.

    Its last interval is open: it reaches from `since` to wherever time is accounted to.
    """

    shift_id: str
    start: int
    end: int = -1
    """The end of the hour of its first reading; -1 before one: silent hours share a page."""
    intervals: list[Interval] = field(default_factory=list[Interval])
    kind: TimeCategory | None = None
    """Of the open interval; None: there is none."""
    part: Part = field(default_factory=Part)
    since: int = -1
    failure: bool = False
    """A failure begins with the open interval."""
    sums: Sums = field(default_factory=Sums)

    def clone(self) -> "Page":
        return Page(
            self.shift_id,
            self.start,
            self.end,
            self.intervals[:],
            self.kind,
            self.part,
            self.since,
            self.failure,
            self.sums.clone(),
        )


PANE_SUMS = 4


@dataclass(slots=True)
class Pane:
    """The current event-time minute, per column."""

    minute: int
    """Start of the minute; -1 before the first reading."""
    sums: list[float]
    """n, total, low and high of each column, one after the other. Replaced, as `bad`: clones share them."""
    bad: list[int]
    """Implausible values of each column."""
    rows: list[tuple[float | None, ...]] = field(default_factory=list[tuple[float | None, ...]])
    """The last few readings' values, not in the sums yet: a list of rows is copied faster than the sums."""

    @classmethod
    def empty(cls, columns: int) -> "Pane":
        return cls(-1, [0.0] * (columns * PANE_SUMS), [0] * columns)

    def clone(self) -> "Pane":
        return Pane(self.minute, self.sums, self.bad, self.rows[:])


@dataclass(slots=True)
class Fold:
    """What is folded in event time, behind the reorder buffer."""

    pane: Pane
    moving: dict[str, FeatureState] = field(default_factory=dict[str, FeatureState])
    """Model -> the moving statistics that its columns are made of; absent before the first pane.

    Replaced, never changed in place: clones share it.
    """
    newest_at: int = -1
    """The machine's event time: the newest reading that arrived."""
    at: int = -1
    """Time is accounted up to here."""
    heard_at: int = -1
    """The last folded reading."""
    waiting: list[Held] = field(default_factory=list[Held])
    folded: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """Time and duplicate key of the readings folded within the lateness bound before `at`.

    Replaced, never changed in place: clones share it.
    """
    late_keys: list[str] = field(default_factory=list[str])
    good: int | None = None
    reject: int | None = None
    rejects: dict[str, int] = field(default_factory=dict[str, int])
    """Last cumulative reject counters by reason."""
    segment: Segment | None = None
    bucket: Bucket | None = None
    closed: list[Bucket] = field(default_factory=list[Bucket])
    """The last few closed shifts, so that late readings are counted on them."""
    hour: int = -1
    """Start of the hour whose minute document exists."""
    stop_id: str | None = None
    stop_started_at: int = -1
    stop_category: TimeCategory = TimeCategory.UNPLANNED_STOP
    stop_reason: str | None = None
    scored_at: dict[str, int] = field(default_factory=dict[str, int])
    """Model -> event time of its last row. Replaced, never changed in place: clones share it."""
    part: Part = field(default_factory=Part)
    """State, reason, product and order as accounted; reason by rule where the machine gives none."""
    page: Page | None = None
    pending: list[tuple[int, Part]] = field(default_factory=list[tuple[int, Part]])
    """An unplanned stop too young to tell from a minor one: its parts, by start. Not accounted yet.
    Replaced, never changed in place."""
    failing: bool = False
    """Within a failure that is already counted."""
    producing_at: int = -1
    """When production last resumed."""
    good_at: int = -1
    reject_at: int = -1
    rework: int | None = None
    rework_at: int = -1
    total: int | None = None
    total_at: int = -1
    count_device: str = ""
    """The device that reported counters last."""
    count_sequence: int = -1
    """Its own number of that reading."""
    said: list[Said] = field(default_factory=list[Said])
    """What operators said of stops that are on no closed page yet. Replaced, never changed in place."""

    def clone(self) -> "Fold":
        """A copy to fold on. Page and bucket are shared until `Turn` is asked for them."""
        return Fold(
            self.pane.clone(),
            self.moving,
            self.newest_at,
            self.at,
            self.heard_at,
            self.waiting[:],
            self.folded,
            self.late_keys[:] if self.late_keys else [],
            self.good,
            self.reject,
            dict(self.rejects) if self.rejects else {},
            self.segment,
            self.bucket,
            self.closed[:] if self.closed else [],
            self.hour,
            self.stop_id,
            self.stop_started_at,
            self.stop_category,
            self.stop_reason,
            self.scored_at,
            self.part,
            self.page,
            self.pending,
            self.failing,
            self.producing_at,
            self.good_at,
            self.reject_at,
            self.rework,
            self.rework_at,
            self.total,
            self.total_at,
            self.count_device,
            self.count_sequence,
            self.said,
        )


@dataclass(slots=True)
class Shown:
    """What the twin was last told."""

    version: int = 0
    at: int = -1
    """Arrival time of that twin document."""
    values: list[float | None] = field(default_factory=list[float | None])
    """Replaced, never changed in place, as `value_at`: clones share them."""
    value_at: list[int] = field(default_factory=list[int])
    band: str = "grey"
    pending: bool = False
    """Since then a value moved beyond its deadband, or OEE or health were assessed anew."""

    def clone(self) -> "Shown":
        return Shown(self.version, self.at, self.values, self.value_at, self.band, self.pending)


@dataclass(slots=True)
class MachineState:
    """One machine. Fields without a comment are current values, folded on arrival."""

    machine_id: str
    site_id: str
    line_id: str
    spec_version: int
    names: tuple[str, ...]
    """Signal names of the columns, so that a changed spec finds them again."""
    fold: Fold
    shown: Shown
    effect_count: int = 0
    """Effects so far; their numbers make event ids."""
    positions: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    """Source -> (sequence, index) of the last input folded from it."""
    arrived_at: int = -1
    reading_at: int = -1
    reading_sequence: int = 0
    state: PackMLState = PackMLState.UNDEFINED
    state_since: int = -1
    state_at: int = -1
    """The newest reading that told the state; others may be newer."""
    state_sequence: int = 0
    reason: str | None = None
    order_at: int = -1
    order_sequence: int = 0
    order: str | None = None
    product: str | None = None
    values: list[float | None] = field(default_factory=list[float | None])
    value_at: list[int] = field(default_factory=list[int])
    value_sequence: list[int] = field(default_factory=list[int])
    bad: list[bool] = field(default_factory=list[bool])
    silent: bool = False
    blocked: str | None = None
    alarms: dict[str, Alarm] = field(default_factory=dict[str, Alarm])
    """Rule -> its occurrence; absent while normal."""
    set_points: dict[str, SetPoint] = field(default_factory=dict[str, SetPoint])
    """Rule -> the limit that was set at run time."""
    memory: Memory | None = None
    """What rules over time remember; None while no rule needs it."""
    outage: Outage | None = None
    """The machine is out of service: its rules say nothing."""
    health: dict[str, Health] = field(default_factory=dict[str, Health])
    """Model -> its latest verdict."""
    maintained_at: dict[str, int] = field(default_factory=dict[str, int])
    """Component -> last maintenance."""
    reading_count: int = 0
    """Readings taken, those in the reorder buffer included."""
    late_count: int = 0
    duplicate_count: int = 0
    refused_count: int = 0
    unknown_signal_count: int = 0
    queued_count: int = 0
    """Inputs ever put into the queue of a blocked machine; numbers their documents."""
    care: Care = field(default_factory=Care)
    """Work orders, calls of the models, and which of them rest."""

    def clone(self) -> "MachineState":
        return MachineState(
            self.machine_id,
            self.site_id,
            self.line_id,
            self.spec_version,
            self.names,
            self.fold.clone(),
            self.shown.clone(),
            self.effect_count,
            dict(self.positions),
            self.arrived_at,
            self.reading_at,
            self.reading_sequence,
            self.state,
            self.state_since,
            self.state_at,
            self.state_sequence,
            self.reason,
            self.order_at,
            self.order_sequence,
            self.order,
            self.product,
            self.values[:],
            self.value_at[:],
            self.value_sequence[:],
            self.bad[:],
            self.silent,
            self.blocked,
            dict(self.alarms) if self.alarms else {},
            dict(self.set_points) if self.set_points else {},
            self.memory.clone() if self.memory is not None else None,
            self.outage,
            dict(self.health) if self.health else {},
            dict(self.maintained_at) if self.maintained_at else {},
            self.reading_count,
            self.late_count,
            self.duplicate_count,
            self.refused_count,
            self.unknown_signal_count,
            self.queued_count,
            self.care,
        )
