"""Types beside an element's kind: semantic types with their units, and adjunct types of extensions."""

from dataclasses import dataclass, field
from functools import cache

from local.digital_twins.dtdl.metamodel import NUMERIC, SCHEMA, Literal, kinds
from local.digital_twins.dtdl.vocabulary import GEOMETRIES, QUANTITATIVE, UNIT_KINDS, quantities, unit_types

_TOPIC_LABEL = r"[!$-*,-.0-z|~]"
_TOPIC_TOKEN = r"\{(?:[A-Za-z]+:)?[A-Za-z]+\}"
_TOPIC_FIRST = rf"[!%-*,-.0-z|~]{_TOPIC_LABEL}*"
_TOPIC = rf"(?:{_TOPIC_FIRST}|{_TOPIC_TOKEN})(?:/(?:{_TOPIC_LABEL}+|{_TOPIC_TOKEN}))*"
_V3_VALUES = frozenset({"CommandRequest", "CommandResponse", "Field", "MapValue", "Property", "Telemetry"})
_DATA = frozenset({"Property", "Telemetry"})


@dataclass(frozen=True, slots=True)
class UnitLink:
    """The property `unit`, which refers to a unit of one type."""

    name: str
    unit_type: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class TermLink:
    """A property whose value is a word of the language, e.g. the property that an override overrides."""

    name: str
    required: bool = True


type Added = Literal | UnitLink | TermLink


@dataclass(frozen=True, slots=True)
class Supplement:
    id: str
    kinds: frozenset[str]
    """Kinds of elements that may have the type."""
    versions: frozenset[int]
    abstract: bool = False
    properties: dict[str, Added] = field(default_factory=dict[str, Added])
    """What it adds to the element, by DTMI."""
    needs: str | None = None
    """The type that an element must have too."""
    schema_kinds: frozenset[str] | None = None
    """What the element's schema must be; None for anything."""
    schema_values: frozenset[str] | None = None
    annotates: bool = False
    overrides: bool = False

    @property
    def name(self) -> str:
        return self.id.rsplit(":", 1)[-1].partition(";")[0]


@cache
def supplements() -> dict[str, Supplement]:
    """Every semantic and adjunct type by DTMI."""
    found = [
        *_v2_quantities(),
        *_v3_quantities(),
        *_central(),
        *_features("1", frozenset({3})),
        *_features("2", frozenset({3})),
        *(known for version in ("1", "2", "3") for known in _mqtt(version)),
    ]
    return {supplement.id: supplement for supplement in found}


def _v2_quantities() -> list[Supplement]:
    unit = "dtmi:dtdl:property:unit;2"
    v2 = frozenset({2})
    nothing: frozenset[str] = frozenset()
    units = [*unit_types(2), *UNIT_KINDS, "BinaryPrefix", "DecimalPrefix"]
    return [
        *(
            Supplement(
                f"dtmi:standard:class:{name};2",
                _DATA,
                v2,
                properties={unit: UnitLink("unit", f"dtmi:standard:class:{kind};2")},
                schema_kinds=NUMERIC,
            )
            for name, kind in quantities(2).items()
        ),
        *(Supplement(f"dtmi:standard:class:{name};2", nothing, v2) for name in units),
        Supplement("dtmi:standard:class:QuantitativeType;2", _DATA, v2, abstract=True),
        Supplement("dtmi:dtdl:class:SemanticType;2", _DATA | {"Relationship"}, v2, abstract=True),
        Supplement("dtmi:dtdl:class:SemanticUnit;2", nothing, v2, abstract=True),
    ]


def _v3_quantities() -> list[Supplement]:
    unit = f"{QUANTITATIVE}:property:unit"
    v3 = frozenset({3})
    return [
        *(
            Supplement(
                f"{QUANTITATIVE}:class:{name}",
                _V3_VALUES,
                v3,
                properties={unit: UnitLink("unit", f"{QUANTITATIVE}:enum:{kind}")},
                schema_kinds=NUMERIC,
            )
            for name, kind in quantities(3).items()
        ),
        Supplement(f"{QUANTITATIVE}:class:QuantitativeType", _V3_VALUES, v3, abstract=True),
        Supplement("dtmi:dtdl:class:SemanticType;3", _V3_VALUES | {"Relationship"}, v3, abstract=True),
        Supplement("dtmi:dtdl:class:SemanticUnit;3", frozenset(), v3, abstract=True),
        Supplement("dtmi:dtdl:class:AdjunctType;3", frozenset(kinds(3)), v3, abstract=True),
    ]


def _features(number: str, versions: frozenset[int]) -> list[Supplement]:
    """Annotation, historization, overriding and requirement, all in one version."""
    annotation = f"dtmi:dtdl:extension:annotation:v{number}:ValueAnnotation"
    overriding = f"dtmi:dtdl:extension:overriding:v{number}:Override"
    annotates: Added = Literal("annotates", "string", required=True)
    overrides: Added = TermLink("overrides")
    required = frozenset({"Field"}) if number == "1" else frozenset({"Field", "Property"})
    return [
        Supplement(
            annotation, _DATA, versions, properties={f"{annotation}:annotates": annotates}, annotates=True
        ),
        Supplement(f"dtmi:dtdl:extension:historization:v{number}:Historized", _DATA, versions),
        Supplement(
            overriding,
            frozenset({"Property"}),
            versions,
            properties={f"{overriding}:overrides": overrides},
            needs=annotation,
            overrides=True,
        ),
        Supplement(f"dtmi:dtdl:extension:requirement:v{number}:Required", required, versions),
    ]


def _mqtt(number: str) -> list[Supplement]:
    prefix = f"dtmi:dtdl:extension:mqtt:v{number}"
    versions = frozenset({3})

    def declared(kind: str, *added: Literal) -> dict[str, Added]:
        return {f"{prefix}:{kind}:{literal.name}": literal for literal in added}

    topics = [
        Literal("payloadFormat", "string", required=True),
        Literal("telemetryTopic", "string", pattern=_TOPIC),
        Literal("commandTopic", "string", pattern=_TOPIC),
    ]
    groups = [
        Literal(name, "string", pattern=f"{_TOPIC_LABEL}+")
        for name in ("telemServiceGroupId", "cmdServiceGroupId")
    ]
    found = [
        Supplement(
            f"{prefix}:Mqtt",
            frozenset({"Interface"}),
            versions,
            properties=declared("Mqtt", *topics, *(groups if number > "1" else [])),
        ),
        Supplement(f"{prefix}:Idempotent", frozenset({"Command"}), versions),
        Supplement(
            f"{prefix}:Cacheable",
            frozenset({"Command"}),
            versions,
            properties=declared("Cacheable", Literal("ttl", "duration", required=True)),
            needs=f"{prefix}:Idempotent",
        ),
        Supplement(
            f"{prefix}:Indexed",
            frozenset({"EnumValue", "Field", "Telemetry"}),
            versions,
            properties=declared("Indexed", Literal("index", "integer", required=True, minimum=1)),
        ),
    ]
    if number > "1":
        payloads = frozenset({"CommandRequest", "CommandResponse"})
        found.append(
            Supplement(f"{prefix}:Transparent", payloads, versions, schema_kinds=frozenset({"Object"}))
        )
    if number > "2":
        found += [
            Supplement(f"{prefix}:{name}", frozenset({kind}), versions, schema_kinds=schema)
            for name, kind, schema in (
                ("Error", "Object", None),
                ("ErrorMessage", "Field", frozenset({"String"})),
                ("ErrorResult", "Field", frozenset({"Object"})),
                ("NormalResult", "Field", SCHEMA),
                ("Result", "Object", None),
            )
        ]
    return found


def _central() -> list[Supplement]:
    v2 = frozenset({2})
    vector = frozenset({"dtmi:iotcentral:schema:vector;2"})
    places = {f"dtmi:standard:schema:geospatial:{name};2" for name in GEOMETRIES}
    prefix = "dtmi:iotcentral:class"

    def unit(kind: str) -> dict[str, Added]:
        return {
            "dtmi:dtdl:property:unit;2": UnitLink("unit", f"dtmi:standard:class:{kind};2", required=False)
        }

    return [
        Supplement(f"{prefix}:Event;2", _DATA, v2, schema_kinds=NUMERIC | {"String"}),
        Supplement(f"{prefix}:State;2", _DATA, v2, schema_kinds=frozenset({"Enum"})),
        Supplement(
            f"{prefix}:Location;2",
            _DATA,
            v2,
            schema_values=frozenset({*places, "dtmi:iotcentral:schema:geopoint;2"}),
        ),
        Supplement(
            f"{prefix}:AccelerationVector;2",
            _DATA,
            v2,
            properties=unit("AccelerationUnit"),
            schema_values=vector,
        ),
        Supplement(
            f"{prefix}:VelocityVector;2", _DATA, v2, properties=unit("VelocityUnit"), schema_values=vector
        ),
    ]
