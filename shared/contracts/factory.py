"""The factory description: what `factories/*.yaml` may say. Keys are snake_case, quantities carry their unit.

Form is checked here; what refers to what is checked by `millwright factory check`, which knows
the lines of the file.
"""

from datetime import date, time
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from shared.contracts.profile import Profile
from shared.domain.packml import PackMLState, TimeCategory

type Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?$")]
"""Also the id of a twin and of documents: letters, digits, `_`, `.` and `-`, at most 64."""

type ClassName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9]{0,63}$")]
type SignalName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=48)]
type Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
type Finite = Annotated[float, Field(allow_inf_nan=False)]
type Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
type NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]

type Quantity = (
    Finite | Annotated[str, StringConstraints(pattern=r"^[+-]?\d+(\.\d+)?([eE][+-]?\d+)? ?[^\s\d][^\s]*$")]
)
"""`85` in the signal's unit, or `85 °C` with a unit of its own."""

type Priority = Literal["low", "medium", "high", "critical"]
type Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
type StateWord = Literal[tuple(state.word for state in PackMLState)]  # pyright: ignore[reportInvalidTypeForm]  # from the enum, so that the two cannot differ
type Category = Literal[tuple(category.value for category in TimeCategory)]  # pyright: ignore[reportInvalidTypeForm]  # likewise


def _clock(text: str) -> str:
    time.fromisoformat(text)
    return text


def _date(text: str) -> str:
    date.fromisoformat(text)
    return text


type Clock = Annotated[str, StringConstraints(pattern=r"^\d\d:\d\d$"), AfterValidator(_clock)]
"""Local wall-clock time, `06:00`."""
type Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\d$"), AfterValidator(_date)]
"""A local date, `2026-12-25`."""


class Described(BaseModel):
    """Strict: a misspelt key is an error, not a setting that silently does nothing."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", use_attribute_docstrings=True)


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


class Signal(Described):
    unit: str
    range: Annotated[list[Finite], Field(min_length=2, max_length=2)]
    """Lowest and highest plausible value; anything outside is marked bad and never used."""
    deadband: NotNegative
    """A change of more than this is worth a twin update."""


class Rule(Described):
    """A limit alarm (ISA-18.2)."""

    id: Id
    signal: SignalName
    kind: Literal["high", "low"]
    limit: Quantity
    deadband: Quantity | None = None
    """How far inside the limit the value must return; or say `clear`."""
    clear: Quantity | None = None
    """The value at which the alarm returns to normal; or say `deadband`."""
    delay_s: NotNegative = 0.0
    """How long the limit must be exceeded, in event time."""
    priority: Priority
    consequence: Text
    """What happens if nobody acts."""
    response: Text
    """What the operator does."""
    enabled: bool = True


class RuleOverride(Described):
    """Changes one rule of the class, for a line or a machine. What is left out stays."""

    id: Id
    limit: Quantity | None = None
    deadband: Quantity | None = None
    clear: Quantity | None = None
    delay_s: NotNegative | None = None
    priority: Priority | None = None
    consequence: Text | None = None
    response: Text | None = None
    enabled: bool | None = None


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
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Probability that counts as a warning; the model card's when left out."""
    cadence_s: Positive = 60.0


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
    rules: list[Rule] = []
    models: list[Binding] = []
    ideal_cycle_s: Positive | None = None
    """Ideal seconds for one unit while no product is named."""
    state_map: Id | None = None
    """A state map of this file, for vendors' words."""
    counter_modulus: Annotated[int, Field(gt=1)] | None = None
    """Counters roll over to 0 after modulus - 1; left out: a lower value is a reset."""


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
    rules: list[RuleOverride] = []


class Line(Described):
    id: Id
    name: Text
    machines: Annotated[list[Machine], Field(min_length=1)]
    rules: list[RuleOverride] = []


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
    areas: list[Area] = []
    lines: list[Line] = []
    devices: dict[Id, Device] = Field(default_factory=dict[str, Device])
    """Only for devices that speak something else than the v1 telemetry message."""


class Notification(Described):
    id: Id
    min_priority: Priority = "high"
    webhook_setting: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
    """Name of the application setting that holds the URL: addresses are secrets, files are not."""
    sites: list[Id] = []
    """Only these; left out: all."""


class Action(Described):
    """A direct method called when an alarm is raised."""

    rule: Id
    method: Id
    payload: dict[str, Finite | str | bool] = Field(default_factory=dict[str, float | str | bool])


class Automation(Described):
    enabled: bool = False
    """Off unless somebody turns it on: it moves machines."""
    actions: list[Action] = []


class Bands(Described):
    green_ratio: Annotated[float, Field(gt=0, le=1)] = 0.9
    yellow_ratio: Annotated[float, Field(gt=0, le=1)] = 0.8


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
    notifications: list[Notification] = []
    automation: Automation = Automation()
    oee: Bands = Bands()
