"""The fold behind the reorder buffer: OEE time and counters, minute aggregates, model features.

Readings wait until the machine's event time is past them by the lateness bound; then they are
folded in the order of (time, device sequence, key), so any order of arrival within the bound
gives the same result.
"""

from bisect import insort
from dataclasses import replace

from shared.domain import features
from shared.domain.calendar import segment_at
from shared.domain.effects import (
    GapClosed,
    LateKept,
    MinuteClosed,
    OeeElements,
    OeeMeasured,
    ScoreRequested,
    SignalAggregate,
    StopEnded,
    StopStarted,
)
from shared.domain.inputs import Reading
from shared.domain.oee import increment, shown_band
from shared.domain.packml import PackMLState, TimeCategory, category
from shared.domain.state import Bucket, Fold, Held, Pane
from shared.domain.turn import Turn

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
_CLOSED_KEPT = 4
_LATE_KEYS_KEPT = 64
_WAITING_MAX = 150
_WAITING_NUMBERS_MAX = 4_200
"""A longer buffer is folded early: the lateness bound shrinks, the state document does not grow.

The second bound counts a reading as its columns and 20 more: 8 signals make 150 readings, 64 make 50.
"""
_SETTLED_EFFECTS_MAX = 30
"""One input folds no further once it had so many effects: they must fit into one atomic commit.

The rest of the buffer follows with the next inputs, in the same order.
"""
_SEEN_MAX = 400
"""Duplicates further back than this many readings of one machine are not recognised."""
_GAP_SHIFTS = 30
_GAP_ROWS = 5_000
"""What one document holds of a gap: its last shifts, 4 to 5 years of them."""
_REJECT_REASONS_MAX = 64
"""Further reasons are counted in the total only: names come from devices, the state is bounded."""

type Values = list[float | None]


def hold(turn: Turn, reading: Reading, values: Values, bad: tuple[int, ...]) -> None:
    """Put a reading into the buffer, or keep it as late; fold whatever is now certain."""
    fold = turn.state.fold
    if reading.at <= fold.at:
        _keep_late(turn, reading)
        return
    seen = fold.seen
    seen[reading.key] = reading.at
    if len(seen) > _SEEN_MAX:
        del seen[next(iter(seen))]
    turn.state.reading_count += 1
    held = Held(
        reading.at,
        reading.sequence,
        reading.key,
        reading.state,
        reading.reason,
        reading.product,
        reading.good,
        reading.reject,
        reading.rejects,
        tuple(values),
        bad,
    )
    waiting = fold.waiting
    if not waiting or reading.at > waiting[-1].at:
        waiting.append(held)
    else:
        insort(waiting, held, key=_order)
    if reading.at > fold.newest_at:
        fold.newest_at = reading.at
        settle(turn, reading.at - turn.spec.lateness_ms)
    most = min(_WAITING_MAX, _WAITING_NUMBERS_MAX // (20 + len(values)))
    if len(waiting) > most:
        settle(turn, waiting[len(waiting) - most].at)


def settle(turn: Turn, until: int) -> None:
    """Fold everything up to and including `until` and account the time up to it."""
    fold = turn.state.fold
    waiting = fold.waiting
    effects_max = len(turn.effects) + _SETTLED_EFFECTS_MAX
    count = 0
    while count < len(waiting) and waiting[count].at <= until:
        if len(turn.effects) >= effects_max:
            until = fold.at
            break
        _fold(turn, waiting[count])
        count += 1
    if count:
        del waiting[:count]
        oldest = until - turn.spec.lateness_ms
        seen = fold.seen
        while seen:
            key = next(iter(seen))
            if seen[key] >= oldest:
                break
            del seen[key]
    if fold.at >= 0 and until > fold.at:
        _pass_time(turn, until)


def drain(turn: Turn, until: int) -> None:
    """Nothing came for so long that the wait is over: fold all, account up to `until`."""
    fold = turn.state.fold
    if fold.waiting:
        settle(turn, max(fold.waiting[-1].at, until))
    elif fold.at >= 0:
        settle(turn, until)


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


def remap(pane: Pane, source: list[int | None]) -> Pane:
    """The open minute with its columns in a new order; None starts an empty column."""
    columns = Pane.empty(len(source))
    columns.minute = pane.minute
    for new, old in enumerate(source):
        if old is not None:
            columns.n[new] = pane.n[old]
            columns.total[new] = pane.total[old]
            columns.low[new] = pane.low[old]
            columns.high[new] = pane.high[old]
            columns.bad[new] = pane.bad[old]
    return columns


def remap_held(held: Held, source: list[int | None]) -> Held:
    """A waiting reading with its columns in a new order."""
    return replace(
        held,
        values=tuple(None if old is None else held.values[old] for old in source),
        bad=tuple(new for new, old in enumerate(source) if old in held.bad),
    )


def _order(held: Held) -> tuple[int, int, str]:
    return held.at, held.sequence, held.key


def _fold(turn: Turn, held: Held) -> None:
    """Account the time since the reading before, then let this one count."""
    fold = turn.state.fold
    if fold.at < 0:
        fold.at = held.at
        _enter(turn, held.at)
    elif held.at > fold.at:
        _pass_time(turn, held.at)
    if held.good is not None or held.reject is not None or held.rejects:
        _count(turn, held)
    if held.product is not None:
        fold.product = held.product
    if held.state is not None and (held.state is not fold.state or held.reason != fold.reason):
        _change_state(turn, held)
    fold.heard_at = held.at

    pane = fold.pane
    if pane.minute < 0:
        pane.minute = held.at - held.at % MINUTE_MS
    n, total, low, high = pane.n, pane.total, pane.low, pane.high
    for column, value in enumerate(held.values):
        if value is not None:
            if n[column]:
                n[column] += 1
                total[column] += value
                if value < low[column]:
                    low[column] = value
                elif value > high[column]:
                    high[column] = value
            else:
                n[column] = 1
                total[column] = low[column] = high[column] = value
    for column in held.bad:
        pane.bad[column] += 1


def _pass_time(turn: Turn, until: int) -> None:
    """Account [fold.at, until), closing the minute and the shifts that end in it."""
    fold = turn.state.fold
    minute_end = fold.pane.minute + MINUTE_MS
    if fold.pane.minute >= 0 and until >= minute_end:
        if minute_end > fold.at:
            _account(turn, minute_end)
        _close_minute(turn)
    if until > fold.at:
        _account(turn, until)


def _account(turn: Turn, until: int) -> None:
    fold = turn.state.fold
    spent = category(fold.state, fold.reason, turn.spec.reasons)
    known_until = fold.heard_at + turn.spec.silence_ms
    if until - known_until > HOUR_MS * 24:
        _account_gap(turn, known_until, until, spent)
    at = fold.at
    while at < until:
        segment = fold.segment
        if segment is None or at >= segment.end:
            _enter(turn, at)
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
        _account(turn, start)
    if fold.bucket is not None:
        _close_bucket(turn)
    if len(rows) > _GAP_ROWS:
        rows = rows[-_GAP_ROWS:]
        start = rows[0][1]
    turn.effects.append(GapClosed(turn.number(), start, at, tuple(rows)))
    fold.at = at
    fold.segment = None


def _enter(turn: Turn, at: int) -> None:
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


def _has_figures(bucket: Bucket) -> bool:
    """Whether anything but missing data is in it yet: a machine without states is not measured."""
    silent = {TimeCategory.NOT_SCHEDULED, TimeCategory.PLANNED_STOP, TimeCategory.UNKNOWN}
    return bool(bucket.good_count or bucket.reject_count) or not set(bucket.times_ms) <= silent


def _change_state(turn: Turn, held: Held) -> None:
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


def _count(turn: Turn, held: Held) -> None:
    """Add what the cumulative counters grew by to the running shift, priced by the running product."""
    fold = turn.state.fold
    bucket = fold.bucket
    if bucket is None:
        _enter(turn, held.at)
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


def _close_minute(turn: Turn) -> None:
    """Write the minute's aggregates, fold the features, ask for the model rows that came due."""
    state = turn.state
    fold = state.fold
    pane = fold.pane
    at = pane.minute
    hour = at - at % HOUR_MS
    aggregates = tuple(
        SignalAggregate(n, low, total / n, high, bad) if n else SignalAggregate(0, None, None, None, bad)
        for n, total, low, high, bad in zip(pane.n, pane.total, pane.low, pane.high, pane.bad, strict=True)
    )
    turn.effects.append(MinuteClosed(at, turn.spec.version, hour != fold.hour, turn.spec.names, aggregates))
    fold.hour = hour
    if turn.spec.models:
        means = tuple(aggregate.mean for aggregate in aggregates)
        fold.features = features.fold_pane(
            fold.features, at=at, means=means, taus_ms=turn.spec.feature_taus_ms
        )
        for binding in turn.spec.models:
            if at - fold.scored_at.get(binding.model, at - binding.cadence_ms) >= binding.cadence_ms:
                fold.scored_at[binding.model] = at
                row = features.row(
                    fold.features,
                    binding=binding,
                    signal_names=turn.spec.names,
                    at=at,
                    maintained_at=state.maintained_at,
                )
                turn.effects.append(ScoreRequested(state.machine_id, binding.model, binding.version, at, row))
    if fold.bucket is not None and _has_figures(fold.bucket):
        measured = elements(fold.bucket, fold.at, final=False)
        turn.effects.append(OeeMeasured(turn.number(), measured))
        state.shown.pending = True
        if shown_band(turn.spec, measured) != state.shown.band:
            turn.urgent = True
    fold.pane = Pane.empty(len(pane.n))


def is_duplicate(fold: Fold, reading: Reading) -> bool:
    """Whether the device sent this reading before, as far back as keys are remembered."""
    return reading.key in fold.seen or (reading.at <= fold.at and reading.key in fold.late_keys)


def _keep_late(turn: Turn, reading: Reading) -> None:
    """Count a late reading on its shift and hand it over to be kept."""
    fold = turn.state.fold
    fold.late_keys = [*fold.late_keys[1 - _LATE_KEYS_KEPT :], reading.key]
    turn.state.late_count += 1
    shift_id = _count_late(turn, fold, reading.at)
    turn.effects.append(LateKept(reading, shift_id))


def _count_late(turn: Turn, fold: Fold, at: int) -> str | None:
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
