"""OEE: buckets, comparisons, losses, and the explanation of a number."""

from typing import Literal

from pydantic import Field

from shared.contracts.documents.base import At, Contract, Count, Ratio, State
from shared.contracts.documents.oee import Made, OeeBucket, OeeElements
from shared.contracts.http.base import Asked, Id, Names, Page, TimesAsked
from shared.domain.packml import TimeCategory


class OeeAsked(TimesAsked):
    scope: Id = Field(description="A machine, line, area, site or enterprise.")
    grain: Literal["shift", "hour", "day", "week", "order", "product"] = Field(
        "shift",
        description="What one item covers. hour, order and product: of machines only; order and product "
        "need from and to, at most 31 days. day, week: of shifts by the local date on which they start.",
    )


class OeeCompareAsked(Asked):
    """Every scope with every period and every name of shifts: from 2 to 24 columns."""

    scopes: Names = Field(description="Machines, lines, areas, sites or the enterprise, by commas.")
    periods: Names = Field(
        description="Stretches as `from/to` of RFC 3339 instants, by commas; at most 92 days each."
    )
    shifts: Names | None = Field(None, description="Names of shifts (early,late), by commas.")


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


class OeePage(Page):
    items: list[ScopeOee]
