"""Applied factory descriptions as documents of the `specs` container. Immutable, but for the pointer.

A version is one `SiteDocument` and one `LineDocument` for each line, with the `SourceDocument`s
that they were made from; `CurrentDocument` points to the newest version. Quantities are already in
the signals' units, durations in ms, inheritance from class to machine is already resolved: reading
a spec takes no decisions.
"""

from typing import Annotated, Any, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    WrapSerializer,
)
from pydantic.alias_generators import to_camel

from shared.contracts.profile import Profile
from shared.contracts.reactions import Automation, Notification, Recipients
from shared.domain.alarms.rules import Rule
from shared.domain.maintenance.records import Task
from shared.domain.packml import PackMLState, TimeCategory
from shared.domain.spec import Bands, Calendar, ModelBinding, SignalSpec


def _sorted_holidays(calendar: Calendar, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
    """A set has no order, but equal calendars must be equal text."""
    return {**serialize(calendar), "holidays": sorted(calendar.holidays)}


def _as_rules(value: Any) -> Any:
    """Rules as they were written before there were conditions of other kinds."""
    if not isinstance(value, list | tuple):
        return value
    return [_as_rule(row) for row in cast(list[Any], value)]


def _as_rule(value: Any) -> Any:
    if not isinstance(value, dict) or "condition" in value:
        return value  # pyright: ignore[reportUnknownVariableType]
    row = cast(dict[str, Any], value)
    limit = ("kind", "signal", "limit", "deadband")
    rest = {name: part for name, part in row.items() if name not in limit}
    return rest | {"condition": {name: row[name] for name in limit}}


type Rules = Annotated[tuple[Rule, ...], BeforeValidator(_as_rules)]


class _Document(BaseModel):
    """Ignores what the store adds (`_etag`, `_ts`)."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        validate_by_name=True,
        serialize_by_alias=True,
    )


class ReasonPart(_Document):
    """A stop reason."""

    category: TimeCategory
    texts: dict[str, str]
    maintenance: str | None = None


class ClassPart(_Document):
    """What the machines of a class have in common."""

    twin_model: str
    signals: tuple[SignalSpec, ...]
    rules: Rules
    ideal_cycle_ms: dict[str, int]
    state_map: dict[str, PackMLState]
    lateness_ms: int
    silence_ms: int
    close_after_ms: int
    counter_modulus: int | None = None
    counter_fastest_ms: int = 0
    counter_restart: str = "zero"
    minor_stop_ms: int = 0
    startup_ms: int = 0
    state_reasons: dict[PackMLState, str] = Field(default_factory=dict[PackMLState, str])
    tasks: tuple[Task, ...] = ()


class MachinePart(_Document):
    """What a machine has of its own."""

    name: str
    machine_class: str
    devices: tuple[str, ...]
    feeds: tuple[str, ...] = ()
    attributes: dict[str, float | str] = Field(default_factory=dict[str, float | str])
    models: tuple[ModelBinding, ...] = ()
    rules: Rules | None = None
    """All its rules, where line or machine change any; None: the class's."""
    ideal_cycle_ms: dict[str, int] = Field(default_factory=dict[str, int])
    """Added to the class's."""
    bands: tuple[Bands, ...] = ()
    """Its limits of the colours from their dates on, those of the scopes above included."""


class LineOee(_Document):
    """How a line's OEE is made of its machines'."""

    machine: str | None = None
    """The machine whose OEE it is; None: the sum of all."""
    first: str | None = None
    """The machine that units come to first."""
    area: str | None = None
    bands: tuple[Bands, ...] = ()


class SiteDocument(_Document):
    """A site without its machines. Id `<version>:site`."""

    id: str
    site_id: str
    version: int
    name: str
    enterprise_id: str
    enterprise_name: str
    calendar: Annotated[Calendar, WrapSerializer(_sorted_holidays)]
    classes: dict[str, ClassPart]
    products: dict[str, str]
    """Product -> name."""
    reasons: dict[str, ReasonPart]
    profiles: dict[str, Profile]
    device_profiles: dict[str, str]
    """Device -> profile."""
    notifications: tuple[Notification, ...]
    recipients: Recipients = Recipients()
    automation: Automation
    areas: dict[str, str]
    """Area -> name."""
    lines: tuple[str, ...]
    green_ratio: float
    yellow_ratio: float
    line_oee: dict[str, LineOee] = Field(default_factory=dict[str, LineOee])
    bands: tuple[Bands, ...] = ()
    area_bands: dict[str, tuple[Bands, ...]] = Field(default_factory=dict[str, tuple[Bands, ...]])
    enterprise_bands: tuple[Bands, ...] = ()


class LineDocument(_Document):
    """A line and its machines. Id `<version>:line:<lineId>`."""

    id: str
    site_id: str
    line_id: str
    version: int
    name: str
    area_id: str | None
    machines: dict[str, MachinePart]
    calendar: Annotated[Calendar, WrapSerializer(_sorted_holidays)] | None = None
    """Its own, where it differs from the site's."""


class SourceDocument(_Document):
    """What the file said, in its own words: for `millwright factory export`. Nothing else reads it.

    Id `<version>:source` for the description with this site but without its lines,
    `<version>:source:<lineId>` for a line.
    """

    id: str
    site_id: str
    line_id: str | None
    version: int
    description: dict[str, Any]


class CurrentDocument(_Document):
    """Points to a site's newest version. The only mutable document here; id `current`."""

    id: str = "current"
    site_id: str
    version: int
    sha256: str
    """Of the version's content, version numbers aside: applying the same file again changes nothing."""
    retired: bool = False
    """No description has the site any more: its devices are unknown, its number is kept for its return."""


def site_document_id(version: int) -> str:
    return f"{version}:site"


def line_document_id(version: int, line_id: str) -> str:
    return f"{version}:line:{line_id}"


def source_document_id(version: int, line_id: str | None) -> str:
    return f"{version}:source" if line_id is None else f"{version}:source:{line_id}"
