"""What a factory description may say about an alarm: a condition, and how to treat it (ISA-18.2 clause 9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shared.domain.packml import PackMLState

type Step = tuple[str, str | float]
"""One step of an expression's program; expressions.py has the list."""

RULES_MAX = 48
"""A machine has at most so many rules: one reading may trip them all, and what that writes fits
into one atomic commit of 100 operations."""

SHELVE_MAX_MS = 12 * 3_600_000
"""How long a rule may be shelved at once where it does not say."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A signal beyond a limit. It returns at the deadband inside the limit."""

    kind: Literal["highHigh", "high", "low", "lowLow"]
    signal: str
    limit: float
    deadband: float = 0.0


@dataclass(frozen=True, slots=True)
class Deviation:
    """A signal further than `limit` from a target: a number, or another signal's current value."""

    kind: Literal["deviation"]
    signal: str
    limit: float
    deadband: float = 0.0
    target: float | None = None
    target_signal: str | None = None


@dataclass(frozen=True, slots=True)
class RateOfChange:
    """A signal that changes by more than `limit` a minute, judged over a window (rates.py)."""

    kind: Literal["rateOfChange"]
    signal: str
    limit: float
    """In the signal's unit a minute."""
    window_ms: int
    deadband: float = 0.0
    direction: Literal["rising", "falling", "either"] = "either"


@dataclass(frozen=True, slots=True)
class CounterRate:
    """Units counted a minute, over a window, above or below a limit."""

    kind: Literal["counterRate"]
    counter: Literal["good", "reject", "total"]
    limit: float
    """Units a minute."""
    window_ms: int
    deadband: float = 0.0
    direction: Literal["above", "below"] = "below"


@dataclass(frozen=True, slots=True)
class InState:
    """The machine is in one of these states and, where reasons are given, for one of them."""

    kind: Literal["state"]
    states: tuple[PackMLState, ...]
    """Empty: any state."""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing arrives: from the machine or, while the machine talks, of one signal. By arrival time."""

    kind: Literal["silence"]
    after_ms: int
    signal: str | None = None


@dataclass(frozen=True, slots=True)
class Frozen:
    """A signal that keeps coming and does not move by more than `tolerance`."""

    kind: Literal["frozen"]
    signal: str
    after_ms: int
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class Score:
    """A maintenance model's answer beyond a limit. A model that abstains changes nothing."""

    kind: Literal["score"]
    model: str
    limit: float
    """A probability; of other kinds of models an amount in the model's unit."""
    deadband: float = 0.0
    direction: Literal["above", "below"] = "above"


@dataclass(frozen=True, slots=True)
class Oee:
    """A figure of the running shift below a limit. Judged a minute at a time, where enough is known."""

    kind: Literal["oee"]
    figure: Literal["oee", "availability", "effectiveness", "quality"]
    limit: float
    deadband: float = 0.0


@dataclass(frozen=True, slots=True)
class Expression:
    """Comparisons combined by and, or, not. `program` is the text, checked and in the signals' units."""

    kind: Literal["expression"]
    text: str
    program: tuple[Step, ...]


type Condition = (
    Limit | Deviation | RateOfChange | CounterRate | InState | Silence | Frozen | Score | Oee | Expression
)


@dataclass(frozen=True, slots=True)
class Rule:
    """An alarm that a machine may have. One rule has at most one occurrence at a time."""

    rule_id: str
    condition: Condition
    priority: str
    """`low`, `medium`, `high` or `critical`."""
    on_delay_ms: int = 0
    """How long the condition must hold, in event time, before the alarm is raised."""
    off_delay_ms: int = 0
    """How long it must have returned, in event time, before the alarm is cleared."""
    latching: bool = False
    """Stays until somebody resets it."""
    realarm_ms: int | None = None
    """Acknowledged and still there after so long: raised again."""
    alarm_class: str = "process"
    consequence: str = ""
    response: str = ""
    respond_ms: int | None = None
    """How long an operator has to prevent the consequence."""
    states: tuple[PackMLState, ...] = ()
    """Only in these states; empty: always."""
    products: tuple[str, ...] = ()
    """Only for these products; empty: for all."""
    schedule: Literal["always", "planned"] = "always"
    """`planned`: only in shifts, outside their planned breaks."""
    adjustable: tuple[float, float] | None = None
    """Within these bounds its limit may be changed at run time; None: only by a new description."""
    shelve_max_ms: int = SHELVE_MAX_MS

    @property
    def signal(self) -> str:
        """The signal it watches, "" when that is not one signal."""
        return getattr(self.condition, "signal", None) or ""

    @property
    def limit(self) -> float | None:
        return getattr(self.condition, "limit", None)

    @property
    def is_designed(self) -> bool:
        """Whether there are circumstances in which it says nothing."""
        return bool(self.states or self.products or self.schedule != "always")


def unit_of(rule: Rule, units: Mapping[str, str]) -> str:
    """The unit of the rule's limit, from the signals' units; "" where there is none."""
    condition = rule.condition
    match condition:
        case RateOfChange():
            return f"{units[condition.signal]}/min"
        case CounterRate():
            return "1/min"
        case Score() | Oee():
            return "1"
        case Limit() | Deviation():
            return units[condition.signal]
        case Silence():
            return "s"
        case Frozen():
            return units[condition.signal]
        case _:
            return ""


def quiet_band(rule: Rule) -> tuple[float, float] | None:
    """Where a signal may be without the rule having anything to say; None: every value must be judged."""
    condition = rule.condition
    match condition:
        case Limit(kind="high" | "highHigh"):
            return float("-inf"), condition.limit
        case Limit():
            return condition.limit, float("inf")
        case Deviation(target=target) if target is not None:
            return target - condition.limit, target + condition.limit
        case _:
            return None
