"""The DTDL models that twins need: those that ship in `dtdl/`, and one for each class beyond them."""

import json
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, cast

from pydantic.alias_generators import to_camel

from shared.contracts.spec_documents import ClassPart

type Interface = MutableMapping[str, Any]

MACHINE = "dtmi:millwright:Machine;1"


class Ontology:
    """DTDL interfaces by id."""

    def __init__(self, interfaces: Iterable[Interface]) -> None:
        self.interfaces = {interface["@id"]: interface for interface in interfaces}
        self._components: dict[str, list[str]] = {}

    @classmethod
    def shipped(cls, folder: Path) -> "Ontology":
        """The interfaces in a folder, one per file."""
        return cls(json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json")))

    def extended(self, classes: Mapping[str, ClassPart]) -> "Ontology":
        """With an interface for every class whose twin model is not there yet."""
        missing = {
            part.twin_model: interface_of(name, part)
            for name, part in classes.items()
            if part.twin_model not in self.interfaces
        }
        return Ontology([*self.interfaces.values(), *missing.values()])

    def components(self, model: str) -> list[str]:
        """Names of a model's components, inherited ones included: all must be given at creation."""
        if model not in self._components:
            self._components[model] = self._found_components(model)
        return self._components[model]

    def _found_components(self, model: str) -> list[str]:
        interface = self.interfaces[model]
        extends = interface.get("extends", [])
        parents = cast(list[str], [extends] if isinstance(extends, str) else extends)
        found = [name for parent in parents for name in self.components(parent)]
        return found + [
            part["name"] for part in interface.get("contents", []) if part["@type"] == "Component"
        ]


def interface_of(name: str, part: ClassPart) -> Interface:
    """A machine kind with one property for each signal, for classes that bring no DTDL of their own."""
    return {
        "@context": "dtmi:dtdl:context;3",
        "@id": part.twin_model,
        "@type": "Interface",
        "displayName": name,
        "description": f"Made from machine class {name} of a factory description.",
        "extends": MACHINE,
        "contents": [
            {
                "@type": "Property",
                "name": to_camel(signal.name),
                "description": f"In {signal.unit}. Written by the twin relay.",
                "schema": "double",
            }
            for signal in part.signals
        ],
    }
