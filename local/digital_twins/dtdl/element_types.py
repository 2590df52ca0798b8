"""The `@type` of an element: its kind, its semantic and adjunct types, and types unknown here."""

from collections.abc import Callable
from dataclasses import dataclass, field

from local.digital_twins.dtdl.contexts import Context
from local.digital_twins.dtdl.identifiers import is_dtmi
from local.digital_twins.dtdl.metamodel import ABSTRACT, WRITABLE, Link, kinds
from local.digital_twins.dtdl.supplements import Added, Supplement, supplements
from local.digital_twins.jsontypes import JsonObject

type Report = Callable[[str, str], None]
"""Called with the rule that a type breaks and a sentence about it."""


@dataclass(slots=True)
class Types:
    kind: str
    supplements: list[Supplement] = field(default_factory=list[Supplement])
    opaque: bool = False
    """True when it has a type unknown here, which may bring properties of its own."""
    stated: bool = True
    """False when the document left the kind to be inferred."""

    def added(self, dtmi: str | None) -> Added | None:
        """The property of that DTMI which a semantic or adjunct type adds."""
        if dtmi is None:
            return None
        return next((s.properties[dtmi] for s in self.supplements if dtmi in s.properties), None)


def read_types(document: JsonObject, link: Link, context: Context, report: Report) -> Types | None:
    """The types of an element that stands as a value of `link`; None after reporting that none fits."""
    stated = "@type" in document
    if not stated:
        if link.inferred is not None:
            return Types(link.inferred, stated=False)
        report("badType", f"it needs an @type: {_choice(link)}")
        return None
    value = document.get("@type")
    given = value if isinstance(value, list) else [value]
    materials: set[str] = set()
    types = Types("")
    for text in given:
        if not isinstance(text, str) or not text:
            report("badType", "its @type has a value that is no string")
            return None
        dtmi = text if ":" in text else context.dtmi(text)
        kind = _kind(dtmi, context.version)
        if kind is not None:
            materials.add(kind)
        elif dtmi is not None and dtmi in supplements():
            if supplements()[dtmi] not in types.supplements:
                types.supplements.append(supplements()[dtmi])
        elif (rule := _unknown(text, dtmi, context)) is not None:
            report(rule, f"its @type has '{text}', which is no type of DTDL v{context.version}")
        else:
            types.opaque = True
    if len(materials) > 1:
        report(
            "multipleMaterialTypes", f"its @type has more than one kind: {' and '.join(sorted(materials))}"
        )
        return None
    types.kind = next(iter(materials), "")
    if types.kind not in link.kinds or types.kind not in WRITABLE:
        report("badType", f"its @type must be {_choice(link)}")
        return None
    _check(types, context, report)
    return types


def _choice(link: Link) -> str:
    return " or ".join(sorted(link.kinds))


def _kind(dtmi: str | None, version: int) -> str | None:
    """The kind that a DTMI stands for in this version, abstract ones included."""
    if dtmi is None or not dtmi.startswith("dtmi:dtdl:class:"):
        return None
    name, _, number = dtmi.removeprefix("dtmi:dtdl:class:").partition(";")
    return name if number == str(version) and (name in kinds(version) or name in ABSTRACT) else None


def _unknown(text: str, dtmi: str | None, context: Context) -> str | None:
    """The rule that an unknown type breaks; None where it may be one of an extension."""
    if ":" in text:
        if not text.startswith("dtmi:"):
            return None if context.version == 2 else "typeNotDtmiNorTerm"
        if not is_dtmi(text):
            return "typeInvalidDtmi"
    if dtmi is None and context.version == 2:
        return None
    if not context.complete:
        return None
    return "typeUndefinedTerm" if dtmi is None else "typeIrrelevantDtmiOrTerm"


def _check(types: Types, context: Context, report: Report) -> None:
    """Whether the kind, and the other types, take each semantic and adjunct type."""
    added: dict[str, str] = {}
    ids = {supplement.id for supplement in types.supplements}
    for supplement in types.supplements:
        name = supplement.name
        if supplement.abstract:
            report("abstractSupplementalType", f"type {name} is abstract")
        elif types.kind not in supplement.kinds:
            report("invalidCotype", f"type {name} does not go with {types.kind}")
        elif context.version not in supplement.versions:
            report("invalidCotypeVersion", f"type {name} does not go with DTDL v{context.version}")
        if supplement.needs is not None and supplement.needs not in ids:
            report("missingCocotype", f"type {name} needs type {supplement.needs}")
        for declared in supplement.properties.values():
            if declared.name in added:
                message = f"types {added[declared.name]} and {name} both add property '{declared.name}'"
                report("conflictingSupplementalTypes", message)
            added[declared.name] = name
