"""The ledger of a machine's time: intervals without gap or overlap, page by page.

A page is at most an hour of which something is known and never crosses a shift's border. What a
page sums up to is added to its shift's bucket when it is closed: so a shift is the sum of its
pages, and each of its seconds leads to an interval.
"""

from dataclasses import replace

from shared.domain.effects import PageClosed
from shared.domain.elements import Interval, OeeElements
from shared.domain.packml import TimeCategory
from shared.domain.restating import accounted_again, overlaid
from shared.domain.spec import MachineSpec
from shared.domain.state import Bucket, Fold, Page, Part, Sums
from shared.domain.stop_records import Said
from shared.domain.sums import add, add_interval, carries_failure, elements_of
from shared.domain.turn import Turn

HOUR_MS = 3_600_000
_INTERVALS_MAX = 32
"""A busier hour takes several pages: the state that holds the open one is bounded."""
_QUIET = frozenset({TimeCategory.NOT_SCHEDULED})


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
    fold.failing = carries_failure(kind, fold.failing)


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
    sums, intervals, recorded = page.sums, tuple(page.intervals), None
    if fold.said:
        heard = as_said(turn.spec, fold, intervals, until=at)
        if heard != intervals:
            sums, intervals, recorded = accounted_again(turn.spec, sums, heard), heard, intervals
    add(bucket.sums, sums)
    counted = sums.made or sums.flags
    if counted or not set(sums.times_ms) <= _QUIET:
        closed = elements_of(sums, page.shift_id, page.start, at, measured_at=at, final=True)
        turn.effects.append(PageClosed(closed, intervals, recorded))


def as_said(
    spec: MachineSpec, fold: Fold, intervals: tuple[Interval, ...], *, until: int | None = None
) -> tuple[Interval, ...]:
    """Intervals of the open page as operators say them.

    `until`: the page ends there. Stops that have ended by then are forgotten, and of the running
    one it is remembered whether a failure goes on.
    """
    found = list(intervals)
    kept: list[Said] = []
    for said in fold.said:
        found, failing = overlaid(spec, found, said)
        if until is not None and not 0 <= said.end <= until:
            kept.append(replace(said, failing=failing))
    if until is not None:
        fold.said = kept
    return tuple(found)


def so_far(turn_spec: MachineSpec, fold: Fold, *, final: bool = False) -> OeeElements:
    """The running shift's elements, as far as time is accounted: closed pages and the open one."""
    bucket, page = fold.bucket, fold.page
    assert bucket is not None
    at = fold.pending[0][0] if fold.pending else fold.at
    sums = bucket.sums
    if page is not None:
        sums = sums.clone()
        if fold.said:
            add(sums, _as_said_so_far(turn_spec, fold, page, at))
        else:
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


def _as_said_so_far(spec: MachineSpec, fold: Fold, page: Page, at: int) -> Sums:
    """The open page's sums as operators say them."""
    written = page_so_far(page, at)
    sums = page.sums
    if len(written) > len(page.intervals):
        sums = sums.clone()
        add_interval(spec, sums, written[-1])
    return accounted_again(spec, sums, as_said(spec, fold, written))


def page_so_far(page: Page, at: int) -> tuple[Interval, ...]:
    """The open page's intervals, the open one as far as time is accounted."""
    if page.kind is not None and at > page.since:
        return (*page.intervals, _interval(page, at))
    return tuple(page.intervals)


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
