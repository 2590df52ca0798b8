"""All uploaded models together: what extends what, what a twin of a model may hold."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from local.digital_twins.interfaces import DtdlFault, Interface

EXTENDS_DEPTH = 10


class Catalog:
    """Interfaces by id. Resolved ones are kept until the next change."""

    def __init__(self) -> None:
        self._interfaces: dict[str, Interface] = {}
        self._resolved: dict[str, Interface] = {}

    def __contains__(self, model_id: str) -> bool:
        return model_id in self._interfaces

    def put(self, interfaces: Iterable[Interface]) -> None:
        self._interfaces.update({interface.id: interface for interface in interfaces})
        self._resolved.clear()

    def remove(self, model_id: str) -> None:
        del self._interfaces[model_id]
        self._resolved.clear()

    def check(self, added: Iterable[Interface]) -> None:
        """Whether the catalog would be sound with `added`; DtdlFault if not. Changes nothing."""
        together = Catalog()
        news = list(added)
        together.put([*self._interfaces.values(), *news])
        for interface in news:
            together.check_references(interface)
        for interface in news:
            resolved = together.resolve(interface.id)
            for name, component in resolved.components.items() if resolved else ():
                part = together.resolve(component)
                if part is not None and part.components:
                    raise DtdlFault(
                        f"{interface.id}/{name}: a component must not have components, "
                        f"and {component} has some"
                    )

    def check_references(self, interface: Interface) -> None:
        missing = [m for m in (*interface.extends, *interface.components.values()) if m not in self]
        if missing:
            raise DtdlFault(
                f"{interface.id} refers to {', '.join(missing)}, which is neither in this request "
                "nor uploaded. Upload it first, or in the same request"
            )

    def resolve(self, model_id: str) -> Interface | None:
        """The interface with all it inherits, None when there is none or one it builds on is gone.

        DtdlFault for a cycle, a hierarchy deeper than 10, or a name that is declared twice.
        """
        if model_id not in self._resolved and model_id in self._interfaces:
            merged = self._merge(model_id, ())
            if merged is None:
                return None
            self._resolved[model_id] = merged
        return self._resolved.get(model_id)

    def _merge(self, model_id: str, path: tuple[str, ...]) -> Interface | None:
        if model_id in path:
            raise DtdlFault(f"{model_id} extends itself through {' > '.join((*path, model_id))}")
        if len(path) > EXTENDS_DEPTH:
            raise DtdlFault(f"{path[0]} extends more than {EXTENDS_DEPTH} levels deep")
        own = self._interfaces.get(model_id)
        if own is None or any(component not in self for component in own.components.values()):
            return None
        merged = own
        origin = dict.fromkeys(own.names(), model_id)
        for base_id in own.extends:
            base = self._merge(base_id, (*path, model_id))
            if base is None:
                return None
            for name in base.names():
                source = self.declares(base_id, name)
                if origin.setdefault(name, source) != source:
                    raise DtdlFault(
                        f"{model_id} has more than one element of the name '{name}', "
                        f"one from {origin[name]} and one from {source}"
                    )
            merged = replace(
                merged,
                properties=_union(base.properties, merged.properties),
                components=_union(base.components, merged.components),
                relationships=_union(base.relationships, merged.relationships),
                telemetries=base.telemetries | merged.telemetries,
            )
        return merged

    def declares(self, model_id: str, name: str) -> str:
        """The interface in the hierarchy above `model_id` that declares `name`."""
        own = self._interfaces[model_id]
        if own.kind_of(name):
            return model_id
        return next(
            (found for base in own.extends if (found := self.declares(base, name))),
            "",
        )

    def is_a(self, model_id: str, kind: str) -> bool:
        """Whether a twin of `model_id` is of the model `kind`: the same, or extending it."""
        if model_id == kind:
            return True
        own = self._interfaces.get(model_id)
        return own is not None and any(self.is_a(base, kind) for base in own.extends)

    def kinds_of(self, kind: str) -> list[str]:
        """All models whose twins are of `kind`, itself included when it is uploaded."""
        return [model_id for model_id in self._interfaces if self.is_a(model_id, kind)]

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
