"""What the applied factory description says about one machine: constants for a fold, pinned by version."""

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal

from shared.domain.alarms.plan import Plan, plan
from shared.domain.alarms.rules import Rule, unit_of
from shared.domain.feature_recipe import FeaturePlan, Recipe, recipe
from shared.domain.maintenance.records import Task
from shared.domain.packml import PackMLState, TimeCategory


@dataclass(frozen=True, slots=True)
class SignalSpec:
    """One measured quantity of a machine class. Values outside [low, high] are bad, never used."""

    name: str
    unit: str
    low: float
    high: float
    deadband: float
    """A change of more than this is worth a twin update; in the signal's unit."""


@dataclass(frozen=True, slots=True)
class ModelBinding:
    """A maintenance model that scores this machine, `cadence_ms` apart in event time."""

    model: str
    version: str
    inputs: tuple[tuple[str, str], ...]
    """(model input, signal) pairs: how the model's channels are called here."""
    threshold: float
    """Answer at which the prediction counts as a warning: from here upwards, but a remaining life
    from here downwards."""
    features: tuple[str, ...] = ()
    """Feature names in the model's column order, as its card lists them (see features.py)."""
    cadence_ms: int = 60_000
    attributes: tuple[tuple[str, float], ...] = ()
    """Numbers that describe the machine and never come with a reading, e.g. ("age_years", 7)."""
    plan: FeaturePlan = field(default_factory=FeaturePlan)
    """How its panes are smoothed, as the model's card says."""
    kind: Literal["failure", "quality", "remaining-life", "anomaly"] = "failure"
    unit: str = ""
    """Of the answer; "" for a probability."""
    horizon_ms: int = 86_400_000
    """How far ahead a warning looks: with nothing found for so long after its end it was false."""

    def warns(self, answer: float) -> bool:
        return answer <= self.threshold if self.kind == "remaining-life" else answer >= self.threshold


@dataclass(frozen=True, slots=True)
class ShiftPattern:
    """One shift of a week, in the site's local wall-clock time."""

    shift: str
    weekdays: tuple[int, ...]
    """Monday is 0; the day on which the shift starts."""
    start_minute: int
    """Minutes after local midnight."""
    end_minute: int
    """Minutes after local midnight of the start day; more than 1440 when it ends the next day."""
    breaks: tuple[tuple[int, int], ...] = ()
    """Planned breaks as (start, end) minutes on the same scale."""


@dataclass(frozen=True, slots=True)
class CalendarChange:
    """Other shifts for days to come: a new pattern of the week takes effect."""

    first_day: str
    """The local date from which these shifts start, until the next change."""
    shifts: tuple[ShiftPattern, ...]


@dataclass(frozen=True, slots=True)
class CalendarException:
    """Other shifts on one date: overtime, a half day, a day off; none start when there are none."""

    day: str
    shifts: tuple[ShiftPattern, ...]


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a line plans to produce. Wall-clock times follow the zone through daylight saving.

    What counts on a date, the most particular first: an exception, a holiday, the last change
    before it, the usual shifts.
    """

    zone: str
    shifts: tuple[ShiftPattern, ...]
    holidays: frozenset[str] = frozenset()
    """Local dates, `2026-12-25`, on which no shift starts."""
    changes: tuple[CalendarChange, ...] = ()
    """By `first_day`, oldest first."""
    exceptions: tuple[CalendarException, ...] = ()


@dataclass(frozen=True, slots=True)
class Bands:
    """Limits of the colours that OEE is shown in, from an instant on."""

    start: int
    green_ratio: float
    yellow_ratio: float


@dataclass(frozen=True, slots=True)
class CounterRule:
    """How a machine's cumulative counters behave; what they do else is told apart and flagged."""

    modulus: int | None = None
    """They roll over to 0 after modulus - 1; None: they never do."""
    fastest_ms: int = 0
    """No unit takes less time than this: growth beyond it is not believed. 0: not declared."""
    restart: str = "zero"
    """After a lower value that is no roll-over: `zero`, the counter began again and has counted up
    to its new value; `baseline`, nobody knows where it began, so nothing is counted."""


@lru_cache(maxsize=1_024)
def _columns(signals: tuple[SignalSpec, ...]) -> tuple[tuple[str, ...], tuple[tuple[float, float], ...]]:
    """Names and plausible ranges, shared by machines whose signals are alike: a worker keeps thousands."""
    return tuple(one.name for one in signals), tuple((one.low, one.high) for one in signals)


@dataclass(frozen=True)
class MachineSpec:
    """Everything `advance` may ask about a machine. Not slotted: it caches what it derives."""

    machine_id: str
    site_id: str
    line_id: str
    machine_class: str
    version: int
    devices: tuple[str, ...]
    """Only these may report this machine."""
    signals: tuple[SignalSpec, ...]
    calendar: Calendar
    rules: tuple[Rule, ...] = ()
    models: tuple[ModelBinding, ...] = ()
    tasks: tuple[Task, ...] = ()
    """The catalogue of maintenance work."""
    ideal_cycle_ms: dict[str, int] = field(default_factory=dict[str, int])
    """Product -> ideal time for one unit on this machine; "" when no product is named."""
    reasons: dict[str, TimeCategory] = field(default_factory=dict[str, TimeCategory])
    state_map: dict[str, PackMLState] = field(default_factory=dict[str, PackMLState])
    """A vendor's word, lower case -> PackML state."""
    lateness_ms: int = 10_000
    silence_ms: int = 60_000
    """Longest gap between readings that the last state is taken to hold through."""
    close_after_ms: int = 86_400_000
    """A bucket is closed when nothing arrived for this long."""
    counter_modulus: int | None = None
    """Counters roll over to 0 after modulus - 1; None: a lower value is a reset."""
    green_ratio: float = 0.9
    yellow_ratio: float = 0.8
    bands: tuple[Bands, ...] = ()
    """Limits that took effect later than those two, oldest first."""
    counter_fastest_ms: int = 0
    """No unit takes less time than this; 0: not declared."""
    counter_restart: str = "zero"
    minor_stop_ms: int = 0
    """An unplanned stop shorter than this counts as a minor stop; 0: only what reasons call minor."""
    startup_ms: int = 0
    """Rejects within this time after a stop ended are start-up rejects."""
    state_reasons: dict[PackMLState, str] = field(default_factory=dict[PackMLState, str])
    """The stop reason of a state that the machine reports without one."""
    maintenance: dict[str, str] = field(default_factory=dict[str, str])
    """Stop reason -> `corrective` or `preventive`."""

    @cached_property
    def counters(self) -> CounterRule:
        return CounterRule(self.counter_modulus, self.counter_fastest_ms, self.counter_restart)

    def bands_at(self, at: int) -> tuple[float, float]:
        """Green and yellow ratio of an instant."""
        found = (self.green_ratio, self.yellow_ratio)
        for bands in self.bands:
            if bands.start <= at:
                found = (bands.green_ratio, bands.yellow_ratio)
        return found

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Signal names; columns of the state are in this order."""
        return _columns(self.signals)[0]

    @cached_property
    def plausible(self) -> tuple[tuple[float, float], ...]:
        """Per column: the lowest and the highest value that is believed."""
        return _columns(self.signals)[1]

    @cached_property
    def watch(self) -> Plan:
        """The alarm rules, arranged by what they watch."""
        return plan(self.signals, self.rules, self.silence_ms, self.counters)

    @cached_property
    def orders_for_alarms(self) -> bool:
        """Whether any alarm orders work."""
        return any(task.rules for task in self.tasks)

    def unit_of(self, rule: Rule) -> str:
        """The unit of a rule's limit; "" where it has none."""
        return unit_of(rule, {signal.name: signal.unit for signal in self.signals})

    @cached_property
    def recipes(self) -> tuple[Recipe, ...]:
        """For each bound model, what has to be kept of this machine for its columns."""
        return tuple(
            recipe(one.features, one.inputs, one.attributes, one.plan, self.names) for one in self.models
        )

    @property
    def subject(self) -> str:
        """`site/line/machine`, the subject of this machine's events."""
        return f"{self.site_id}/{self.line_id}/{self.machine_id}"
