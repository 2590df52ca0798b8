"""The twin graph in Azure Digital Twins (or the local cloud), through Microsoft's SDK."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError
from azure.digitaltwins.core.aio import DigitalTwinsClient

from millwright.graph import Graph, GraphChange, Relationship, Twin, Value
from millwright.ontology import Interface, Ontology
from shared.adapters.answers import translated
from shared.ports import Refused, Unavailable

AT_ONCE = 16
"""Requests under way; the service allows 500 creations/s, a client manages about as many."""

MODELS_PER_REQUEST = 200
"""The service takes 250."""


class TwinService:
    """Reads the graph and carries out changes. Raises Unavailable and Refused."""

    def __init__(self, client: DigitalTwinsClient) -> None:
        self._client = client

    async def graph(self, wanted: Graph) -> Graph:
        """The graph that is, cut down to the properties that `wanted` knows, for comparison."""
        models: dict[str, Interface] = {}
        with translated("models"):
            async for model in self._client.list_models(include_model_definition=True):
                models[str(model.id)] = dict(model.model or {})
        twins: dict[str, Twin] = {}
        async for found in _rows(self._client.query_twins("SELECT * FROM DIGITALTWINS")):
            known = wanted.twins.get(found["$dtId"])
            keep = known.properties if known else {}
            own = {name: found[name] for name in keep if name in found}
            twins[found["$dtId"]] = Twin(found["$dtId"], found["$metadata"]["$model"], own)
        relationships: dict[tuple[str, str], Relationship] = {}
        async for found in _rows(self._client.query_twins("SELECT * FROM RELATIONSHIPS")):
            given: dict[str, Value] = {name: at for name, at in found.items() if not name.startswith("$")}
            one = Relationship(found["$sourceId"], found["$relationshipName"], found["$targetId"], given)
            relationships[one.source, found["$relationshipId"]] = one
        return Graph(models, twins, relationships)

    async def change(self, change: GraphChange, ontology: Ontology, done: Callable[[], None]) -> None:
        """Carry out a change: models, then twins, then relationships. `done` is called after each write.

        What an interrupted run created already is left as it is: running again completes it.
        """
        for start in range(0, len(change.models), MODELS_PER_REQUEST):
            with translated("models"):
                await self._client.create_models(change.models[start : start + MODELS_PER_REQUEST])
        await _each(change.twins, partial(self._create_twin, ontology), done)
        await _each(change.changed_twins, self._patch_twin, done)
        await _each(change.relationships, self._create_relationship, done)
        await _each(change.changed_relationships, self._put_relationship, done)

    async def _create_twin(self, ontology: Ontology, twin: Twin) -> None:
        body: dict[str, Any] = {"$metadata": {"$model": twin.model}, **twin.properties}
        for component in ontology.components(twin.model):
            body[component] = {"$metadata": {}}
        with translated(f"twin {twin.id}"):
            try:
                await self._client.upsert_digital_twin(
                    twin.id, body, match_condition=MatchConditions.IfMissing
                )
            except ResourceExistsError:
                # Queries lag behind by up to 10 s: it is there, with live values that must stay.
                await self._client.update_digital_twin(twin.id, _adds(twin.properties))

    async def _patch_twin(self, change: tuple[Twin, Twin]) -> None:
        was, to_be = change
        patch = _adds({name: at for name, at in to_be.properties.items() if was.properties.get(name) != at})
        if was.model != to_be.model:
            patch.insert(0, {"op": "replace", "path": "/$metadata/$model", "value": to_be.model})
        with translated(f"twin {to_be.id}"):
            await self._client.update_digital_twin(to_be.id, patch)

    async def _create_relationship(self, one: Relationship) -> None:
        with translated(f"relationship {one.source} {one.id}"):
            try:
                await self._client.upsert_relationship(
                    one.source, one.id, _body(one), match_condition=MatchConditions.IfMissing
                )
            except ResourceExistsError:
                await self._client.upsert_relationship(one.source, one.id, _body(one))

    async def _put_relationship(self, one: Relationship) -> None:
        with translated(f"relationship {one.source} {one.id}"):
            await self._client.upsert_relationship(one.source, one.id, _body(one))


def _body(one: Relationship) -> dict[str, Any]:
    return {
        "$relationshipId": one.id,
        "$sourceId": one.source,
        "$relationshipName": one.name,
        "$targetId": one.target,
        **one.properties,
    }


def _adds(properties: Mapping[str, Value]) -> list[dict[str, Any]]:
    """`add` also replaces, and works on what is unset."""
    return [{"op": "add", "path": f"/{name}", "value": value} for name, value in properties.items()]


async def _rows(found: AsyncIterable[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    with translated("query"):
        async for row in found:
            yield row


async def _each[T](
    items: Sequence[T], call: Callable[[T], Awaitable[None]], done: Callable[[], None]
) -> None:
    """Call for every item, a few at once; the first failure ends the rest."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(item: T) -> None:
        async with slots:
            await call(item)
            done()

    try:
        async with asyncio.TaskGroup() as group:
            for item in items:
                group.create_task(one(item))
    except* (Refused, Unavailable) as failures:
        raise failures.exceptions[0] from failures
