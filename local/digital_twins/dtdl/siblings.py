"""Annotations and overrides: elements that speak about another content of the same interface."""

from collections.abc import Iterator

from local.digital_twins.dtdl.elements import ElementReader
from local.digital_twins.dtdl.model import Element, ancestors
from local.digital_twins.dtdl.supplements import supplements


def check_siblings(reader: ElementReader) -> None:
    """Report annotations of what is no Property or Telemetry, and overrides of what cannot be overridden."""
    for interface in [e for e in reader.elements.values() if e.kind == "Interface"]:
        contents = {part.name: part for part in _contents(reader, interface)}
        overridden: set[tuple[str, str]] = set()
        for part in [p for p in contents.values() if p.values.get("annotates")]:
            _check_annotation(reader, part, contents)
        for part in [p for p in contents.values() if p.values.get("overrides")]:
            pair = (str(part.values.get("annotates")), str(part.values["overrides"]))
            if pair in overridden:
                message = f"more than one of its contents overrides '{_term(pair[1])}' of '{pair[0]}'"
                reader.report("multipleReference", interface.id, "contents", message)
            overridden.add(pair)
            _check_override(reader, part, contents)


def _own(reader: ElementReader, interface: Element) -> Iterator[Element]:
    for dtmi in interface.links.get("contents", ()):
        if dtmi in reader.elements:
            yield reader.elements[dtmi]


def _contents(reader: ElementReader, interface: Element) -> Iterator[Element]:
    for dtmi in (*reversed([*ancestors(reader.elements, interface.id)]), interface.id):
        yield from _own(reader, reader.elements[dtmi])


def _term(dtmi: str) -> str:
    return dtmi.rsplit(":", 1)[-1].partition(";")[0]


def _check_annotation(reader: ElementReader, part: Element, contents: dict[str, Element]) -> None:
    name = str(part.values["annotates"])
    sibling = contents.get(name)
    if sibling is None:
        return
    if sibling.kind not in ("Property", "Telemetry"):
        message = f"'annotates' names '{name}', a {sibling.kind}, but must name a Property or Telemetry"
        reader.report("notSiblingRequiredType", part.id, "annotates", message)
    elif any(supplements()[dtmi].annotates for dtmi in sibling.supplements if dtmi in supplements()):
        message = f"'annotates' names '{name}', which is an annotation itself"
        reader.report("disallowedType", part.id, "annotates", message)


def _check_override(reader: ElementReader, part: Element, contents: dict[str, Element]) -> None:
    """An override's schema is the type of the property that it overrides."""
    sibling = contents.get(str(part.values.get("annotates")))
    if sibling is None:
        return
    target = str(part.values["overrides"])
    own = [supplements()[dtmi] for dtmi in sibling.supplements if dtmi in supplements()]
    added = next((s.properties[target] for s in own if target in s.properties), None)
    if added is None:
        language = target.startswith("dtmi:dtdl:property:") and _term(target) in (
            *sibling.values,
            *sibling.links,
        )
        rule = "matchingPropertyNotSupplemental" if language else "noMatchingSupplementalProperty"
        message = f"'overrides' names '{_term(target)}', which no semantic type of '{sibling.name}' adds"
        reader.report(rule, part.id, "overrides", message)
        return
    value = sibling.link(added.name)
    unit = reader.elements.get(value or "")
    schema = part.link("schema")
    if unit is not None and schema is not None and unit.parent != schema:
        message = f"its schema must be the type of '{_term(target)}' of '{sibling.name}'"
        reader.report("siblingPropertyMismatch", part.id, "schema", message)
