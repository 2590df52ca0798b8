"""Documents to elements, one set of all documents, with every fault on the way."""

import json
from collections.abc import Iterable

from local.digital_twins.dtdl.contexts import Context, read_context
from local.digital_twins.dtdl.element_types import read_types
from local.digital_twins.dtdl.faults import Fault
from local.digital_twins.dtdl.identifiers import INTERFACE_ID_LIMIT
from local.digital_twins.dtdl.identities import read_identifier
from local.digital_twins.dtdl.metamodel import Link
from local.digital_twins.dtdl.model import Element, Elements
from local.digital_twins.dtdl.properties import PropertyReader, Reference
from local.digital_twins.jsontypes import Json, JsonObject

_TOP = Link("", frozenset({"Interface"}), required=True, id_required=True, versions=frozenset({2, 3}))
_INTERFACE_LIMIT_BYTES = 1024 * 1024
_KEYWORDS = ("@context", "@graph", "@id", "@type")


class ElementReader:
    """Reads documents into one set of elements; what refers to what is checked later."""

    def __init__(self, *, undefined_extensions: bool | None) -> None:
        self.elements: Elements = {}
        self.faults: list[Fault] = []
        self._undefined_extensions = undefined_extensions
        self._properties = PropertyReader(self.report, self._child)

    @property
    def references(self) -> list[Reference]:
        return self._properties.references

    def report(self, rule: str, element: str, name: str, message: str) -> None:
        self.faults.append(Fault(rule, element, name, f"{element or 'A document'}: {message}"))

    def read(self, document: Json) -> None:
        """Read one top-level document: an Interface, or an array of them."""
        if isinstance(document, list):
            for item in document:
                self.read(item)
            return
        if not isinstance(document, dict):
            self.report("notJsonObject", "", "", "it is no JSON object")
            return
        own = document.get("@id")
        place = own if isinstance(own, str) else ""
        if "@context" not in document:
            self.report("missingContext", place, "@context", "@context is missing")
            return
        if "@graph" in document:
            self.report("topLevelGraphDisallowed", place, "@graph", "@graph is not allowed")
            return
        context = self._context(document, None, place)
        if context is None:
            return
        if context.version > 2 and (keyword := _stray_keyword(document)) is not None:
            self.report("topLevelKeywordDisallowed", place, keyword, f"{keyword} is not allowed")
        elif "@id" not in document:
            self.report("missingTopLevelId", "", "@id", "a top-level element needs an '@id' that is a DTMI")
        elif context.version > 2 and len(json.dumps(document)) > _INTERFACE_LIMIT_BYTES:
            message = f"it is larger than {_INTERFACE_LIMIT_BYTES} bytes"
            self.report("partitionTooLarge", place, "", message)
        else:
            self._element(document, _TOP, None, context)

    def _context(self, document: JsonObject, outer: Context | None, place: str) -> Context | None:
        if "@context" not in document:
            return outer

        def report(rule: str, message: str) -> None:
            self.report(rule, place, "@context", message)

        tolerant = self._undefined_extensions
        return read_context(document["@context"], outer, report, undefined_extensions=tolerant)

    def _child(self, link: Link, document: JsonObject, owner: Element, context: Context) -> str | None:
        """Read an element written as a value of `link`; its identifier, or None after reporting why not."""
        inner = self._context(document, context, owner.id)
        if inner is None:
            return None
        place = f"property '{link.name}' has a value"
        if inner.version not in link.versions:
            message = f"{place} in DTDL version {inner.version}, which is not allowed here"
            self.report("disallowedVersionDefinition", owner.id, link.name, message)
        elif len(document) == 1 and "@id" in document:
            self.report("idReference", owner.id, link.name, f"{place} that refers by '@id'; use a string")
        elif "@graph" in document:
            self.report("graphDisallowed", owner.id, link.name, f"{place} with '@graph'")
        elif inner.version > 2 and (keyword := _stray_keyword(document)) is not None:
            self.report("keywordDisallowed", owner.id, link.name, f"{place} with '{keyword}'")
        else:
            return self._element(document, link, owner, inner)
        return None

    def _element(
        self, document: JsonObject, link: Link, owner: Element | None, context: Context
    ) -> str | None:
        identifier = read_identifier(document, link, owner, context, self.report)
        if identifier is None:
            return None

        def report(rule: str, message: str) -> None:
            self.report(rule, identifier, "@type", message)

        types = read_types(document, link, context, report)
        if owner is None and types is None:
            report("typeNotRootable", "a top-level element must have @type Interface")
        if types is None:
            return None
        is_interface = types.kind == "Interface"
        if is_interface and len(identifier) > INTERFACE_ID_LIMIT:
            message = f"its identifier is longer than {INTERFACE_ID_LIMIT} characters"
            self.report("idTooLongForType", identifier, "@id", message)
        if identifier in self.elements:
            rule = "duplicateDefinition" if "@id" in document or not link.many else "nonUniquePropertyValue"
            self.report(rule, identifier, "@id", "it is defined more than once")
            return None
        element = Element(
            identifier,
            types.kind,
            context.version,
            parent=owner.id if owner is not None else "",
            partition=identifier if is_interface or owner is None else owner.partition,
            context=context,
            supplements=[supplement.id for supplement in types.supplements],
        )
        self.elements[identifier] = element
        self._properties.read(document, element, types, context)
        return identifier


def _stray_keyword(document: Iterable[str]) -> str | None:
    return next((key for key in document if key.startswith("@") and key not in _KEYWORDS), None)
