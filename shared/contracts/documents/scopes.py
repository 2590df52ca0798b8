"""Lines, areas and sites: their OEE and state; how the graph differs from the files."""

from typing import Annotated, Any, Literal

from pydantic import Field

from shared.contracts.documents.base import At, Contract, Count, Ratio
from shared.contracts.documents.machine import AlarmSummary
from shared.contracts.documents.oee import OeeBucket


class ReconcileDocument(Contract):
    """What the last comparison of twins with their documents found, in the container `deliveries`."""

    id: Literal["reconcile"]
    alarm_id: Literal["reconcile"]
    type: Literal["reconcile"]
    at: At
    source: Literal[0, 1] = Field(description="Where the next call goes on: machines, scopes.")
    cursor: str | None
    pass_started_at: At
    pass_count: Count = Field(description="Times that all twins were looked at.")
    checked_count: Count
    drifted_count: Count = Field(description="Twins that somebody else had changed; they are repaired.")
    missing_count: Count = Field(description="Described things without a twin.")
    drifted: dict[str, list[str]] = Field(description="Twin, properties by JSON pointer; the first 50.")
    missing: list[str] = Field(description="The first 50.")
    last_drift_at: At | None


class Conflict(Contract):
    """What somebody changed in the twin graph by hand, and how the applied description has it."""

    site_id: str
    twin_id: str
    relationship: str | None = Field(description="Name of the relationship from the twin to `target`.")
    target: str | None
    said: Any = Field(description="By the file: properties, or whether there is the relationship.")
    found: Any = Field(description="In the graph; null: the twin was deleted.")
    detail: str


class ConflictDocument(Conflict):
    """A contradiction between graph and file, in the container `deliveries`."""

    id: str
    alarm_id: Literal["conflicts"]
    type: Literal["conflict"]
    open: bool
    number: Annotated[int, Field(ge=1, description="Times that it came to be.")]
    at: At
    cleared_at: At | None
    ttl: int | None = Field(None, description="Seconds that it is kept once it is cleared.")


type Level = Literal["line", "area", "site", "enterprise"]


class Child(Contract):
    version: list[Any]
    content: dict[str, Any] | None = Field(description="null: it belongs to another line now.")


class InScopes(Contract):
    """What every document of the container `scopes` has."""

    id: str
    scope_id: str
    level: Level
    version: Annotated[int, Field(ge=1)]
    child_count: Count
    children: dict[str, Child] = Field(description="What each child counted for.")


class Bottleneck(Contract):
    machine_id: str
    oee: Ratio


class ScopeOeeDocument(InScopes, OeeBucket):
    """One shift of a line, area, site or enterprise: the sum of its children's elements."""

    type: Literal["oee"]
    counted_machine: str | None = Field(
        None, description="The machine whose OEE the line's is; left out: the sum of all machines."
    )
    bottleneck: Bottleneck | None = Field(
        None, description="The machine with the lowest OEE; null while too little is known of all."
    )


class MembershipDocument(Contract):
    """The lines that a machine ever counted in, in the container `scopes`: to leave one for another."""

    id: Literal["membership"]
    scope_id: str = Field(description="The machine.")
    type: Literal["membership"]
    lines: dict[str, str] = Field(description="Line -> its site.")


class ScopeStatusDocument(InScopes):
    """How the machines of a line, site or enterprise are now."""

    type: Literal["status"]
    machine_count: Count
    silent_count: Count
    blocked_count: Count
    warning_count: Count
    states: dict[str, Count]
    alarms: AlarmSummary
