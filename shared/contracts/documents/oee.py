"""OEE: elements, figures and buckets; the ledger behind them; stops and gaps."""

from typing import Annotated, Literal

from pydantic import Field

from shared.contracts.documents.base import At, Contract, Count, InMachines, OfMachine, Ratio, State
from shared.domain.packml import TimeCategory


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


class GapDocument(InMachines):
    """Whole shifts without any data."""

    type: Literal["gap"]
    start: At
    end: At
    shifts: list[tuple[str, At, At, Count]] = Field(
        description="[shift, start, end, planned busy ms, all of it unknown]."
    )
