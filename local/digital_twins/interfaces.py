"""DTDL documents to interfaces: what Azure Digital Twins makes of models, and refuses besides."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from local.digital_twins.dtdl import Element, Elements, Fault, InvalidDtdl, UnresolvedReferences, parse
from local.digital_twins.dtdl.metamodel import PRIMITIVES
from local.digital_twins.dtdl.standard import geometry_of
from local.digital_twins.jsontypes import Json
from local.digital_twins.schemas import Array, Enum, Geometry, Map, Object, Primitive, Schema

_TERMS = {kind: term for term, kind in PRIMITIVES.items()}
_DTMI_SYNTAX = (
    "a string that conforms to the DTMI syntax -- see https://github.com/Azure/digital-twin-model-identifier."
)
_REFUSED = ("ModelVersionNotSupported", "unrecognizedContextVersion")
"""The service's code for models in a version of DTDL that it does not take, and the parser's rule."""


class DtdlFault(ValueError):
    """Documents are no interfaces that Azure Digital Twins takes; the text names every place."""

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


def parse_interfaces(
    documents: Iterable[Json], stored: Callable[[Iterable[str]], list[Json]]
) -> list[Interface]:
    """The interfaces of one upload, in its order; DtdlFault with every fault.

    `stored` gives the documents of models uploaded before, which these may build on.
    """
    given = list(documents)
    try:
        elements = parse(given, resolve=stored)
    except InvalidDtdl as exc:
        code = next((_REFUSED[0] for fault in exc.faults if fault.rule == _REFUSED[1]), "DTDLParserError")
        raise DtdlFault(" ".join(dict.fromkeys(map(_words, exc.faults))), code) from exc
    except UnresolvedReferences as exc:
        raise DtdlFault(
            "; ".join(
                f"{source} refers to {target}, which is neither in this request nor uploaded: "
                "upload it first, or in the same request"
                for target, source in exc.missing.items()
            )
        ) from exc
    ids = [str(document["@id"]) for document in given if isinstance(document, dict)]
    if len(ids) < len(given):
        raise DtdlFault("A model is not a JSON object")
    _check_service(elements)
    return [_interface(elements, identifier) for identifier in ids]


def parse_interface(document: Json) -> Interface:
    """The interface that one document describes, whatever it refers to; DtdlFault with its faults."""
    if not isinstance(document, dict):
        raise DtdlFault("A model is not a JSON object")
    try:
        elements = parse([document], partial=True)
    except InvalidDtdl as exc:
        raise DtdlFault(" ".join(dict.fromkeys(map(_words, exc.faults)))) from exc
    return _interface(elements, str(document["@id"]))


def _words(fault: Fault) -> str:
    """A fault in the service's words where recorded answers show them, in the parser's otherwise."""
    match fault.rule:
        case "missingTopLevelId":
            return (
                "Top-level element requires an identifer but none provided. "
                f"Add an '@id' property whose value is {_DTMI_SYNTAX}"
            )
        case "invalidId":
            return f"Identifier '{fault.element}' is invalid. Replace the identifier with {_DTMI_SYNTAX}"
        case _:
            return f"{fault.message}."


def _check_service(elements: Elements) -> None:
    """What the service refuses though it is DTDL: commands, and interfaces written inside others."""
    faults: list[str] = []
    for element in elements.values():
        if element.kind == "Command":
            faults.append(f"{element.id}: Commands are not supported by Azure Digital Twins.")
        if element.kind == "Interface" and element.parent:
            faults.append(
                f"{element.id}: an interface written inside another is not supported; upload it apart."
            )
    if faults:
        raise DtdlFault(" ".join(faults))


def _interface(elements: Elements, identifier: str) -> Interface:
    element = elements[identifier]
    contents = [elements[dtmi] for dtmi in element.links.get("contents", ()) if dtmi in elements]

    def of(kind: str) -> list[Element]:
        return [content for content in contents if content.kind == kind]

    return Interface(
        id=identifier,
        display_name=_texts(element, "displayName"),
        description=_texts(element, "description"),
        extends=tuple(element.links.get("extends", ())),
        properties={part.name: _schema_of(elements, part) for part in of("Property")},
        components={part.name: str(part.link("schema")) for part in of("Component")},
        relationships={part.name: _relationship(elements, part) for part in of("Relationship")},
        telemetries=frozenset(part.name for part in of("Telemetry")),
    )


def _texts(element: Element, name: str) -> dict[str, str]:
    texts = element.values.get(name)
    return {language: str(text) for language, text in texts.items()} if isinstance(texts, dict) else {}


def _relationship(elements: Elements, element: Element) -> Relationship:
    target = element.values.get("target")
    parts = [elements[dtmi] for dtmi in element.links.get("properties", ())]
    return Relationship(
        str(target) if target is not None else None,
        {part.name: _schema_of(elements, part) for part in parts},
    )


def _schema_of(elements: Elements, element: Element) -> Schema:
    return schema_at(elements, str(element.link("schema")))


def schema_at(elements: Elements, dtmi: str) -> Schema:
    """The schema that an element of a sound model stands for; that has at most five levels."""
    geometry = geometry_of(dtmi)
    if geometry is not None:
        return Geometry(*geometry)
    element = elements[dtmi]

    def parts(name: str) -> list[Element]:
        return [elements[part] for part in element.links.get(name, ())]

    match element.kind:
        case "Array":
            return Array(schema_at(elements, str(element.link("elementSchema"))))
        case "Map":
            (value,) = parts("mapValue")
            return Map(_schema_of(elements, value))
        case "Object":
            return Object({part.name: _schema_of(elements, part) for part in parts("fields")})
        case "Enum":
            values = (part.values.get("enumValue") for part in parts("enumValues"))
            return Enum(frozenset(value for value in values if isinstance(value, str | int)))
        case kind:
            return Primitive(_TERMS[kind])
