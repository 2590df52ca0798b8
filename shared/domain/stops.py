"""Stops: from the first state that is no production to the next that is; short ones are minor."""

from dataclasses import replace

from shared.domain.accounting import settle_pending, spent_on
from shared.domain.effects import StopEnded, StopStarted
from shared.domain.ledger import close_interval
from shared.domain.packml import PackMLState, TimeCategory
from shared.domain.state import Held, Part
from shared.domain.stop_records import StopPart
from shared.domain.sums import flag
from shared.domain.turn import Turn

_PARTS_MAX = 16
"""A young stop that changed its reason so often is judged at once: the state is bounded."""


def told(turn: Turn, held: Held) -> Part:
    """What the machine says of itself from this reading on; the reason by rule where it gives none."""
    part = turn.state.fold.part
    if (
        (held.state is None or (held.state is part.state and held.reason == part.reason))
        and (held.product is None or held.product == part.product)
        and (held.order is None or held.order == part.order)
    ):
        return part
    state, reason = part.state, part.reason
    if held.state is not None:
        state = held.state
        reason = held.reason
        if reason is None and turn.spec.state_reasons:
            reason = turn.spec.state_reasons.get(state)
    product = part.product if held.product is None else held.product
    order = part.order if held.order is None else held.order
    if state is part.state and reason == part.reason and product == part.product and order == part.order:
        return part
    return Part(state, reason, product, order)


def judge(turn: Turn, part: Part) -> None:
    """A young unplanned stop that ends was a minor one. Before units are counted: they are of now."""
    fold = turn.state.fold
    if fold.pending and spent_on(turn, part) is not TimeCategory.UNPLANNED_STOP:
        settle_pending(turn, TimeCategory.MINOR_STOP)


def take_over(turn: Turn, held: Held, part: Part) -> None:
    """Take over what the machine says; a stop begins when production ends and ends when it resumes."""
    fold = turn.state.fold
    before = fold.part
    if held.state is not None and held.at == fold.heard_at and held.state is not before.state:
        page = turn.page
        if page is not None:
            flag(page.sums, "statesOverlap")
    was = spent_on(turn, before)
    fold.part = part
    spent = spent_on(turn, part)
    if spent is TimeCategory.UNPLANNED_STOP and turn.spec.minor_stop_ms:
        if fold.pending:
            fold.pending = [*fold.pending, (held.at, part)]
            if len(fold.pending) > _PARTS_MAX:
                settle_pending(turn, TimeCategory.UNPLANNED_STOP)
        elif was is not TimeCategory.UNPLANNED_STOP:
            fold.pending = [(held.at, part)]
    if part.state is before.state and part.reason == before.reason:
        return
    if spent is TimeCategory.PRODUCTION:
        _end(turn, held.at)
    elif part.state is not PackMLState.UNDEFINED or spent is not TimeCategory.UNKNOWN:
        if fold.stop_id is None:
            n = turn.number()
            fold.stop_id = f"{turn.state.machine_id}:{n}"
            fold.stop_started_at = held.at
            turn.effects.append(StopStarted(n, fold.stop_id, held.at, spent, part.reason))
        fold.stop_category = spent
        fold.stop_reason = part.reason


def _end(turn: Turn, at: int) -> None:
    """Production resumes. Another stop in the same instant is another one, and another failure."""
    fold = turn.state.fold
    if fold.stop_id is None:
        return
    kind = fold.stop_category
    if kind is TimeCategory.UNPLANNED_STOP and at - fold.stop_started_at < turn.spec.minor_stop_ms:
        kind = TimeCategory.MINOR_STOP
    parts: tuple[StopPart, ...] = ()
    continues = None
    for said in fold.said:
        if said.stop_id == fold.stop_id:
            parts, continues = said.parts, said.continues
            fold.said = [replace(one, end=at) if one is said else one for one in fold.said]
    turn.effects.append(
        StopEnded(
            turn.number(),
            fold.stop_id,
            fold.stop_started_at,
            at,
            kind,
            fold.stop_reason,
            parts,
            continues,
        )
    )
    fold.stop_id = None
    fold.producing_at = at
    page = turn.page
    if page is not None:
        close_interval(turn.spec, page, at)
    fold.failing = False
