"""What documents parse to: elements by identifier, linked by it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from local.digital_twins.dtdl.contexts import Context
from local.digital_twins.jsontypes import Json


@dataclass(slots=True)
class Element:
    """One element of a model. `values` and `links` are keyed by the property's DTDL name."""

    id: str
    kind: str
    version: int
    """Version of DTDL it is written in."""
    parent: str = ""
    """The element it was written inside; empty at the top level."""
    partition: str = ""
    """The innermost Interface it was written in; itself, for an Interface."""
    context: Context | None = None
    """The context it is written under; None for elements of the language."""
    values: dict[str, Json] = field(default_factory=dict[str, Json])
    links: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    supplements: list[str] = field(default_factory=list[str])
    """DTMIs of its semantic and adjunct types."""

    @property
    def name(self) -> str:
        return str(self.values.get("name", ""))

    def link(self, name: str) -> str | None:
        """The first value of a property that links, if it has one."""
        return next(iter(self.links.get(name, ())), None)


type Elements = dict[str, Element]


def ancestors(elements: Elements, interface: str) -> Iterator[str]:
    """Every interface that `interface` extends, each once, nearest first; itself not."""
    seen = {interface}
    waiting = list(elements[interface].links.get("extends", ()))
    while waiting:
        current = waiting.pop(0)
        if current in seen or current not in elements:
            continue
        seen.add(current)
        yield current
        waiting += elements[current].links.get("extends", ())
