"""Notifications and automation: what was sent to whom, what waits, what was done."""

from typing import Annotated, Any, Literal

from pydantic import Field

from shared.contracts.documents.base import At, Contract, Count, Expiring, OfMachine


class InDeliveries(Expiring):
    """What the documents about notifications have, in the container `deliveries`."""

    id: str
    alarm_id: str = Field(description="The alarm, or whatever else it is about.")
    site_id: str
    policy: str


class DeliveryDocument(InDeliveries):
    """One message on its way to one address."""

    type: Literal["delivery"]
    event_id: str
    channel: str = Field(description="The channel or person; POLICY.webhook is a policy's own.")
    kind: Literal["webhook", "teams", "email"]
    text: str = Field(description="The headline.")
    outcome: Literal["sending", "delivered", "failed", "refused", "expired"] = Field(
        description="failed: it will be tried again; refused and expired: dead letters."
    )
    detail: str | None
    attempt_count: Annotated[int, Field(ge=1)]
    first_at: At
    at: At
    due_at: At | None = Field(None, description="When it is tried again; absent when it is over.")
    message: dict[str, Any] | None = Field(None, description="Until it is delivered.")
    event: dict[str, Any] | None = Field(None, description="Until it is delivered.")


class GatheredDocument(InDeliveries):
    """A notice that went, or will go, with others in one message."""

    type: Literal["gathered"]
    event_id: str
    outcome: Literal["grouped"]
    detail: str
    at: At


class PaceDocument(InDeliveries):
    """What a policy told of late, and what waits to be told."""

    type: Literal["pace"]
    step: Count
    sent: dict[str, int] = Field(description="Notice -> when it went, ms since the epoch.")
    waiting: list[dict[str, Any]]
    more_count: Count = Field(description="Notices that wait beyond those that are listed.")
    group_count: Count
    due_at: At | None = None


class EscalationDocument(InDeliveries):
    """An alarm that further people hear of until somebody acknowledges it."""

    type: Literal["escalation"]
    machine_id: str
    step: Count = Field(description="The last step taken.")
    reminder_count: Count
    outcome: str = Field(
        description="open, acknowledged, exhausted, raisedAgain, alarmGone, policyGone, or the alarm's state."
    )
    started_at: At
    due_at: At | None = None
    ended_at: At | None = None
    event: dict[str, Any]


class ActionDocument(OfMachine):
    """What a machine's device was told because of an alarm, in the container `deliveries`. Never deleted."""

    id: str
    alarm_id: str
    type: Literal["action"]
    rule_id: str
    event_id: str
    subject: str
    action: str
    device_id: str | None
    method: str | None = Field(description="null: desired properties were set.")
    payload: dict[str, Any]
    desired: dict[str, Any]
    confirm: dict[str, Any] | None = Field(description="What the readings must show.")
    outcome: Literal[
        "unknown",
        "answered",
        "done",
        "dryRun",
        "interlocked",
        "rateLimited",
        "refused",
        "failed",
        "unconfirmed",
    ] = Field(description="unknown is never tried again; answered waits for its confirmation.")
    detail: str | None
    answer: dict[str, Any] | None = Field(description="The device's, to a method.")
    at: At
    due_at: At | None = None
    ended_at: At | None = None


class ActionsDocument(Expiring):
    """When a machine was told something of late, in the container `deliveries`."""

    id: Literal["actions"]
    alarm_id: str
    type: Literal["actions"]
    site_id: str
    machine_id: str
    action: str
    sent: list[int] = Field(description="ms since the epoch.")


class UndeliveredDocument(Contract):
    """What a sink never takes, in the container `deliveries`."""

    id: str
    alarm_id: str = Field(description="The alarm, or whatever else the item is about.")
    type: Literal["undelivered"]
    channel: str
    outcome: Literal["refused"]
    detail: str
    ttl: int
    event: dict[str, Any] | None = None
