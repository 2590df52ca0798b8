"""The ledger of a machine's time: intervals without gap or overlap, page by page.

A page is at most an hour of which something is known and never crosses a shift's border. What a
page sums up to is added to its shift's bucket when it is closed: so a shift is the sum of its
pages, and each of its seconds leads to an interval.
"""

from shared.domain.effects import PageClosed
from shared.domain.elements import Interval, OeeElements
from shared.domain.packml import TimeCategory
from shared.domain.spec import MachineSpec
from shared.domain.state import Bucket, Fold, Page, Part
from shared.domain.sums import add, add_interval, elements_of
from shared.domain.turn import Turn

HOUR_MS = 3_600_000
_INTERVALS_MAX = 32
"""A busier hour takes several pages: the state that holds the open one is bounded."""
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
