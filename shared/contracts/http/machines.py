"""Machines, their signals by the minute, their predictions."""

from typing import Literal

from pydantic import Field

from shared.contracts.documents.base import At, Contract, Count
from shared.contracts.documents.machine import Machine
from shared.contracts.documents.maintenance import Prediction
from shared.contracts.http.base import Id, Page, Paged, TimesAsked


class MachinesAsked(Paged):
    site: Id | None = Field(None, description="Only machines of this site.")
    line: Id | None = Field(None, description="Only machines of this line.")


class SignalsAsked(TimesAsked):
    limit: int = Field(24, ge=1, le=168, description="Most hours of a page.")
    signal: Id | None = Field(None, description="Only this signal.")


class Healthy(Contract):
    status: Literal["ok"]


class MachinesPage(Page):
    items: list[Machine]


class PredictionsPage(Page):
    items: list[Prediction]


class MinuteOfSignal(Contract):
    """One signal over one minute of event time; null without good values."""

    count: Count
    min: float | None
    mean: float | None
    max: float | None
    bad_count: Count


class Minute(Contract):
    at: At
    signals: dict[str, MinuteOfSignal]


class MinutesPage(Page):
    items: list[Minute]


class MachineResumed(Contract):
    machine_id: str
    folded_count: Count = Field(description="Queued readings that were folded.")
