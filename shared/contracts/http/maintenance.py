"""Maintenance: work orders, work done, models and their calls in the field."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shared.contracts.documents.base import At, Contract, Count
from shared.contracts.documents.maintenance import Call as ModelCall
from shared.contracts.documents.maintenance import WorkOrder
from shared.contracts.http.base import Asked, Id, Instant, Page, Paged, Remarks, TimesAsked


class WorkOrdersAsked(Paged):
    state: Literal["open", "all"] = Field("open", description="open: neither done nor cancelled.")
    machine: Id | None = Field(None, description="Only orders of this machine.")
    line: Id | None = Field(None, description="Only orders of this line.")
    site: Id | None = Field(None, description="Only orders of this site.")


class ModelsAsked(Asked):
    """Calls count by when they were judged, open ones by when they were made."""

    begin: Instant | None = Field(None, alias="from", description="Earliest instant, included.")
    end: Instant | None = Field(None, alias="to", description="Latest instant, excluded.")
    machine: Id | None = Field(None, description="Only calls about this machine.")
    site: Id | None = Field(None, description="Only calls about machines of this site.")


class CallsAsked(TimesAsked):
    machine: Id | None = Field(None, description="Only calls about this machine.")
    site: Id | None = Field(None, description="Only calls about machines of this site.")


type Component = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?$")]


class NewWorkOrder(Asked):
    component: Component = Field(description="As the factory's catalogue calls it, or another.")
    task_id: Id | None = Field(None, description="A task of the catalogue.")
    work: Remarks = Field("", description="What is to be done; left out: the task's.")
    due_at: Instant | None = Field(None, description="Left out: as the task says, else in a week.")
    alarm_id: Id | None = Field(None, description="The occurrence that it is about.")
    note: Remarks = ""


class MaintenanceDone(Asked):
    component: Component
    at: Instant | None = Field(
        None, description="When it was done; of a component that failed: when it failed. Left out: now."
    )
    finding: Literal["fault", "failed", "nothing"] | None = Field(
        None, description="What was found. Left out: planned work, nobody looked."
    )
    work_order_id: Id | None = Field(
        None, description="The order that it completes; left out: the open one of the component."
    )
    note: Remarks = ""


class MaintenanceRecorded(Contract):
    machine_id: str
    component: str
    at: At
    finding: Literal["fault", "failed", "nothing"] | None


class WorkOrdersPage(Page):
    items: list[WorkOrder]


class CallsPage(Page):
    items: list[ModelCall]


class Share(Contract):
    """A ratio with its 95 % interval (Wilson)."""

    value: float
    low: float
    high: float


class LeadTime(Contract):
    median: float
    shortest: float


class ModelInField(Contract):
    """Only as true as the records: what nobody recorded is missing here."""

    model: str
    model_version: str
    open_count: Count
    confirmed_count: Count
    false_call_count: Count
    missed_count: Count
    unknown_count: Count
    precision: Share | None = Field(description="Confirmed calls among those that were judged.")
    recall: Share | None = Field(description="Confirmed calls among failures and faults on record.")
    lead_time_s: LeadTime | None = Field(description="From confirmed calls to their findings.")


class ModelsInField(Contract):
    items: list[ModelInField]
