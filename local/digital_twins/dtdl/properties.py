"""The properties of an element: those of its kind, those its types add, and unknown ones."""

from collections.abc import Callable
from dataclasses import dataclass

from local.digital_twins.dtdl.contexts import Context
from local.digital_twins.dtdl.element_types import Types
from local.digital_twins.dtdl.identifiers import is_dtmi, is_own_dtmi
from local.digital_twins.dtdl.identities import Report
from local.digital_twins.dtdl.literals import flat, read_literal
from local.digital_twins.dtdl.metamodel import Declared, Link, Literal, kinds
from local.digital_twins.dtdl.model import Element
from local.digital_twins.dtdl.standard import standard_elements
from local.digital_twins.dtdl.supplements import TermLink, UnitLink
from local.digital_twins.jsontypes import Json, JsonObject

_LANGUAGE_PROPERTY = "dtmi:dtdl:property:"

type ReadChild = Callable[[Link, JsonObject, Element, Context], str | None]
"""Reads an element written in place; its identifier, or None after reporting why there is none."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A value that names an element instead of writing it."""

    source: str
    link: Link | UnitLink
    target: str


class PropertyReader:
    """Fills elements with the properties of documents, and collects what they refer to."""

    def __init__(self, report: Report, child: ReadChild) -> None:
        self.references: list[Reference] = []
        self._report = report
        self._child = child

    def read(self, document: JsonObject, element: Element, types: Types, context: Context) -> None:
        declared = kinds(context.version)[types.kind]
        seen: set[str] = set()
        for key, value in document.items():
            if key.startswith("@"):
                continue
            dtmi = key if ":" in key else context.dtmi(key)
            name = _language_property(dtmi, declared, context.version)
            wanted = declared[name] if name is not None else types.added(dtmi)
            if wanted is None:
                self._undefined(key, dtmi, element, types, context)
            elif wanted.name in seen:
                message = f"property '{wanted.name}' occurs twice"
                self._report("duplicatePropertyName", element.id, wanted.name, message)
            else:
                seen.add(wanted.name)
                self._property(wanted, value, element, context)
        self._required(seen, element, types, context)

    def _required(self, seen: set[str], element: Element, types: Types, context: Context) -> None:
        for name, wanted in kinds(context.version)[types.kind].items():
            if wanted.required and name not in seen:
                rule = "missingLiteralProperty" if isinstance(wanted, Literal) else "missingObjectProperty"
                self._report(rule, element.id, name, f"property '{name}' is required, but missing")
        for supplement in types.supplements:
            for added in supplement.properties.values():
                if added.required and added.name not in seen:
                    form = "Literal" if isinstance(added, Literal) else "Object"
                    rule = f"missingSupplemental{form}Property"
                    message = f"property '{added.name}' is required by type {supplement.name}, but missing"
                    self._report(rule, element.id, added.name, message)

    def _undefined(
        self, key: str, dtmi: str | None, element: Element, types: Types, context: Context
    ) -> None:
        """A property that no known type has: fine where an unknown type may have it, a fault elsewhere."""
        if types.opaque and context.version == 2:
            return
        if context.version == 2:
            rule = "noTypeThatAllows" if types.stated else "inferredTypeDoesNotAllow"
        elif ":" in key and not key.startswith("dtmi:"):
            rule = "propertyNotDtmiNorTerm"
        elif ":" in key and not is_dtmi(key):
            rule = "propertyInvalidDtmi"
        elif types.opaque and not context.complete:
            return
        else:
            rule = "propertyUndefinedTerm" if dtmi is None else "propertyIrrelevantDtmiOrTerm"
        message = f"property '{key}' does not belong to {types.kind} in DTDL v{context.version}"
        self._report(rule, element.id, key, message)

    def _property(
        self, declared: Declared | UnitLink | TermLink, value: Json, element: Element, context: Context
    ) -> None:
        match declared:
            case Literal():

                def report(rule: str, message: str) -> None:
                    self._report(rule, element.id, declared.name, message)

                plain = read_literal(declared, value, context.version, report)
                if plain is not None:
                    element.values[declared.name] = plain
            case Link():
                self._link(declared, value, element, context)
            case UnitLink():
                self._unit(declared, value, element, context)
            case TermLink() if isinstance(value, str):
                element.values[declared.name] = context.dtmi(value) or value
            case TermLink():
                message = f"property '{declared.name}' has a value that is no string"
                self._report("identifierNotString", element.id, declared.name, message)

    def _link(self, link: Link, value: Json, element: Element, context: Context) -> None:
        values = flat(value)
        place = f"property '{link.name}' has"
        found: list[str] = []
        for item in values:
            target: str | None = None
            match item:
                case None:
                    self._report("propertyValueNull", element.id, link.name, f"{place} value null")
                case str():
                    target = self._refer(link, item, element, context)
                case dict():
                    target = self._child(link, item, element, context)
                case _:
                    message = f"{place} a value that is neither a string nor an object"
                    self._report("refNotStringOrObject", element.id, link.name, message)
            if target is not None:
                found.append(target)
        element.links[link.name] = found
        if not link.many and len(values) > 1:
            self._report("objectMultipleValues", element.id, link.name, f"{place} multiple values")
        elif link.max_count is not None and len(values) > link.max_count:
            message = f"{place} more than {link.max_count} values"
            self._report("objectCountAboveMax", element.id, link.name, message)
        elif link.required and not found:
            self._report("objectCountBelowMin", element.id, link.name, f"{place} no sound value")

    def _unit(self, link: UnitLink, value: Json, element: Element, context: Context) -> None:
        values = flat(value)
        if len(values) > 1:
            message = f"property '{link.name}' has multiple values"
            self._report("objectMultipleValues", element.id, link.name, message)
            return
        item: Json = values[0] if values else None
        if isinstance(item, str):
            target = self._refer(link, item, element, context)
            if target is not None:
                element.links[link.name] = [target]
            return
        rule = "refObjectNotAllowed" if isinstance(item, dict) else "objectCountBelowMin"
        self._report(rule, element.id, link.name, f"property '{link.name}' needs the name of a unit")

    def _refer(self, link: Link | UnitLink, text: str, element: Element, context: Context) -> str | None:
        target = context.dtmi(text)
        place = f"property '{link.name}' has value '{text}', which is"
        if target is not None and target not in standard_elements():
            self._report("badType", element.id, link.name, f"{place} no element")
            return None
        if target is None and not is_own_dtmi(text, context.version):
            message = f"{place} neither a DTMI reference nor a term of DTDL v{context.version}"
            self._report("badDtmiOrTerm", element.id, link.name, message)
            return None
        self.references.append(Reference(element.id, link, target or text))
        return target or text


def _language_property(dtmi: str | None, declared: dict[str, Declared], version: int) -> str | None:
    """The property of the language that a DTMI stands for, when the element's kind has it."""
    if dtmi is None or not dtmi.startswith(_LANGUAGE_PROPERTY):
        return None
    name, _, number = dtmi.removeprefix(_LANGUAGE_PROPERTY).partition(";")
    return name if number == str(version) and name in declared else None
