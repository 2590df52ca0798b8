"""The fold behind the reorder buffer; what it does with a reading is in accounting.py and minutes.py.

Readings wait until the machine's event time is past them by the lateness bound; then they are
folded in the order of (time, device sequence, key), so any order of arrival within the bound
gives the same result.
"""

from bisect import insort
from dataclasses import replace

from shared.domain.accounting import account, count_late, enter
from shared.domain.counting import count_units
from shared.domain.effects import LateKept
from shared.domain.inputs import Reading
from shared.domain.ledger import HOUR_MS
from shared.domain.minutes import MINUTE_MS, PANE_ROWS, close_minute, sum_rows
from shared.domain.state import Fold, Held
from shared.domain.stops import judge, take_over, told
from shared.domain.turn import Turn

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
_FOLDED_KEPT = 250
"""Duplicates further back than this many folded readings of one machine are not recognised."""

type Values = list[float | None]


def hold(turn: Turn, reading: Reading, values: Values, bad: tuple[int, ...]) -> None:
    """Put a reading into the buffer, or keep it as late; fold whatever is now certain."""
    fold = turn.state.fold
    if reading.at <= fold.at:
        _keep_late(turn, reading)
        return
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
        reading.order,
        reading.rework,
        reading.total,
        reading.device,
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
        _remember(fold, waiting[:count], until - turn.spec.lateness_ms)
        del waiting[:count]
    if fold.at >= 0 and until > fold.at:
        _pass_time(turn, until)


def drain(turn: Turn, until: int) -> None:
    """Nothing came for so long that the wait is over: fold all, account up to `until`."""
    fold = turn.state.fold
    if fold.waiting:
        settle(turn, max(fold.waiting[-1].at, until))
    elif fold.at >= 0:
        settle(turn, until)


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
        enter(turn, held.at)
    elif held.at > fold.at:
        _pass_time(turn, held.at)
    page = fold.page
    if page is not None and page.end < 0 and (page := turn.page) is not None:
        page.end = held.at - held.at % HOUR_MS + HOUR_MS
    part = told(turn, held)
    if part is not fold.part:
        judge(turn, part)
    if (
        held.good is not None
        or held.reject is not None
        or held.rejects
        or held.total is not None
        or held.rework is not None
    ):
        count_units(turn, held, part)
    if part is not fold.part:
        take_over(turn, held, part)
    fold.heard_at = held.at

    pane = fold.pane
    if pane.minute < 0:
        pane.minute = held.at - held.at % MINUTE_MS
    pane.rows.append(held.values)
    if len(pane.rows) >= PANE_ROWS:
        sum_rows(pane)
    if held.bad:
        pane.bad = [count + (column in held.bad) for column, count in enumerate(pane.bad)]


def _pass_time(turn: Turn, until: int) -> None:
    """Account [fold.at, until), closing the minute and the shifts that end in it."""
    fold = turn.state.fold
    minute_end = fold.pane.minute + MINUTE_MS
    if fold.pane.minute >= 0 and until >= minute_end:
        if minute_end > fold.at:
            account(turn, minute_end)
        close_minute(turn)
    if until > fold.at:
        account(turn, until)


def is_duplicate(fold: Fold, reading: Reading) -> bool:
    """Whether the device sent this reading before, as far back as keys are remembered.

    A key contains the reading's time, so one that is newer than all others is new.
    """
    if reading.at > fold.newest_at:
        return False
    key = reading.key
    return (
        any(held.key == key for held in fold.waiting)
        or (reading.at, key) in fold.folded
        or key in fold.late_keys
    )


def _remember(fold: Fold, folded: list[Held], oldest: int) -> None:
    """Keep the keys of what was folded, for as long as a duplicate of it can be told from a late reading."""
    before = fold.folded
    gone = max(0, len(before) + len(folded) - _FOLDED_KEPT)
    while gone < len(before) and before[gone][0] < oldest:
        gone += 1
    fold.folded = before[gone:] + [(held.at, held.key) for held in folded]


def _keep_late(turn: Turn, reading: Reading) -> None:
    """Count a late reading on its shift and hand it over to be kept."""
    fold = turn.state.fold
    fold.late_keys = [*fold.late_keys[1 - _LATE_KEYS_KEPT :], reading.key]
    turn.state.late_count += 1
    shift_id = count_late(turn, fold, reading.at)
    turn.effects.append(LateKept(reading, shift_id))
