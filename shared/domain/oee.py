"""OEE of ISO 22400-2 from summed elements: ratios are derived last and never averaged or capped."""

from dataclasses import dataclass

from shared.domain.elements import OeeElements
from shared.domain.packml import TimeCategory
from shared.domain.spec import MachineSpec

FULL_COVERAGE_RATIO = 0.9
"""Below this share of known time the band is grey: the figure is a bound, not a measurement."""


@dataclass(frozen=True, slots=True)
class Kpis:
    """Ratios; None where the standard's formula divides by nothing."""

    planned_busy_ms: int
    availability: float | None
    effectiveness: float | None
    quality: float | None
    oee: float | None
    upper_bound: float | None
    """OEE if all time without data had been perfect production."""
    coverage: float | None
    """Share of planned busy time about which something is known."""


def kpis(elements: OeeElements) -> Kpis:
    """Availability x effectiveness x quality (ISO 22400-2) from one bucket's elements or a sum of them.

    Planned busy time excludes planned stops and unscheduled time; time without data stays in it,
    so the OEE is a lower bound. Effectiveness is unknown when units of an unpriced product were
    made, and may exceed 1 when an ideal cycle time is too long. Without production OEE is 0,
    although there is then neither an effectiveness nor a quality to speak of.
    """
    times = elements.times_ms
    busy = sum(times.values()) - times.get(TimeCategory.PLANNED_STOP, 0)
    busy -= times.get(TimeCategory.NOT_SCHEDULED, 0)
    production = times.get(TimeCategory.PRODUCTION, 0)
    produced = elements.good_count + elements.reject_count + elements.rework_count
    availability = ratio(production, busy)
    effectiveness = None if elements.unpriced_count else ratio(elements.ideal_ms, production)
    quality = ratio(elements.good_count, produced)
    oee = upper = None
    if availability == 0.0:
        oee = 0.0
    elif availability is not None and effectiveness is not None and quality is not None:
        oee = availability * effectiveness * quality
    if oee is not None:
        upper = oee + times.get(TimeCategory.UNKNOWN, 0) / busy
    coverage = ratio(busy - times.get(TimeCategory.UNKNOWN, 0), busy)
    return Kpis(busy, availability, effectiveness, quality, oee, upper, coverage)


def ratio(part: int, whole: int) -> float | None:
    """part / whole, None when there is no whole.

    >>> ratio(3, 4), ratio(0, 0)
    (0.75, None)
    """
    return part / whole if whole else None


def band(kpis: Kpis, *, green_ratio: float, yellow_ratio: float) -> str:
    """`green`, `yellow`, `red`, or `grey` when undefined or known for too little of the time."""
    if kpis.oee is None or kpis.coverage is None or kpis.coverage < FULL_COVERAGE_RATIO:
        return "grey"
    if kpis.oee >= green_ratio:
        return "green"
    return "yellow" if kpis.oee >= yellow_ratio else "red"


def shown_band(spec: MachineSpec, elements: OeeElements) -> str:
    """The band of a machine's bucket, by the limits that held when it began."""
    green_ratio, yellow_ratio = spec.bands_at(elements.start)
    return band(kpis(elements), green_ratio=green_ratio, yellow_ratio=yellow_ratio)
