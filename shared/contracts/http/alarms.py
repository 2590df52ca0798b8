"""Alarms: what an operator asks and does, rules as they stand, statistics."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shared.contracts.documents.alarms import Alarm, AlarmKind, AlarmState, JournalEntry
from shared.contracts.documents.base import At, Contract, Count, Priority
from shared.contracts.http.base import Asked, Id, Instant, Page, Paged, Why


class AlarmsAsked(Paged):
    state: Literal["active", "unacknowledged", "latched", "shelved", "suppressed", "outOfService", "all"] = (
        Field(
            "active",
            description="active: its condition holds. unacknowledged: nobody has seen it, even if it has "
            "returned to normal since. latched: it waits to be reset. all: every occurrence ever.",
        )
    )
    site: Id | None = Field(None, description="Only alarms of this site.")
    rule: Id | None = Field(None, description="Only alarms of this rule.")
    alarm_class: Id | None = Field(None, description="Only alarms of this class.")
    begin: Instant | None = Field(None, alias="from", description="Raised then or later.")
    end: Instant | None = Field(None, alias="to", description="Raised before.")
    sort: Literal["newest", "oldest", "urgency"] = Field(
        "newest", description="urgency: by priority, then the newest first."
    )
    machine: Id | None = Field(None, description="Only alarms of this machine.")
    line: Id | None = Field(None, description="Only alarms of this line.")
    priority: Literal["low", "medium", "high", "critical"] | None = Field(
        None, description="Only alarms of this priority."
    )


class AlarmStatisticsAsked(Asked):
    """At most 31 days."""

    begin: Instant = Field(alias="from", description="Earliest instant, included.")
    end: Instant = Field(alias="to", description="Latest instant, excluded; at most 31 days later.")
    site: Id | None = Field(None, description="Only this site.")
    line: Id | None = Field(None, description="Only this line.")
    machine: Id | None = Field(None, description="Only this machine.")


class Acknowledgements(Asked):
    """Several alarms at once; each is acknowledged or refused by itself."""

    alarm_ids: Annotated[list[Id], Field(min_length=1, max_length=100)]
    comment: Annotated[str, StringConstraints(max_length=1000)] = ""


class Remark(Asked):
    comment: Why = Field(description="What others should know.")


class Shelving(Asked):
    reason: Why
    minutes: Annotated[int, Field(ge=1, le=10_080)] = Field(description="For how long; the rule has a limit.")


class Service(Asked):
    reason: Why
    work_order: Id | None = None


class SetPoint(Asked):
    value: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        description="In the rule's unit; null: the description's own."
    )
    reason: Why


class Acknowledgement(Asked):
    """The optional body of an acknowledgement."""

    comment: Annotated[str, StringConstraints(max_length=1000)] = Field(
        "", description="Why, for the record."
    )


class AlarmsPage(Page):
    items: list[Alarm]


class AlarmWithHistory(Alarm):
    history: list[JournalEntry] = Field(description="What happened to it, the oldest first.")


class Acknowledged(Contract):
    alarm_id: str
    outcome: str = Field(description="done, or why it was not acknowledged.")


class AcknowledgedPage(Contract):
    items: list[Acknowledged]


class RuleState(Contract):
    """A rule of a machine and how it is now."""

    rule_id: str
    kind: AlarmKind
    priority: Priority
    state: AlarmState
    alarm_id: str | None
    limit: float | None = Field(description="As it is now.")
    described_limit: float | None
    unit: str
    set_by: str | None = Field(description="Who changed the limit.")
    shelved_until: At | None


class RulesPage(Contract):
    """`outOfService`: why nothing is said of this machine."""

    out_of_service: str | None
    items: list[RuleState]


class BadActor(Contract):
    machine_id: str
    rule_id: str
    raised_count: Count
    share: float


class Chatterer(Contract):
    machine_id: str
    rule_id: str


class Durations(Contract):
    median: float
    max: float


class AlarmStatistics(Contract):
    """By ISA-18.2 clause 16 and EEMUA 191, for one operator's span of control."""

    raised_count: Count
    per_ten_minutes_mean: float
    per_ten_minutes_peak: Count
    flood_count: Count = Field(description="More than 10 alarms in 10 minutes, until fewer than 5.")
    flood_ratio: float = Field(description="Share of the time in floods.")
    bad_actors: list[BadActor] = Field(description="The ten rules that raised most.")
    chattering: list[Chatterer] = Field(description="Raised three times within a minute.")
    by_priority: dict[Priority, Count]
    standing_count: Count = Field(description="Active now.")
    stale_count: Count = Field(description="Of these, for more than 24 h.")
    time_to_acknowledge_s: Durations | None
    time_in_alarm_s: Durations | None
