"""Stops as people talk about them: what the machine said, and in parts what operators say of it."""

from dataclasses import dataclass

from shared.domain.packml import TimeCategory


@dataclass(frozen=True, slots=True)
class StopPart:
    """A stretch of a stop, from `start` to the next part or the stop's end."""

    start: int
    reason: str | None = None
    """None: as the machine said it."""
    category: TimeCategory | None = None
    """Of the reason, as the catalogue had it when it was given."""
    who: str | None = None
    at: int | None = None
    """When it was said."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop as its document has it."""

    stop_id: str
    started_at: int
    ended_at: int | None
    """None while it lasts."""
    category: TimeCategory
    reason: str | None
    """As the machine or a rule said it last."""
    parts: tuple[StopPart, ...] = ()
    """None: nobody said anything; else they cover the stop."""
    continues: str | None = None
    """The stop before, of which it is the same failure."""
    version: int = 0
    """Number of the last effect that changed it."""

    @property
    def is_classified(self) -> bool:
        """Whether all of it has a reason."""
        if not self.parts:
            return self.reason is not None
        return all(part.reason is not None or self.reason is not None for part in self.parts)


@dataclass(frozen=True, slots=True)
class Said:
    """What operators said of a stop; kept in the state while time of it is on no closed page yet."""

    stop_id: str
    start: int
    end: int
    """-1 while the stop lasts."""
    parts: tuple[StopPart, ...]
    continues: str | None = None
    failing: bool = False
    """Within a failure that is already counted, where the intervals in question begin."""
