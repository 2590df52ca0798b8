"""Rules about many elements together: depth, recursion, counts, unique names, what excludes what."""

from collections import Counter
from functools import cache

from local.digital_twins.dtdl.elements import ElementReader
from local.digital_twins.dtdl.metamodel import COMPLEX, Link, kinds
from local.digital_twins.dtdl.model import Element, Elements, ancestors

SCHEMA_DEPTH = 5
"""Schemas within schemas."""
EXTENDS_DEPTH = 10
HIERARCHY_LIMIT = 1024
"""Interfaces that one interface of v3 may build on."""
CONTENTS_LIMIT = 100_000
"""Elements in the hierarchy of one interface of v3."""
_COUNTED = ("schema", "elementSchema")


def check_structure(reader: ElementReader) -> None:
    """Report every element that breaks one of these rules."""
    written = [element for element in reader.elements.values() if element.context is not None]
    sizes = Counter(element.partition for element in written)
    for element in written:
        _check_unique(reader, element)
        if element.kind in COMPLEX:
            _check_depth(reader, element)
        if element.kind == "Enum":
            _check_enum(reader, element)
        if (
            element.kind == "Property"
            and element.version == 2
            and _contains(reader.elements, element, "Array")
        ):
            reader.report(
                "excludedType",
                element.id,
                "schema",
                "a Property's schema must not contain an Array in DTDL v2",
            )
        if element.kind == "Component":
            _check_component(reader, element)
        if element.kind == "Interface":
            _check_hierarchy(reader, element, sizes)


@cache
def _unique_links(kind: str, version: int) -> tuple[Link, ...]:
    declared = kinds(version).get(kind, {})
    return tuple(link for link in declared.values() if isinstance(link, Link) and link.unique)


def _check_unique(reader: ElementReader, element: Element) -> None:
    for link in _unique_links(element.kind, element.version):
        parts = [
            reader.elements[dtmi] for dtmi in element.links.get(link.name, ()) if dtmi in reader.elements
        ]
        for name in (*link.unique, "index"):
            counts = Counter(str(part.values[name]) for part in parts if name in part.values)
            for value, count in counts.items():
                if count > 1:
                    message = f"property '{link.name}' has more than one element whose '{name}' is '{value}'"
                    reader.report("nonUniquePropertyValue", element.id, link.name, message)


def _check_depth(reader: ElementReader, root: Element) -> None:
    """At most five schemas below a complex one, and no way back to itself."""
    waiting = [(root.id, 0)]
    deepest: dict[str, int] = {}
    while waiting:
        current, depth = waiting.pop()
        if depth > SCHEMA_DEPTH:
            message = f"schemas are nested more than {SCHEMA_DEPTH} levels deep"
            reader.report("excessiveDepthWide", root.id, "", message)
            return
        if deepest.get(current, -1) >= depth or current not in reader.elements:
            continue
        deepest[current] = depth
        for name, targets in reader.elements[current].links.items():
            if root.id in targets:
                reader.report("recursiveStructureWide", root.id, name, "it is part of itself")
                return
            waiting += [(target, depth + (name in _COUNTED)) for target in targets]


def _contains(elements: Elements, root: Element, kind: str) -> bool:
    waiting = list(root.links.get("schema", ()))
    seen: set[str] = set()
    while waiting:
        current = elements.get(waiting.pop())
        if current is None or current.id in seen:
            continue
        if current.kind == kind:
            return True
        seen.add(current.id)
        waiting += [target for targets in current.links.values() for target in targets]
    return False


def _check_enum(reader: ElementReader, element: Element) -> None:
    schema = reader.elements.get(element.link("valueSchema") or "")
    wanted = {"Integer": int, "String": str}.get(schema.kind) if schema is not None else None
    if wanted is None:
        return
    for part in (reader.elements.get(dtmi) for dtmi in element.links.get("enumValues", ())):
        value = part.values.get("enumValue") if part is not None else None
        if part is not None and value is not None and not isinstance(value, wanted):
            message = f"'enumValue' {value} does not conform to the enum's valueSchema"
            reader.report("nonConformantDatatype", part.id, "enumValue", message)


def _check_component(reader: ElementReader, element: Element) -> None:
    schema = element.link("schema")
    if schema is None or schema not in reader.elements:
        return
    for interface in (schema, *ancestors(reader.elements, schema)):
        for content in reader.elements[interface].links.get("contents", ()):
            part = reader.elements.get(content)
            if part is not None and part.kind == "Component":
                message = (
                    f"a component's interface must not have components, and {interface} has '{part.name}'"
                )
                reader.report("excludedType", element.id, "schema", message)
                return


def _check_hierarchy(reader: ElementReader, interface: Element, sizes: Counter[str]) -> None:
    """Depth and size of what it extends, and the names it inherits. `sizes`: elements in each interface."""
    if not interface.links.get("extends"):
        return
    elements = reader.elements
    level, depth = {interface.id}, 0
    while level:
        level = {
            base for dtmi in level if dtmi in elements for base in elements[dtmi].links.get("extends", [])
        }
        if interface.id in level:
            reader.report("recursiveStructureNarrow", interface.id, "extends", "it extends itself")
            return
        depth += 1
        if depth > EXTENDS_DEPTH and level:
            message = f"it extends more than {EXTENDS_DEPTH} levels deep"
            reader.report("excessiveDepthNarrow", interface.id, "extends", message)
            return
    hierarchy = [interface.id, *ancestors(elements, interface.id)]
    if interface.version > 2 and len(hierarchy) - 1 > HIERARCHY_LIMIT:
        message = f"it extends more than {HIERARCHY_LIMIT} interfaces"
        reader.report("excessiveCountNarrow", interface.id, "extends", message)
    if interface.version > 2 and sum(sizes[dtmi] for dtmi in hierarchy) > CONTENTS_LIMIT:
        message = f"it has more than {CONTENTS_LIMIT} elements with all that it extends"
        reader.report("excessiveCountNarrow", interface.id, "contents", message)
    origin: dict[str, str] = {}
    for dtmi in hierarchy:
        for content in elements[dtmi].links.get("contents", ()):
            name = elements[content].name if content in elements else ""
            if origin.setdefault(name, content) == content:
                continue
            if elements[origin[name]].partition == dtmi:
                continue
            message = (
                f"it has more than one element of the name '{name}', one from "
                f"{elements[origin[name]].partition} and one from {dtmi}"
            )
            reader.report("nonUniqueImportedPropertyValue", interface.id, "contents", message)
