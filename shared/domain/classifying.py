"""Stops classified, split and merged afterwards: the shifts that they fell into are stated anew.

A closed page of the ledger keeps what the machine said and is written again as the operator says
it; the shift gets the difference. Time that is on no closed page yet is accounted as said when its
page closes. So it makes no difference to any figure when somebody speaks.
"""

from dataclasses import replace
from typing import assert_never

from shared.domain.accounting import has_figures
from shared.domain.effects import OeeMeasured, PageClosed, StopClassified
from shared.domain.elements import Interval, LedgerPage, OeeElements
from shared.domain.ledger import as_said, closed_elements, page_so_far, so_far
from shared.domain.oee import shown_band
from shared.domain.packml import TimeCategory
from shared.domain.restating import exchange, restated, sums_of
from shared.domain.spec import MachineSpec
from shared.domain.state import Fold
from shared.domain.stop_commands import Classify, Known, Merge, Split, StopCommand
from shared.domain.stop_records import Said, Stop, StopPart
from shared.domain.sums import carries_failure, elements_with
from shared.domain.turn import Turn

DONE = "done"

_PARTS_MAX = 12
_SAID_MAX = 12
"""Stops of the running hour that operators may speak of: the state is bounded."""
_PAGES_MAX = 72
"""What one commit can write; three days of a machine that reports."""
_MERGED_MS = 3_600_000
"""More production than this between two stops: they are two."""
_NO_STOP = frozenset({TimeCategory.PRODUCTION, TimeCategory.UNKNOWN, TimeCategory.NOT_SCHEDULED})


def carry_out(turn: Turn, command: StopCommand) -> str:
    """`done`, or why not: then nothing has changed.

    1. What the stop is to be, or why it cannot.
    2. Its closed pages as they are then.
    3. The shifts of these pages.
    4. What is on no closed page yet is remembered.
    """
    known = command.known
    if known is None or known.stop is None:
        return "the machine has no such stop"
    before = known.stop
    if command.expected is not None and before.version != command.expected:
        return "it has changed since you read it"
    fold = turn.state.fold
    after = _changed(turn, command, before, known.before)  # 1
    if isinstance(after, str):
        return after
    if (after.parts, after.continues) == (before.parts, before.continues):
        return DONE
    if not known.is_complete:
        return "the stop is too long to be stated anew: it has more than 1,000 pages of the ledger"
    said = Said(
        after.stop_id,
        after.started_at,
        -1 if after.ended_at is None else after.ended_at,
        after.parts or (StopPart(after.started_at),),
        after.continues,
        after.continues is not None and _fails_at_end(turn, known),
    )
    changed: list[tuple[LedgerPage, LedgerPage]] = []
    for page in known.pages:  # 2
        again, failing = restated(turn.spec, page, said)
        said = replace(said, failing=failing)
        if again is not page:
            changed.append((page, again))
    if len(changed) > _PAGES_MAX:
        return f"it changes {len(changed)} pages of the ledger, at most {_PAGES_MAX}: classify it bit by bit"
    others = [one for one in fold.said if one.stop_id != said.stop_id]
    lasts = said.end < 0 or said.end > (fold.at if fold.page is None else fold.page.start)
    if lasts and len(others) >= _SAID_MAX:
        return f"{_SAID_MAX} stops of the running hour are classified: wait until the hour is over"
    shifts = {page.elements.shift_id for page, again in changed if _moves(page.elements, again.elements)}
    if missing := shifts - _known_shifts(fold, known):
        return f"the store has no bucket of {', '.join(sorted(missing))}"
    n = turn.number()
    after = replace(after, version=n)
    turn.effects.append(
        StopClassified(n, _action(command), before, after, command.who, command.now, command.why)
    )
    for _, page in changed:
        turn.effects.append(PageClosed(page.elements, page.intervals, page.recorded))
    is_running = lasts
    for shift_id in sorted(shifts):  # 3
        mine = [pair for pair in changed if pair[0].elements.shift_id == shift_id]
        is_running |= _restate(turn, shift_id, mine, known.buckets)
    if lasts and (after.parts or after.continues):  # 4
        others.append(said)
    fold.said = others
    if is_running:
        _measure(turn)
    return DONE


def _changed(turn: Turn, command: StopCommand, stop: Stop, before: Stop | None) -> Stop | str:
    """The stop with the change in it, or why that cannot be."""
    until = turn.state.fold.at if stop.ended_at is None else stop.ended_at
    match command.change:
        case Classify() as change:
            after = _classified(turn.spec, command, change, stop, until)
        case Split(at=at):
            after = _split(stop, at, until)
        case Merge(at=at):
            after = _merged(turn.spec, command, stop, at, before)
        case _:
            assert_never(command.change)
    if isinstance(after, str):
        return after
    if len(after.parts) > _PARTS_MAX:
        return f"a stop has at most {_PARTS_MAX} parts: merge some"
    if len(after.parts) == 1 and after.parts[0].reason is None:
        return replace(after, parts=())
    return after


def _classified(
    spec: MachineSpec, command: StopCommand, change: Classify, stop: Stop, until: int
) -> Stop | str:
    kind = None
    if change.reason is not None:
        kind = spec.reasons.get(change.reason)
        if kind is None or kind in _NO_STOP:
            stops = ", ".join(sorted(name for name, one in spec.reasons.items() if one not in _NO_STOP))
            return f"{change.reason} is no stop reason of the catalogue; it has {stops or 'none'}"
    begin = stop.started_at if change.begin is None else change.begin
    end = until if change.end is None else change.end
    if not (stop.started_at <= begin < end <= until or (change == Classify(change.reason))):
        return "what is classified must lie within the stop, as far as it is known"
    part = StopPart(begin, change.reason, kind, command.who, command.now)
    parts = _cut(_parts(stop), begin)
    rest: tuple[StopPart, ...] = ()
    if change.end is not None and change.end != stop.ended_at:
        parts = _cut(parts, change.end)
        rest = tuple(one for one in parts if one.start >= change.end)
    kept = tuple(one for one in parts if one.start < begin)
    return replace(stop, parts=(*kept, part, *rest))


def _split(stop: Stop, at: int, until: int) -> Stop | str:
    if at == stop.started_at and stop.continues is not None:
        return replace(stop, continues=None)
    if not stop.started_at < at < until:
        return "a stop is split between its start and its end, as far as it is known"
    return replace(stop, parts=_cut(_parts(stop), at))


def _merged(spec: MachineSpec, command: StopCommand, stop: Stop, at: int, before: Stop | None) -> Stop | str:
    parts = _parts(stop)
    if at != stop.started_at:
        if all(part.start != at for part in parts):
            return "there is no cut at that instant"
        return replace(stop, parts=tuple(part for part in parts if part.start != at))
    if before is None or before.ended_at is None or stop.started_at - before.ended_at > _MERGED_MS:
        return "there is no stop within the hour before it"
    last = before.parts[-1] if before.parts else StopPart(before.started_at)
    reason = last.reason or before.reason
    kind = last.category if last.reason is not None else spec.reasons.get(before.reason or "")
    if reason is not None and kind is not None and kind not in _NO_STOP:
        parts = (StopPart(stop.started_at, reason, kind, command.who, command.now),)
    return replace(stop, parts=parts, continues=before.stop_id)


def _parts(stop: Stop) -> tuple[StopPart, ...]:
    return stop.parts or (StopPart(stop.started_at),)


def _cut(parts: tuple[StopPart, ...], at: int) -> tuple[StopPart, ...]:
    """The parts with a border at an instant."""
    cut: list[StopPart] = []
    for index, part in enumerate(parts):
        cut.append(part)
        if part.start < at and (index + 1 == len(parts) or at < parts[index + 1].start):
            cut.append(replace(part, start=at))
    return tuple(cut)


def _action(command: StopCommand) -> str:
    return {Classify: "classified", Split: "split", Merge: "merged"}[type(command.change)]


def _fails_at_end(turn: Turn, known: Known) -> bool:
    """Whether a failure goes on where the stop before ended."""
    before, fold = known.before, turn.state.fold
    if before is None:
        return False
    intervals: list[Interval] = [one for page in known.pages for one in page.intervals]
    if fold.page is not None:
        at = fold.pending[0][0] if fold.pending else fold.at
        intervals += as_said(turn.spec, fold, page_so_far(fold.page, at))
    failing = False
    for start, end, kind, *_ in intervals:
        if end > before.started_at and start < (before.ended_at or 0):
            failing = carries_failure(kind, failing)
    return failing


def _moves(old: OeeElements, new: OeeElements) -> bool:
    """Whether any time moves: not where all of it was idle, outside shifts, which have no bucket then."""
    return (old.times_ms, old.losses_ms, old.failure_count) != (
        new.times_ms,
        new.losses_ms,
        new.failure_count,
    )


def _known_shifts(fold: Fold, known: Known) -> set[str]:
    running = () if fold.bucket is None else (fold.bucket,)
    return {one.shift_id for one in (*running, *fold.closed, *known.buckets)}


def _restate(
    turn: Turn, shift_id: str, pages: list[tuple[LedgerPage, LedgerPage]], known: tuple[OeeElements, ...]
) -> bool:
    """Put restated pages into their shift; True for the running one, which is yet to be measured."""
    fold = turn.state.fold
    changes = [(sums_of(old.elements), sums_of(new.elements)) for old, new in pages]
    if fold.bucket is not None and fold.bucket.shift_id == shift_id:
        bucket = turn.bucket
        assert bucket is not None
        for old, new in changes:
            exchange(bucket.sums, old, new)
        return True
    for index, closed in enumerate(fold.closed):
        if closed.shift_id == shift_id:
            bucket = closed.clone()
            for old, new in changes:
                exchange(bucket.sums, old, new)
            bucket.version += 1
            fold.closed = [*fold.closed[:index], bucket, *fold.closed[index + 1 :]]
            turn.effects.append(OeeMeasured(turn.number(), closed_elements(bucket), restated=True))
            return False
    [elements] = [one for one in known if one.shift_id == shift_id]
    sums = sums_of(elements)
    for old, new in changes:
        exchange(sums, old, new)
    again = elements_with(elements, sums, version=elements.version + 1)
    turn.effects.append(OeeMeasured(turn.number(), again, restated=True))
    return False


def _measure(turn: Turn) -> None:
    """Measure the running shift anew: nobody waits for the next minute of a machine that stands."""
    bucket = turn.bucket
    if bucket is None:
        return
    bucket.version += 1
    measured = so_far(turn.spec, turn.state.fold)
    if has_figures(measured):
        turn.effects.append(OeeMeasured(turn.number(), measured))
        turn.state.shown.pending = True
        if shown_band(turn.spec, measured) != turn.state.shown.band:
            turn.urgent = True
