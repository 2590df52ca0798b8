"""What OEE adds up: intervals, the elements of a stretch of time, and a page of the ledger that has both."""

from dataclasses import dataclass, field

from shared.domain.packml import PackMLState, TimeCategory

type Interval = tuple[int, int, TimeCategory, PackMLState, str | None, str, str, bool]
"""(start, end, category, state, reason, product, order, whether a failure begins with it)."""


@dataclass(frozen=True, slots=True)
class MadeElements:
    """What was made of one product for one order."""

    product: str
    order: str
    production_ms: int
    good_count: int
    reject_count: int
    rework_count: int
    ideal_ms: int


@dataclass(frozen=True, slots=True)
class OeeElements:
    """The summable parts of OEE for one machine and stretch of time. KPIs are derived, never stored apart."""

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
    rework_count: int = 0
    """Units to be worked again: neither good nor scrap. PQ = good + reject + rework."""
    ideal_good_ms: int = 0
    """The good units' part of `ideal_ms`."""
    startup_count: int = 0
    """Rejects soon after a stop, counted in `reject_count` as well."""
    startup_ideal_ms: int = 0
    failure_count: int = 0
    """Unplanned stops that began, minor ones left out."""
    corrective_ms: int = 0
    preventive_ms: int = 0
    """Time in stop reasons that are maintenance."""
    losses_ms: dict[str, int] = field(default_factory=dict[str, int])
    """`category/reason` -> time; `category/` without a reason."""
    flags: dict[str, int] = field(default_factory=dict[str, int])
    """What was wrong with the data -> how often, or how many units."""
    made: tuple[MadeElements, ...] = ()
    version: int = 1
    """Grows when anything but the machine's own time changes the sums: late readings, operators."""


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """A closed page: its elements, and the intervals that they are the sum of."""

    elements: OeeElements
    intervals: tuple[Interval, ...]
    recorded: tuple[Interval, ...] | None = None
    """What the machine said, where an operator said otherwise; None: nobody did."""
