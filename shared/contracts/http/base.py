"""What the API's parameters and answers have in common: ids, instants, pages, problems."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from shared.contracts.documents.alarms import Alarm
from shared.contracts.documents.base import Contract
from shared.contracts.documents.oee import Stop
from shared.instants import instant, iso


def _canonical(text: str) -> str:
    """The instant as documents write it, so that strings compare as instants do."""
    return iso(instant(text.upper()))


type Id = Annotated[str, StringConstraints(min_length=1, max_length=255)]


type Instant = Annotated[
    str,
    StringConstraints(pattern=r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)$"),
    AfterValidator(_canonical),
]
"""RFC 3339 with offset."""


class Asked(BaseModel):
    """What a caller says. Unknown names are refused, so that a misspelt filter is noticed."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_alias=True, validate_by_name=False
    )


class NoParameters(Asked):
    """Nothing may be asked."""


class Paged(Asked):
    limit: int = Field(50, ge=1, le=200, description="Most items of a page.")
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=8192)] | None = Field(
        None, description="`nextCursor` of the page before."
    )


class TimesAsked(Paged):
    begin: Instant | None = Field(None, alias="from", description="Earliest instant, included.")
    end: Instant | None = Field(None, alias="to", description="Latest instant, excluded.")


type Names = Annotated[str, StringConstraints(min_length=1, max_length=2000)]


type Why = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True)]


class Reason(Asked):
    reason: Why


class Page(Contract):
    next_cursor: str | None = Field(
        description="Pass it as `cursor` for the next page; null at the end. A page before may be short."
    )


type Remarks = Annotated[str, StringConstraints(max_length=1000)]


class InvalidParameter(Contract):
    location: Literal["query", "body"] = Field(alias="in")
    name: str
    detail: str


class ProblemDetails(Contract):
    """RFC 9457. `detail` says what to do about it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[InvalidParameter] | None = Field(None, description="Every invalid parameter.")
    role: str | None = Field(None, description="The app role that the caller lacks.")
    alarm: Alarm | None = Field(None, description="The alarm as it is.")
    stop: Stop | None = Field(None, description="The stop as it is.")
