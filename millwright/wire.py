"""Twins and relationships as the service takes them."""

from typing import Any

from millwright.ontology import Ontology
from shared.described import Relationship, Twin


def twin_body(twin: Twin, ontology: Ontology) -> dict[str, Any]:
    """A new twin: its components must be given, their contents come later."""
    body: dict[str, Any] = {"$metadata": {"$model": twin.model}, **twin.properties}
    for component in ontology.components(twin.model):
        body[component] = {"$metadata": {}}
    return body


def relationship_body(one: Relationship) -> dict[str, Any]:
    return {
        "$relationshipId": one.id,
        "$sourceId": one.source,
        "$relationshipName": one.name,
        "$targetId": one.target,
        **one.properties,
    }
