"""The HTTP API's parameters, bodies and answers. camelCase on the wire."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from shared.contracts.documents import (
    Alarm,
    AlarmKind,
    AlarmState,
    At,
    Contract,
    Count,
    JournalEntry,
    Machine,
    Made,
    OeeBucket,
    OeeElements,
    Prediction,
    Priority,
    Quarantined,
    Ratio,
    State,
    Stop,
    StopChange,
    WorkOrder,
)
from shared.contracts.documents import Call as ModelCall
from shared.domain.packml import TimeCategory
from shared.instants import instant, iso


def _canonical(text: str) -> str:
    """The instant as documents write it, so that strings compare as instants do."""
    return iso(instant(text.upper()))


MAX_DEPTH = 5
"""Enterprise, site, area, line, machine, sensor: from the top to the bottom."""
MAX_HOPS = 10

type Id = Annotated[str, StringConstraints(min_length=1, max_length=255)]

type Instant = Annotated[
    str,
    StringConstraints(pattern=r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)$"),
    AfterValidator(_canonical),
]
"""RFC 3339 with offset."""


class _Asked(BaseModel):
    """What a caller says. Unknown names are refused, so that a misspelt filter is noticed."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_alias=True, validate_by_name=False
    )


class NoParameters(_Asked):
    """Nothing may be asked."""


class Paged(_Asked):
    limit: int = Field(50, ge=1, le=200, description="Most items of a page.")
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=8192)] | None = Field(
        None, description="`nextCursor` of the page before."
    )


class MachinesAsked(Paged):
    site: Id | None = Field(None, description="Only machines of this site.")
    line: Id | None = Field(None, description="Only machines of this line.")


class AlarmsAsked(Paged):
    state: Literal["active", "unacknowledged", "latched", "shelved", "suppressed", "outOfService", "all"] = (
        Field(
            "active",
            description="active: its condition holds. unacknowledged: nobody has seen it, even if it has "
            "returned to normal since. latched: it waits to be reset. all: every occurrence ever.",
        )
    )
    site: Id | None = Field(None, description="Only alarms of this site.")
    rule: Id | None = Field(None, description="Only alarms of this rule.")
    alarm_class: Id | None = Field(None, description="Only alarms of this class.")
    begin: Instant | None = Field(None, alias="from", description="Raised then or later.")
    end: Instant | None = Field(None, alias="to", description="Raised before.")
    sort: Literal["newest", "oldest", "urgency"] = Field(
        "newest", description="urgency: by priority, then the newest first."
    )
    machine: Id | None = Field(None, description="Only alarms of this machine.")
    line: Id | None = Field(None, description="Only alarms of this line.")
    priority: Literal["low", "medium", "high", "critical"] | None = Field(
        None, description="Only alarms of this priority."
    )


class TimesAsked(Paged):
    begin: Instant | None = Field(None, alias="from", description="Earliest instant, included.")
    end: Instant | None = Field(None, alias="to", description="Latest instant, excluded.")


class OeeAsked(TimesAsked):
    scope: Id = Field(description="A machine, line, area, site or enterprise.")
    grain: Literal["shift", "hour", "day", "week", "order", "product"] = Field(
        "shift",
        description="What one item covers. hour, order and product: of machines only; order and product "
        "need from and to, at most 31 days. day, week: of shifts by the local date on which they start.",
    )


type Names = Annotated[str, StringConstraints(min_length=1, max_length=2000)]


class OeeCompareAsked(_Asked):
    """Every scope with every period and every name of shifts: from 2 to 24 columns."""

    scopes: Names = Field(description="Machines, lines, areas, sites or the enterprise, by commas.")
    periods: Names = Field(
        description="Stretches as `from/to` of RFC 3339 instants, by commas; at most 92 days each."
    )
    shifts: Names | None = Field(None, description="Names of shifts (early,late), by commas.")


class SignalsAsked(TimesAsked):
    limit: int = Field(24, ge=1, le=168, description="Most hours of a page.")
    signal: Id | None = Field(None, description="Only this signal.")


class QuarantineAsked(Paged):
    device: Id | None = Field(None, description="Only messages of this device.")
    day: Annotated[str, StringConstraints(pattern=r"^\d{4}-?\d\d-?\d\d$")] | None = Field(
        None, description="Only messages that arrived on this day (UTC), yyyy-mm-dd; needs a device."
    )
    machine: Id | None = Field(None, description="Only messages known to be about this machine.")
    reason: Id | None = Field(None, description="Only messages rejected for this reason.")


class GraphAsked(_Asked):
    root: Id = Field(description="The twin to begin at: an enterprise, site, area, line or machine.")
    depth: int = Field(2, ge=0, le=MAX_DEPTH, description="Levels below it.")


class HopsAsked(_Asked):
    hops: int = Field(MAX_HOPS, ge=1, le=MAX_HOPS, description="Machines in a row at most.")


class GraphQuery(_Asked):
    """The body of a graph query."""

    query: Annotated[str, StringConstraints(min_length=1, max_length=8_000)] = Field(
        description="In the query language of Azure Digital Twins: SELECT ... FROM DIGITALTWINS ..."
    )
    limit: int = Field(100, ge=1, le=1_000, description="Most rows of a page.")
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=16_384)] | None = Field(
        None, description="`nextCursor` of the page before."
    )


type Why = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True)]


class AlarmStatisticsAsked(_Asked):
    """At most 31 days."""

    begin: Instant = Field(alias="from", description="Earliest instant, included.")
    end: Instant = Field(alias="to", description="Latest instant, excluded; at most 31 days later.")
    site: Id | None = Field(None, description="Only this site.")
    line: Id | None = Field(None, description="Only this line.")
    machine: Id | None = Field(None, description="Only this machine.")


class Acknowledgements(_Asked):
    """Several alarms at once; each is acknowledged or refused by itself."""

    alarm_ids: Annotated[list[Id], Field(min_length=1, max_length=100)]
    comment: Annotated[str, StringConstraints(max_length=1000)] = ""


class Remark(_Asked):
    comment: Why = Field(description="What others should know.")


class Shelving(_Asked):
    reason: Why
    minutes: Annotated[int, Field(ge=1, le=10_080)] = Field(description="For how long; the rule has a limit.")


class Reason(_Asked):
    reason: Why


class Service(_Asked):
    reason: Why
    work_order: Id | None = None


class SetPoint(_Asked):
    value: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        description="In the rule's unit; null: the description's own."
    )
    reason: Why


class Acknowledgement(_Asked):
    """The optional body of an acknowledgement."""

    comment: Annotated[str, StringConstraints(max_length=1000)] = Field(
        "", description="Why, for the record."
    )


class _Page(Contract):
    next_cursor: str | None = Field(
        description="Pass it as `cursor` for the next page; null at the end. A page before may be short."
    )


class StopsAsked(TimesAsked):
    state: Literal["all", "unclassified", "active"] = Field(
        "all", description="unclassified: without a reason, all of it or a part; active: it lasts."
    )
    machine: Id | None = Field(None, description="Only stops of this machine.")
    line: Id | None = Field(None, description="Only stops of this line.")
    site: Id | None = Field(None, description="Only stops of this site.")


class StopClassification(Acknowledgement):
    """Why a machine stood."""

    reason: Id | None = Field(description="Of the factory's stop reasons; null: as the machine said it.")
    begin: Instant | None = Field(None, alias="from", description="Left out: from the stop's start.")
    end: Instant | None = Field(None, alias="to", description="Left out: to its end.")


class StopCut(Acknowledgement):
    """Where a stop is cut, or a cut undone."""

    at: Instant


class WorkOrdersAsked(Paged):
    state: Literal["open", "all"] = Field("open", description="open: neither done nor cancelled.")
    machine: Id | None = Field(None, description="Only orders of this machine.")
    line: Id | None = Field(None, description="Only orders of this line.")
    site: Id | None = Field(None, description="Only orders of this site.")


class ModelsAsked(_Asked):
    """Calls count by when they were judged, open ones by when they were made."""

    begin: Instant | None = Field(None, alias="from", description="Earliest instant, included.")
    end: Instant | None = Field(None, alias="to", description="Latest instant, excluded.")
    machine: Id | None = Field(None, description="Only calls about this machine.")
    site: Id | None = Field(None, description="Only calls about machines of this site.")


class CallsAsked(TimesAsked):
    machine: Id | None = Field(None, description="Only calls about this machine.")
    site: Id | None = Field(None, description="Only calls about machines of this site.")


type Remarks = Annotated[str, StringConstraints(max_length=1000)]
type Component = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?$")]


class NewWorkOrder(_Asked):
    component: Component = Field(description="As the factory's catalogue calls it, or another.")
    task_id: Id | None = Field(None, description="A task of the catalogue.")
    work: Remarks = Field("", description="What is to be done; left out: the task's.")
    due_at: Instant | None = Field(None, description="Left out: as the task says, else in a week.")
    alarm_id: Id | None = Field(None, description="The occurrence that it is about.")
    note: Remarks = ""


class MaintenanceDone(_Asked):
    component: Component
    at: Instant | None = Field(
        None, description="When it was done; of a component that failed: when it failed. Left out: now."
    )
    finding: Literal["fault", "failed", "nothing"] | None = Field(
        None, description="What was found. Left out: planned work, nobody looked."
    )
    work_order_id: Id | None = Field(
        None, description="The order that it completes; left out: the open one of the component."
    )
    note: Remarks = ""


class MaintenanceRecorded(Contract):
    machine_id: str
    component: str
    at: At
    finding: Literal["fault", "failed", "nothing"] | None


class WorkOrdersPage(_Page):
    items: list[WorkOrder]


class CallsPage(_Page):
    items: list[ModelCall]


class Share(Contract):
    """A ratio with its 95 % interval (Wilson)."""

    value: float
    low: float
    high: float


class LeadTime(Contract):
    median: float
    shortest: float


class ModelInField(Contract):
    """Only as true as the records: what nobody recorded is missing here."""

    model: str
    model_version: str
    open_count: Count
    confirmed_count: Count
    false_call_count: Count
    missed_count: Count
    unknown_count: Count
    precision: Share | None = Field(description="Confirmed calls among those that were judged.")
    recall: Share | None = Field(description="Confirmed calls among failures and faults on record.")
    lead_time_s: LeadTime | None = Field(description="From confirmed calls to their findings.")


class ModelsInField(Contract):
    items: list[ModelInField]


class Healthy(Contract):
    status: Literal["ok"]


class MachinesPage(_Page):
    items: list[Machine]


class AlarmsPage(_Page):
    items: list[Alarm]


class AlarmWithHistory(Alarm):
    history: list[JournalEntry] = Field(description="What happened to it, the oldest first.")


class Acknowledged(Contract):
    alarm_id: str
    outcome: str = Field(description="done, or why it was not acknowledged.")


class AcknowledgedPage(Contract):
    items: list[Acknowledged]


class RuleState(Contract):
    """A rule of a machine and how it is now."""

    rule_id: str
    kind: AlarmKind
    priority: Priority
    state: AlarmState
    alarm_id: str | None
    limit: float | None = Field(description="As it is now.")
    described_limit: float | None
    unit: str
    set_by: str | None = Field(description="Who changed the limit.")
    shelved_until: At | None


class RulesPage(Contract):
    """`outOfService`: why nothing is said of this machine."""

    out_of_service: str | None
    items: list[RuleState]


class BadActor(Contract):
    machine_id: str
    rule_id: str
    raised_count: Count
    share: float


class Chatterer(Contract):
    machine_id: str
    rule_id: str


class Durations(Contract):
    median: float
    max: float


class AlarmStatistics(Contract):
    """By ISA-18.2 clause 16 and EEMUA 191, for one operator's span of control."""

    raised_count: Count
    per_ten_minutes_mean: float
    per_ten_minutes_peak: Count
    flood_count: Count = Field(description="More than 10 alarms in 10 minutes, until fewer than 5.")
    flood_ratio: float = Field(description="Share of the time in floods.")
    bad_actors: list[BadActor] = Field(description="The ten rules that raised most.")
    chattering: list[Chatterer] = Field(description="Raised three times within a minute.")
    by_priority: dict[Priority, Count]
    standing_count: Count = Field(description="Active now.")
    stale_count: Count = Field(description="Of these, for more than 24 h.")
    time_to_acknowledge_s: Durations | None
    time_in_alarm_s: Durations | None


class Indicators(Contract):
    """Key performance indicators of ISO 22400-2; null where the formula divides by nothing."""

    planned_busy_ms: Count
    nee: Ratio | None = Field(description="Net equipment effectiveness.")
    teep: Ratio | None = Field(description="OEE x planned busy time / all time of the shift.")
    allocation_efficiency: Ratio | None
    utilisation_efficiency: Ratio | None
    technical_efficiency: Ratio | None
    setup_ratio: Ratio | None
    scrap_ratio: Ratio | None
    rework_ratio: Ratio | None
    first_pass_yield: Ratio | None
    throughput_per_h: Ratio | None = Field(description="Units an hour of planned busy time.")
    mtbf_ms: Count | None
    mttf_ms: Count | None
    mttr_ms: Count | None
    corrective_maintenance_ratio: Ratio | None
    unclassified_share: Ratio | None = Field(description="Of unplanned and minor stops: without a reason.")
    suspected_cycle_ms: Count | None = Field(
        description="Where effectiveness is above 1: no ideal cycle can be longer than this mean one."
    )
    suspected_product: str | None


class LossStep(Contract):
    name: str
    time_ms: int = Field(description="Negative only for speed, where an ideal cycle is too long.")
    units: int | None = Field(description="What could have been made meanwhile.")


class LostTime(Contract):
    category: TimeCategory
    reason: str | None
    time_ms: Count


class Waste(Contract):
    reason: str
    count: Count


class Losses(Contract):
    waterfall: list[LossStep] = Field(description="Planned busy time in parts that sum to it exactly.")
    pareto: list[LostTime] = Field(description="The longest first.")
    waste: list[Waste] = Field(description="Rejected units by reason, the most first.")


type Level = Literal["machine", "line", "area", "site", "enterprise"]


class ScopeOee(OeeBucket):
    """A stretch or part of the time of a machine, line, area, site or enterprise.

    `shiftId` is empty where several shifts are summed.
    """

    scope: str
    level: Level
    grain: str
    period: str = Field(
        description="Shift id, start of the hour, date, ISO week, order or product, by the grain."
    )
    bucket_ids: list[str] = Field(description="The shifts behind it; each can be explained.")
    indicators: Indicators
    losses: Losses


class Compared(ScopeOee):
    """One column of a comparison."""

    begin: At | None = Field(alias="from")
    finish: At | None = Field(alias="to")
    shift: str | None = Field(description="Only shifts of this name.")
    bucket_count: Count
    difference: dict[str, float | None] = Field(
        description="Less the first column: availability, effectiveness, quality, oee, nee and teep."
    )
    loss_share: dict[str, float] = Field(
        description="Each step of the waterfall as a share of planned busy time."
    )


class OeeComparison(Contract):
    """Side by side, in the order of the question. `missing`: columns of which nothing is known."""

    items: list[Compared]
    missing: list[str]


class ExplainedInterval(Contract):
    """A stretch of time with one state. Intervals have neither gap nor overlap."""

    start: At
    end: At
    time_ms: Count
    category: TimeCategory
    state: State
    reason: str | None
    product: str
    order: str
    failure: bool = Field(description="A failure begins with it.")


class ExplainedPage(Contract):
    """At most one hour that is known of: its intervals, and what was counted meanwhile."""

    start: At
    end: At
    intervals: list[ExplainedInterval]
    elements: OeeElements
    reset_count: Count
    flags: dict[str, Count]


class ExplainedProduct(Made):
    ideal_cycle_ms: float | None = Field(description="idealMs / units; null: the product has none.")


class Step(Contract):
    """One line of arithmetic: the formula, the formula with its numbers, the result."""

    name: str
    formula: str
    numbers: str
    value: float | None = Field(description="null where the formula divides by nothing.")
    unit: Literal["ms", "units", "ratio"]


class Proven(Contract):
    """One summed number: its parts, and the bucket's."""

    name: str
    parts: int
    rest: int
    bucket: int
    equal: bool


class Proof(Contract):
    """Of every number that adds up. `equal`: all do, and the intervals tile the time."""

    equal: bool
    tiled: bool = Field(description="Intervals have neither gap nor overlap.")
    sums: list[Proven]


class ExplainedChild(Contract):
    """A machine, line or site that a scope's bucket is the sum of."""

    id: str
    bucket_id: str
    counted: bool = Field(description="False for a line's machines that its OEE is not taken from.")
    elements: OeeElements


class FallOff(Contract):
    """Of a line: units lost at any of its machines / produced at the first (ISO 22400-2)."""

    first: str
    count: Count
    produced_count: Count
    ratio: Ratio


class Explained(Contract):
    """Everything behind a bucket, so that its figures can be worked out again by hand."""

    bucket_id: str
    bucket: ScopeOee
    arithmetic: list[Step]
    products: list[ExplainedProduct]
    pages: list[ExplainedPage]
    rest: OeeElements | None = Field(
        description="In the bucket and in no page: the page that is being written, or idle time "
        "outside shifts. null: nothing."
    )
    children: list[ExplainedChild] = Field(description="Of a scope; each can be explained in turn.")
    fall_off: FallOff | None = Field(description="Of a line whose first machine made something.")
    proof: Proof


class OeePage(_Page):
    items: list[ScopeOee]


class GraphRows(_Page):
    items: list[dict[str, Any]]


class Graph(Contract):
    """A part of the twin graph, as Azure Digital Twins shows twins and relationships."""

    twins: list[dict[str, Any]]
    relationships: list[dict[str, Any]]
    complete: bool = Field(description="Whether nothing was left out for its size.")


class StopsPage(_Page):
    items: list[Stop]


class StopWithHistory(Stop):
    """A stop, and who changed it."""

    history: list[StopChange]


class PredictionsPage(_Page):
    items: list[Prediction]


class MinuteOfSignal(Contract):
    """One signal over one minute of event time; null without good values."""

    count: Count
    min: float | None
    mean: float | None
    max: float | None
    bad_count: Count


class Minute(Contract):
    at: At
    signals: dict[str, MinuteOfSignal]


class MinutesPage(_Page):
    items: list[Minute]


class QuarantinePage(_Page):
    items: list[Quarantined]


class QuarantinedMessage(Quarantined):
    body: str = Field(description="The bytes, Base64.")


class MachineResumed(Contract):
    machine_id: str
    folded_count: Count = Field(description="Queued readings that were folded.")


class Replayed(Contract):
    """What became of a replayed message."""

    reading_count: Count = Field(description="Readings that reached their machines.")
    rejected: list[Quarantined] = Field(
        description="What of it stays in quarantine, perhaps under ids of its own; empty: nothing."
    )


class InvalidParameter(Contract):
    location: Literal["query", "body"] = Field(alias="in")
    name: str
    detail: str


class ProblemDetails(Contract):
    """RFC 9457. `detail` says what to do about it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[InvalidParameter] | None = Field(None, description="Every invalid parameter.")
    role: str | None = Field(None, description="The app role that the caller lacks.")
    alarm: Alarm | None = Field(None, description="The alarm as it is.")
    stop: Stop | None = Field(None, description="The stop as it is.")
