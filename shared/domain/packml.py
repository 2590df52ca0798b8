"""PackML machine states (ISA-TR88.00.02) and the ISO 22400 time category each one counts as."""

from enum import IntEnum, StrEnum


class PackMLState(IntEnum):
    """StateCurrent as numbered by OMAC PackML v2022."""

    UNDEFINED = 0
    CLEARING = 1
    STOPPED = 2
    STARTING = 3
    IDLE = 4
    SUSPENDED = 5
    EXECUTE = 6
    STOPPING = 7
    ABORTING = 8
    ABORTED = 9
    HOLDING = 10
    HELD = 11
    UNHOLDING = 12
    SUSPENDING = 13
    UNSUSPENDING = 14
    RESETTING = 15
    COMPLETING = 16
    COMPLETE = 17

    @property
    def word(self) -> str:
        """The state as contracts write it, e.g. `Execute`."""
        return self.name.capitalize()


STATES_BY_WORD: dict[str, PackMLState] = {state.name.lower(): state for state in PackMLState} | {
    "completed": PackMLState.COMPLETE
}


class TimeCategory(StrEnum):
    """Where a machine's time goes. Each instant of a shift is in exactly one of them."""

    PRODUCTION = "production"
    SETUP = "setup"
    PLANNED_STOP = "plannedStop"
    UNPLANNED_STOP = "unplannedStop"
    MINOR_STOP = "minorStop"
    STARVED = "starved"
    BLOCKED = "blocked"
    NOT_SCHEDULED = "notScheduled"
    UNKNOWN = "unknown"


_BY_STATE: dict[PackMLState, TimeCategory] = {
    PackMLState.UNDEFINED: TimeCategory.UNKNOWN,
    PackMLState.EXECUTE: TimeCategory.PRODUCTION,
    PackMLState.STARTING: TimeCategory.SETUP,
    PackMLState.RESETTING: TimeCategory.SETUP,
    PackMLState.COMPLETING: TimeCategory.PRODUCTION,
    PackMLState.SUSPENDING: TimeCategory.STARVED,
    PackMLState.SUSPENDED: TimeCategory.STARVED,
    PackMLState.UNSUSPENDING: TimeCategory.STARVED,
    PackMLState.IDLE: TimeCategory.STARVED,
    PackMLState.COMPLETE: TimeCategory.STARVED,
}


def category(state: PackMLState, reason: str | None, reasons: dict[str, TimeCategory]) -> TimeCategory:
    """The category of time spent in `state`: the stop reason decides where the catalogue knows it.

    A reason never turns Execute into a stop. Held means an internal cause (unplanned stop),
    Suspended an external one (starved, unless the reason says blocked).

    >>> category(PackMLState.HELD, None, {}).value
    'unplannedStop'
    >>> category(PackMLState.STOPPED, "lunch", {"lunch": TimeCategory.PLANNED_STOP}).value
    'plannedStop'
    """
    if state is PackMLState.EXECUTE:
        return TimeCategory.PRODUCTION
    if reason is not None and reason in reasons:
        return reasons[reason]
    return _BY_STATE.get(state, TimeCategory.UNPLANNED_STOP)
