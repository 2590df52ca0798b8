"""Stops, and what operators say of them afterwards."""

from typing import Literal

from pydantic import Field

from shared.contracts.documents.oee import Stop, StopChange
from shared.contracts.http.alarms import Acknowledgement
from shared.contracts.http.base import Id, Instant, Page, TimesAsked


class StopsAsked(TimesAsked):
    state: Literal["all", "unclassified", "active"] = Field(
        "all", description="unclassified: without a reason, all of it or a part; active: it lasts."
    )
    machine: Id | None = Field(None, description="Only stops of this machine.")
    line: Id | None = Field(None, description="Only stops of this line.")
    site: Id | None = Field(None, description="Only stops of this site.")


class StopClassification(Acknowledgement):
    """Why a machine stood."""

    reason: Id | None = Field(description="Of the factory's stop reasons; null: as the machine said it.")
    begin: Instant | None = Field(None, alias="from", description="Left out: from the stop's start.")
    end: Instant | None = Field(None, alias="to", description="Left out: to its end.")


class StopCut(Acknowledgement):
    """Where a stop is cut, or a cut undone."""

    at: Instant


class StopsPage(Page):
    items: list[Stop]


class StopWithHistory(Stop):
    """A stop, and who changed it."""

    history: list[StopChange]
