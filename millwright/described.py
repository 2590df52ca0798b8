"""A description -> the graph that it asks for, with its models."""

from collections.abc import Sequence

from millwright.documents import SiteVersion
from millwright.graph import Graph
from millwright.ontology import Ontology
from shared.described import Relationship, Twin, things


def described(versions: Sequence[SiteVersion], shipped: Ontology) -> tuple[Graph, Ontology]:
    """The graph of all sites of one description, and the models that it needs."""
    classes = {name: part for version in versions for name, part in version.site.classes.items()}
    ontology = shipped.extended(classes)
    twins: dict[str, Twin] = {}
    relationships: dict[tuple[str, str], Relationship] = {}
    for thing in things(versions):
        if isinstance(thing, Twin):
            twins[thing.id] = thing
        else:
            relationships[thing.source, thing.id] = thing
    return Graph(ontology.interfaces, twins, relationships), ontology


def twin_ids(version: SiteVersion) -> set[str]:
    """The twins of one site's version, the enterprise aside."""
    enterprise = version.site.enterprise_id
    return {thing.id for thing in things([version]) if isinstance(thing, Twin) and thing.id != enterprise}
