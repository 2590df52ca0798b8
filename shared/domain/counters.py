"""Cumulative counters as an algebra: what two successive values of one say about the units between.

Readings reach this in the order of event time: reorder and duplicates are the buffer's business
(a value that comes twice grows by 0). What is left is told apart by what the machine's class
declares, and never by guessing: whatever is not plain growth is flagged on the bucket.
"""

from enum import StrEnum

from shared.domain.spec import CounterRule


class Step(StrEnum):
    """What became of a counter between two values. The names are flags on a bucket."""

    FIRST = "counterFirst"
    """No value before: a baseline, nothing is counted."""
    GROWN = "counterGrown"
    ROLLED_OVER = "counterRolledOver"
    """Passed its declared top: the way over it is plausible and shorter than the way back."""
    RESTARTED = "counterRestarted"
    """Began again at 0 and has counted up to the new value since."""
    REBASED = "counterRebased"
    """Lower, and nobody knows from where it counted: another device, or more than 0 could reach."""
    JUMPED = "counterJumped"
    """Grew by more than the machine can make in the time: not believed, a new baseline."""


COUNTED = frozenset({Step.GROWN, Step.ROLLED_OVER, Step.RESTARTED})
"""Steps that may have counted units."""


def step(
    last: int | None, new: int, *, rule: CounterRule, elapsed_ms: int, replaced: bool = False
) -> tuple[int, Step]:
    """(units counted since `last`, what happened). `replaced`: another device reports than before.

    | value | believable in the time | step | units |
    |---|---|---|---|
    | the first | | FIRST | 0 |
    | not lower | yes | GROWN | new - last |
    | not lower | no | JUMPED | 0 |
    | lower, over the top is the shorter way | yes | ROLLED_OVER | new + modulus - last |
    | lower | yes, `restart` is `zero`, same device | RESTARTED | new |
    | lower | otherwise | REBASED | 0 |

    Believable are elapsed / `fastest_ms` units and 2 more (a unit in the making at either end);
    all are, where no fastest cycle is declared.

    >>> plain, wide = CounterRule(), CounterRule(modulus=65536)
    >>> step(5, 7, rule=plain, elapsed_ms=1000)[0], step(7, 2, rule=plain, elapsed_ms=1000)[1].value
    (2, 'counterRestarted')
    >>> step(65530, 4, rule=wide, elapsed_ms=1000)
    (10, <Step.ROLLED_OVER: 'counterRolledOver'>)
    >>> step(100, 90, rule=CounterRule(fastest_ms=500), elapsed_ms=1000)
    (0, <Step.REBASED: 'counterRebased'>)
    """
    if last is None:
        return 0, Step.FIRST
    most = elapsed_ms // rule.fastest_ms + 2 if rule.fastest_ms else None
    if new >= last:
        grown = new - last
        if most is not None and grown > most:
            return 0, Step.JUMPED
        return grown, Step.GROWN
    modulus = rule.modulus
    if modulus is not None and new < modulus and last < modulus:
        over = new + modulus - last
        if over < last - new and (most is None or over <= most):
            return over, Step.ROLLED_OVER
    if replaced or rule.restart != "zero" or (most is not None and new > most):
        return 0, Step.REBASED
    return new, Step.RESTARTED
