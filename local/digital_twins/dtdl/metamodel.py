"""The language itself: kinds of elements, their properties, and what v2 and v3 each allow.

Limits are those of the DTDL v2 and v3 language descriptions. None means no limit of its own.
"""

from dataclasses import dataclass
from functools import cache

PRIMITIVES = {
    "boolean": "Boolean",
    "date": "Date",
    "dateTime": "DateTime",
    "double": "Double",
    "duration": "Duration",
    "float": "Float",
    "integer": "Integer",
    "long": "Long",
    "string": "String",
    "time": "Time",
}
"""Term -> kind of the schema it names."""
NUMERIC = frozenset({"Double", "Float", "Integer", "Long"})
COMPLEX = frozenset({"Array", "Enum", "Map", "Object"})
SCHEMA = COMPLEX | frozenset(PRIMITIVES.values())
CONTENT = frozenset({"Command", "Component", "Property", "Relationship", "Telemetry"})
ABSTRACT = frozenset(
    {
        "ComplexSchema",
        "Content",
        "Entity",
        "LatentType",
        "NamedEntity",
        "NamedLatentType",
        "NumericSchema",
        "PrimitiveSchema",
        "Schema",
        "SchemaField",
        "TemporalSchema",
        "Unit",
        "UnitAttribute",
    }
)
"""Kinds that no element can be, though their names are words of the language."""
WRITABLE = (
    CONTENT
    | COMPLEX
    | {"Interface", "CommandPayload", "CommandRequest", "CommandResponse"}
    | {"EnumValue", "Field", "MapKey", "MapValue"}
)
"""Kinds that a document can write; it can only refer to the others, by the terms that DTDL defines."""
NAME_PATTERN = r"[A-Za-z](?:[A-Za-z0-9_]*[A-Za-z0-9])?"


@dataclass(frozen=True, slots=True)
class Literal:
    """A property whose value is text, a number or a truth value."""

    name: str
    datatype: str
    """string, langString, boolean, integer, untyped or identifier."""
    required: bool = False
    max_length: int | None = None
    pattern: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    exactly: int | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A property whose values are elements, written in place or referred to."""

    name: str
    kinds: frozenset[str]
    required: bool = False
    many: bool = False
    max_count: int | None = None
    id_required: bool = False
    """Elements written in place must have an @id."""
    inferred: str | None = None
    """The kind of an element in place that has no @type; None when it must have one."""
    terms: frozenset[str] | None = None
    """The only values allowed, where not every element of the kind is."""
    versions: frozenset[int] = frozenset({2})
    """Versions of DTDL in which the values may be defined."""
    unique: tuple[str, ...] = ()
    """Properties that must differ among the values; the first one also names them in generated ids."""


type Declared = Literal | Link


@cache
def kinds(version: int) -> dict[str, dict[str, Declared]]:
    """Every kind of element that can be written, with its properties by name."""
    both = frozenset({2, 3}) if version == 3 else frozenset({2})
    own = frozenset({version})
    name = Literal(
        "name", "string", required=True, max_length=64 if version == 2 else 512, pattern=NAME_PATTERN
    )
    schema = Link("schema", SCHEMA, required=True, versions=both)
    described: list[Declared] = [
        Literal("comment", "string", max_length=512),
        Literal("description", "langString", max_length=512),
        Literal("displayName", "langString", max_length=64 if version == 2 else 512),
    ]
    named: list[Declared] = [*described, name]
    writable = Literal("writable", "boolean")

    def limit(count: int) -> int | None:
        return count if version == 2 else None

    def payload(link: str, v3: str) -> Link:
        kind = "CommandPayload" if version == 2 else v3
        return Link(link, frozenset({kind}), inferred=kind, versions=own)

    payloads = ["CommandPayload"] if version == 2 else ["CommandRequest", "CommandResponse"]
    found: dict[str, list[Declared]] = {
        "Interface": [
            *described,
            Link("contents", CONTENT, many=True, max_count=limit(300), versions=both, unique=("name",)),
            Link(
                "extends",
                frozenset({"Interface"}),
                many=True,
                max_count=limit(2),
                id_required=True,
                versions=both,
            ),
            Link("schemas", COMPLEX, many=True, id_required=True, versions=own),
        ],
        "Telemetry": [*named, schema],
        "Property": [*named, schema, writable],
        "Component": [
            *named,
            Link("schema", frozenset({"Interface"}), required=True, id_required=True, versions=both),
        ],
        "Relationship": [
            *named,
            writable,
            Literal("maxMultiplicity", "integer", minimum=1, maximum=limit(500)),
            Literal("minMultiplicity", "integer", exactly=0),
            Literal("target", "identifier"),
            Link(
                "properties",
                frozenset({"Property"}),
                many=True,
                max_count=limit(300),
                versions=both,
                unique=("name",),
            ),
        ],
        "Command": [
            *named,
            Link(
                "commandType",
                frozenset({"CommandType"}),
                terms=frozenset({"asynchronous", "synchronous"}),
                versions=own,
            ),
            payload("request", "CommandRequest"),
            payload("response", "CommandResponse"),
        ],
        **{kind: [*named, schema] for kind in payloads},
        "Array": [*described, Link("elementSchema", SCHEMA, required=True, versions=both)],
        "Enum": [
            *described,
            Link(
                "enumValues",
                frozenset({"EnumValue"}),
                required=version == 2,
                many=True,
                max_count=limit(100),
                inferred="EnumValue",
                versions=own,
                unique=("name", "enumValue"),
            ),
            Link(
                "valueSchema",
                frozenset(PRIMITIVES.values()),
                required=True,
                id_required=True,
                terms=frozenset({"integer", "string"}),
                versions=both,
            ),
        ],
        "EnumValue": [*named, Literal("enumValue", "untyped", required=True)],
        "Map": [
            *described,
            Link("mapKey", frozenset({"MapKey"}), required=True, inferred="MapKey", versions=own),
            Link("mapValue", frozenset({"MapValue"}), required=True, inferred="MapValue", versions=own),
        ],
        "MapKey": [
            *named,
            Link(
                "schema",
                frozenset({"String"}),
                required=True,
                id_required=True,
                terms=frozenset({"string"}),
                versions=both,
            ),
        ],
        "MapValue": [*named, schema],
        "Object": [
            *described,
            Link(
                "fields",
                frozenset({"Field"}),
                required=version == 2,
                many=True,
                max_count=limit(30),
                inferred="Field",
                versions=own,
                unique=("name",),
            ),
        ],
        "Field": [*named, schema],
        "CommandType": described,
        **dict.fromkeys(PRIMITIVES.values(), described),
    }
    return {kind: {declared.name: declared for declared in properties} for kind, properties in found.items()}
