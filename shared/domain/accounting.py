"""Where a machine's time goes: calendar, categories, shifts (ISO 22400-2)."""

from shared.domain.calendar import segment_at
from shared.domain.effects import GapClosed, OeeMeasured
from shared.domain.elements import OeeElements
from shared.domain.ledger import HOUR_MS, close_page, closed_elements, enter_interval, turn_page
from shared.domain.packml import TimeCategory, category
from shared.domain.state import Bucket, Fold, Part
from shared.domain.turn import Turn

_CLOSED_KEPT = 4
_GAP_SHIFTS = 20
_GAP_ROWS = 5_000
"""What one document holds of a gap: its last shifts, 4 to 5 years of them."""


def account(turn: Turn, until: int) -> None:
    """Account the time up to `until` to what the machine last said, for as long as that holds.

    An unplanned stop that may yet turn out to be a minor one waits: its time is accounted when
    that is known, to whichever shifts it fell in.
    """
    fold = turn.state.fold
    known_until = fold.heard_at + turn.spec.silence_ms
    if fold.pending:
        begun = fold.pending[0][0]
        if until < begun + turn.spec.minor_stop_ms and until <= known_until:
            fold.at = until
            return
        settle_pending(turn, TimeCategory.UNPLANNED_STOP)
    page, segment = fold.page, fold.segment
    if (
        page is not None
        and segment is not None
        and page.kind is not None
        and page.kind is not TimeCategory.UNKNOWN
        and (segment.planned or page.kind is TimeCategory.PRODUCTION)
        and page.part is fold.part
        and until <= known_until
        and until < segment.end
        and (page.end < 0 or until < page.end)
    ):
        fold.at = until
        return
    if until - known_until > HOUR_MS * 24:
        _account_gap(turn, known_until, until)
    at = fold.at
    spent = spent_on(turn, fold.part)
    if at < known_until:
        end = min(until, known_until)
        _spend(turn, at, end, fold.part, spent)
        at = end
    if at < until:
        _spend(turn, at, until, fold.part, TimeCategory.UNKNOWN)
    fold.at = until


def spent_on(turn: Turn, part: Part) -> TimeCategory:
    """The category of time spent like this, before the calendar has its say."""
    return category(part.state, part.reason, turn.spec.reasons)


def settle_pending(turn: Turn, kind: TimeCategory) -> None:
    """It is known now what the young stop was: account it up to where time has passed."""
    fold = turn.state.fold
    parts, fold.pending = fold.pending, []
    for index, (begun, part) in enumerate(parts):
        end = parts[index + 1][0] if index + 1 < len(parts) else fold.at
        if begun < end:
            _spend(turn, begun, end, part, kind)


def count_late(turn: Turn, fold: Fold, at: int) -> str | None:
    """Count a reading that came too late on its shift; the shift's id, None if that is long closed."""
    if fold.bucket is not None and fold.bucket.start <= at < fold.bucket.end:
        bucket = turn.bucket
        assert bucket is not None
        bucket.late_count += 1
        return bucket.shift_id
    for index, bucket in enumerate(fold.closed):
        if bucket.start <= at < bucket.end:
            counted = bucket.clone()
            counted.late_count += 1
            counted.version += 1
            fold.closed = [*fold.closed[:index], counted, *fold.closed[index + 1 :]]
            turn.effects.append(OeeMeasured(turn.number(), closed_elements(counted), restated=True))
            return counted.shift_id
    return None


def has_figures(elements: OeeElements) -> bool:
    """Whether anything but missing data is in it yet: a machine without states is not measured."""
    silent = {TimeCategory.NOT_SCHEDULED, TimeCategory.PLANNED_STOP, TimeCategory.UNKNOWN}
    return bool(elements.made) or not set(elements.times_ms) <= silent


def enter(turn: Turn, at: int) -> None:
    """Enter the calendar segment that contains `at`; open its shift's bucket if it is a new one.

    A calendar that changed meanwhile may have moved the end of the shift, or put another in its
    place: a bucket ends where its shift does, so that its times always add up.
    """
    fold = turn.state.fold
    segment = segment_at(turn.spec.calendar, at)
    fold.segment = segment
    shift_id = segment.shift_id or f"unscheduled.{segment.shift_start}"
    bucket = fold.bucket
    if bucket is not None and bucket.shift_id == shift_id:
        if bucket.end != segment.shift_end and (bucket := turn.bucket) is not None:
            bucket.end = segment.shift_end
    else:
        if bucket is not None:
            _close_bucket(turn, at)
        fold.bucket = Bucket(shift_id, at, segment.shift_end)
        turn.owns_bucket = True
        turn_page(turn, at)


def _spend(turn: Turn, at: int, until: int, part: Part, kind: TimeCategory) -> None:
    """Account [at, until) to one kind, cut where the calendar or a page says so.

    Outside planned time nothing is lost: what is no production is a planned stop or not scheduled.
    """
    fold = turn.state.fold
    while at < until:
        segment = fold.segment
        if segment is None or at >= segment.end:
            enter(turn, at)
            segment = fold.segment
            assert segment is not None
        page = fold.page
        if page is None or 0 <= page.end <= at:
            page = turn_page(turn, at)
        end = min(segment.end, until) if page.end < 0 else min(segment.end, until, page.end)
        counted = kind
        if not segment.planned and kind is not TimeCategory.PRODUCTION:
            counted = TimeCategory.NOT_SCHEDULED if segment.shift_id is None else TimeCategory.PLANNED_STOP
        enter_interval(turn, at, part, counted)
        at = end
    page = fold.page
    assert page is not None
    if until >= fold.at:
        fold.at = until


def _account_gap(turn: Turn, known_until: int, until: int) -> None:
    """Close a long silence: whole shifts without data become rows, not a document each."""
    fold = turn.state.fold
    bucket_end = fold.bucket.end if fold.bucket is not None else fold.at
    start = max(known_until, bucket_end)
    reached = segment_at(turn.spec.calendar, start)
    if start > reached.shift_start:
        start = reached.shift_end
    rows: list[tuple[str, int, int, int]] = []
    at = start
    while at < until:
        segment = segment_at(turn.spec.calendar, at)
        if segment.shift_end > until:
            break
        if segment.shift_id is not None:
            if not rows or rows[-1][0] != segment.shift_id:
                rows.append((segment.shift_id, segment.shift_start, segment.shift_end, 0))
            if segment.planned:
                shift, begin, end, planned = rows[-1]
                rows[-1] = (shift, begin, end, planned + segment.end - segment.start)
        at = segment.end
    if len(rows) <= _GAP_SHIFTS or at <= start:
        return
    if start > fold.at:
        account(turn, start)
    if fold.bucket is not None:
        _close_bucket(turn, start)
    if len(rows) > _GAP_ROWS:
        rows = rows[-_GAP_ROWS:]
        start = rows[0][1]
    turn.effects.append(GapClosed(turn.number(), start, at, tuple(rows)))
    fold.at = at
    fold.segment = None


def _close_bucket(turn: Turn, at: int) -> None:
    """The shift's event time is over: what it holds is final."""
    fold = turn.state.fold
    if fold.page is not None:
        close_page(turn, at)
    bucket = turn.bucket
    assert bucket is not None
    fold.bucket = None
    bucket.end = at
    if _idle(bucket):
        return
    turn.effects.append(OeeMeasured(turn.number(), closed_elements(bucket)))
    fold.closed = [*fold.closed[1 - _CLOSED_KEPT :], bucket]


def _idle(bucket: Bucket) -> bool:
    """Nothing was planned and nothing happened: no figure is worth keeping."""
    sums = bucket.sums
    counted = sums.made or bucket.late_count
    return not counted and set(sums.times_ms) <= {TimeCategory.NOT_SCHEDULED}
