"""A machine: its state's guard, what the twin shows, what a commit leaves beside it."""

from typing import Annotated, Any, Literal

from pydantic import Field

from shared.contracts.documents.base import (
    At,
    Contract,
    Count,
    Expiring,
    InMachines,
    OfMachine,
    Priority,
    Probability,
    State,
    Traceparent,
)
from shared.contracts.documents.oee import OeeFigures


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
