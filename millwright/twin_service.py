"""The twin graph in Azure Digital Twins (or the local cloud), through Microsoft's SDK."""

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.digitaltwins.core import DigitalTwinsEventRoute
from azure.digitaltwins.core.aio import DigitalTwinsClient

from millwright.bulk import BulkImport
from millwright.graph import Graph, GraphChange
from millwright.ontology import Interface, Ontology
from millwright.wire import relationship_body, twin_body
from shared.adapters.answers import translated
from shared.described import Relationship, Twin, Value
from shared.ports import Refused, Unavailable

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Requests under way; the service allows 500 creations/s, a client manages about as many."""

MODELS_PER_REQUEST = 200
"""The service takes 250."""

ROWS_PER_PAGE = 1000
"""The most that the service gives."""


class TwinService:
    """Reads the graph and carries out changes. Raises Unavailable and Refused."""

    def __init__(self, client: DigitalTwinsClient, bulk: BulkImport | None = None) -> None:
        """`bulk`: for large graphs; without it every twin and relationship is a request of its own."""
        self._client = client
        self.bulk = bulk

    async def graph(self) -> Graph:
        """The graph that is: of twins their plain properties, components and metadata aside."""
        models: dict[str, Interface] = {}
        with translated("models"):
            async for model in self._client.list_models(include_model_definition=True):
                models[str(model.id)] = dict(model.model or {})
        twins: dict[str, Twin] = {}
        async for found in self._rows("SELECT * FROM DIGITALTWINS"):
            twins[found["$dtId"]] = Twin(found["$dtId"], found["$metadata"]["$model"], _plain(found))
        relationships: dict[tuple[str, str], Relationship] = {}
        async for found in self._rows("SELECT * FROM RELATIONSHIPS"):
            one = Relationship(
                found["$sourceId"], found["$relationshipName"], found["$targetId"], _plain(found)
            )
            if found["$relationshipId"] != one.id:
                one = replace(one, given_id=found["$relationshipId"])
            relationships[one.source, one.id] = one
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

    async def prune(self, change: GraphChange, done: Callable[[], None]) -> None:
        """Delete what is no longer described. What an interrupted run deleted already is passed over.

        A twin goes after what it contains and right after its relationships, so that whatever is
        left can still be found from its enterprise.
        """
        await _each(change.surplus_relationships, self._delete_relationship, done)
        for generation in change.surplus_generations():
            await _each(generation, partial(self._delete_twin, change.surplus_ends), done)

    async def route(self, route_id: str, endpoint: str, chosen: str) -> None:
        """Let notifications that the filter `chosen` lets through go to an endpoint."""
        with translated(f"route {route_id}"):
            route = DigitalTwinsEventRoute(endpoint_name=endpoint, filter=chosen)
            await self._client.upsert_event_route(route_id, route)

    async def _create_twin(self, ontology: Ontology, twin: Twin) -> None:
        body = twin_body(twin, ontology)
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
                    one.source, one.id, relationship_body(one), match_condition=MatchConditions.IfMissing
                )
            except ResourceExistsError:
                await self._client.upsert_relationship(one.source, one.id, relationship_body(one))

    async def _put_relationship(self, one: Relationship) -> None:
        with translated(f"relationship {one.source} {one.id}"):
            await self._client.upsert_relationship(one.source, one.id, relationship_body(one))

    async def _delete_twin(self, ends: Mapping[str, Sequence[Relationship]], twin_id: str) -> None:
        for one in ends[twin_id]:
            await self._delete_relationship(one)
        with translated(f"twin {twin_id}"):
            try:
                await self._client.delete_digital_twin(twin_id)
            except ResourceNotFoundError:
                log.info("twin %s was deleted before", twin_id)

    async def _delete_relationship(self, one: Relationship) -> None:
        with translated(f"relationship {one.source} {one.id}"):
            try:
                await self._client.delete_relationship(one.source, one.id)
            except ResourceNotFoundError:
                log.info("relationship %s of %s was deleted before", one.id, one.source)

    async def _rows(self, query: str) -> AsyncIterator[dict[str, Any]]:
        pages: AsyncIterable[dict[str, Any]] = self._client.query_twins(
            query, headers={"max-items-per-page": str(ROWS_PER_PAGE)}
        )
        with translated("query"):
            async for row in pages:
                yield row


def _plain(found: Mapping[str, Any]) -> dict[str, Value]:
    return {
        name: value
        for name, value in found.items()
        if not name.startswith("$") and isinstance(value, (str, int, float))
    }


def _adds(properties: Mapping[str, Value]) -> list[dict[str, Any]]:
    """`add` also replaces, and works on what is unset."""
    return [{"op": "add", "path": f"/{name}", "value": value} for name, value in properties.items()]


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
