"""All uploaded models together: what extends what, what a twin of a model may hold."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from local.digital_twins.interfaces import Interface


class Catalog:
    """Interfaces by id. Resolved ones are kept until the next change."""

    def __init__(self) -> None:
        self._interfaces: dict[str, Interface] = {}
        self._resolved: dict[str, Interface] = {}
        self._derived: dict[str, dict[str, None]] = {}
        """Interface -> those that extend it directly."""

    def __contains__(self, model_id: str) -> bool:
        return model_id in self._interfaces

    def __getitem__(self, model_id: str) -> Interface:
        """The interface as uploaded, without what it inherits."""
        return self._interfaces[model_id]

    def put(self, interfaces: Iterable[Interface]) -> None:
        """Add interfaces that are sound together with those there are."""
        for interface in interfaces:
            self._interfaces[interface.id] = interface
            for base in interface.extends:
                self._derived.setdefault(base, {})[interface.id] = None
        self._resolved.clear()

    def remove(self, model_id: str) -> None:
        for base in self._interfaces.pop(model_id).extends:
            del self._derived[base][model_id]
        self._resolved.clear()

    def resolve(self, model_id: str) -> Interface | None:
        """The interface with all it inherits, None when there is none or one it builds on is gone."""
        if model_id not in self._resolved and model_id in self._interfaces:
            merged = self._merge(model_id)
            if merged is None:
                return None
            self._resolved[model_id] = merged
        return self._resolved.get(model_id)

    def _merge(self, model_id: str) -> Interface | None:
        hierarchy = list(self._hierarchy(model_id))
        if any(base not in self for base in hierarchy):
            return None
        merged = self._interfaces[model_id]
        if any(component not in self for base in hierarchy for component in self[base].components.values()):
            return None
        for base in map(self.__getitem__, hierarchy):
            merged = replace(
                merged,
                properties=_union(base.properties, merged.properties),
                components=_union(base.components, merged.components),
                relationships=_union(base.relationships, merged.relationships),
                telemetries=base.telemetries | merged.telemetries,
            )
        return merged

    def _hierarchy(self, model_id: str) -> dict[str, None]:
        """`model_id` and all it extends, directly or not, each once, nearest first."""
        found = {model_id: None}
        waiting = [model_id]
        while waiting:
            own = self._interfaces.get(waiting.pop(0))
            for base in own.extends if own is not None else ():
                if base not in found:
                    found[base] = None
                    waiting.append(base)
        return found

    def is_a(self, model_id: str, kind: str) -> bool:
        """Whether a twin of `model_id` is of the model `kind`: the same, or extending it."""
        return kind in self._hierarchy(model_id)

    def kinds_of(self, kind: str) -> list[str]:
        """All models whose twins are of `kind`, itself included when it is uploaded."""
        found: dict[str, None] = {kind: None}
        waiting = [kind]
        while waiting:
            for model_id in self._derived.get(waiting.pop(), ()):
                if model_id not in found:
                    found[model_id] = None
                    waiting.append(model_id)
        return [model_id for model_id in found if model_id in self]

    def referrers(self, model_id: str) -> list[str]:
        """Models that extend `model_id` or have it as a component: they keep it from being deleted."""
        return [
            other.id
            for other in self._interfaces.values()
            if model_id in other.extends or model_id in other.components.values()
        ]

    def closure(self, roots: Iterable[str]) -> set[str]:
        """`roots` and everything they need: bases and components, theirs too."""
        found: set[str] = set()
        open_ids = [root for root in roots if root in self]
        while open_ids:
            current = open_ids.pop()
            if current in found:
                continue
            found.add(current)
            interface = self._interfaces[current]
            open_ids += [m for m in (*interface.extends, *interface.components.values()) if m in self]
        return found


def _union[T](base: Mapping[str, T], own: Mapping[str, T]) -> dict[str, T]:
    return {**base, **own}
