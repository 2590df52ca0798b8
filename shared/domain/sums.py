"""Sums of time and units: how an interval counts, how sums add up, and how many names they may hold."""

from shared.domain.elements import Interval, MadeElements, OeeElements
from shared.domain.packml import TimeCategory
from shared.domain.spec import MachineSpec
from shared.domain.state import Made, Sums

_MADE_MAX = 12
NAMED_MAX = 32
"""Further products, orders, reasons and flags of one shift share an entry: names come from outside."""
OTHERS = "*"
_NO_FAILURE = frozenset({TimeCategory.PLANNED_STOP, TimeCategory.NOT_SCHEDULED, TimeCategory.UNKNOWN})
"""Time that neither is a failure nor ends one: a breakdown that lasts through a break is one."""


def carries_failure(kind: TimeCategory, failing: bool) -> bool:
    """Whether a failure goes on behind time of this kind, where one did or did not go on before."""
    return kind is TimeCategory.UNPLANNED_STOP or (failing and kind in _NO_FAILURE)


def flag(sums: Sums, name: str, amount: int = 1) -> None:
    sums.flags[name] = sums.flags.get(name, 0) + amount


def elements_of(
    sums: Sums,
    shift_id: str,
    start: int,
    end: int,
    *,
    measured_at: int,
    final: bool,
    late_count: int = 0,
    version: int = 1,
) -> OeeElements:
    """A frozen copy of sums."""
    return OeeElements(
        shift_id,
        start,
        end,
        dict(sums.times_ms),
        measured_at,
        sums.good_count,
        sums.reject_count,
        sums.ideal_ms,
        sums.unpriced_count,
        sums.reset_count,
        late_count,
        final,
        dict(sums.rejects),
        sums.rework_count,
        sums.ideal_good_ms,
        sums.startup_count,
        sums.startup_ideal_ms,
        sums.failure_count,
        sums.corrective_ms,
        sums.preventive_ms,
        dict(sums.losses_ms),
        dict(sums.flags),
        tuple(
            MadeElements(
                m.product,
                m.order,
                m.production_ms,
                m.good_count,
                m.reject_count,
                m.rework_count,
                m.ideal_ms,
            )
            for m in sums.made.values()
        ),
        version,
    )


def add_interval(spec: MachineSpec, sums: Sums, interval: Interval) -> None:
    """Add an interval to sums."""
    start, end, kind, _, reason, product, order, failure = interval
    spent = end - start
    sums.times_ms[kind] = sums.times_ms.get(kind, 0) + spent
    if failure:
        sums.failure_count += 1
    if kind is TimeCategory.PRODUCTION:
        entry_of(sums, product, order).production_ms += spent
    elif kind is not TimeCategory.NOT_SCHEDULED:
        told = reason or ""
        key = f"{kind}/{told}"
        if key not in sums.losses_ms and len(sums.losses_ms) >= NAMED_MAX:
            key = f"{kind}/{OTHERS}"
        sums.losses_ms[key] = sums.losses_ms.get(key, 0) + spent
        maintenance = spec.maintenance.get(told)
        if maintenance == "corrective":
            sums.corrective_ms += spent
        elif maintenance == "preventive":
            sums.preventive_ms += spent


def elements_with(elements: OeeElements, sums: Sums, *, version: int) -> OeeElements:
    """The same stretch of time with other sums."""
    return elements_of(
        sums,
        elements.shift_id,
        elements.start,
        elements.end,
        measured_at=elements.measured_at,
        final=elements.final,
        late_count=elements.late_count,
        version=version,
    )


def add(total: Sums, part: Sums) -> None:
    """Add one sum to another."""
    total.good_count += part.good_count
    total.reject_count += part.reject_count
    total.ideal_ms += part.ideal_ms
    total.unpriced_count += part.unpriced_count
    total.reset_count += part.reset_count
    total.rework_count += part.rework_count
    total.ideal_good_ms += part.ideal_good_ms
    total.startup_count += part.startup_count
    total.startup_ideal_ms += part.startup_ideal_ms
    total.failure_count += part.failure_count
    total.corrective_ms += part.corrective_ms
    total.preventive_ms += part.preventive_ms
    for kind, spent in part.times_ms.items():
        total.times_ms[kind] = total.times_ms.get(kind, 0) + spent
    for names, added in (
        (total.rejects, part.rejects),
        (total.losses_ms, part.losses_ms),
        (total.flags, part.flags),
    ):
        for name, amount in added.items():
            key = name if name in names or len(names) < NAMED_MAX * 2 else _other(name)
            names[key] = names.get(key, 0) + amount
    for made in part.made.values():
        into = entry_of(total, made.product, made.order)
        into.production_ms += made.production_ms
        into.good_count += made.good_count
        into.reject_count += made.reject_count
        into.rework_count += made.rework_count
        into.ideal_ms += made.ideal_ms


def _other(name: str) -> str:
    """`unplannedStop/jam` -> `unplannedStop/*`; a plain name -> `*`."""
    kind, slash, _ = name.rpartition("/")
    return f"{kind}{slash}{OTHERS}"


def entry_of(sums: Sums, product: str, order: str) -> Made:
    """The entry for a product and order; beyond so many they share one."""
    key = f"{product}\n{order}"
    made = sums.made.get(key)
    if made is None:
        if len(sums.made) >= _MADE_MAX:
            product = order = OTHERS
            key = f"{product}\n{order}"
            made = sums.made.get(key)
            if made is not None:
                return made
        made = sums.made[key] = Made(product, order)
    return made
