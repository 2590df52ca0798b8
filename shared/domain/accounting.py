"""Where a machine's time and units go: shifts, categories, counters, stops (ISO 22400-2)."""

from shared.domain.calendar import segment_at
from shared.domain.effects import GapClosed, OeeElements, OeeMeasured, StopEnded, StopStarted
from shared.domain.oee import increment
from shared.domain.packml import PackMLState, TimeCategory, category
from shared.domain.state import Bucket, Fold, Held
from shared.domain.turn import Turn

HOUR_MS = 3_600_000
_CLOSED_KEPT = 4
_GAP_SHIFTS = 30
_GAP_ROWS = 5_000
"""What one document holds of a gap: its last shifts, 4 to 5 years of them."""
_REJECT_REASONS_MAX = 64
"""Further reasons are counted in the total only: names come from devices, the state is bounded."""


def account(turn: Turn, until: int) -> None:
    fold = turn.state.fold
    spent = category(fold.state, fold.reason, turn.spec.reasons)
    known_until = fold.heard_at + turn.spec.silence_ms
    if until - known_until > HOUR_MS * 24:
        _account_gap(turn, known_until, until, spent)
    at = fold.at
    while at < until:
        segment = fold.segment
        if segment is None or at >= segment.end:
            enter(turn, at)
            segment = fold.segment
            assert segment is not None
        end = segment.end if segment.end < until else until
        if at < known_until < end:
            end = known_until
        kind = spent if at < known_until else TimeCategory.UNKNOWN
        if not segment.planned and kind is not TimeCategory.PRODUCTION:
            kind = TimeCategory.NOT_SCHEDULED if segment.shift_id is None else TimeCategory.PLANNED_STOP
        times = fold.bucket.times_ms if fold.bucket is not None else {}
        times[kind] = times.get(kind, 0) + end - at
        at = end
    fold.at = until


def change_state(turn: Turn, held: Held) -> None:
    """Take over the reported state; a stop begins when production ends and ends when it resumes."""
    fold = turn.state.fold
    assert held.state is not None
    fold.state = held.state
    fold.reason = held.reason
    spent = category(held.state, held.reason, turn.spec.reasons)
    if spent is TimeCategory.PRODUCTION:
        if fold.stop_id is not None:
            turn.effects.append(
                StopEnded(
                    turn.number(),
                    fold.stop_id,
                    fold.stop_started_at,
                    held.at,
                    fold.stop_category,
                    fold.stop_reason,
                )
            )
            fold.stop_id = None
    elif held.state is not PackMLState.UNDEFINED:
        if fold.stop_id is None:
            n = turn.number()
            fold.stop_id = f"{turn.state.machine_id}:{n}"
            fold.stop_started_at = held.at
            turn.effects.append(StopStarted(n, fold.stop_id, held.at, spent, held.reason))
        fold.stop_category = spent
        fold.stop_reason = held.reason


def count_units(turn: Turn, held: Held) -> None:
    """Add what the cumulative counters grew by to the running shift, priced by the running product."""
    fold = turn.state.fold
    bucket = fold.bucket
    if bucket is None:
        enter(turn, held.at)
        bucket = fold.bucket
        assert bucket is not None
    modulus = turn.spec.counter_modulus
    made = 0
    if held.good is not None:
        grown, reset = increment(fold.good, held.good, modulus)
        fold.good = held.good
        bucket.good_count += grown
        bucket.reset_count += reset
        made += grown
    if held.reject is not None:
        grown, reset = increment(fold.reject, held.reject, modulus)
        fold.reject = held.reject
        bucket.reject_count += grown
        bucket.reset_count += reset
        made += grown
    for reason, count in held.rejects.items():
        if reason not in fold.rejects and len(fold.rejects) >= _REJECT_REASONS_MAX:
            continue
        grown, _ = increment(fold.rejects.get(reason), count, modulus)
        fold.rejects[reason] = count
        if grown:
            bucket.rejects[reason] = bucket.rejects.get(reason, 0) + grown
    if made:
        ideal = turn.spec.ideal_cycle_ms.get(fold.product)
        if ideal is None:
            bucket.unpriced_count += made
        else:
            bucket.ideal_ms += made * ideal


def count_late(turn: Turn, fold: Fold, at: int) -> str | None:
    if fold.bucket is not None and fold.bucket.start <= at < fold.bucket.end:
        fold.bucket.late_count += 1
        return fold.bucket.shift_id
    for index, bucket in enumerate(fold.closed):
        if bucket.start <= at < bucket.end:
            counted = bucket.clone()
            counted.late_count += 1
            fold.closed = [*fold.closed[:index], counted, *fold.closed[index + 1 :]]
            turn.effects.append(OeeMeasured(turn.number(), elements(counted, counted.end, final=True)))
            return counted.shift_id
    return None


def elements(bucket: Bucket, measured_at: int, *, final: bool) -> OeeElements:
    """A frozen copy of a bucket."""
    return OeeElements(
        bucket.shift_id,
        bucket.start,
        bucket.end,
        dict(bucket.times_ms),
        measured_at,
        bucket.good_count,
        bucket.reject_count,
        bucket.ideal_ms,
        bucket.unpriced_count,
        bucket.reset_count,
        bucket.late_count,
        final,
        dict(bucket.rejects),
    )


def has_figures(bucket: Bucket) -> bool:
    """Whether anything but missing data is in it yet: a machine without states is not measured."""
    silent = {TimeCategory.NOT_SCHEDULED, TimeCategory.PLANNED_STOP, TimeCategory.UNKNOWN}
    return bool(bucket.good_count or bucket.reject_count) or not set(bucket.times_ms) <= silent


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
        bucket.end = segment.shift_end
        return
    if bucket is not None:
        bucket.end = at
        _close_bucket(turn)
    fold.bucket = Bucket(shift_id, at, segment.shift_end)


def _account_gap(turn: Turn, known_until: int, until: int, spent: TimeCategory) -> None:
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
        _close_bucket(turn)
    if len(rows) > _GAP_ROWS:
        rows = rows[-_GAP_ROWS:]
        start = rows[0][1]
    turn.effects.append(GapClosed(turn.number(), start, at, tuple(rows)))
    fold.at = at
    fold.segment = None


def _close_bucket(turn: Turn) -> None:
    """The shift's event time is over: what it holds is final."""
    fold = turn.state.fold
    bucket = fold.bucket
    assert bucket is not None
    fold.bucket = None
    if _idle(bucket):
        return
    turn.effects.append(OeeMeasured(turn.number(), elements(bucket, bucket.end, final=True)))
    fold.closed = [*fold.closed[1 - _CLOSED_KEPT :], bucket]


def _idle(bucket: Bucket) -> bool:
    """Nothing was planned and nothing happened: no figure is worth keeping."""
    counted = bucket.good_count or bucket.reject_count or bucket.late_count
    return not counted and set(bucket.times_ms) <= {TimeCategory.NOT_SCHEDULED}
