"""The states of an alarm and every way between them (ISA-18.2-2016 clause 10.2, figure 10), as one table.

What is not in the table cannot happen: `after` gives None, and a command is refused with the
current state. States that hide an alarm are left by re-evaluation: to normal, from where it
trips again, with its whole delay, if its condition still holds. An alarm that is normal when its
rule stops to apply has nothing to suppress: it stays normal and cannot trip.
"""

from enum import StrEnum


class State(StrEnum):
    NORMAL = "normal"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returnedUnacknowledged"
    LATCHED_UNACKNOWLEDGED = "latchedUnacknowledged"
    LATCHED_ACKNOWLEDGED = "latchedAcknowledged"
    SHELVED = "shelved"
    """Hidden by an operator, for a time and with a reason."""
    SUPPRESSED = "suppressedByDesign"
    """Hidden because it says nothing while the machine is as it is."""
    OUT_OF_SERVICE = "outOfService"
    """Hidden while somebody works on the machine or the sensor."""


class Event(StrEnum):
    """What may happen to an alarm; the value is how its history calls it."""

    TRIP = "raised"
    RETURN = "cleared"
    LATCH = "latched"
    """The condition returned, but the rule latches."""
    ACKNOWLEDGE = "acknowledged"
    RESET = "reset"
    REANNUNCIATE = "reannunciated"
    """Acknowledged and still there after the rule's re-alarm time."""
    SHELVE = "shelved"
    UNSHELVE = "unshelved"
    SUPPRESS = "suppressed"
    UNSUPPRESS = "unsuppressed"
    TAKE_OUT = "takenOutOfService"
    PUT_BACK = "returnedToService"
    DROP = "dropped"
    """Its rule is gone."""


_ACTIVE = (State.UNACKNOWLEDGED, State.ACKNOWLEDGED)
_SHOWN = (*_ACTIVE, State.RETURNED, State.LATCHED_UNACKNOWLEDGED, State.LATCHED_ACKNOWLEDGED)

TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.NORMAL, Event.TRIP): State.UNACKNOWLEDGED,
    (State.UNACKNOWLEDGED, Event.ACKNOWLEDGE): State.ACKNOWLEDGED,
    (State.UNACKNOWLEDGED, Event.RETURN): State.RETURNED,
    (State.UNACKNOWLEDGED, Event.LATCH): State.LATCHED_UNACKNOWLEDGED,
    (State.ACKNOWLEDGED, Event.RETURN): State.NORMAL,
    (State.ACKNOWLEDGED, Event.LATCH): State.LATCHED_ACKNOWLEDGED,
    (State.ACKNOWLEDGED, Event.REANNUNCIATE): State.UNACKNOWLEDGED,
    (State.RETURNED, Event.ACKNOWLEDGE): State.NORMAL,
    (State.RETURNED, Event.TRIP): State.UNACKNOWLEDGED,
    (State.LATCHED_UNACKNOWLEDGED, Event.ACKNOWLEDGE): State.LATCHED_ACKNOWLEDGED,
    (State.LATCHED_UNACKNOWLEDGED, Event.TRIP): State.UNACKNOWLEDGED,
    (State.LATCHED_ACKNOWLEDGED, Event.RESET): State.NORMAL,
    (State.LATCHED_ACKNOWLEDGED, Event.TRIP): State.UNACKNOWLEDGED,
    (State.SHELVED, Event.UNSHELVE): State.NORMAL,
    (State.SUPPRESSED, Event.UNSUPPRESS): State.NORMAL,
    (State.OUT_OF_SERVICE, Event.PUT_BACK): State.NORMAL,
    **{(state, Event.SHELVE): State.SHELVED for state in (State.NORMAL, *_SHOWN, State.SUPPRESSED)},
    **{(state, Event.SUPPRESS): State.SUPPRESSED for state in _SHOWN},
    **{
        (state, Event.TAKE_OUT): State.OUT_OF_SERVICE
        for state in (State.NORMAL, *_SHOWN, State.SHELVED, State.SUPPRESSED)
    },
    **{(state, Event.DROP): State.NORMAL for state in State if state is not State.NORMAL},
}
"""(state, event) -> the state after it."""

ACTIVE = frozenset(_ACTIVE)
"""The condition holds, and operators see it."""
AWAITING = frozenset({State.UNACKNOWLEDGED, State.RETURNED, State.LATCHED_UNACKNOWLEDGED})
"""Nobody has acknowledged it."""
HIDDEN = frozenset({State.SHELVED, State.SUPPRESSED, State.OUT_OF_SERVICE})

PRIORITIES = ("none", "low", "medium", "high", "critical")
"""From the least urgent to the most."""


def after(state: State, event: Event) -> State | None:
    """The state after the event; None when it cannot happen in this state.

    >>> after(State.RETURNED, Event.ACKNOWLEDGE).value
    'normal'
    >>> after(State.NORMAL, Event.ACKNOWLEDGE) is None
    True
    """
    return TRANSITIONS.get((state, event))
