"""Operators' words over the ledger: what the machine said stays recorded, what is accounted follows them.

Everything here is a function of recorded intervals and parts of stops. So it does not matter
whether somebody speaks while the machine still stands or long after its shift was closed.
"""

from collections.abc import Iterator, Sequence

from shared.domain.calendar import segment_at
from shared.domain.elements import Interval, LedgerPage, OeeElements
from shared.domain.packml import TimeCategory, category
from shared.domain.spec import MachineSpec
from shared.domain.state import Made, Sums
from shared.domain.stop_records import Said
from shared.domain.sums import NAMED_MAX, OTHERS, add_interval, carries_failure, elements_with

_UNMOVED = frozenset({TimeCategory.PRODUCTION, TimeCategory.UNKNOWN, TimeCategory.NOT_SCHEDULED})
"""Nobody's word makes data of silence, or a loss of time that nobody planned."""
_FOREVER = 1 << 62


def overlaid(spec: MachineSpec, intervals: Sequence[Interval], said: Said) -> tuple[list[Interval], bool]:
    """Recorded intervals as operators say them, and whether a failure goes on where they end.

    Time outside the stop is left as it is. What was too short for a breakdown stays minor, breaks
    stay breaks, time without data stays unknown: a reason moves the rest to its category.
    """
    end = said.end if said.end >= 0 else _FOREVER
    failing = said.failing
    found: list[Interval] = []
    first = -1
    for interval in intervals:
        if interval[1] <= said.start or interval[0] >= end:
            found.append(interval)
            continue
        if first < 0:
            first = len(found)
        for began, ended, kind, reason in _pieces(spec, interval, said):
            failure = kind is TimeCategory.UNPLANNED_STOP and not failing
            failing = carries_failure(kind, failing)
            piece = (began, ended, kind, interval[3], reason, interval[5], interval[6], failure)
            if len(found) > first and not failure and found[-1][2:7] == piece[2:7]:
                found[-1] = (found[-1][0], ended, *found[-1][2:])
            else:
                found.append(piece)
    return found, failing


def restated(spec: MachineSpec, page: LedgerPage, said: Said) -> tuple[LedgerPage, bool]:
    """A closed page as operators say it now, and whether a failure goes on where it ends.

    The same page when nothing of it changes. What they said of other stops in it stays.
    """
    end = said.end if said.end >= 0 else _FOREVER
    recorded = page.intervals if page.recorded is None else page.recorded
    others = [one for one in page.intervals if one[1] <= said.start or one[0] >= end]
    mine = [one for one in recorded if one[1] > said.start and one[0] < end]
    again, failing = overlaid(spec, mine, said)
    intervals = tuple(sorted([*others, *again], key=lambda one: one[:2]))
    if intervals == page.intervals:
        return page, failing
    sums = accounted_again(spec, sums_of(page.elements), intervals)
    elements = elements_with(page.elements, sums, version=page.elements.version + 1)
    return LedgerPage(elements, intervals, None if intervals == recorded else recorded), failing


def accounted_again(spec: MachineSpec, sums: Sums, intervals: Sequence[Interval]) -> Sums:
    """The sums of a page with other intervals. Units stay, and production, which no word changes."""
    again = sums.clone()
    again.times_ms, again.losses_ms = {}, {}
    again.failure_count = again.corrective_ms = again.preventive_ms = 0
    for interval in intervals:
        if interval[2] is TimeCategory.PRODUCTION:
            spent = interval[1] - interval[0]
            again.times_ms[interval[2]] = again.times_ms.get(interval[2], 0) + spent
        else:
            add_interval(spec, again, interval)
    return again


def exchange(total: Sums, old: Sums, new: Sums) -> None:
    """Put new sums of a page into its shift's for the old ones."""
    total.failure_count += new.failure_count - old.failure_count
    total.corrective_ms += new.corrective_ms - old.corrective_ms
    total.preventive_ms += new.preventive_ms - old.preventive_ms
    for kind in old.times_ms | new.times_ms:
        spent = total.times_ms.get(kind, 0) + new.times_ms.get(kind, 0) - old.times_ms.get(kind, 0)
        total.times_ms[kind] = spent
        if not spent:
            del total.times_ms[kind]
    moved = {
        name: new.losses_ms.get(name, 0) - old.losses_ms.get(name, 0)
        for name in old.losses_ms | new.losses_ms
    }
    for name, spent in sorted(moved.items(), key=lambda entry: entry[1]):
        _move(total.losses_ms, name, spent)


def sums_of(elements: OeeElements) -> Sums:
    """Elements as sums that can be changed."""
    return Sums(
        dict(elements.times_ms),
        elements.good_count,
        elements.reject_count,
        elements.ideal_ms,
        elements.unpriced_count,
        elements.reset_count,
        elements.rework_count,
        elements.ideal_good_ms,
        elements.startup_count,
        elements.startup_ideal_ms,
        elements.failure_count,
        elements.corrective_ms,
        elements.preventive_ms,
        dict(elements.rejects),
        dict(elements.losses_ms),
        dict(elements.flags),
        {
            f"{m.product}\n{m.order}": Made(
                m.product,
                m.order,
                m.production_ms,
                m.good_count,
                m.reject_count,
                m.rework_count,
                m.ideal_ms,
            )
            for m in elements.made
        },
    )


def _pieces(
    spec: MachineSpec, interval: Interval, said: Said
) -> Iterator[tuple[int, int, TimeCategory, str | None]]:
    """(start, end, category, reason) of an interval, cut where the stop's parts and breaks begin."""
    start, end, kind, state, recorded, *_ = interval
    borders = [part.start for part in said.parts[1:]]
    for part, until in zip(said.parts, [*borders, _FOREVER], strict=True):
        began, ended = max(start, part.start), min(end, until)
        if began >= ended:
            continue
        if part.reason is None or part.category is None:
            yield began, ended, kind, recorded
        elif kind in _UNMOVED:
            yield began, ended, kind, part.reason
        elif kind is TimeCategory.PLANNED_STOP:
            by_reason = category(state, recorded, spec.reasons) is kind
            while began < ended:
                segment = segment_at(spec.calendar, began)
                moved = part.category if by_reason and segment.planned else kind
                yield began, min(ended, segment.end), moved, part.reason
                began = segment.end
        elif part.category is TimeCategory.UNPLANNED_STOP and kind is TimeCategory.MINOR_STOP:
            yield began, ended, kind, part.reason
        else:
            yield began, ended, part.category, part.reason


def _move(losses: dict[str, int], name: str, spent: int) -> None:
    """Add time to an entry, or take it away; where names share an entry, from there."""
    shared = f"{name.partition('/')[0]}/{OTHERS}"
    if spent < 0:
        taken = min(losses.get(name, 0), -spent)
        for entry, amount in ((name, taken), (shared, -spent - taken)):
            if amount:
                losses[entry] = losses.get(entry, 0) - amount
                if not losses[entry]:
                    del losses[entry]
    elif spent:
        entry = name if name in losses or len(losses) < NAMED_MAX * 2 else shared
        losses[entry] = losses.get(entry, 0) + spent
