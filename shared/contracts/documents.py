"""The documents in Cosmos DB, as downstream apps read them. camelCase; instants are RFC 3339 in UTC.

Each `...Document` is what the container holds, besides what the service adds (`_etag`, `_ts` ...);
the class it extends is the same thing as the HTTP API shows it.
"""

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from shared.domain.alarms.life_cycle import State as AlarmLifeCycle
from shared.domain.packml import PackMLState, TimeCategory

STATES = sorted(state.word for state in PackMLState)

type At = Annotated[
    str,
    StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"),
    Field(description="Instant, RFC 3339 in UTC with milliseconds."),
]
type State = Annotated[str, Field(description="PackML state.", json_schema_extra={"enum": list(STATES)})]
type Priority = Literal["low", "medium", "high", "critical"]
type Count = Annotated[int, Field(ge=0)]
type Ratio = Annotated[float, Field(ge=0)]
"""Effectiveness, and so OEE, may exceed 1: nothing is capped."""
type Probability = Annotated[float, Field(ge=0, le=1)]


type Traceparent = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"),
    Field(description="The trace of the commit (W3C Trace Context); absent where none was recorded."),
]


def _for_readers(schema: dict[str, Any]) -> None:
    """The published schema is open: the store adds properties of its own, a later release may, too."""
    schema.pop("additionalProperties", None)
    for described in schema.get("properties", {}).values():
        described.pop("title", None)


class Contract(BaseModel):
    """A closed shape here: what is not declared is not written."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=False,
        json_schema_extra=_for_readers,
    )


@cache
def names(model: type[BaseModel]) -> tuple[str, ...]:
    """A contract's properties as they are called on the wire."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


class OfMachine(Contract):
    machine_id: str
    site_id: str
    line_id: str


class InMachines(OfMachine):
    """What every document of the container `machines` has."""

    id: str


class Expiring(Contract):
    ttl: Annotated[int, Field(gt=0, description="Seconds until Cosmos DB removes the document.")]


class ReadingCounts(Contract):
    """What became of a machine's readings, ever."""

    folded: int = Field(ge=0, description="Taken, those in the reorder buffer included.")
    late: int = Field(ge=0, description="Beyond the lateness bound: kept in `late`.")
    duplicate: int = Field(ge=0)
    refused: int = Field(ge=0, description="From the far future: in quarantine.")
    queued: int = Field(ge=0, description="Ever put into the queue of the machine while it was set aside.")


class StateDocument(InMachines):
    """The guard of every commit. `data` is Millwright's own and may change at any time: do not read it."""

    type: Literal["state"]
    spec_version: int
    blocked: str | None = Field(description="Why the machine is set aside.")
    counts: ReadingCounts
    data: str = Field(description="The machine's state as JSON, deflated (zlib), in base64.")
    next_due_at: At | None = Field(None, description="When the timer looks at the machine.")


class Signal(Contract):
    value: float
    unit: str
    quality: Literal["good", "bad"] = Field(description="bad: implausible, so used for nothing.")
    at: At


class OeeFigures(Contract):
    """Ratios of ISO 22400-2; null where the formula divides by nothing."""

    shift_id: str
    final: bool = Field(description="No reading can change it any more, save by being counted as late.")
    availability: Ratio | None
    effectiveness: Ratio | None
    quality: Ratio | None
    oee: Ratio | None = Field(description="A lower bound: time without data counts as lost.")
    upper_bound: Ratio | None = Field(description="OEE if all time without data had been perfect production.")
    coverage: Ratio | None = Field(description="Share of planned busy time about which something is known.")
    band: Literal["green", "yellow", "red", "grey"] = Field(
        description="grey: undefined, or known for less than 90 % of the time."
    )


class Made(Contract):
    """What was made of one product for one order."""

    product: str
    order: str
    production_ms: Count
    good_count: Count
    reject_count: Count
    rework_count: Count
    ideal_ms: Count


class OeeElements(Contract):
    """What ratios are made of. Sum these over machines, then divide; never average ratios."""

    times_ms: dict[TimeCategory, Count]
    good_count: Count
    reject_count: Count
    ideal_ms: Count = Field(description="Units made times the ideal cycle time of their product.")
    unpriced_count: Count = Field(description="Units of products without an ideal cycle time.")
    rejects: dict[str, Count] = Field(description="Rejected units by reason.")
    rework_count: Count = Field(0, description="Units to be worked again, neither good nor rejected.")
    ideal_good_ms: Count = Field(0, description="The good units' part of `idealMs`.")
    startup_count: Count = Field(0, description="Of the rejects, those soon after a stop.")
    startup_ideal_ms: Count = 0
    failure_count: Count = Field(0, description="Unplanned stops that began, minor ones left out.")
    corrective_ms: Count = Field(0, description="Time in stop reasons that are corrective maintenance.")
    preventive_ms: Count = 0
    losses_ms: dict[str, Count] = Field(
        default_factory=dict[str, int],
        description="`category/reason` -> time that was no production; `category/` is without a reason.",
    )
    made: list[Made] = Field(default_factory=list[Made], description="By product and order.")


type ModelKind = Literal["failure", "quality", "remaining-life", "anomaly"]


class Health(Contract):
    """The newest verdict of the machine's maintenance model."""

    model: str
    model_version: str
    kind: ModelKind = Field(
        description="failure, quality: a probability. remaining-life: an amount with an interval. anomaly: "
        "a distance from the machine's own healthy behaviour, per channel."
    )
    probability: Probability | None = Field(
        description="Of a failure, or of `label`; null while the model abstains and for other kinds."
    )
    score: Probability | None = Field(description="1 - probability of a failure.")
    amount: float | None = Field(description="Remaining life, or distance.")
    low: float | None = Field(description="Where the interval of a remaining life begins.")
    high: float | None
    unit: str = Field(description="Of the amount; empty for a probability.")
    label: str | None = Field(description="The class that a quality model finds most likely.")
    abstained: bool
    reason: str | None = Field(description="Why the model abstained.")
    warning: bool = Field(description="The answer reached the model's threshold.")
    assessed_at: At


class AlarmSummary(Contract):
    active_count: Count
    unacknowledged_count: Count
    highest_priority: Literal["none"] | Priority = Field(description="Among the active ones.")


class Machine(OfMachine):
    """A machine as it is now. Measurements, OEE and health are at most 30 s behind, all else is current."""

    machine_class: str = Field(alias="class")
    version: Annotated[int, Field(ge=1, description="Grows with every change.")]
    at: At | None
    state: State
    state_since: At | None
    reason: str | None = Field(description="Stop reason, from the site's catalogue.")
    last_reading_at: At | None
    order: str | None
    product: str | None
    silent: bool = Field(description="Nothing has arrived for longer than the machine's class allows.")
    blocked: str | None = Field(description="Why its readings queue instead of being folded.")
    signals: dict[str, Signal]
    oee: OeeFigures | None
    health: Health | None
    alarms: AlarmSummary


class TwinDocument(InMachines, Machine):
    type: Literal["twin"]


type AlarmState = Annotated[
    str,
    Field(
        description="State of the ISA-18.2 life cycle.",
        json_schema_extra={"enum": [state.value for state in AlarmLifeCycle]},
    ),
]
type AlarmKind = Literal[
    "highHigh",
    "high",
    "low",
    "lowLow",
    "deviation",
    "rateOfChange",
    "counterRate",
    "state",
    "silence",
    "frozen",
    "score",
    "oee",
    "expression",
]


class Alarm(OfMachine):
    """One occurrence of an alarm (ISA-18.2)."""

    alarm_id: str
    rule_id: str
    version: Annotated[int, Field(ge=1, description="Grows with every change.")]
    signal: str = Field(description="Empty where the rule does not watch one signal.")
    kind: AlarmKind
    priority: Priority
    alarm_class: str | None
    state: AlarmState
    active: bool = Field(description="Its condition holds, and nothing hides it.")
    acknowledged: bool
    text: str = Field(description="What is the matter, in English.")
    limit: float | None
    unit: str
    value: float | None = Field(description="The number that confirmed the alarm.")
    violated_at: At = Field(description="Since when the condition held.")
    raised_at: At = Field(description="Of one that was hidden before it was raised: when it was hidden.")
    cleared_at: At | None
    acknowledged_at: At | None
    acknowledged_by: str | None
    comment: str | None
    shelved_until: At | None
    nuisance: Literal["chattering", "repeating"] | None
    occurrence_count: Annotated[int, Field(ge=0, description="Times it was raised before it was over.")]
    consequence: str | None
    response: str | None = Field(description="What an operator should do.")
    respond_within_s: float | None = Field(description="How long there is to prevent the consequence.")


class AlarmDocument(InMachines, Alarm):
    type: Literal["alarm"]
    urgency: str = Field(description="Sorts by priority, then by time.")


class JournalEntry(Contract):
    """Something that happened to an alarm, a rule or a machine's service."""

    number: Annotated[int, Field(ge=1)]
    at: At
    event: str = Field(
        description="raised, cleared, latched, acknowledged, reset, reannunciated, commented, shelved, "
        "unshelved, suppressed, unsuppressed, takenOutOfService, returnedToService, dropped, chattering, "
        "repeating or setPointChanged."
    )
    who: str | None = Field(description="The operator; null: it happened by itself.")
    why: str | None
    alarm_id: str | None = None
    rule_id: str | None = None
    priority: Priority | None = None
    before: AlarmState | None = Field(None, alias="from")
    after: AlarmState | None = Field(None, alias="to")
    value: float | None = None
    raised_at: At | None = None
    until: At | None = None
    work_order: str | None = None
    old: float | None = None
    new: float | None = None


class JournalDocument(InMachines):
    """What one input did to a machine's alarms. Never changed, never deleted."""

    type: Literal["journal"]
    number: Annotated[int, Field(ge=1)]
    at: At
    alarm_ids: list[str]
    entries: list[JournalEntry]


class OeeBucket(OeeFigures):
    """One shift of something."""

    start: At
    end: At
    measured_at: At = Field(description="Accounted up to here.")
    elements: OeeElements
    reset_count: Count = Field(description="Counters that started again.")
    late_count: Count = Field(description="Readings that came too late to be folded.")
    version: Annotated[int, Field(ge=1)] = Field(
        1, description="Grows when anything but the machine's own time changes it."
    )
    flags: dict[str, Count] = Field(
        default_factory=dict[str, int],
        description="What was wrong with the data -> how often, or how many units (docs/oee.md).",
    )


class OeeDocument(InMachines, OeeBucket):
    type: Literal["oee"]
    bucket_id: str


type LedgerInterval = Annotated[
    tuple[At, At, TimeCategory, State, str | None, str, str, bool],
    Field(description="[start, end, category, state, reason, product, order, a failure begins]."),
]


class LedgerDocument(InMachines):
    """A page of a machine's ledger: at most one hour that is known of, within one shift.

    Pages tile a machine's time, and their elements sum to those of its shifts.
    """

    type: Literal["ledger"]
    shift_id: str
    start: At
    end: At
    elements: OeeElements
    reset_count: Count
    version: Annotated[int, Field(ge=1)]
    flags: dict[str, Count]
    intervals: list[LedgerInterval]
    recorded: list[LedgerInterval] | None = Field(
        None, description="What the machine said, where an operator classified a stop otherwise."
    )


class StopPart(Contract):
    """A stretch of a stop. What nobody classified has the category and reason that the machine gave."""

    started_at: At
    ended_at: At | None
    category: TimeCategory
    reason: str | None
    by_operator: bool
    who: str | None
    at: At | None = Field(description="When it was classified.")


class Stop(OfMachine):
    """Time in which a machine did not produce, by why."""

    stop_id: str
    started_at: At
    ended_at: At | None
    category: TimeCategory = Field(description="As the machine or a rule said it last.")
    reason: str | None
    active: bool = Field(description="It lasts.")
    state: Literal["classified", "unclassified"] = Field(
        description="unclassified: without a reason, all of it or a part."
    )
    parts: list[StopPart] = Field(description="What operators said, over all of the stop; empty: nothing.")
    continues: str | None = Field(description="The stop before, of which it is the same failure.")
    version: Annotated[int, Field(ge=1, description="Grows with every change.")]


class StopDocument(InMachines, Stop):
    type: Literal["stop"]


class StopChange(OfMachine):
    """Somebody classified a stop, split it or merged it. Never changed, never deleted."""

    number: Annotated[int, Field(ge=1)]
    stop_id: str
    started_at: At
    ended_at: At | None
    action: Literal["classified", "split", "merged"]
    before: list[StopPart]
    after: list[StopPart]
    continued_before: str | None
    continues: str | None
    who: str
    why: str | None
    at: At


class StopChangeDocument(InMachines, StopChange):
    type: Literal["stopchange"]


class Recommendation(Contract):
    """Work of the factory's catalogue that answers a warning."""

    task_id: str
    component: str
    work: str
    within_s: float = Field(gt=0, description="How long there is to do it.")


class Prediction(OfMachine, Health):
    """One verdict of a maintenance model."""

    threshold: float = Field(description="A warning from here upwards; a remaining life: downwards.")
    horizon_s: float | None = Field(description="How far ahead the model looks.")
    data_age_s: float = Field(ge=0, description="How old the oldest value is that the verdict rests on.")
    contributions: dict[str, float] = Field(
        description="Signals that moved the answer, of warnings. Anomaly: their shares of the squared "
        "distance. Else: how far the answer falls with the signal at its training median."
    )
    recommendation: Recommendation | None
    call_id: str | None = Field(description="The call that the verdict is part of; it is judged later.")


class PredictionDocument(InMachines, Prediction, Expiring):
    type: Literal["prediction"]


class Call(OfMachine):
    """A model's warning and whether it was right, or a failure that no warning announced."""

    call_id: str
    model: str
    model_version: str
    component: str | None
    called_at: At | None = Field(description="null: it was missed.")
    answer: float | None = Field(description="With which the warning began.")
    ended_at: At | None
    outcome: Literal["open", "confirmed", "falseCall", "missed", "unknown"] = Field(
        description="unknown: the component was replaced and nobody said what was found."
    )
    judged_at: At | None
    lead_time_s: float | None = Field(description="From the call to the finding, of confirmed calls.")
    work_order_id: str | None
    why: str | None = Field(description="How the outcome is known.")
    at: At = Field(description="When it was judged, else when it was called.")


class CallDocument(InMachines, Call):
    type: Literal["call"]


type OrderState = Literal["open", "inProgress", "done", "cancelled"]


class WorkOrder(OfMachine):
    """Work on one component, from its cause to what was found."""

    work_order_id: str
    version: Annotated[int, Field(ge=1, description="Grows with every change.")]
    task_id: str | None = Field(description="Of the factory's catalogue.")
    component: str
    work: str
    state: OrderState
    cause: Literal["prediction", "alarm", "operator"]
    cause_id: str | None = Field(description="The call, or the occurrence of the alarm.")
    opened_at: At
    due_at: At
    changed_at: At
    who: str | None = Field(description="Who changed it last; null: it happened by itself.")
    finding: Literal["fault", "failed", "nothing"] | None
    note: str | None
    active: bool = Field(description="Neither done nor cancelled.")
    at: At = Field(description="When it was opened.")


class WorkOrderDocument(InMachines, WorkOrder):
    type: Literal["workorder"]


type Aggregate = Annotated[
    tuple[Count, float | None, float | None, float | None, Count],
    Field(description="[n, low, mean, high, bad] of a signal over a minute."),
]


class MinutesDocument(InMachines, Expiring):
    """An hour of minute aggregates."""

    type: Literal["minutes"]
    hour: At
    signals: list[str]
    rows: dict[str, list[Aggregate]] = Field(
        description="Minute of the hour, 0 to 59 -> one aggregate for each of `signals`."
    )


class ViolationDocument(InMachines, Expiring):
    """A reading older than the signal's current value broke a limit: no alarm, but written down."""

    type: Literal["violation"]
    rule_id: str
    signal: str
    value: float
    at: At


class GapDocument(InMachines):
    """Whole shifts without any data."""

    type: Literal["gap"]
    start: At
    end: At
    shifts: list[tuple[str, At, At, Count]] = Field(
        description="[shift, start, end, planned busy ms, all of it unknown]."
    )


class CommandDocument(InMachines, Expiring):
    """An operator's command, so that its key does not run twice."""

    type: Literal["command"]
    outcome: str = Field(description="done, or why it could not be.")
    at: At


class QueuedDocument(InMachines):
    """A reading of a blocked machine. `reading` is Millwright's own."""

    type: Literal["queued"]
    number: Annotated[int, Field(ge=1)]
    reading: dict[str, Any]


class OutboxDocument(InMachines, Expiring):
    """The CloudEvents of one commit, published by a relay."""

    type: Literal["outbox"]
    events: list[dict[str, Any]]
    traceparent: Traceparent | None = None


class Counts(Contract):
    good: Count | None
    reject: Count | None
    rejects: dict[str, Count]


class LateDocument(InMachines):
    """A reading beyond the lateness bound, in the container `late`: kept and counted, not folded."""

    type: Literal["late"]
    shift_id: str | None
    device: str
    at: At
    arrived_at: At
    sequence: int
    state: State | None
    reason: str | None
    counts: Counts
    signals: dict[str, float]


class Position(Contract):
    source: str
    sequence: int
    index: int


class Quarantined(Contract):
    """A message, or a reading of one, that could not be believed."""

    id: str
    device: str
    machine_id: str | None
    reason: str
    detail: str
    arrived_at: At
    position: Position


class QuarantineDocument(Quarantined):
    device_day: str = Field(description="device/yyyymmdd, by arrival.")
    body: str = Field(description="The bytes, Base64.")


class InDeliveries(Expiring):
    """What the documents about notifications have, in the container `deliveries`."""

    id: str
    alarm_id: str = Field(description="The alarm, or whatever else it is about.")
    site_id: str
    policy: str


class DeliveryDocument(InDeliveries):
    """One message on its way to one address."""

    type: Literal["delivery"]
    event_id: str
    channel: str = Field(description="The channel or person; POLICY.webhook is a policy's own.")
    kind: Literal["webhook", "teams", "email"]
    text: str = Field(description="The headline.")
    outcome: Literal["sending", "delivered", "failed", "refused", "expired"] = Field(
        description="failed: it will be tried again; refused and expired: dead letters."
    )
    detail: str | None
    attempt_count: Annotated[int, Field(ge=1)]
    first_at: At
    at: At
    due_at: At | None = Field(None, description="When it is tried again; absent when it is over.")
    message: dict[str, Any] | None = Field(None, description="Until it is delivered.")
    event: dict[str, Any] | None = Field(None, description="Until it is delivered.")


class GatheredDocument(InDeliveries):
    """A notice that went, or will go, with others in one message."""

    type: Literal["gathered"]
    event_id: str
    outcome: Literal["grouped"]
    detail: str
    at: At


class PaceDocument(InDeliveries):
    """What a policy told of late, and what waits to be told."""

    type: Literal["pace"]
    step: Count
    sent: dict[str, int] = Field(description="Notice -> when it went, ms since the epoch.")
    waiting: list[dict[str, Any]]
    more_count: Count = Field(description="Notices that wait beyond those that are listed.")
    group_count: Count
    due_at: At | None = None


class EscalationDocument(InDeliveries):
    """An alarm that further people hear of until somebody acknowledges it."""

    type: Literal["escalation"]
    machine_id: str
    step: Count = Field(description="The last step taken.")
    reminder_count: Count
    outcome: str = Field(
        description="open, acknowledged, exhausted, raisedAgain, alarmGone, policyGone, or the alarm's state."
    )
    started_at: At
    due_at: At | None = None
    ended_at: At | None = None
    event: dict[str, Any]


class ActionDocument(OfMachine):
    """What a machine's device was told because of an alarm, in the container `deliveries`. Never deleted."""

    id: str
    alarm_id: str
    type: Literal["action"]
    rule_id: str
    event_id: str
    subject: str
    action: str
    device_id: str | None
    method: str | None = Field(description="null: desired properties were set.")
    payload: dict[str, Any]
    desired: dict[str, Any]
    confirm: dict[str, Any] | None = Field(description="What the readings must show.")
    outcome: Literal[
        "unknown",
        "answered",
        "done",
        "dryRun",
        "interlocked",
        "rateLimited",
        "refused",
        "failed",
        "unconfirmed",
    ] = Field(description="unknown is never tried again; answered waits for its confirmation.")
    detail: str | None
    answer: dict[str, Any] | None = Field(description="The device's, to a method.")
    at: At
    due_at: At | None = None
    ended_at: At | None = None


class ActionsDocument(Expiring):
    """When a machine was told something of late, in the container `deliveries`."""

    id: Literal["actions"]
    alarm_id: str
    type: Literal["actions"]
    site_id: str
    machine_id: str
    action: str
    sent: list[int] = Field(description="ms since the epoch.")


class UndeliveredDocument(Contract):
    """What a sink never takes, in the container `deliveries`."""

    id: str
    alarm_id: str = Field(description="The alarm, or whatever else the item is about.")
    type: Literal["undelivered"]
    channel: str
    outcome: Literal["refused"]
    detail: str
    ttl: int
    event: dict[str, Any] | None = None


class ReconcileDocument(Contract):
    """What the last comparison of twins with their documents found, in the container `deliveries`."""

    id: Literal["reconcile"]
    alarm_id: Literal["reconcile"]
    type: Literal["reconcile"]
    at: At
    source: Literal[0, 1] = Field(description="Where the next call goes on: machines, scopes.")
    cursor: str | None
    pass_started_at: At
    pass_count: Count = Field(description="Times that all twins were looked at.")
    checked_count: Count
    drifted_count: Count = Field(description="Twins that somebody else had changed; they are repaired.")
    missing_count: Count = Field(description="Described things without a twin.")
    drifted: dict[str, list[str]] = Field(description="Twin, properties by JSON pointer; the first 50.")
    missing: list[str] = Field(description="The first 50.")
    last_drift_at: At | None


class Conflict(Contract):
    """What somebody changed in the twin graph by hand, and how the applied description has it."""

    site_id: str
    twin_id: str
    relationship: str | None = Field(description="Name of the relationship from the twin to `target`.")
    target: str | None
    said: Any = Field(description="By the file: properties, or whether there is the relationship.")
    found: Any = Field(description="In the graph; null: the twin was deleted.")
    detail: str


class ConflictDocument(Conflict):
    """A contradiction between graph and file, in the container `deliveries`."""

    id: str
    alarm_id: Literal["conflicts"]
    type: Literal["conflict"]
    open: bool
    number: Annotated[int, Field(ge=1, description="Times that it came to be.")]
    at: At
    cleared_at: At | None
    ttl: int | None = Field(None, description="Seconds that it is kept once it is cleared.")


type Level = Literal["line", "area", "site", "enterprise"]


class Child(Contract):
    version: list[Any]
    content: dict[str, Any] | None = Field(description="null: it belongs to another line now.")


class InScopes(Contract):
    """What every document of the container `scopes` has."""

    id: str
    scope_id: str
    level: Level
    version: Annotated[int, Field(ge=1)]
    child_count: Count
    children: dict[str, Child] = Field(description="What each child counted for.")


class Bottleneck(Contract):
    machine_id: str
    oee: Ratio


class ScopeOeeDocument(InScopes, OeeBucket):
    """One shift of a line, area, site or enterprise: the sum of its children's elements."""

    type: Literal["oee"]
    counted_machine: str | None = Field(
        None, description="The machine whose OEE the line's is; left out: the sum of all machines."
    )
    bottleneck: Bottleneck | None = Field(
        None, description="The machine with the lowest OEE; null while too little is known of all."
    )


class MembershipDocument(Contract):
    """The lines that a machine ever counted in, in the container `scopes`: to leave one for another."""

    id: Literal["membership"]
    scope_id: str = Field(description="The machine.")
    type: Literal["membership"]
    lines: dict[str, str] = Field(description="Line -> its site.")


class ScopeStatusDocument(InScopes):
    """How the machines of a line, site or enterprise are now."""

    type: Literal["status"]
    machine_count: Count
    silent_count: Count
    blocked_count: Count
    warning_count: Count
    states: dict[str, Count]
    alarms: AlarmSummary


DOCUMENTS: dict[str, type[Contract]] = {
    "state": StateDocument,
    "twin": TwinDocument,
    "alarm": AlarmDocument,
    "journal": JournalDocument,
    "oee": OeeDocument,
    "ledger": LedgerDocument,
    "stop": StopDocument,
    "stopchange": StopChangeDocument,
    "prediction": PredictionDocument,
    "call": CallDocument,
    "workorder": WorkOrderDocument,
    "minutes": MinutesDocument,
    "violation": ViolationDocument,
    "gap": GapDocument,
    "command": CommandDocument,
    "queued": QueuedDocument,
    "outbox": OutboxDocument,
    "late": LateDocument,
    "quarantine": QuarantineDocument,
    "delivery": DeliveryDocument,
    "gathered": GatheredDocument,
    "pace": PaceDocument,
    "escalation": EscalationDocument,
    "action": ActionDocument,
    "actions": ActionsDocument,
    "undelivered": UndeliveredDocument,
    "reconcile": ReconcileDocument,
    "conflict": ConflictDocument,
    "scope-oee": ScopeOeeDocument,
    "scope-status": ScopeStatusDocument,
    "scope-membership": MembershipDocument,
}
"""Every kind of document, by the name of its schema."""
