"""What rules remember between readings. Only rules that need it have an entry."""

from dataclasses import dataclass, field

from shared.domain.alarms.rates import Track


@dataclass(frozen=True, slots=True)
class SetPoint:
    """A limit that was changed at run time."""

    value: float
    version: int
    """Grows with every change; 0 is the description's own."""
    at: int
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class Outage:
    """Why something is out of service."""

    at: int
    who: str
    why: str
    work_order: str | None
    taken: tuple[str, ...] = ()
    """The rules whose occurrences went out with the machine, and come back with it."""


@dataclass(slots=True)
class Memory:
    """By rule. Values are replaced, never changed, so that a clone may share them."""

    rates: dict[str, Track] = field(default_factory=dict[str, Track])
    """Windows of rates of change."""
    held: dict[str, tuple[float, int]] = field(default_factory=dict[str, tuple[float, int]])
    """Frozen signals: the value that they do not leave, and since when."""
    heard: dict[str, int] = field(default_factory=dict[str, int])
    """Silent signals: when they were last heard, by arrival."""
    counts: dict[str, tuple[int | None, int | None, int]] = field(
        default_factory=dict[str, tuple[int | None, int | None, int]]
    )
    """Counter rates: last good and reject counters, and what was counted since."""
    raised: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    """When alarms were last raised, to tell those that chatter."""

    def clone(self) -> "Memory":
        return Memory(
            dict(self.rates), dict(self.held), dict(self.heard), dict(self.counts), dict(self.raised)
        )

    def forget(self, rule_id: str) -> None:
        """Start anew: the rule is another one now."""
        for entries in (self.rates, self.held, self.heard, self.counts, self.raised):
            entries.pop(rule_id, None)
