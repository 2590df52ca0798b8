"""OEE of ISO 22400-2 from summed elements: ratios are derived last and never averaged or capped."""

from dataclasses import dataclass

from shared.domain.effects import OeeElements
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
    produced = elements.good_count + elements.reject_count
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
    """The band of a machine's bucket, by the limits of its site."""
    return band(kpis(elements), green_ratio=spec.green_ratio, yellow_ratio=spec.yellow_ratio)


def increment(last: int | None, new: int, modulus: int | None) -> tuple[int, bool]:
    """(units counted since `last`, whether the counter was reset).

    The first sample is a baseline. A lower value is a roll-over when the counter has a declared
    modulus and the way over the top is shorter than the way back; else a reset that has counted
    from 0 to the new value.

    >>> increment(None, 7, None), increment(5, 7, None), increment(7, 2, None)
    ((0, False), (2, False), (2, True))
    >>> increment(65530, 4, 65536)
    (10, False)
    """
    if last is None:
        return 0, False
    if new >= last:
        return new - last, False
    if modulus is not None and 0 <= new < modulus:
        over = new + modulus - last
        if over < last - new:
            return over, False
    return new, True
