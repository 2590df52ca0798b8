"""What all contracts are made of: words, instants, and the shape of a document."""

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from shared.domain.packml import PackMLState

STATES = sorted(state.word for state in PackMLState)


type At = Annotated[
    str,
    StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"),
    Field(description="Instant, RFC 3339 in UTC with milliseconds."),
]


type State = Annotated[str, Field(description="PackML state.", json_schema_extra={"enum": list(STATES)})]


type Priority = Literal["low", "medium", "high", "critical"]


type Count = Annotated[int, Field(ge=0)]


type Ratio = Annotated[float, Field(ge=0)]
"""Effectiveness, and so OEE, may exceed 1: nothing is capped."""


type Probability = Annotated[float, Field(ge=0, le=1)]


type Traceparent = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"),
    Field(description="The trace of the commit (W3C Trace Context); absent where none was recorded."),
]


def _for_readers(schema: dict[str, Any]) -> None:
    """The published schema is open: the store adds properties of its own, a later release may, too."""
    schema.pop("additionalProperties", None)
    for described in schema.get("properties", {}).values():
        described.pop("title", None)


class Contract(BaseModel):
    """A closed shape here: what is not declared is not written."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=False,
        json_schema_extra=_for_readers,
    )


@cache
def names(model: type[BaseModel]) -> tuple[str, ...]:
    """A contract's properties as they are called on the wire."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


class OfMachine(Contract):
    machine_id: str
    site_id: str
    line_id: str


class InMachines(OfMachine):
    """What every document of the container `machines` has."""

    id: str


class Expiring(Contract):
    ttl: Annotated[int, Field(gt=0, description="Seconds until Cosmos DB removes the document.")]
