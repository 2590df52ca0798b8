"""Device profiles: how a message that is not the v1 telemetry message is read as one. Data, not code.

Every expression is JMESPath, with one function added: `items(object)` gives [key, value] pairs,
which OPC UA's payloads (objects keyed by tag) need and JMESPath lacks.
"""

from typing import Annotated, Literal, Self

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def _compiles(expression: str) -> str:
    try:
        jmespath.compile(expression)
    except JMESPathError as exc:
        raise ValueError(f"not a JMESPath expression: {str(exc).splitlines()[0]}") from exc
    return expression


type Expression = Annotated[str, Field(min_length=1), AfterValidator(_compiles)]

type MessageField = Literal[
    "machineId",
    "timestamp",
    "sequence",
    "state",
    "reason",
    "order.id",
    "order.product",
    "counts.good",
    "counts.reject",
    "counts.rejects",
]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Source(_Strict):
    """Where a signal's value stands in a message, and the unit it is sent in."""

    at: Expression
    unit: str | None = Field(
        None, description="Unit as sent; converted to the signal's. Left out: the signal's."
    )


class Samples(_Strict):
    """Values that come as a list of tags, each perhaps with a time of its own (OPC UA)."""

    list: Expression = Field(description="The samples of one scope, a list.")
    tag: Expression = Field(description="In a sample: the tag's name.")
    value: Expression = Field(description="In a sample: its value.")
    timestamp: Expression | None = Field(None, description="In a sample: its own event time.")
    bad: Expression | None = Field(
        None,
        description="In a sample: true when the sender says that the value is not good; it is not used then.",
    )


class Tag(_Strict):
    """What a tag means here: a signal, or another field of the telemetry message."""

    signal: str | None = None
    field: MessageField | None = None
    unit: str | None = Field(None, description="Unit as sent; converted to the signal's.")

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if (self.signal is None) == (self.field is None):
            raise ValueError("a tag is either a signal or a field: give one of them")
        if self.unit is not None and self.signal is None:
            raise ValueError("only a signal has a unit")
        return self


class Profile(_Strict):
    """How the messages of one kind of device are read."""

    description: str = ""
    each: Expression | None = Field(
        None, description="The scopes of a message, a list; else the message itself."
    )
    skip: Expression | None = Field(
        None, description="In a scope: true for what is no reading, such as a keep-alive; it is passed over."
    )
    fields: dict[MessageField, Expression] = Field(default_factory=dict[MessageField, str])
    signals: dict[str, Expression | Source] = Field(
        default_factory=dict[str, str | Source], description="Signal -> where its value stands in a scope."
    )
    samples: Samples | None = None
    tags: dict[str, Tag] = Field(
        default_factory=dict[str, Tag],
        description="Tag -> its meaning; tags not listed are ignored. Left out: a tag is a signal's name.",
    )
    machines: dict[str, str] = Field(
        default_factory=dict[str, str], description="The sender's name of a machine -> the machine's id."
    )
    timestamp_format: Literal["rfc3339", "epoch_s", "epoch_ms"] = "rfc3339"
    zone: str | None = Field(
        None, description="IANA zone of time stamps without offset; left out, they are rejected."
    )
    missing_timestamp: Literal["reject", "arrival"] = Field(
        "reject",
        description="`arrival`: a message without time stamp happened when IoT Hub received it. "
        "A message that its device sends twice cannot be told from two then.",
    )
    resolution_ms: int = Field(
        1, ge=1, le=60_000, description="Samples this close together make one reading."
    )

    @model_validator(mode="after")
    def _reads_something(self) -> Self:
        if (
            not self.signals
            and not self.samples
            and not set(self.fields) - {"machineId", "timestamp", "sequence"}
        ):
            raise ValueError("the profile reads nothing: give signals, samples, or fields such as state")
        if self.tags and not self.samples:
            raise ValueError("tags are what samples are called: give samples as well")
        return self
