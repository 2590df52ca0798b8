"""Alarms that come and go too often to be read: chattering and repeating (ISA-18.2 clause 16, EEMUA 191)."""

from shared.domain.alarms.plan import memory_of
from shared.domain.state import MachineState

CHATTERING, REPEATING = "chattering", "repeating"
CHATTER_COUNT, CHATTER_MS = 3, 60_000
"""Raised three times within a minute: the usual starting criterion."""
REPEAT_COUNT, REPEAT_MS = 10, 3_600_000
"""Raised ten times within an hour: too slow to chatter, too often to be worth reading."""


def nuisance(state: MachineState, rule_id: str, at: int) -> tuple[str | None, bool]:
    """Count that the rule's alarm was raised. (what it does by now, whether it did not before)."""
    raised = memory_of(state).raised
    for other in [name for name, times in raised.items() if at - times[-1] > REPEAT_MS]:
        del raised[other]
    before = raised.get(rule_id, ())
    times = (*before, at)[-REPEAT_COUNT:]
    raised[rule_id] = times
    found = behaviour(times)
    return found, found is not None and found != behaviour(before)


def behaviour(times: tuple[int, ...]) -> str | None:
    """What an alarm that was raised at these times does, at the last of them.

    >>> behaviour((0, 10_000, 20_000)), behaviour((0, 100_000, 200_000))
    ('chattering', None)
    """
    if len(times) >= CHATTER_COUNT and times[-1] - times[-CHATTER_COUNT] <= CHATTER_MS:
        return CHATTERING
    if len(times) >= REPEAT_COUNT and times[-1] - times[-REPEAT_COUNT] <= REPEAT_MS:
        return REPEATING
    return None
