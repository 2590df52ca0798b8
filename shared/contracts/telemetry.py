"""The telemetry message, version 1: what a machine or its gateway may send, as JSON in UTF-8.

One object, an array of objects, or NDJSON. Unknown members are refused, so that a misspelt one
is noticed and not dropped in silence.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter
from pydantic.alias_generators import to_camel

type Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]
"""An id or a code. Bounded, because it ends up in documents and indexes."""

type Count = Annotated[int, Field(ge=0, lt=2**53)]
"""Numbers in Cosmos DB are doubles: whole up to here."""

RFC_3339 = r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$"
"""An instant with offset. A pattern, because lenient parsers also take bare numbers for instants."""


class _Message(BaseModel):
    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=False,
    )


class Order(_Message):
    """What is being made."""

    id: Name = Field(description="The production order.")
    product: Name | None = Field(None, description="The product, as the factory description names it.")


class Counts(_Message):
    """Cumulative counters, as a machine's controller keeps them: never differences."""

    good: Count | None = Field(None, description="Good units since the counter last started at 0.")
    reject: Count | None = Field(None, description="Rejected units since the counter last started at 0.")
    rework: Count | None = Field(
        None, description="Units to be worked again, neither good nor rejected, since the counter began."
    )
    total: Count | None = Field(
        None, description="All units made; stands for `good` where that is left out, and checks it else."
    )
    rejects: dict[Name, Count] = Field(
        default_factory=dict[str, int],
        max_length=64,
        description="Rejected units by reason, cumulative as well; a breakdown of `reject`.",
    )


class TelemetryMessage(_Message):
    """One reading of one machine at one instant."""

    timestamp: Annotated[
        str,
        Field(pattern=RFC_3339, description="Event time, RFC 3339 with offset, e.g. 2026-11-21T09:30:00.5Z."),
    ]
    machine_id: Name | None = Field(
        None,
        description="The machine. Left out: the only one the device reports, else the one of its own id.",
    )
    sequence: Count = Field(0, description="A counter of the device; orders readings of equal time stamps.")
    state: Name | int | None = Field(
        None, description="PackML state by name or number (Execute = 6), or a word of the vendor's."
    )
    reason: Name | None = Field(None, description="Stop-reason code from the site's catalogue.")
    order: Order | None = Field(None, description="What is being made.")
    counts: Counts | None = Field(None, description="Cumulative counters.")
    signals: dict[Name, float] = Field(
        default_factory=dict[str, float],
        max_length=256,
        description="Measured values by signal name, in the unit that the machine class declares.",
    )


MESSAGE: TypeAdapter[TelemetryMessage] = TypeAdapter(TelemetryMessage)
MESSAGES: TypeAdapter[list[TelemetryMessage]] = TypeAdapter(list[TelemetryMessage])
