"""DTDL v2 and v3 documents to interfaces: as much structure as validating twins needs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from local.digital_twins.jsontypes import Json, JsonObject
from local.digital_twins.schemas import GEOMETRIES, PRIMITIVES, Array, Enum, Map, Object, Primitive, Schema

_CONTEXT = "dtmi:dtdl:context;"
_DTMI = re.compile(
    r"dtmi:[A-Za-z](?:[A-Za-z0-9_]*[A-Za-z0-9])?(?::[A-Za-z](?:[A-Za-z0-9_]*[A-Za-z0-9])?)*"
    r"(?:;[1-9]\d{0,8}(?:\.[1-9]\d{0,5})?)?",
    re.ASCII,
)
_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9_]*[A-Za-z0-9])?", re.ASCII)
_NAME_LIMIT = {2: 64, 3: 512}
_EXTENDS_LIMIT = {2: 2, 3: 1024}
_CONTENTS_LIMIT = {2: 300, 3: 100_000}
_ID_LIMIT = 128
_SCHEMA_DEPTH = 5
_KINDS = ("Property", "Telemetry", "Relationship", "Component", "Command")
_DESCRIBED = {"@id", "@type", "comment", "description", "displayName"}
_KEYS = {
    "Interface": _DESCRIBED | {"@context", "contents", "extends", "schemas"},
    "Property": _DESCRIBED | {"name", "schema", "unit", "writable"},
    "Telemetry": _DESCRIBED | {"name", "schema", "unit"},
    "Component": _DESCRIBED | {"name", "schema"},
    "Relationship": _DESCRIBED
    | {"name", "target", "properties", "writable", "minMultiplicity", "maxMultiplicity"},
}


class DtdlFault(ValueError):
    """A document is no interface that Azure Digital Twins takes; the text names the place."""

    def __init__(self, cause: str, code: str = "DTDLParserError") -> None:
        super().__init__(cause)
        self.code = code


@dataclass(frozen=True, slots=True)
class Relationship:
    target: str | None
    properties: Mapping[str, Schema]


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface. As parsed it holds its own contents; resolved, also what it inherits."""

    id: str
    display_name: dict[str, str]
    description: dict[str, str]
    extends: tuple[str, ...]
    properties: Mapping[str, Schema]
    components: Mapping[str, str]
    relationships: Mapping[str, Relationship]
    telemetries: frozenset[str]

    def kind_of(self, name: str) -> str | None:
        """What `name` is in this interface: Property, Component, Relationship, Telemetry or None."""
        named = {
            "Property": self.properties,
            "Component": self.components,
            "Relationship": self.relationships,
            "Telemetry": self.telemetries,
        }
        return next((kind for kind, names in named.items() if name in names), None)

    def names(self) -> Iterator[str]:
        yield from (*self.properties, *self.components, *self.relationships, *self.telemetries)


def is_dtmi(text: str) -> bool:
    """Whether `text` is a DTMI that a user may give to an interface.

    >>> is_dtmi("dtmi:millwright:Machine;1"), is_dtmi("dtmi:1st;1")
    (True, False)
    """
    return _DTMI.fullmatch(text) is not None


def parse_interface(document: Json) -> Interface:
    """The interface that one model document describes. DtdlFault says what is wrong with it."""
    if not isinstance(document, dict):
        raise DtdlFault("A model is not a JSON object")
    identifier = document.get("@id")
    if not isinstance(identifier, str):
        raise DtdlFault(
            "Top-level element requires an identifer but none provided. Add an '@id' property whose value is "
            "a string that conforms to the DTMI syntax -- see "
            "https://github.com/Azure/digital-twin-model-identifier."
        )
    if not is_dtmi(identifier) or len(identifier) > _ID_LIMIT:
        raise DtdlFault(
            f"Identifier '{identifier}' is invalid. Replace the identifier with a string that conforms to "
            "the DTMI syntax -- see https://github.com/Azure/digital-twin-model-identifier."
        )
    return _Parser(identifier, document).interface()


def _list(value: Json) -> list[Json]:
    """DTDL lets a single value stand for a list of one."""
    return [] if value is None else value if isinstance(value, list) else [value]


def _texts(value: Json) -> dict[str, str]:
    """A localisable string: by language, plain ones are English."""
    if isinstance(value, str):
        return {"en": value}
    if isinstance(value, dict):
        return {language: text for language, text in value.items() if isinstance(text, str)}
    return {}


class _Parser:
    """One document's pass; remembers what later parts refer to: version, local schemas."""

    def __init__(self, identifier: str, document: JsonObject) -> None:
        self._id = identifier
        self._document = document
        self._version, self._extended = self._context()
        self._local: dict[str, JsonObject] = {}

    def interface(self) -> Interface:
        document = self._document
        if self._kinds(document) != ["Interface"]:
            raise DtdlFault(f"{self._id}: the top-level element must be of @type 'Interface'")
        self._check_keys(document, "Interface", self._id)
        for schema in _list(document.get("schemas")):
            if isinstance(schema, dict) and isinstance(schema.get("@id"), str):
                self._local[str(schema["@id"])] = schema
        contents = _list(document.get("contents"))
        if len(contents) > _CONTENTS_LIMIT[self._version]:
            raise DtdlFault(f"{self._id} has more than {_CONTENTS_LIMIT[self._version]} contents")
        properties: dict[str, Schema] = {}
        components: dict[str, str] = {}
        relationships: dict[str, Relationship] = {}
        telemetries: set[str] = set()
        seen: set[str] = set()
        for content in contents:
            kind, name, element = self._content(content)
            if name in seen:
                raise DtdlFault(
                    f"{self._id}'s property 'contents' contains more than one element whose property 'name' "
                    f"has value '{name}'. Change the value of property 'name' to a string value that is "
                    "unique across all values of 'contents'."
                )
            seen.add(name)
            place = f"{self._id}/{name}"
            match kind:
                case "Property":
                    properties[name] = self._schema(element.get("schema"), place, telemetry=False)
                case "Telemetry":
                    self._schema(element.get("schema"), place, telemetry=True)
                    telemetries.add(name)
                case "Component":
                    components[name] = self._reference(element.get("schema"), f"{place}'s schema")
                case _:
                    relationships[name] = self._relationship(element, place)
        return Interface(
            id=self._id,
            display_name=_texts(document.get("displayName")),
            description=_texts(document.get("description")),
            extends=self._extends(),
            properties=properties,
            components=components,
            relationships=relationships,
            telemetries=frozenset(telemetries),
        )

    def _context(self) -> tuple[int, bool]:
        """DTDL version, and whether extensions other than quantitative types may add keys."""
        contexts = [c for c in _list(self._document.get("@context")) if isinstance(c, str)]
        if not contexts or not contexts[0].startswith(_CONTEXT):
            raise DtdlFault(f"{self._id}: @context must start with a DTDL context such as '{_CONTEXT}3'")
        version = contexts[0].removeprefix(_CONTEXT)
        if version not in ("2", "3"):
            raise DtdlFault(
                f"{self._id}: DTDL version {version} is not supported", "ModelVersionNotSupported"
            )
        others = [c for c in contexts[1:] if not c.startswith("dtmi:dtdl:extension:quantitativeTypes;")]
        return int(version), bool(others)

    def _kinds(self, element: JsonObject) -> list[str]:
        return [t for t in _list(element.get("@type")) if isinstance(t, str) and t in (*_KINDS, "Interface")]

    def _content(self, content: Json) -> tuple[str, str, JsonObject]:
        if not isinstance(content, dict):
            raise DtdlFault(f"{self._id}: an element of 'contents' is not an object")
        kinds = self._kinds(content)
        if len(kinds) != 1:
            raise DtdlFault(
                f"{self._id}: an element of 'contents' needs one @type of {', '.join(_KINDS[:-1])}"
            )
        name = self._name(content.get("name"), self._id)
        if kinds[0] == "Command":
            raise DtdlFault(f"{self._id}/{name}: Commands are not supported by Azure Digital Twins")
        self._check_keys(content, kinds[0], f"{self._id}/{name}")
        return kinds[0], name, content

    def _name(self, name: Json, place: str) -> str:
        limit = _NAME_LIMIT[self._version]
        if not isinstance(name, str) or len(name) > limit or not _NAME.fullmatch(name):
            raise DtdlFault(
                f"{place} has property 'name' with value '{name}', which does not match the required "
                f"pattern. A name has at most {limit} letters, digits and _, a letter first."
            )
        return name

    def _check_keys(self, element: JsonObject, kind: str, place: str) -> None:
        unknown = sorted(set(element) - _KEYS[kind])
        if unknown and not self._extended:
            raise DtdlFault(f"{place} has property '{unknown[0]}', which is unrecognized for @type {kind}")

    def _extends(self) -> tuple[str, ...]:
        bases = tuple(
            self._reference(base, f"{self._id}'s extends") for base in _list(self._document.get("extends"))
        )
        if len(bases) > _EXTENDS_LIMIT[self._version]:
            raise DtdlFault(f"{self._id} extends more than {_EXTENDS_LIMIT[self._version]} interfaces")
        return bases

    def _reference(self, value: Json, place: str) -> str:
        if isinstance(value, dict):
            raise DtdlFault(f"{place}: an interface written inside another is not supported")
        if not isinstance(value, str) or not is_dtmi(value):
            raise DtdlFault(f"{place} must be the DTMI of an interface")
        return value

    def _relationship(self, element: JsonObject, place: str) -> Relationship:
        target = element.get("target")
        properties: dict[str, Schema] = {}
        for part in _list(element.get("properties")):
            if not isinstance(part, dict) or self._kinds(part) != ["Property"]:
                raise DtdlFault(f"{place}: an element of 'properties' is not a Property")
            name = self._name(part.get("name"), place)
            self._check_keys(part, "Property", f"{place}/{name}")
            if name in properties:
                raise DtdlFault(f"{place} has more than one property of the name '{name}'")
            properties[name] = self._schema(part.get("schema"), f"{place}/{name}", telemetry=False)
        return Relationship(
            None if target is None else self._reference(target, f"{place}'s target"), properties
        )

    def _schema(self, value: Json, place: str, *, telemetry: bool, depth: int = 0) -> Schema:
        if depth > _SCHEMA_DEPTH:
            raise DtdlFault(f"{place}: schemas are nested more than {_SCHEMA_DEPTH} deep")
        if isinstance(value, str) and value in self._local:
            value = self._local[value]
        if isinstance(value, str):
            short = value.removeprefix("dtmi:dtdl:instance:Schema:").partition(";")[0]
            if short in PRIMITIVES:
                return Primitive(short)
            if short in GEOMETRIES:
                return GEOMETRIES[short]
            raise DtdlFault(f"{place} has schema '{value}', which is neither a DTDL schema nor declared here")
        if not isinstance(value, dict):
            raise DtdlFault(f"{place} has no schema")
        kind = next((k for k in _list(value.get("@type")) if k in ("Array", "Enum", "Map", "Object")), None)
        match kind:
            case "Enum":
                return self._enum(value, place)
            case "Map":
                part = value.get("mapValue")
                inner = part.get("schema") if isinstance(part, dict) else None
                return Map(self._schema(inner, f"{place}/mapValue", telemetry=telemetry, depth=depth + 1))
            case "Object":
                return Object(self._fields(value, place, telemetry=telemetry, depth=depth + 1))
            case "Array":
                if self._version == 2 and not telemetry:
                    raise DtdlFault(f"{place}: an Array is not allowed in a Property of DTDL v2")
                inner = value.get("elementSchema")
                return Array(self._schema(inner, f"{place}/element", telemetry=telemetry, depth=depth + 1))
            case _:
                raise DtdlFault(f"{place}: a schema's @type must be Array, Enum, Map or Object")

    def _fields(self, value: JsonObject, place: str, *, telemetry: bool, depth: int) -> dict[str, Schema]:
        fields: dict[str, Schema] = {}
        for part in _list(value.get("fields")):
            if not isinstance(part, dict):
                raise DtdlFault(f"{place}: a field is not an object")
            name = self._name(part.get("name"), place)
            if name in fields:
                raise DtdlFault(f"{place} has more than one field of the name '{name}'")
            fields[name] = self._schema(
                part.get("schema"), f"{place}/{name}", telemetry=telemetry, depth=depth
            )
        return fields

    def _enum(self, value: JsonObject, place: str) -> Enum:
        of = {"integer": int, "string": str}.get(str(value.get("valueSchema")))
        if of is None:
            raise DtdlFault(f"{place}: an Enum's valueSchema must be integer or string")
        values: set[str | int] = set()
        for part in _list(value.get("enumValues")):
            member = part.get("enumValue") if isinstance(part, dict) else None
            if not isinstance(member, of) or isinstance(member, bool) or member in values:
                raise DtdlFault(f"{place}: enum values must be different {value.get('valueSchema')}s")
            values.add(member)
        return Enum(frozenset(values))
