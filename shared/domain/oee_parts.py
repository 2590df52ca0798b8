"""Sums taken apart again: what a bucket holds beside its pages, a page's hours, its products.

Whatever is taken apart here adds up to what it was taken from: that is what makes a figure of a
finer grain, and the explanation of a coarser one, as true as the bucket itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from shared.domain.elements import Interval, MadeElements, OeeElements
from shared.domain.kpi import nothing, total
from shared.domain.ledger import HOUR_MS
from shared.domain.packml import TimeCategory
from shared.domain.sums import OTHERS

COUNTS = (
    "good_count",
    "reject_count",
    "rework_count",
    "ideal_ms",
    "ideal_good_ms",
    "unpriced_count",
    "startup_count",
    "startup_ideal_ms",
    "failure_count",
    "corrective_ms",
    "preventive_ms",
    "reset_count",
)
"""The elements that are one number each."""


def rest_of(whole: OeeElements, parts: Sequence[OeeElements]) -> OeeElements:
    """`whole` less the sum of `parts`, from where the last of them ends. Late readings are the whole's."""
    if not parts:
        return replace(whole, late_count=0)
    taken = total(parts)
    counts = {name: getattr(whole, name) - getattr(taken, name) for name in COUNTS}
    return replace(
        whole,
        start=taken.end,
        times_ms={
            kind: left
            for kind in whole.times_ms | taken.times_ms
            if (left := whole.times_ms.get(kind, 0) - taken.times_ms.get(kind, 0))
        },
        late_count=0,
        rejects=_less(whole.rejects, taken.rejects),
        losses_ms=_less(whole.losses_ms, taken.losses_ms),
        flags=_less(whole.flags, taken.flags),
        made=_less_made(whole.made, taken.made),
        **counts,
    )


def is_negative(elements: OeeElements) -> bool:
    """Whether more was taken away than there was."""
    return any(getattr(elements, name) < 0 for name in COUNTS) or any(
        spent < 0 for spent in elements.times_ms.values()
    )


def measures(elements: OeeElements) -> dict[str, int]:
    """Every number of the elements that adds up, by name; of tables the sum.

    Names in tables may share an entry where there are many of them, so their sums are compared.
    """
    return {
        **{f"time.{kind}": elements.times_ms.get(kind, 0) for kind in TimeCategory},
        **{name: getattr(elements, name) for name in COUNTS},
        "rejects": sum(elements.rejects.values()),
        "losses_ms": sum(elements.losses_ms.values()),
        "flags": sum(elements.flags.values()),
        "made.production_ms": sum(made.production_ms for made in elements.made),
        "made.good_count": sum(made.good_count for made in elements.made),
        "made.reject_count": sum(made.reject_count for made in elements.made),
        "made.rework_count": sum(made.rework_count for made in elements.made),
        "made.ideal_ms": sum(made.ideal_ms for made in elements.made),
    }


def hours(page: OeeElements, intervals: Sequence[Interval]) -> list[tuple[int, OeeElements]]:
    """(start of the hour in UTC, its part of the page).

    Only a page that began in silence is longer than an hour, and it ends with the hour that
    something was heard in: time goes to its hour by the intervals, and units, flags and
    maintenance to the last hour.
    """
    first, last = (at // HOUR_MS * HOUR_MS for at in (page.start, max(page.start, page.end - 1)))
    found: list[tuple[int, OeeElements]] = []
    for hour in range(first, last, HOUR_MS):
        start, end = max(page.start, hour), hour + HOUR_MS
        clipped = [_clipped(one, start, end) for one in intervals if one[0] < end and one[1] > start]
        silent = replace(nothing(page), start=start, end=end, measured_at=end)
        found.append((hour, _of_intervals(silent, clipped)))
    return [*found, (last, rest_of(page, [part for _, part in found]))]


def shares(page: OeeElements, intervals: Sequence[Interval]) -> dict[tuple[str, str], OeeElements]:
    """(product, order) -> its part of the page: units as counted, stops by what was set up then.

    Which product start-up rejects, maintenance and flags belonged to is not written down: start-up
    rejects count as other defects, the rest stays with the shift.
    """
    found: dict[tuple[str, str], OeeElements] = {}
    for key in sorted({(one[5], one[6]) for one in intervals}):
        of_key = [one for one in intervals if (one[5], one[6]) == key]
        found[key] = replace(_of_intervals(nothing(page), of_key), made=())
    for key, part in found.items():
        times = {kind: spent for kind, spent in part.times_ms.items() if kind is not TimeCategory.PRODUCTION}
        found[key] = replace(part, times_ms=times)
    rejecting = [made for made in page.made if made.reject_count]
    for made in page.made:
        key = (made.product, made.order)
        part = found.get(key) or nothing(page)
        units = made.good_count + made.reject_count + made.rework_count
        rejects = {}
        if made.reject_count:
            rejects = page.rejects if len(rejecting) == 1 else {OTHERS: made.reject_count}
        produced = {TimeCategory.PRODUCTION: made.production_ms} if made.production_ms else {}
        found[key] = replace(
            part,
            times_ms=part.times_ms | produced,
            good_count=made.good_count,
            reject_count=made.reject_count,
            rework_count=made.rework_count,
            ideal_ms=made.ideal_ms,
            ideal_good_ms=made.ideal_ms * made.good_count // units if units else 0,
            unpriced_count=0 if made.ideal_ms else units,
            rejects=rejects,
            made=(made,),
        )
    return found


def _of_intervals(empty: OeeElements, intervals: Sequence[Interval]) -> OeeElements:
    times: dict[TimeCategory, int] = {}
    losses: dict[str, int] = {}
    made: dict[tuple[str, str], int] = {}
    failures = 0
    for start, end, kind, _, reason, product, order, failure in intervals:
        spent = end - start
        times[kind] = times.get(kind, 0) + spent
        failures += failure
        if kind is TimeCategory.PRODUCTION:
            made[product, order] = made.get((product, order), 0) + spent
        elif kind is not TimeCategory.NOT_SCHEDULED:
            key = f"{kind}/{reason or ''}"
            losses[key] = losses.get(key, 0) + spent
    return replace(
        empty,
        times_ms=times,
        losses_ms=losses,
        failure_count=failures,
        made=tuple(MadeElements(*key, spent, 0, 0, 0, 0) for key, spent in made.items()),
    )


def _clipped(interval: Interval, start: int, end: int) -> Interval:
    """The part of an interval within [start, end); the failure is where it begins."""
    began, ended, kind, state, reason, product, order, failure = interval
    at = max(began, start)
    return (at, min(ended, end), kind, state, reason, product, order, failure and at == began)


def _less(whole: Mapping[str, int], taken: Mapping[str, int]) -> dict[str, int]:
    """Name -> what is left. Where names shared an entry (`a/*`), what is left does so, too."""
    left = {name: whole.get(name, 0) - taken.get(name, 0) for name in {**whole, **taken}}
    if any(amount < 0 for amount in left.values()):
        shared: dict[str, int] = {}
        for name, amount in left.items():
            kind, slash, _ = name.rpartition("/")
            shared[f"{kind}{slash}{OTHERS}"] = shared.get(f"{kind}{slash}{OTHERS}", 0) + amount
        left = shared
    return {name: amount for name, amount in left.items() if amount}


def _less_made(whole: tuple[MadeElements, ...], taken: tuple[MadeElements, ...]) -> tuple[MadeElements, ...]:
    left: dict[tuple[str, str], list[int]] = {}
    for sign, listed in ((1, whole), (-1, taken)):
        for made in listed:
            row = left.setdefault((made.product, made.order), [0, 0, 0, 0, 0])
            for index, amount in enumerate(_numbers(made)):
                row[index] += sign * amount
    if any(amount < 0 for row in left.values() for amount in row):
        left = {(OTHERS, OTHERS): [sum(column) for column in zip(*left.values(), strict=True)]}
    return tuple(MadeElements(*key, *row) for key, row in left.items() if any(row))


def _numbers(made: MadeElements) -> tuple[int, int, int, int, int]:
    return (made.production_ms, made.good_count, made.reject_count, made.rework_count, made.ideal_ms)
