"""The `@id` of an element: stated and sound, or generated from its parent's."""

from collections.abc import Callable

from local.digital_twins.dtdl.contexts import Context
from local.digital_twins.dtdl.identifiers import (
    ID_LIMIT,
    RESERVED_BY_CONTEXT,
    RESERVED_PREFIXES,
    generated_id,
    is_own_dtmi,
)
from local.digital_twins.dtdl.metamodel import Link
from local.digital_twins.dtdl.model import Element
from local.digital_twins.jsontypes import Json, JsonObject

type Report = Callable[[str, str, str, str], None]
"""Called with a rule, the element that breaks it, the property at fault, and a sentence about it."""


def read_identifier(
    document: JsonObject, link: Link, owner: Element | None, context: Context, report: Report
) -> str | None:
    """The identifier of an element that stands as a value of `link`; None after reporting why it has none."""
    place = owner.id if owner is not None else ""
    if "@id" not in document:
        if link.id_required or owner is None:
            report("missingRequiredId", place, link.name, f"an element of '{link.name}' needs an @id")
            return None
        return _generated(document, link, place, context, report)
    value = document["@id"]
    if not isinstance(value, str) or not value:
        report("idNotString", place, "@id", "an @id is no string, or empty")
        return None
    rule = _fault(value, context)
    if rule is None:
        return value
    message = (
        f"identifier '{value}' is invalid: it must be a DTMI of at most {ID_LIMIT} characters that does "
        f"not begin with {' or '.join(RESERVED_PREFIXES)}"
    )
    report(rule, value, "@id", message)
    return None


def _generated(document: JsonObject, link: Link, parent: str, context: Context, report: Report) -> str | None:
    if not link.many:
        return generated_id(parent, link.name, None)
    name: Json = document.get("name", document.get(f"dtmi:dtdl:property:name;{context.version}"))
    if isinstance(name, list) and len(name) == 1:
        name = name[0]
    if isinstance(name, dict):
        name = name.get("@value")
    if name is None and "name" not in document:
        rule, message = "missingDtmiSegPropertyValue", f"an element of '{link.name}' needs a name"
    elif isinstance(name, str | int):
        return generated_id(parent, link.name, str(name))
    else:
        rule = "dtmiSegPropertyNotStringOrNumber"
        message = f"an element of '{link.name}' has a name that is no string"
    report(rule, parent, link.name, message)
    return None


def _fault(value: str, context: Context) -> str | None:
    if not is_own_dtmi(value, context.version):
        return "invalidId"
    extensions = (RESERVED_BY_CONTEXT[e] for e in context.extensions if e in RESERVED_BY_CONTEXT)
    if value.startswith((*RESERVED_PREFIXES, *extensions)):
        return "reservedId"
    return "idTooLong" if len(value) > ID_LIMIT else None
