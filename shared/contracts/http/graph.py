"""The twin graph: neighbourhoods, material flow, queries."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from shared.contracts.documents.base import Contract
from shared.contracts.http.base import Asked, Id, Page

MAX_DEPTH = 5
"""Enterprise, site, area, line, machine, sensor: from the top to the bottom."""


MAX_HOPS = 10


class GraphAsked(Asked):
    root: Id = Field(description="The twin to begin at: an enterprise, site, area, line or machine.")
    depth: int = Field(2, ge=0, le=MAX_DEPTH, description="Levels below it.")


class HopsAsked(Asked):
    hops: int = Field(MAX_HOPS, ge=1, le=MAX_HOPS, description="Machines in a row at most.")


class GraphQuery(Asked):
    """The body of a graph query."""

    query: Annotated[str, StringConstraints(min_length=1, max_length=8_000)] = Field(
        description="In the query language of Azure Digital Twins: SELECT ... FROM DIGITALTWINS ..."
    )
    limit: int = Field(100, ge=1, le=1_000, description="Most rows of a page.")
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=16_384)] | None = Field(
        None, description="`nextCursor` of the page before."
    )


class GraphRows(Page):
    items: list[dict[str, Any]]


class Graph(Contract):
    """A part of the twin graph, as Azure Digital Twins shows twins and relationships."""

    twins: list[dict[str, Any]]
    relationships: list[dict[str, Any]]
    complete: bool = Field(description="Whether nothing was left out for its size.")
