"""What Event Grid publishes: CloudEvents 1.0 of type `millwright.<noun>.<past participle>.v1`.

Consumers tell repetitions by `id`. A breaking change is a new version in the type.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from shared.contracts.documents.alarms import Alarm, AlarmState
from shared.contracts.documents.base import At, Contract, Count, OfMachine, Priority, State, Traceparent
from shared.contracts.documents.machine import Health
from shared.contracts.documents.maintenance import OrderState, Prediction
from shared.contracts.documents.oee import StopPart
from shared.contracts.documents.scopes import Conflict
from shared.domain.packml import TimeCategory


class AlarmData(Alarm):
    """An occurrence of an alarm, as it was then, and what happened to it."""

    event: str
    before: AlarmState = Field(alias="from")
    who: str | None = Field(description="The operator; null: it happened by itself.")
    why: str | None


class ServiceData(OfMachine):
    """Nothing is said of a machine's alarms while it is out of service."""

    who: str
    why: str
    work_order: str | None


class SetPointChangedData(OfMachine):
    """A rule's limit was changed at run time; null where a rule has no number."""

    rule_id: str
    old: float | None
    new: float | None
    who: str
    why: str


class MachineStateChangedData(OfMachine):
    old: State = Field(alias="from")
    new: State = Field(alias="to")
    reason: str | None


class MachineWentSilentData(OfMachine):
    last_arrived_at: At | None


class MachineCameBackData(OfMachine):
    pass


class MachineBlockedData(OfMachine):
    """The machine's readings queue from now on, in order, until somebody resumes it."""

    reason: str


class MachineResumedData(OfMachine):
    pass


class StopStartedData(OfMachine):
    stop_id: str
    category: TimeCategory
    reason: str | None


class StopEndedData(StopStartedData):
    started_at: At
    duration_ms: Count


class StopClassifiedData(OfMachine):
    """Its shifts are measured anew; of those that were closed `oee.shiftrestated` tells."""

    stop_id: str
    started_at: At
    ended_at: At | None
    action: Literal["classified", "split", "merged"]
    before: list[StopPart]
    after: list[StopPart]
    continued_before: str | None
    continues: str | None
    who: str
    why: str | None


class OeeData(OfMachine):
    """The summable elements of a machine's shift. Add machines up before dividing."""

    bucket_id: str
    shift_id: str
    times_ms: dict[TimeCategory, Count]
    good_count: Count
    reject_count: Count
    ideal_ms: Count
    late_count: Count
    version: Annotated[int, Field(ge=1)] = Field(
        1, description="Grows with late readings and classified stops."
    )


class PredictionData(Prediction):
    """A verdict, with what it rests on and what to do about it."""


class CrossingData(OfMachine, Health):
    """The verdict that passed the threshold."""

    threshold: float


class CallData(OfMachine):
    """A model's call and what became of it. `leadTimeS` is from the call to the finding."""

    call_id: str
    model: str
    model_version: str
    component: str | None
    called_at: At | None
    answer: float | None
    ended_at: At | None
    outcome: Literal["confirmed", "falseCall", "missed", "unknown"]
    judged_at: At
    lead_time_s: float | None
    work_order_id: str | None
    why: str | None


class ModelData(OfMachine):
    model: str
    model_version: str


class ModelSuspendedData(ModelData):
    """The model is not asked for an hour, and abstains."""

    reason: str


class WorkOrderData(OfMachine):
    """A work order as it is now."""

    work_order_id: str
    version: int
    task_id: str | None
    component: str
    work: str
    state: OrderState
    cause: Literal["prediction", "alarm", "operator"]
    cause_id: str | None
    opened_at: At
    due_at: At
    changed_at: At
    who: str | None
    finding: Literal["fault", "failed", "nothing"] | None
    note: str | None
    active: bool


class EscalatedData(OfMachine):
    """`told`: the recipients of that step of the policy."""

    alarm_id: str
    rule_id: str
    priority: Priority
    state: AlarmState
    policy: str
    step: Annotated[int, Field(ge=1)]
    told: list[str]


class DeadLetteredData(Contract):
    """`aboutId` and `deliveryId` lead to the document that keeps the message."""

    site_id: str
    line_id: str | None = None
    machine_id: str | None = None
    about_id: str
    delivery_id: str
    policy: str
    channel: str
    outcome: Literal["refused", "expired"]
    detail: str | None
    text: str


class ActionFailedData(OfMachine):
    """`unknown`: nobody knows whether the machine was told; it is not tried again."""

    alarm_id: str
    action: str
    outcome: Literal["unknown", "failed", "refused", "rateLimited", "unconfirmed"]
    detail: str


class GroupedData(Contract):
    """`notices` names the first ones of them."""

    site_id: str
    policy: str
    priority: Priority
    count: Count
    notices: list[str]


class DeviceData(Contract):
    """`described`: whether a factory description lists the device."""

    device_id: str
    described: bool
    machines: list[str]


class TwinConflictData(Conflict):
    """`conflictId` leads to the document that keeps it."""

    conflict_id: str


class QuarantinedData(Contract):
    """`quarantineId` and `deviceDay` lead to the document that keeps the message."""

    quarantine_id: str
    device_day: str
    device_id: str
    machine_id: str | None
    reason: str
    detail: str


EVENTS: dict[str, tuple[type[Contract], str]] = {
    "millwright.alarm.raised.v1": (AlarmData, "A machine went beyond a limit."),
    "millwright.alarm.cleared.v1": (AlarmData, "An alarm returned to normal."),
    "millwright.alarm.acknowledged.v1": (AlarmData, "An operator has seen an alarm."),
    "millwright.alarm.latched.v1": (
        AlarmData,
        "An alarm's condition returned, but it stays until reset.",
    ),
    "millwright.alarm.reset.v1": (AlarmData, "An operator let go of a latched alarm."),
    "millwright.alarm.reannunciated.v1": (AlarmData, "An acknowledged alarm was there for too long."),
    "millwright.alarm.commented.v1": (AlarmData, "Somebody wrote something about an alarm."),
    "millwright.alarm.shelved.v1": (AlarmData, "An operator hid an alarm for a time."),
    "millwright.alarm.unshelved.v1": (AlarmData, "A shelved alarm may be raised again."),
    "millwright.alarm.suppressed.v1": (AlarmData, "An alarm says nothing while the machine is as it is."),
    "millwright.alarm.unsuppressed.v1": (AlarmData, "A suppressed alarm may be raised again."),
    "millwright.alarm.takenoutofservice.v1": (AlarmData, "Somebody works on what an alarm watches."),
    "millwright.alarm.returnedtoservice.v1": (AlarmData, "An alarm is in service again."),
    "millwright.alarm.nuisancefound.v1": (AlarmData, "An alarm comes and goes too often."),
    "millwright.rule.setpointchanged.v1": (SetPointChangedData, "An alarm's limit was changed at run time."),
    "millwright.machine.takenoutofservice.v1": (ServiceData, "Somebody works on a machine."),
    "millwright.machine.returnedtoservice.v1": (ServiceData, "A machine is in service again."),
    "millwright.machine.statechanged.v1": (MachineStateChangedData, "A machine's PackML state changed."),
    "millwright.machine.wentsilent.v1": (MachineWentSilentData, "Nothing arrives from a machine any more."),
    "millwright.machine.cameback.v1": (MachineCameBackData, "A silent machine reports again."),
    "millwright.machine.blocked.v1": (MachineBlockedData, "A machine's readings cannot be folded."),
    "millwright.machine.resumed.v1": (MachineResumedData, "A blocked machine is folded again."),
    "millwright.stop.started.v1": (StopStartedData, "A machine stopped producing."),
    "millwright.stop.ended.v1": (StopEndedData, "A stop ended."),
    "millwright.stop.classified.v1": (
        StopClassifiedData,
        "An operator said why a machine stood, or split or merged stops.",
    ),
    "millwright.oee.bucketmeasured.v1": (OeeData, "OEE elements of a shift so far."),
    "millwright.oee.shiftclosed.v1": (OeeData, "OEE elements of a shift that is over."),
    "millwright.oee.shiftrestated.v1": (
        OeeData,
        "A closed shift changed: a reading came too late, or an operator classified a stop.",
    ),
    "millwright.prediction.made.v1": (PredictionData, "A maintenance model gave its verdict."),
    "millwright.prediction.thresholdcrossed.v1": (
        CrossingData,
        "A model's answer passed its threshold, one way or the other.",
    ),
    "millwright.prediction.judged.v1": (CallData, "A model's call was right, wrong, or came not at all."),
    "millwright.model.suspended.v1": (ModelSuspendedData, "A model was refused, failed or was too slow."),
    "millwright.model.resumed.v1": (ModelData, "A suspended model answers again."),
    "millwright.workorder.opened.v1": (WorkOrderData, "A prediction, an alarm or somebody ordered work."),
    "millwright.workorder.started.v1": (WorkOrderData, "Work has begun."),
    "millwright.workorder.completed.v1": (WorkOrderData, "Work was done, and says what was found."),
    "millwright.workorder.cancelled.v1": (WorkOrderData, "Work will not be done."),
    "millwright.alarm.escalated.v1": (
        EscalatedData,
        "Nobody acknowledged an alarm: further people were told.",
    ),
    "millwright.action.failed.v1": (ActionFailedData, "A machine did not do what an alarm asks for."),
    "millwright.notification.deadlettered.v1": (DeadLetteredData, "A message did not get through."),
    "millwright.notification.grouped.v1": (GroupedData, "Many notices as one; only webhooks get it."),
    "millwright.device.created.v1": (DeviceData, "A device was registered at IoT Hub."),
    "millwright.device.deleted.v1": (DeviceData, "A device was removed from IoT Hub."),
    "millwright.device.connected.v1": (DeviceData, "A device connected."),
    "millwright.device.disconnected.v1": (DeviceData, "A device disconnected."),
    "millwright.twin.conflicted.v1": (
        TwinConflictData,
        "Somebody changed the twin graph against the applied description.",
    ),
    "millwright.twin.conflictcleared.v1": (
        TwinConflictData,
        "The twin graph agrees with the applied description again.",
    ),
    "millwright.message.quarantined.v1": (QuarantinedData, "A message could not be believed."),
}
"""Every type of event: its data, and what happened."""


class CloudEvent(Contract):
    """The envelope, as JSON."""

    specversion: Literal["1.0"]
    id: str = Field(
        description="machine:n, device:... or quarantine:..., the same however often it is published."
    )
    source: str = Field(description="/millwright/<siteId>, or /millwright/quarantine")
    type: str = Field(description="millwright.<noun>.<past participle>.v1")
    subject: str = Field(
        description="site/line/machine, site/devices/device, site/twins/twin or quarantine/devices/device."
    )
    time: str = Field(description="When it happened, RFC 3339.")
    datacontenttype: Literal["application/json"]
    traceparent: Traceparent | None = None
    data: Any


def envelope(event_type: str) -> type[CloudEvent]:
    """The CloudEvent of a type, with its data."""
    data, happened = EVENTS[event_type]
    name = "".join(part.capitalize() for part in name_of(event_type).split("."))
    return create_model(
        name,
        __base__=CloudEvent,
        __doc__=happened,
        type=(
            str,
            Field(pattern=f"^{re.escape(event_type)}$", json_schema_extra={"const": event_type}),
        ),
        data=(data, Field()),
    )


def name_of(event_type: str) -> str:
    """The type without prefix, for file names.

    >>> name_of("millwright.alarm.raised.v1")
    'alarm.raised.v1'
    """
    return event_type.removeprefix("millwright.")
