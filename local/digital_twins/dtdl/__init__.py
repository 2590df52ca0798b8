"""A parser of the Digital Twins Definition Language, versions 2 and 3, as Microsoft's own judges it.

`parse` takes documents and gives their elements, or every fault. It knows the language, not
Azure Digital Twins: what that service refuses besides is in `local.digital_twins.catalog`.
"""

from collections.abc import Callable, Iterable

from local.digital_twins.dtdl.elements import ElementReader
from local.digital_twins.dtdl.faults import Fault, InvalidDtdl, UnresolvedReferences
from local.digital_twins.dtdl.model import Element, Elements
from local.digital_twins.dtdl.references import check_references, unresolved
from local.digital_twins.dtdl.siblings import check_siblings
from local.digital_twins.dtdl.structure import check_structure
from local.digital_twins.jsontypes import Json

__all__ = ["Element", "Elements", "Fault", "InvalidDtdl", "UnresolvedReferences", "parse"]

type Resolver = Callable[[Iterable[str]], list[Json]]
"""Gives the documents that define these DTMIs, as far as there are any."""


def parse(
    documents: Iterable[Json],
    *,
    resolve: Resolver | None = None,
    undefined_extensions: bool | None = None,
    partial: bool = False,
) -> Elements:
    """Every element in `documents`, and in those that `resolve` gives for what they refer to, by DTMI.

    InvalidDtdl has all faults found; UnresolvedReferences what nobody defines, unless `partial`
    takes references on trust. `undefined_extensions` allows contexts that are unknown here;
    None: in v2 yes, in v3 no.
    """
    reader = ElementReader(undefined_extensions=undefined_extensions)
    for document in documents:
        reader.read(document)
    _fetch(reader, resolve)
    missing = unresolved(reader)
    if missing and not reader.faults and not partial:
        raise UnresolvedReferences(missing)
    check_references(reader)
    check_structure(reader)
    check_siblings(reader)
    if reader.faults:
        raise InvalidDtdl(reader.faults)
    return reader.elements


def _fetch(reader: ElementReader, resolve: Resolver | None) -> None:
    """Read what is referred to, and what that refers to, until nothing is missing or nothing comes."""
    while resolve is not None and (missing := unresolved(reader)):
        found = resolve(missing)
        before = len(reader.elements)
        for document in found:
            reader.read(document)
        if len(reader.elements) == before:
            return
