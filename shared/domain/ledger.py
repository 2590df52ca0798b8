"""The ledger of a machine's time: intervals without gap or overlap, page by page.

A page is at most an hour of which something is known and never crosses a shift's border. What a
page sums up to is added to its shift's bucket when it is closed: so a shift is the sum of its
pages, and each of its seconds leads to an interval.
"""

from shared.domain.effects import Interval, MadeElements, OeeElements, PageClosed
from shared.domain.packml import TimeCategory
from shared.domain.spec import MachineSpec
from shared.domain.state import Bucket, Fold, Made, Page, Part, Sums
from shared.domain.turn import Turn

HOUR_MS = 3_600_000
_INTERVALS_MAX = 32
"""A busier hour takes several pages: the state that holds the open one is bounded."""
_MADE_MAX = 12
_NAMED_MAX = 32
"""Further products, orders, reasons and flags of one shift share an entry: names come from outside."""
OTHERS = "*"
_QUIET = frozenset({TimeCategory.NOT_SCHEDULED})
_NO_FAILURE = frozenset({TimeCategory.PLANNED_STOP, TimeCategory.NOT_SCHEDULED, TimeCategory.UNKNOWN})
"""Time that neither is a failure nor ends one: a breakdown that lasts through a break is one."""


def enter_interval(turn: Turn, at: int, part: Part, kind: TimeCategory) -> None:
    """From `at` on time is of this kind; nothing happens if it is already."""
    fold = turn.state.fold
    page = fold.page
    assert page is not None
    if page.kind is kind and page.part == part:
        return
    page = turn.page
    assert page is not None
    close_interval(turn.spec, page, at)
    if len(page.intervals) >= _INTERVALS_MAX:
        page = turn_page(turn, at, end=page.end)
    page.kind = kind
    page.part = part
    page.since = at
    page.failure = False
    if kind is TimeCategory.UNPLANNED_STOP:
        page.failure = not fold.failing
        fold.failing = True
    elif kind not in _NO_FAILURE:
        fold.failing = False


def close_interval(spec: MachineSpec, page: Page, at: int) -> None:
    """End the open interval and add it up."""
    if page.kind is not None and at > page.since:
        page.intervals.append(_interval(page, at))
        add_interval(spec, page.sums, page.intervals[-1])
        page.failure = False
    page.kind = None


def turn_page(turn: Turn, at: int, *, end: int = -1) -> Page:
    """Close the page at `at`, add it to its shift, begin another."""
    fold = turn.state.fold
    bucket = fold.bucket
    assert bucket is not None
    page = fold.page
    if page is not None:
        close_page(turn, at)
    fold.page = Page(bucket.shift_id, at, end)
    turn.owns_page = True
    return fold.page


def close_page(turn: Turn, at: int) -> None:
    """The page's event time is over: what it holds is final."""
    fold = turn.state.fold
    page, bucket = turn.page, turn.bucket
    assert page is not None
    assert bucket is not None
    close_interval(turn.spec, page, at)
    fold.page = None
    add(bucket.sums, page.sums)
    counted = page.sums.made or page.sums.flags
    if counted or not set(page.sums.times_ms) <= _QUIET:
        closed = elements_of(page.sums, page.shift_id, page.start, at, measured_at=at, final=True)
        turn.effects.append(PageClosed(closed, tuple(page.intervals)))


def made_of(page: Page, product: str, order: str) -> Made:
    """The page's entry for a product and order."""
    return _made(page.sums, product, order)


def flag(sums: Sums, name: str, amount: int = 1) -> None:
    sums.flags[name] = sums.flags.get(name, 0) + amount


def so_far(turn_spec: MachineSpec, fold: Fold, *, final: bool = False) -> OeeElements:
    """The running shift's elements, as far as time is accounted: closed pages and the open one."""
    bucket, page = fold.bucket, fold.page
    assert bucket is not None
    at = fold.pending[0][0] if fold.pending else fold.at
    sums = bucket.sums
    if page is not None:
        sums = sums.clone()
        add(sums, page.sums)
        if page.kind is not None and at > page.since:
            add_interval(turn_spec, sums, _interval(page, at))
    return elements_of(
        sums,
        bucket.shift_id,
        bucket.start,
        bucket.end,
        measured_at=max(at, bucket.start),
        final=final,
        late_count=bucket.late_count,
        version=bucket.version,
    )


def closed_elements(bucket: Bucket) -> OeeElements:
    """A closed shift's elements."""
    return elements_of(
        bucket.sums,
        bucket.shift_id,
        bucket.start,
        bucket.end,
        measured_at=bucket.end,
        final=True,
        late_count=bucket.late_count,
        version=bucket.version,
    )


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


def add_interval(spec: MachineSpec, sums: Sums, interval: Interval, sign: int = 1) -> None:
    """Add an interval to sums; `sign` -1 takes it away again."""
    start, end, kind, _, reason, product, order, failure = interval
    spent = (end - start) * sign
    sums.times_ms[kind] = sums.times_ms.get(kind, 0) + spent
    if failure:
        sums.failure_count += sign
    if kind is TimeCategory.PRODUCTION:
        _made(sums, product, order).production_ms += spent
    elif kind is not TimeCategory.NOT_SCHEDULED:
        told = reason or ""
        key = f"{kind}/{told}"
        if key not in sums.losses_ms and len(sums.losses_ms) >= _NAMED_MAX:
            key = f"{kind}/{OTHERS}"
        sums.losses_ms[key] = sums.losses_ms.get(key, 0) + spent
        maintenance = spec.maintenance.get(told)
        if maintenance == "corrective":
            sums.corrective_ms += spent
        elif maintenance == "preventive":
            sums.preventive_ms += spent


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
            key = name if name in names or len(names) < _NAMED_MAX * 2 else _other(name)
            names[key] = names.get(key, 0) + amount
    for made in part.made.values():
        into = _made(total, made.product, made.order)
        into.production_ms += made.production_ms
        into.good_count += made.good_count
        into.reject_count += made.reject_count
        into.rework_count += made.rework_count
        into.ideal_ms += made.ideal_ms


def _other(name: str) -> str:
    """`unplannedStop/jam` -> `unplannedStop/*`; a plain name -> `*`."""
    kind, slash, _ = name.rpartition("/")
    return f"{kind}{slash}{OTHERS}"


def _made(sums: Sums, product: str, order: str) -> Made:
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


def _interval(page: Page, at: int) -> Interval:
    assert page.kind is not None
    part = page.part
    return (
        page.since,
        at,
        page.kind,
        part.state,
        part.reason,
        part.product,
        part.order,
        page.failure,
    )
