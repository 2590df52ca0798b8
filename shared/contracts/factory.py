"""The factory description: what `factories/*.yaml` may say. Keys are snake_case, quantities carry their unit.

Form is checked here; what refers to what is checked by `millwright factory check`, which knows
the lines of the file.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from shared.contracts.profile import Profile
from shared.contracts.reactions import Automation, Notification, Recipients
from shared.contracts.words import (
    Category,  # pyright: ignore[reportUnknownVariableType]  # made from the enum
    ClassName,
    Clock,
    Day,
    Described,
    Finite,
    Id,
    NotNegative,
    Positive,
    Priority,
    Quantity,
    SignalName,
    StateWord,  # pyright: ignore[reportUnknownVariableType]  # likewise
    Text,
    Weekday,
)
from shared.domain.alarms.rules import RULES_MAX


class Enterprise(Described):
    id: Id
    name: Text


class Product(Described):
    name: Text
    ideal_cycle_s: dict[ClassName, Positive]
    """Machine class -> ideal seconds for one unit."""


class StopReason(Described):
    category: Category
    texts: dict[str, Text]
    """Language -> what people read."""
    maintenance: Literal["corrective", "preventive"] | None = None
    """Set where the stop is maintenance: time for the corrective maintenance ratio."""


class Signal(Described):
    unit: str
    range: Annotated[list[Finite], Field(min_length=2, max_length=2)]
    """Lowest and highest plausible value; anything outside is marked bad and never used."""
    deadband: NotNegative
    """A change of more than this is worth a twin update."""


class RuleBase(Described):
    """What all alarm rules say (ISA-18.2). Durations are event time."""

    id: Id
    priority: Priority
    consequence: Text
    """What happens if nobody acts."""
    response: Text
    """What the operator does."""
    respond_within_min: Positive | None = None
    """How long there is to prevent the consequence."""
    alarm_class: Text = "process"
    """How the alarm is administered: process, quality, safety ..."""
    delay_s: NotNegative = 0.0
    """How long the condition must hold before the alarm is raised."""
    off_delay_s: NotNegative = 0.0
    """How long it must have returned before the alarm is cleared."""
    latching: bool = False
    """Stays until somebody resets it."""
    realarm_min: Positive | None = None
    """Acknowledged and still there after so long: raised again."""
    states: list[StateWord] = []  # pyright: ignore[reportUnknownVariableType]  # made from the enum
    """Suppressed by design in all other states; left out: applies in all."""
    products: list[Id] = []
    """Applies only while these are made."""
    schedule: Literal["always", "planned"] = "always"
    """planned: only in shifts, outside their breaks."""
    shelve_max_h: Positive = 12.0
    """How long an operator may shelve it at once."""
    enabled: bool = True


class _Banded(RuleBase):
    deadband: Quantity | None = None
    """How far inside the limit the value must return: a distance, or a percentage of the range."""
    adjustable: Annotated[list[Quantity], Field(min_length=2, max_length=2)] | None = None
    """[lowest, highest] limit that may be set at run time; left out: none."""


class LimitRule(_Banded):
    """A signal beyond a limit."""

    kind: Literal["highHigh", "high", "low", "lowLow"]
    signal: SignalName
    limit: Quantity
    clear: Quantity | None = None
    """The value at which the alarm returns to normal; or say `deadband`."""


class DeviationRule(_Banded):
    """A signal too far from a target: a value, or the set-point signal."""

    kind: Literal["deviation"]
    signal: SignalName
    limit: Quantity
    """The largest distance."""
    target: Quantity | None = None
    target_signal: SignalName | None = None


class RateRule(_Banded):
    """A signal that changes too fast. The unit of `limit` is a minute's change."""

    kind: Literal["rateOfChange"]
    signal: SignalName
    limit: Quantity
    direction: Literal["rising", "falling", "either"] = "either"
    window_s: Annotated[float, Field(ge=12, le=86_400)] = 60.0


class CounterRule(_Banded):
    """Too many or too few units a minute."""

    kind: Literal["counterRate"]
    counter: Literal["good", "reject", "total"]
    limit: Quantity
    """`12`, `12 1/min` or `0.2 Hz`."""
    direction: Literal["above", "below"] = "below"
    window_s: Annotated[float, Field(ge=12, le=86_400)] = 300.0


class StateRule(RuleBase):
    """The machine is in a state, or stopped for a reason; how long is `delay_s`."""

    kind: Literal["state"]
    in_states: list[StateWord] = []  # pyright: ignore[reportUnknownVariableType]  # likewise
    reasons: list[Id] = []


class SilenceRule(RuleBase):
    """Nothing arrives: of the machine or, while the machine reports, of one signal. By arrival time."""

    kind: Literal["silence"]
    after_s: Positive
    signal: SignalName | None = None


class FrozenRule(RuleBase):
    """A signal that keeps coming but does not move."""

    kind: Literal["frozen"]
    signal: SignalName
    after_s: Positive
    tolerance: Quantity = 0.0


class ScoreRule(_Banded):
    """A maintenance model's answer beyond a limit."""

    kind: Literal["score"]
    model: Id
    limit: Positive
    """A probability; of a remaining life or an anomaly an amount in the model's unit."""
    direction: Literal["above", "below"] = "above"
    """A remaining life warns below."""


class OeeRule(_Banded):
    """A figure of the running shift below a ratio or outside its band; how long is `delay_s`."""

    kind: Literal["oee"]
    figure: Literal["oee", "availability", "effectiveness", "quality"] = "oee"
    below: Annotated[float, Field(gt=0, le=2)] | None = None
    band: Literal["yellow", "red"] | None = None
    """yellow: below the green band. red: below the yellow one."""


class ExpressionRule(RuleBase):
    """Comparisons combined by and, or, not: `temperature_c > 85 °C and state == Execute`."""

    kind: Literal["expression"]
    when: Text


type Rule = Annotated[
    LimitRule
    | DeviationRule
    | RateRule
    | CounterRule
    | StateRule
    | SilenceRule
    | FrozenRule
    | ScoreRule
    | OeeRule
    | ExpressionRule,
    Field(discriminator="kind"),
]


class RuleOverride(Described):
    """Changes one rule of the class, for a line or a machine. What is left out stays."""

    id: Id
    limit: Quantity | None = None
    deadband: Quantity | None = None
    clear: Quantity | None = None
    target: Quantity | None = None
    tolerance: Quantity | None = None
    adjustable: Annotated[list[Quantity], Field(min_length=2, max_length=2)] | None = None
    below: Annotated[float, Field(gt=0, le=2)] | None = None
    when: Text | None = None
    window_s: Annotated[float, Field(ge=12, le=86_400)] | None = None
    after_s: Positive | None = None
    delay_s: NotNegative | None = None
    off_delay_s: NotNegative | None = None
    latching: bool | None = None
    realarm_min: Positive | None = None
    states: list[StateWord] | None = None
    products: list[Id] | None = None
    schedule: Literal["always", "planned"] | None = None
    shelve_max_h: Positive | None = None
    alarm_class: Text | None = None
    priority: Priority | None = None
    consequence: Text | None = None
    response: Text | None = None
    respond_within_min: Positive | None = None
    enabled: bool | None = None


def _rule_or_override(value: Any) -> str:
    has_kind = "kind" in value if isinstance(value, dict) else not isinstance(value, RuleOverride)
    return "rule" if has_kind else "override"


type RuleChange = Annotated[
    Annotated[Rule, Tag("rule")] | Annotated[RuleOverride, Tag("override")], Discriminator(_rule_or_override)
]
"""A rule of a line's or a machine's own, which says its `kind`, or a change of one of the class."""


class ModelAttribute(Described):
    """A number that a model needs and no reading brings."""

    attribute: str
    """The attribute of the machine."""
    codes: dict[str, Finite] = Field(default_factory=dict[str, float])
    """The number for each word, where the attribute is a word."""


class Binding(Described):
    """A maintenance model that scores the machines of a class."""

    model: Id
    version: str | None = None
    """Left out: the newest."""
    inputs: dict[str, SignalName]
    """Model input -> signal."""
    attributes: dict[str, ModelAttribute] = Field(default_factory=dict[str, ModelAttribute])
    """Model attribute -> where its number comes from."""
    threshold: Positive | None = None
    """Answer that counts as a warning, a probability or an amount; the model card's when left out."""
    cadence_s: Positive = 60.0


class MaintenanceTask(Described):
    """Work on the machines of a class: what is recommended to planners, and ordered."""

    id: Id
    component: Id
    """What is worked on; its age restarts when the work is recorded as done."""
    work: Text
    within_h: Positive
    """How long there is to do it, from the prediction or alarm on."""
    models: list[Id] = []
    """Recommended and ordered when one of these warns."""
    signals: list[SignalName] = []
    """Only for warnings that one of these signals contributes to; left out: for all."""
    rules: list[Id] = []
    """Ordered when one of these alarms is raised."""
    renews: list[SignalName] = []
    """Signals that are others once the work is done: models learn the machine's baseline anew."""


class MachineClass(Described):
    description: Text
    signals: Annotated[dict[SignalName, Signal], Field(min_length=1, max_length=64)]
    twin_model: str | None = None
    """DTMI of the machines' twin model; `dtmi:millwright:CLASS;1` when left out."""
    lateness_s: NotNegative = 10.0
    """How far behind the newest a reading may come and still be folded in its place."""
    silence_s: Positive = 60.0
    """Longest gap between readings that the last state is taken to hold through."""
    close_after_h: Positive = 24.0
    """A shift is closed when nothing arrived for this long."""
    rules: Annotated[list[Rule], Field(max_length=RULES_MAX)] = []
    models: list[Binding] = []
    maintenance: Annotated[list[MaintenanceTask], Field(max_length=64)] = []
    """The catalogue of maintenance work."""
    ideal_cycle_s: Positive | None = None
    """Ideal seconds for one unit while no product is named."""
    state_map: Id | None = None
    """A state map of this file, for vendors' words."""
    counter_modulus: Annotated[int, Field(gt=1)] | None = None
    """Counters roll over to 0 after modulus - 1; left out: a lower value is a reset."""
    counter_fastest_s: Positive | None = None
    """No unit takes less time than this: counters that grow faster are not believed, and flagged."""
    counter_restart: Literal["zero", "baseline"] = "zero"
    """After a lower value: `zero`, it has counted up from 0; `baseline`, from nobody knows where."""
    minor_stop_s: NotNegative = 0.0
    """An unplanned stop shorter than this is a minor one; 0: only what stop reasons call minor."""
    startup_s: NotNegative = 0.0
    """Rejects within this time after a stop are start-up rejects."""
    state_reasons: dict[StateWord, Id] = Field(default_factory=dict[str, str])
    """The stop reason of a state that comes without one."""


class Break(Described):
    start: Clock
    end: Clock


class Shift(Described):
    """Planned time in the site's wall clock. An end before or at the start is on the next day."""

    id: Id
    days: Annotated[list[Weekday], Field(min_length=1)] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    """The days on which the shift starts."""
    start: Clock
    end: Clock
    breaks: list[Break] = []


class ShiftChange(Described):
    """Other shifts from a date on."""

    first_day: Day
    """The local date from which they start, until the next change."""
    shifts: list[Shift]


class CalendarException(Described):
    """Other shifts on one date: overtime, a half day, or none."""

    day: Day
    shifts: list[Shift] = []
    """Instead of the usual ones, whatever `days` they name; none: a day off."""


class Target(Described):
    """Limits of the colours for one scope, from a date on."""

    scope: Id
    """A machine, line, area, site or the enterprise; what is below it and has none of its own follows."""
    first_day: Day
    green_ratio: Annotated[float, Field(gt=0, le=1)]
    yellow_ratio: Annotated[float, Field(gt=0, le=1)]


class Device(Described):
    profile: str | None = None
    """How it speaks; left out: the v1 telemetry message."""


class Machine(Described):
    id: Id
    name: Text | None = None
    machine_class: ClassName = Field(alias="class")
    devices: Annotated[list[Id], Field(min_length=1)]
    """The IoT Hub devices that report it; one gateway for several machines is fine."""
    feeds: list[Id] = []
    """The machines that material goes to next."""
    attributes: dict[str, Finite | Text] = Field(default_factory=dict[str, float | str])
    ideal_cycle_s: dict[Id, Positive] = Field(default_factory=dict[str, float])
    """Product -> seconds, where this machine differs from its class."""
    rules: list[RuleChange] = []


class Line(Described):
    id: Id
    name: Text
    machines: Annotated[list[Machine], Field(min_length=1)]
    rules: list[RuleChange] = []
    oee_by: Literal["sum", "bottleneck", "last"] = "sum"
    """What the line's OEE is: the sum of its machines, its bottleneck's, or its last machine's."""
    bottleneck: Id | None = None
    """The machine that sets the line's pace."""
    calendar_exceptions: list[CalendarException] = []
    """Where this line differs from its site on a date."""


class Area(Described):
    id: Id
    name: Text
    lines: Annotated[list[Line], Field(min_length=1)]


class Site(Described):
    id: Id
    name: Text
    time_zone: str
    """IANA zone, such as Europe/Vienna; shifts follow it through daylight saving."""
    shifts: Annotated[list[Shift], Field(min_length=1)]
    holidays: list[Day] = []
    """Local dates on which no shift starts."""
    shift_changes: list[ShiftChange] = []
    """Other shifts from later dates on."""
    calendar_exceptions: list[CalendarException] = []
    """Overtime, half days: other shifts on single dates. They count before holidays."""
    areas: list[Area] = []
    lines: list[Line] = []
    devices: dict[Id, Device] = Field(default_factory=dict[str, Device])
    """Only for devices that speak something else than the v1 telemetry message."""


class Bands(Described):
    green_ratio: Annotated[float, Field(gt=0, le=1)] = 0.9
    yellow_ratio: Annotated[float, Field(gt=0, le=1)] = 0.8
    targets: list[Target] = []
    """Other limits for parts of the enterprise, or from a date on."""


class Factory(Described):
    """A whole factory description."""

    format: Literal[1]
    """Version of this format."""
    enterprise: Enterprise
    classes: Annotated[dict[ClassName, MachineClass], Field(min_length=1)]
    sites: Annotated[list[Site], Field(min_length=1)]
    products: dict[Id, Product] = Field(default_factory=dict[str, Product])
    stop_reasons: dict[Id, StopReason] = Field(default_factory=dict[str, StopReason])
    state_maps: dict[Id, dict[Text, StateWord]] = Field(default_factory=dict[str, dict[str, str]])
    """Vendor's word -> PackML state."""
    profiles: dict[Id, Profile] = Field(default_factory=dict[str, Profile])
    recipients: Recipients = Recipients()
    notifications: list[Notification] = []
    automation: Automation = Automation()
    oee: Bands = Bands()
