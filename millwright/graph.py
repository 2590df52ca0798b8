"""The twin graph that a description asks for, and what it takes to get there from the graph that is.

Pure: graphs are values. Only what a description says is compared; live properties belong to the relays.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from millwright.ontology import Interface
from shared.described import CONTAINS, DESCRIBED, PRODUCES, Relationship, Triple, Twin, has


@dataclass(frozen=True, slots=True)
class Graph:
    models: dict[str, Interface]
    twins: dict[str, Twin]
    relationships: dict[tuple[str, str], Relationship]
    """(source, relationship id) -> relationship."""

    def targets(self, name: str) -> dict[str, list[Relationship]]:
        """Source -> its relationships of one name, by position, then target."""
        found: dict[str, list[Relationship]] = {}
        for one in self.relationships.values():
            if one.name == name:
                found.setdefault(one.source, []).append(one)
        for siblings in found.values():
            siblings.sort(key=_place)
        return found


@dataclass(frozen=True, slots=True)
class GraphChange:
    """What is missing, different, or no longer described. The last is deleted only on request."""

    models: list[Interface]
    twins: list[Twin]
    changed_twins: list[tuple[Twin, Twin]]
    """(as it is, as it should be)."""
    relationships: list[Relationship]
    changed_relationships: list[Relationship]
    differing_models: list[str]
    """Models in the graph that say something else than ours: models cannot be changed, only replaced."""
    surplus_twins: list[str]
    """Twins of the described enterprise that the description does not mention, children first."""
    surplus_relationships: list[Relationship]
    """Relationships of described twins that the description does not mention."""
    surplus_ends: dict[str, list[Relationship]] = field(default_factory=dict[str, list[Relationship]])
    """Surplus twin -> every relationship that it is an end of: they go before it."""

    def surplus_generations(self) -> list[list[str]]:
        """The surplus twins in groups: what a twin contains is in a group before its own."""
        height: dict[str, int] = {}
        for name in self.surplus_twins:
            below = [
                height.get(one.target, -1)
                for one in self.surplus_ends[name]
                if one.source == name and one.name == CONTAINS
            ]
            height[name] = max(below, default=-1) + 1
        groups: list[list[str]] = [[] for _ in range(max(height.values(), default=-1) + 1)]
        for name, level in height.items():
            groups[level].append(name)
        return groups

    @property
    def count(self) -> int:
        """Write operations that it takes, models and deletions aside."""
        return (
            len(self.twins)
            + len(self.changed_twins)
            + len(self.relationships)
            + len(self.changed_relationships)
        )

    @property
    def surplus_count(self) -> int:
        """Twins and relationships that pruning deletes, those that go with a twin aside."""
        return len(self.surplus_twins) + len(self.surplus_relationships)


def difference(actual: Graph, wanted: Graph, *, former: Collection[str] = ()) -> GraphChange:
    """What turns `actual` into `wanted`, leaving alone what is not ours.

    Ours is what is wanted, what hangs below it by `contains` (with models of ours), and `former`:
    the ids that applied descriptions had. A relationship is recognised by its ends and its name,
    whatever id it was given by hand.
    """
    made, changed, kept = _relationships(actual, wanted)
    surplus = _surplus(actual, wanted, former)
    gone = set(surplus)
    return GraphChange(
        models=[model for name, model in wanted.models.items() if name not in actual.models],
        twins=[twin for name, twin in wanted.twins.items() if name not in actual.twins],
        changed_twins=[
            (actual.twins[name], twin)
            for name, twin in wanted.twins.items()
            if name in actual.twins and not _says(actual.twins[name], twin)
        ],
        relationships=made,
        changed_relationships=changed,
        differing_models=[
            name
            for name, model in wanted.models.items()
            if name in actual.models and actual.models[name] != model
        ],
        surplus_twins=surplus,
        surplus_relationships=[
            one
            for key, one in actual.relationships.items()
            if key not in kept
            and one.name in DESCRIBED
            and one.source in wanted.twins
            and one.target not in gone
        ],
        surplus_ends=_ends(actual, gone),
    )


def _says(actual: Twin, wanted: Twin) -> bool:
    """Whether the twin says what it should; what else it says is not ours."""
    return actual.model == wanted.model and has(actual.properties, wanted.properties)


def _relationships(
    actual: Graph, wanted: Graph
) -> tuple[list[Relationship], list[Relationship], set[tuple[str, str]]]:
    """Those to make, those to change, and the keys of those that stay."""
    there: dict[Triple, tuple[str, str]] = {}
    for key, one in actual.relationships.items():
        if one.name in DESCRIBED and (one.triple not in there or one.given_id is None):
            there[one.triple] = key
    made: list[Relationship] = []
    changed: list[Relationship] = []
    kept: set[tuple[str, str]] = set()
    for one in wanted.relationships.values():
        key = there.get(one.triple)
        if key is None:
            made.append(one)
            continue
        kept.add(key)
        was = actual.relationships[key]
        if not has(was.properties, one.properties):
            changed.append(
                replace(one, properties={**was.properties, **one.properties}, given_id=was.given_id)
            )
    return made, changed, kept


def _surplus(actual: Graph, wanted: Graph, former: Collection[str]) -> list[str]:
    """Twins of ours that are not wanted and that nobody else contains or produces, children first.

    So an interrupted deletion leaves nothing that can no longer be reached.
    """
    contained = actual.targets(CONTAINS)
    ours = _below(actual, contained, (*wanted.twins, *former), wanted.models)
    owned = set(ours)
    claimed = [
        one.target
        for one in actual.relationships.values()
        if one.name in (CONTAINS, PRODUCES) and one.target in owned and one.source not in owned
    ]
    foreign = set(_below(actual, contained, claimed, wanted.models))
    return _children_first(
        [name for name in ours if name not in wanted.twins and name not in foreign], contained
    )


def _below(
    actual: Graph,
    contained: Mapping[str, Sequence[Relationship]],
    starts: Iterable[str],
    models: Collection[str],
) -> list[str]:
    """Twins that exist, and all of known models that they contain, directly or not; parents first."""
    found: dict[str, None] = {}
    waiting = [name for name in reversed([*starts]) if name in actual.twins]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = None
        waiting += (
            one.target
            for one in contained.get(name, ())
            if one.target in actual.twins and actual.twins[one.target].model in models
        )
    return list(found)


def _children_first(names: list[str], contained: Mapping[str, Sequence[Relationship]]) -> list[str]:
    remaining = set(names)
    ordered: list[str] = []
    for name in names:
        stack = [(name, False)]
        while stack:
            at, entered = stack.pop()
            if entered:
                ordered.append(at)
            elif at in remaining:
                remaining.discard(at)
                stack.append((at, True))
                stack += ((one.target, False) for one in contained.get(at, ()))
    return ordered


def _ends(actual: Graph, gone: set[str]) -> dict[str, list[Relationship]]:
    """The relationships of each twin that goes; one between two of them is told at both."""
    ends: dict[str, list[Relationship]] = {name: [] for name in gone}
    for one in actual.relationships.values() if gone else ():
        if one.source in gone:
            ends[one.source].append(one)
        if one.target in gone and one.target != one.source:
            ends[one.target].append(one)
    return ends


def _place(one: Relationship) -> tuple[float, str]:
    position = one.properties.get("position")
    return (float(position) if isinstance(position, (int, float)) else float("inf"), one.target)
