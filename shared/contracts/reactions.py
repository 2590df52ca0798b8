"""What a factory description says of reactions: who hears of what, and what machines are told to do.

Addresses and keys are secrets: the file names the settings that hold them.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from shared.contracts.words import (
    ClassName,
    Described,
    Finite,
    Id,
    Positive,
    Priority,
    SignalName,
    StateWord,  # pyright: ignore[reportUnknownVariableType]  # made from the enum
    Text,
)

type Setting = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
"""Name of the application setting that holds an address or a key."""

type Address = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)]
type Language = Literal["en", "es"]
type Count = Annotated[int, Field(gt=0, le=10_000)]


class Channel(Described):
    """Where messages go that is nobody in particular: a program, a room, a screen."""

    kind: Literal["webhook", "teams"]
    """`webhook`: a CloudEvent; `teams`: an Adaptive Card for a Workflows webhook of Microsoft Teams."""
    url_setting: Setting
    secret_setting: Setting | None = None
    """Its value signs what a webhook gets (Standard Webhooks, `whsec_...`); left out: unsigned."""
    language: Language = "en"

    @model_validator(mode="after")
    def _signed_webhooks(self) -> Self:
        if self.kind == "teams" and self.secret_setting is not None:
            raise ValueError("Teams checks no signature: remove secret_setting")
        return self


class Person(Described):
    name: Text
    email: Address | None = None
    channels: list[Id] = []
    language: Language = "en"

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.email is None and not self.channels:
            raise ValueError("this person cannot be reached: give an email or channels")
        return self


class Team(Described):
    """People and channels, all the time or by the shift that runs at the machine's site."""

    always: list[Id] = []
    by_shift: dict[Id, list[Id]] = Field(default_factory=dict[str, list[str]])
    otherwise: list[Id] = []
    """While no shift of `by_shift` runs: somebody must hear of it."""


class Email(Described):
    url_setting: Setting
    """The mail server: `smtp://host:25`, `smtp+starttls://user:password@host:587` or `smtps://...:465`."""
    sender: Address


class Recipients(Described):
    """Everybody who may be told. Ids of channels, people and teams must differ."""

    channels: dict[Id, Channel] = Field(default_factory=dict[str, Channel])
    people: dict[Id, Person] = Field(default_factory=dict[str, Person])
    teams: dict[Id, Team] = Field(default_factory=dict[str, Team])
    email: Email | None = None
    link: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")] | None = None
    """Where a message leads to; `{machine}` and `{alarm}` stand for ids."""


class Step(Described):
    """Who else hears of an alarm that nobody acknowledges."""

    after_min: Positive
    """Since the first message."""
    notify: Annotated[list[Id], Field(min_length=1)]


class Pace(Described):
    """At most so many messages within so long; the others wait and go as one."""

    at_most: Count
    within_s: Positive


type Told = Literal["raised", "reannunciated", "cleared", "blocked", "predicted", "failed"]
"""Of an alarm; a machine set aside; a model's warning; a message or an action that did not get through."""


class Notification(Described):
    """A policy: who is told of what."""

    id: Id
    min_priority: Priority = "high"
    webhook_setting: Setting | None = None
    """A webhook of this policy's own, unsigned and in English."""
    notify: list[Id] = []
    """Channels, people and teams."""
    of: list[Told] = ["raised", "reannunciated", "blocked", "predicted", "failed"]
    sites: list[Id] = []
    """Only these; left out: all. So with the others."""
    lines: list[Id] = []
    classes: list[ClassName] = []
    rules: list[Id] = []
    shifts: list[Id] = []
    """Only while one of these runs."""
    escalate: list[Step] = []
    remind_every_min: Positive | None = None
    """After the last step everybody is told again, until somebody acknowledges."""
    remind_at_most: Count = 12
    flood: Pace = Pace(at_most=10, within_s=60)
    """A flood is one message."""
    rate: Pace = Pace(at_most=60, within_s=3600)
    """Beyond it, all but critical ones wait."""

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if not self.notify and self.webhook_setting is None:
            raise ValueError("nobody is told: give notify, or webhook_setting")
        after = [step.after_min for step in self.escalate]
        if after != sorted(set(after)):
            raise ValueError("each step of escalate must come later than the one before")
        return self


class Parameter(Described):
    """What a parameter may be. A number needs both bounds, a text its words."""

    kind: Literal["number", "text", "bool"]
    min: Finite | None = None
    max: Finite | None = None
    words: list[Text] = []

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.kind == "number" and (self.min is None or self.max is None or self.min > self.max):
            raise ValueError("a number needs min and max, min the smaller one")
        if self.kind == "text" and not self.words:
            raise ValueError("a text needs words: those that may be sent")
        return self

    def mistake(self, value: float | str | bool) -> str | None:
        """Why `value` may not be sent, None if it may.

        >>> Parameter(kind="number", min=0, max=1).mistake(2.0)
        '2.0 is not a number from 0 to 1'
        """
        match self.kind:
            case "number":
                low, high = self.min or 0.0, self.max or 0.0
                sound = not isinstance(value, bool | str) and low <= value <= high
                return None if sound else f"{value!r} is not a number from {low:g} to {high:g}"
            case "text":
                return None if value in self.words else f"{value!r} is none of {', '.join(self.words)}"
            case "bool":
                return None if isinstance(value, bool) else f"{value!r} is neither true nor false"


type Parameters = dict[Id, Parameter]


class Allowed(Described):
    """What the machines of a class may be told, and nothing else."""

    methods: dict[Id, Parameters] = Field(default_factory=dict[str, Parameters])
    properties: dict[Id, Parameter] = Field(default_factory=dict[str, Parameter])


class Confirmation(Described):
    """What the machine's readings must show before long: a state, or a signal within bounds."""

    within_s: Annotated[float, Field(ge=10, le=3600)]
    state: StateWord | None = None  # pyright: ignore[reportUnknownVariableType]  # likewise
    signal: SignalName | None = None
    above: Finite | None = None
    """In the signal's unit."""
    below: Finite | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        bounded = self.above is not None or self.below is not None
        state: str | None = self.state  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # likewise
        if (state is None) == (self.signal is None) or (self.signal is not None) != bounded:
            raise ValueError("give state, or signal with above or below")
        return self


class Action(Described):
    """A direct method that is called, or a desired property that is set, when an alarm is raised."""

    rule: Id
    id: Id | None = None
    """Left out: the method's or property's name."""
    classes: list[ClassName] = []
    """Only machines of these; left out: all whose class allows it."""
    method: Id | None = None
    payload: dict[Id, Finite | str | bool] = Field(default_factory=dict[str, float | str | bool])
    """The method's parameters."""
    desired: dict[Id, Finite | str | bool] = Field(default_factory=dict[str, float | str | bool])
    """Desired properties and their values."""
    confirm: Confirmation | None = None
    rate: Pace = Pace(at_most=3, within_s=3600)
    """For one machine."""

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if (self.method is None) != bool(self.desired):
            raise ValueError("give a method or desired properties, not both")
        if self.payload and self.method is None:
            raise ValueError("a payload goes with a method")
        return self

    @property
    def name(self) -> str:
        return self.id or self.method or next(iter(self.desired))

    def mistake(self, allowed: Allowed | None) -> str | None:
        """Why a machine of a class may not be told this, None if it may."""
        methods, properties = (allowed.methods, allowed.properties) if allowed else ({}, {})
        if self.method is not None and self.method not in methods:
            return f"method {self.method} is not allowed"
        parameters = properties if self.method is None else methods[self.method]
        for name, value in (self.payload or self.desired).items():
            if name not in parameters:
                return f"{name} is not allowed"
            wrong = parameters[name].mistake(value)
            if wrong is not None:
                return f"{name}: {wrong}"
        return None


class Automation(Described):
    enabled: bool = False
    """Off unless somebody turns it on: it moves machines."""
    dry_run: bool = False
    """Everything is checked and written down, nothing is sent."""
    allow: dict[ClassName, Allowed] = Field(default_factory=dict[str, Allowed])
    actions: list[Action] = []
