"""References between elements: that they lead somewhere, and to what the property may have."""

from local.digital_twins.dtdl.elements import ElementReader
from local.digital_twins.dtdl.identifiers import RESERVED_PREFIXES
from local.digital_twins.dtdl.metamodel import Link
from local.digital_twins.dtdl.model import Element, Elements
from local.digital_twins.dtdl.properties import Reference
from local.digital_twins.dtdl.standard import standard_elements
from local.digital_twins.dtdl.supplements import UnitLink, supplements

_RESERVED = (*RESERVED_PREFIXES, "dtmi:iotcentral:")


def unresolved(reader: ElementReader) -> dict[str, str]:
    """Target -> first source, of references to elements that are neither read nor DTDL's own."""
    missing: dict[str, str] = {}
    for reference in reader.references:
        target = reference.target
        if target in reader.elements or target in standard_elements() or target.startswith(_RESERVED):
            continue
        missing.setdefault(target, reference.source)
    return missing


def check_references(reader: ElementReader) -> None:
    """Report every reference that is resolved, but not to what its property may have."""
    for reference in reader.references:
        target = reader.elements.get(reference.target) or standard_elements().get(reference.target)
        if target is None:
            if reference.target.startswith(_RESERVED):
                name = reference.link.name
                message = f"property '{name}' refers to {reference.target}, which DTDL does not define"
                reader.report("undefinedReservedId", reference.source, name, message)
            continue
        if target.id not in reader.elements:
            _adopt(target, reader.elements)
        match reference.link:
            case UnitLink() as link:
                _check_unit(reader, reference, link, target)
            case Link() as link:
                _check_link(reader, reference, link, target)
    _check_schemas(reader)


def _adopt(element: Element, elements: Elements) -> None:
    """Put an element of the language, and all it is made of, among those read."""
    elements[element.id] = element
    for inner in (dtmi for targets in element.links.values() for dtmi in targets):
        if inner not in elements:
            _adopt(standard_elements()[inner], elements)


def _check_unit(reader: ElementReader, reference: Reference, link: UnitLink, target: Element) -> None:
    if link.unit_type in (target.parent, *target.supplements):
        return
    rule = "wrongParent" if target.version > 2 else "notRequiredType"
    wanted = link.unit_type.rsplit(":", 1)[-1].partition(";")[0]
    reader.report(rule, reference.source, link.name, f"'{target.id}' is no unit of {wanted}")


def _check_link(reader: ElementReader, reference: Reference, link: Link, target: Element) -> None:
    source = reader.elements.get(reference.source)
    if source is None:
        return
    place = f"property '{link.name}' refers to {target.id}, which is"
    if target.kind not in link.kinds:
        kinds = " or ".join(sorted(link.kinds))
        reader.report("badType", source.id, link.name, f"{place} a {target.kind}, not {kinds}")
    elif target.context is not None and target.version not in link.versions:
        message = f"{place} defined in DTDL version {target.version}, not allowed here"
        reader.report("disallowedVersionReference", source.id, link.name, message)
    elif link.terms is not None and not any(
        target.id.endswith(f":{term};{target.version}") for term in link.terms
    ):
        terms = " or ".join(sorted(link.terms))
        reader.report("incorrectPropertyValue", source.id, link.name, f"{place} not {terms}")
    elif target.partition and target.kind != "Interface" and target.partition != source.partition:
        message = f"{place} nested within another interface, {target.partition}"
        reader.report("crossPartitionReference", source.id, link.name, message)


def _check_schemas(reader: ElementReader) -> None:
    """What semantic and adjunct types ask of the schema of the element that has them."""
    for element in list(reader.elements.values()):
        schema = reader.elements.get(element.link("schema") or "")
        if schema is None:
            continue
        for supplement in (supplements()[dtmi] for dtmi in element.supplements if dtmi in supplements()):
            wanted, values = supplement.schema_kinds, supplement.schema_values
            if wanted is not None and schema.kind not in wanted:
                names = " or ".join(sorted(wanted))
                message = f"type {supplement.name} needs a schema that is {names}, not {schema.kind}"
                reader.report("notRequiredType", element.id, "schema", message)
            if values is not None and schema.id not in values:
                names = " or ".join(sorted(values))
                message = f"type {supplement.name} needs a schema out of {names}"
                reader.report("notRequiredValue", element.id, "schema", message)
