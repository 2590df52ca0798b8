"""Maintenance: predictions, a model's calls and what became of them, work orders."""

from typing import Annotated, Literal

from pydantic import Field

from shared.contracts.documents.base import At, Contract, Expiring, InMachines, OfMachine
from shared.contracts.documents.machine import Health


class Recommendation(Contract):
    """Work of the factory's catalogue that answers a warning."""

    task_id: str
    component: str
    work: str
    within_s: float = Field(gt=0, description="How long there is to do it.")


class Prediction(OfMachine, Health):
    """One verdict of a maintenance model."""

    threshold: float = Field(description="A warning from here upwards; a remaining life: downwards.")
    horizon_s: float | None = Field(description="How far ahead the model looks.")
    data_age_s: float = Field(ge=0, description="How old the oldest value is that the verdict rests on.")
    contributions: dict[str, float] = Field(
        description="Signals that moved the answer, of warnings. Anomaly: their shares of the squared "
        "distance. Else: how far the answer falls with the signal at its training median."
    )
    recommendation: Recommendation | None
    call_id: str | None = Field(description="The call that the verdict is part of; it is judged later.")


class PredictionDocument(InMachines, Prediction, Expiring):
    type: Literal["prediction"]


class Call(OfMachine):
    """A model's warning and whether it was right, or a failure that no warning announced."""

    call_id: str
    model: str
    model_version: str
    component: str | None
    called_at: At | None = Field(description="null: it was missed.")
    answer: float | None = Field(description="With which the warning began.")
    ended_at: At | None
    outcome: Literal["open", "confirmed", "falseCall", "missed", "unknown"] = Field(
        description="unknown: the component was replaced and nobody said what was found."
    )
    judged_at: At | None
    lead_time_s: float | None = Field(description="From the call to the finding, of confirmed calls.")
    work_order_id: str | None
    why: str | None = Field(description="How the outcome is known.")
    at: At = Field(description="When it was judged, else when it was called.")


class CallDocument(InMachines, Call):
    type: Literal["call"]


type OrderState = Literal["open", "inProgress", "done", "cancelled"]


class WorkOrder(OfMachine):
    """Work on one component, from its cause to what was found."""

    work_order_id: str
    version: Annotated[int, Field(ge=1, description="Grows with every change.")]
    task_id: str | None = Field(description="Of the factory's catalogue.")
    component: str
    work: str
    state: OrderState
    cause: Literal["prediction", "alarm", "operator"]
    cause_id: str | None = Field(description="The call, or the occurrence of the alarm.")
    opened_at: At
    due_at: At
    changed_at: At
    who: str | None = Field(description="Who changed it last; null: it happened by itself.")
    finding: Literal["fault", "failed", "nothing"] | None
    note: str | None
    active: bool = Field(description="Neither done nor cancelled.")
    at: At = Field(description="When it was opened.")


class WorkOrderDocument(InMachines, WorkOrder):
    type: Literal["workorder"]
