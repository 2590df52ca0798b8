"""Units: what the counters grew by, at the instant that reports it, priced by what was being made.

Growth belongs to the product, order and shift of the reading that reports it: units are known to
be made by then, and not a moment earlier. What grew over a stretch without data that a shift's
border falls into is counted on the shift of return and flagged there: nobody knows more.
"""

from shared.domain.accounting import enter, settle_pending, spent_on
from shared.domain.calendar import segment_at
from shared.domain.counters import COUNTED, Step, step
from shared.domain.ledger import turn_page
from shared.domain.packml import TimeCategory
from shared.domain.state import Fold, Held, Page, Part
from shared.domain.sums import entry_of, flag
from shared.domain.turn import Turn

_REJECT_REASONS_MAX = 64
"""Further reasons are counted in the total only: names come from devices, the state is bounded."""


def count_units(turn: Turn, held: Held, part: Part) -> None:
    """Fold a reading's counters. `part` is what the machine says from this reading on."""
    fold = turn.state.fold
    same = (
        held.good == fold.good
        and held.reject == fold.reject
        and held.rework == fold.rework
        and held.total == fold.total
        and (not held.rejects or held.rejects == fold.rejects)
    )
    if same:
        if held.good is not None:
            fold.good_at = held.at
        if held.reject is not None:
            fold.reject_at = held.at
        if held.rework is not None:
            fold.rework_at = held.at
        if held.total is not None:
            fold.total_at = held.at
        fold.count_device = held.device
        fold.count_sequence = held.sequence
        return
    _count(turn, held, part)


def _count(turn: Turn, held: Held, part: Part) -> None:
    fold = turn.state.fold
    page = _page_at(turn, held.at)
    replaced = bool(fold.count_device) and held.device != fold.count_device
    if not replaced and held.sequence < fold.count_sequence and _is_overtaken(turn, held):
        flag(page.sums, "counterOvertaken")
        return
    fold.count_device = held.device
    fold.count_sequence = held.sequence
    good = reject = rework = 0
    if held.good is not None:
        good = _grow(turn, page, fold.good, held.good, held.at - fold.good_at, replaced)
        fold.good, fold.good_at = held.good, held.at
    if held.reject is not None:
        reject = _grow(turn, page, fold.reject, held.reject, held.at - fold.reject_at, replaced)
        fold.reject, fold.reject_at = held.reject, held.at
    if held.rework is not None:
        rework = _grow(turn, page, fold.rework, held.rework, held.at - fold.rework_at, replaced)
        fold.rework, fold.rework_at = held.rework, held.at
    if held.total is not None:
        known = fold.total is not None
        total = _grow(turn, page, fold.total, held.total, held.at - fold.total_at, replaced)
        fold.total, fold.total_at = held.total, held.at
        if held.good is None:
            good = max(0, total - reject - rework)
        if known and good + reject + rework > total:
            flag(page.sums, "countsOverTotal", good + reject + rework - total)
    _count_reasons(turn, page, held)
    if good or reject or rework:
        _take(turn, page, held.at, good=good, reject=reject, rework=rework)
        _doubt(turn, page, held, part, good + reject + rework)


def _is_overtaken(turn: Turn, held: Held) -> bool:
    """Whether the device told these lower counts before the last ones, though its clock says after.

    A clock that was set back makes such readings for as long as the lateness bound. They say nothing
    new: counters are cumulative, the next reading in sequence tells all. A device whose own numbers
    begin again is taken up when the bound is over, and loses no unit by it.
    """
    fold = turn.state.fold
    lateness_ms = turn.spec.lateness_ms
    for last, new, last_at in (
        (fold.good, held.good, fold.good_at),
        (fold.reject, held.reject, fold.reject_at),
        (fold.rework, held.rework, fold.rework_at),
        (fold.total, held.total, fold.total_at),
    ):
        if last is not None and new is not None and new < last and held.at - last_at <= lateness_ms:
            return True
    return False


def _grow(turn: Turn, page: Page, last: int | None, new: int, elapsed_ms: int, replaced: bool) -> int:
    """The units that a counter counted; whatever is not plain growth is flagged."""
    grown, what = step(last, new, rule=turn.spec.counters, elapsed_ms=elapsed_ms, replaced=replaced)
    if what is not Step.GROWN and what is not Step.FIRST:
        flag(page.sums, what)
        if what is Step.RESTARTED:
            page.sums.reset_count += 1
    return grown


def _take(turn: Turn, page: Page, at: int, *, good: int, reject: int, rework: int) -> None:
    fold = turn.state.fold
    sums = page.sums
    ran = fold.part
    sums.good_count += good
    sums.reject_count += reject
    sums.rework_count += rework
    made = entry_of(page.sums, ran.product, ran.order)
    made.good_count += good
    made.reject_count += reject
    made.rework_count += rework
    starting = bool(reject) and fold.producing_at >= 0 and at - fold.producing_at <= turn.spec.startup_ms
    if starting:
        sums.startup_count += reject
    ideal = turn.spec.ideal_cycle_ms.get(ran.product)
    if not ideal:
        sums.unpriced_count += good + reject + rework
        return
    spent = (good + reject + rework) * ideal
    sums.ideal_ms += spent
    sums.ideal_good_ms += good * ideal
    made.ideal_ms += spent
    if starting:
        sums.startup_ideal_ms += reject * ideal


def _doubt(turn: Turn, page: Page, held: Held, part: Part, units: int) -> None:
    """Flag what contradicts itself: the units are counted all the same."""
    fold = turn.state.fold
    stopped = spent_on(turn, fold.part) is not TimeCategory.PRODUCTION
    if stopped and spent_on(turn, part) is not TimeCategory.PRODUCTION:
        flag(page.sums, "countedWhileStopped", units)
    if held.at - fold.heard_at > turn.spec.silence_ms:
        flag(page.sums, "countedOverGap", units)
        left = segment_at(turn.spec.calendar, fold.heard_at)
        if held.at > left.shift_end:
            flag(page.sums, "countedOverShifts", units)


def _count_reasons(turn: Turn, page: Page, held: Held) -> None:
    fold = turn.state.fold
    for reason, count in held.rejects.items():
        if reason not in fold.rejects and len(fold.rejects) >= _REJECT_REASONS_MAX:
            continue
        grown, what = step(fold.rejects.get(reason), count, rule=turn.spec.counters, elapsed_ms=1 << 62)
        fold.rejects[reason] = count
        if what in COUNTED and grown:
            page.sums.rejects[reason] = page.sums.rejects.get(reason, 0) + grown


def _page_at(turn: Turn, at: int) -> Page:
    """The page that units counted at an instant belong to.

    A young stop that is not judged yet holds the ledger back: units beyond the border of its
    shift or page end the wait, for a machine that counts is not waiting.
    """
    fold = turn.state.fold
    if fold.pending and (_border(fold) < at):
        settle_pending(turn, TimeCategory.UNPLANNED_STOP)
    if fold.bucket is None:
        enter(turn, at)
    return turn.page or turn_page(turn, at)


def _border(fold: Fold) -> int:
    """Where the ledger's open page ends at the latest."""
    segment, page = fold.segment, fold.page
    if segment is None or page is None:
        return -1
    return segment.shift_end if page.end < 0 else min(page.end, segment.shift_end)
