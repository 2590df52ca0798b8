"""Alarms: their occurrences, their journal, violations that came to light late."""

from typing import Annotated, Literal

from pydantic import Field

from shared.contracts.documents.base import At, Contract, Expiring, InMachines, OfMachine, Priority
from shared.domain.alarms.life_cycle import State as AlarmLifeCycle

type AlarmState = Annotated[
    str,
    Field(
        description="State of the ISA-18.2 life cycle.",
        json_schema_extra={"enum": [state.value for state in AlarmLifeCycle]},
    ),
]


type AlarmKind = Literal[
    "highHigh",
    "high",
    "low",
    "lowLow",
    "deviation",
    "rateOfChange",
    "counterRate",
    "state",
    "silence",
    "frozen",
    "score",
    "oee",
    "expression",
]


class Alarm(OfMachine):
    """One occurrence of an alarm (ISA-18.2)."""

    alarm_id: str
    rule_id: str
    version: Annotated[int, Field(ge=1, description="Grows with every change.")]
    signal: str = Field(description="Empty where the rule does not watch one signal.")
    kind: AlarmKind
    priority: Priority
    alarm_class: str | None
    state: AlarmState
    active: bool = Field(description="Its condition holds, and nothing hides it.")
    acknowledged: bool
    text: str = Field(description="What is the matter, in English.")
    limit: float | None
    unit: str
    value: float | None = Field(description="The number that confirmed the alarm.")
    violated_at: At = Field(description="Since when the condition held.")
    raised_at: At = Field(description="Of one that was hidden before it was raised: when it was hidden.")
    cleared_at: At | None
    acknowledged_at: At | None
    acknowledged_by: str | None
    comment: str | None
    shelved_until: At | None
    nuisance: Literal["chattering", "repeating"] | None
    occurrence_count: Annotated[int, Field(ge=0, description="Times it was raised before it was over.")]
    consequence: str | None
    response: str | None = Field(description="What an operator should do.")
    respond_within_s: float | None = Field(description="How long there is to prevent the consequence.")


class AlarmDocument(InMachines, Alarm):
    type: Literal["alarm"]
    urgency: str = Field(description="Sorts by priority, then by time.")


class JournalEntry(Contract):
    """Something that happened to an alarm, a rule or a machine's service."""

    number: Annotated[int, Field(ge=1)]
    at: At
    event: str = Field(
        description="raised, cleared, latched, acknowledged, reset, reannunciated, commented, shelved, "
        "unshelved, suppressed, unsuppressed, takenOutOfService, returnedToService, dropped, chattering, "
        "repeating or setPointChanged."
    )
    who: str | None = Field(description="The operator; null: it happened by itself.")
    why: str | None
    alarm_id: str | None = None
    rule_id: str | None = None
    priority: Priority | None = None
    before: AlarmState | None = Field(None, alias="from")
    after: AlarmState | None = Field(None, alias="to")
    value: float | None = None
    raised_at: At | None = None
    until: At | None = None
    work_order: str | None = None
    old: float | None = None
    new: float | None = None


class JournalDocument(InMachines):
    """What one input did to a machine's alarms. Never changed, never deleted."""

    type: Literal["journal"]
    number: Annotated[int, Field(ge=1)]
    at: At
    alarm_ids: list[str]
    entries: list[JournalEntry]


class ViolationDocument(InMachines, Expiring):
    """A reading older than the signal's current value broke a limit: no alarm, but written down."""

    type: Literal["violation"]
    rule_id: str
    signal: str
    value: float
    at: At
