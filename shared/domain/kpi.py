"""The key performance indicators of ISO 22400-2, from summed elements; ratios are derived last.

Which times of the standard the categories are (planned busy time PBT is all but planned stops and
unscheduled time):

| standard | here |
|---|---|
| APT, actual production time | production |
| AUST, actual unit set-up time | setup |
| ADET, actual unit delay time | unplanned stops + minor stops |
| AUPT, actual unit processing time | APT + AUST |
| AUBT, actual unit busy time | AUPT + ADET |
| TTR, time to repair | unplanned stops that are no minor ones |

Starved and blocked time is planned, but the machine is not to blame: it lowers availability and
allocation, and leaves utilisation and technical efficiency alone. None where a formula divides by
nothing: no ratio is made up.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.elements import OeeElements
from shared.domain.oee import Kpis, kpis, ratio
from shared.domain.packml import TimeCategory

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Indicators:
    """Ratios, and times in ms where the name says so."""

    base: Kpis
    nee: float | None
    """Net equipment effectiveness: AUPT / PBT x effectiveness x quality."""
    teep: float | None
    """OEE x PBT / calendar time. Not in the standard's list."""
    allocation: float | None
    """AUBT / PBT."""
    utilisation: float | None
    """APT / AUBT."""
    technical: float | None
    """APT / (APT + ADET)."""
    setup: float | None
    """AUST / AUPT."""
    scrap: float | None
    """SQ / PQ."""
    rework: float | None
    """RQ / PQ."""
    first_pass_yield: float | None
    """GQ / PQ: every unit is inspected once, by the counter it goes to."""
    throughput_per_h: float | None
    """PQ / PBT, units an hour."""
    mtbf_ms: int | None
    """(operating time + repair time) / (failures + 1): what failures cut the time into."""
    mttf_ms: int | None
    """Operating time / (failures + 1)."""
    mttr_ms: int | None
    """Repair time / failures. The standard divides by failures + 1, which halves a single repair."""
    corrective: float | None
    """Corrective / (corrective + preventive) maintenance time."""
    unclassified: float | None
    """Share of the time stopped for causes of the machine's own that has no reason yet."""
    suspected_cycle_ms: int | None
    """Where effectiveness is above 1: no ideal cycle can be longer than the mean actual one."""
    suspected_product: str | None


def indicators(elements: OeeElements, *, calendar_ms: int | None = None) -> Indicators:
    """All indicators. `calendar_ms` is the length of the whole stretch; its times' sum when left out."""
    base = kpis(elements)
    times = elements.times_ms
    production = times.get(TimeCategory.PRODUCTION, 0)
    setup = times.get(TimeCategory.SETUP, 0)
    repair = times.get(TimeCategory.UNPLANNED_STOP, 0)
    delay = repair + times.get(TimeCategory.MINOR_STOP, 0)
    processing = production + setup
    produced = elements.good_count + elements.reject_count + elements.rework_count
    calendar = sum(times.values()) if calendar_ms is None else calendar_ms
    share = ratio(processing, base.planned_busy_ms)
    nee = None
    if share == 0.0:
        nee = 0.0
    elif share is not None and base.effectiveness is not None and base.quality is not None:
        nee = share * base.effectiveness * base.quality
    planned = ratio(base.planned_busy_ms, calendar)
    failures = elements.failure_count
    product, cycle = suspected_cycle(elements, base)
    return Indicators(
        base=base,
        nee=nee,
        teep=None if base.oee is None or planned is None else base.oee * planned,
        allocation=ratio(processing + delay, base.planned_busy_ms),
        utilisation=ratio(production, processing + delay),
        technical=ratio(production, production + delay),
        setup=ratio(setup, processing),
        scrap=ratio(elements.reject_count, produced),
        rework=ratio(elements.rework_count, produced),
        first_pass_yield=ratio(elements.good_count, produced),
        throughput_per_h=ratio(produced * HOUR_MS, base.planned_busy_ms),
        mtbf_ms=(production + repair) // (failures + 1) if production + repair else None,
        mttf_ms=production // (failures + 1) if production else None,
        mttr_ms=repair // failures if failures else None,
        corrective=ratio(elements.corrective_ms, elements.corrective_ms + elements.preventive_ms),
        unclassified=ratio(unclassified_ms(elements), delay),
        suspected_cycle_ms=cycle,
        suspected_product=product,
    )


def unclassified_ms(elements: OeeElements) -> int:
    """Time in unplanned and minor stops without a reason."""
    stops = (TimeCategory.UNPLANNED_STOP, TimeCategory.MINOR_STOP)
    return sum(elements.losses_ms.get(f"{kind}/", 0) for kind in stops)


def suspected_cycle(elements: OeeElements, base: Kpis) -> tuple[str | None, int | None]:
    """(product, longest ideal cycle it can have in ms) where effectiveness is above 1.

    Of the products that took less time than their ideal cycles say, the one that gained most.
    """
    if base.effectiveness is None or base.effectiveness <= 1.0:
        return None, None
    gained = [
        (made.ideal_ms - made.production_ms, made)
        for made in elements.made
        if made.good_count + made.reject_count + made.rework_count
    ]
    if not gained:
        return None, None
    _, made = max(gained, key=lambda pair: (pair[0], pair[1].product))
    return made.product, made.production_ms // (made.good_count + made.reject_count + made.rework_count)


def total(parts: Sequence[OeeElements], *, shift_id: str = "") -> OeeElements:
    """The sum of elements of different stretches or machines; `parts` is not empty.

    Versions add up, so that the sum's version grows when any part's does.
    """
    times: dict[TimeCategory, int] = {}
    rejects: dict[str, int] = {}
    losses: dict[str, int] = {}
    flags: dict[str, int] = {}
    for part in parts:
        for kind, spent in part.times_ms.items():
            times[kind] = times.get(kind, 0) + spent
        for names, added in ((rejects, part.rejects), (losses, part.losses_ms), (flags, part.flags)):
            for name, amount in added.items():
                names[name] = names.get(name, 0) + amount
    return OeeElements(
        shift_id=shift_id,
        start=min(part.start for part in parts),
        end=max(part.end for part in parts),
        times_ms=times,
        measured_at=max(part.measured_at for part in parts),
        good_count=sum(part.good_count for part in parts),
        reject_count=sum(part.reject_count for part in parts),
        ideal_ms=sum(part.ideal_ms for part in parts),
        unpriced_count=sum(part.unpriced_count for part in parts),
        reset_count=sum(part.reset_count for part in parts),
        late_count=sum(part.late_count for part in parts),
        final=all(part.final for part in parts),
        rejects=rejects,
        rework_count=sum(part.rework_count for part in parts),
        ideal_good_ms=sum(part.ideal_good_ms for part in parts),
        startup_count=sum(part.startup_count for part in parts),
        startup_ideal_ms=sum(part.startup_ideal_ms for part in parts),
        failure_count=sum(part.failure_count for part in parts),
        corrective_ms=sum(part.corrective_ms for part in parts),
        preventive_ms=sum(part.preventive_ms for part in parts),
        losses_ms=losses,
        flags=flags,
        made=tuple(made for part in parts for made in part.made),
        version=sum(part.version for part in parts),
    )


def nothing(like: OeeElements) -> OeeElements:
    """Elements of the same stretch in which nothing is known."""
    return OeeElements(
        shift_id=like.shift_id,
        start=like.start,
        end=like.end,
        times_ms={},
        measured_at=like.measured_at,
        good_count=0,
        reject_count=0,
        ideal_ms=0,
        unpriced_count=0,
        reset_count=0,
        late_count=0,
        final=like.final,
        rejects={},
    )
