"""The words that factory descriptions are made of: ids, names, quantities, times of day."""

from datetime import date, time
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from shared.domain.packml import PackMLState, TimeCategory

type Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?$")]
"""Also the id of a twin and of documents: letters, digits, `_`, `.` and `-`, at most 64."""

type ClassName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9]{0,63}$")]
type SignalName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=48)]
type Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
type Finite = Annotated[float, Field(allow_inf_nan=False)]
type Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
type NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]

type Quantity = (
    Finite | Annotated[str, StringConstraints(pattern=r"^[+-]?\d+(\.\d+)?([eE][+-]?\d+)? ?[^\s\d][^\s]*$")]
)
"""`85` in the signal's unit, or `85 °C` with a unit of its own."""

type Priority = Literal["low", "medium", "high", "critical"]
type Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
type StateWord = Literal[tuple(state.word for state in PackMLState)]  # pyright: ignore[reportInvalidTypeForm]  # from the enum, so that the two cannot differ
type Category = Literal[tuple(category.value for category in TimeCategory)]  # pyright: ignore[reportInvalidTypeForm]  # likewise


def _clock(text: str) -> str:
    time.fromisoformat(text)
    return text


def _date(text: str) -> str:
    date.fromisoformat(text)
    return text


type Clock = Annotated[str, StringConstraints(pattern=r"^\d\d:\d\d$"), AfterValidator(_clock)]
"""Local wall-clock time, `06:00`."""
type Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\d$"), AfterValidator(_date)]
"""A local date, `2026-12-25`."""


class Described(BaseModel):
    """Strict: a misspelt key is an error, not a setting that silently does nothing."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", use_attribute_docstrings=True)
