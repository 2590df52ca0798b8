"""The rules of each operation: what is checked in which order, written, and answered.

One method per operation of the REST reference; `app` turns them into HTTP.
"""

from collections.abc import Callable
from typing import NamedTuple

from local.digital_twins.documents import (
    check_id,
    incoming,
    instant,
    model_of,
    new_relationship,
    new_twin,
    resolved,
)
from local.digital_twins.egress.events import Kind, difference, stated_patch
from local.digital_twins.egress.routes import EventRoutes
from local.digital_twins.errors import (
    already_there,
    component_not_found,
    etag_mismatch,
    invalid_relationship,
    limit_exceeded,
    relationship_not_found,
    relationships_not_deleted,
    target_not_found,
    twin_not_found,
)
from local.digital_twins.jsontypes import Json, JsonObject, dump
from local.digital_twins.models import Models
from local.digital_twins.patch import operations, patched_relationship, patched_twin
from local.digital_twins.query.answer import Answer as QueryAnswer
from local.digital_twins.query.answer import Position, answer
from local.digital_twins.query.compile import compile_query
from local.digital_twins.store import Store
from local.digital_twins.throttle import Throttle
from local.service import Clock

TWIN_LIMIT_BYTES = 32 * 1024
PAGE = 100
"""Relationships in one page of a list."""


class Answer(NamedTuple):
    body: bytes
    etag: str


class Page(NamedTuple):
    items: list[JsonObject]
    next: str | None
    """What continues behind the last item; None on the last page."""


class TwinService:
    """All operations on twins, components, relationships and queries over one store."""

    def __init__(self, store: Store, throttle: Throttle, clock: Clock, events: EventRoutes) -> None:
        self._store = store
        self._events = events
        self._throttle = throttle
        self._clock = clock
        self.models = Models(store, throttle, clock)

    async def settled(self) -> None:
        await self._store.database.settled()

    # Twins

    def get_twin(self, twin_id: str) -> Answer:
        self._throttle.instance("twin reads")
        twin = self._twin(twin_id)
        return Answer(dump(twin), str(twin["$etag"]))

    def put_twin(self, twin_id: str, body: Json, if_none_match: str | None) -> Answer:
        check_id("twin", twin_id)
        self._throttle.instance("twin creations and deletions")
        self._throttle.write(twin_id)
        before = self._store.twin(twin_id)
        if if_none_match == "*" and before is not None:
            raise already_there("twin", twin_id)
        text, twin = self._put_new(twin_id, body, before)
        if before is None:
            self._events.tell("Microsoft.DigitalTwins.Twin.Create", twin_id, lambda: twin)
        else:
            self._tell_update(twin_id, model_of(twin), lambda: difference(before, twin))
        return Answer(text, str(twin["$etag"]))

    def patch_twin(self, twin_id: str, body: Json, if_match: str | None, prefix: tuple[str, ...] = ()) -> str:
        """Returns the new ETag. `prefix` names the component that the paths are relative to."""
        self._throttle.instance("twin patches")
        self._throttle.write(twin_id)
        twin = self._twin(twin_id)
        _check_match(twin, if_match)
        changed = patched_twin(self._store.catalog, twin, operations(body, prefix), self._now())
        model_id = model_of(changed)
        if model_id != model_of(twin):
            self.models.check_in_service(model_id)
        self._put(twin_id, twin, changed)
        component = prefix[0] if prefix else None
        self._tell_update(twin_id, model_id, lambda: stated_patch(body, component))
        return str(changed["$etag"])

    def delete_twin(self, twin_id: str, if_match: str | None) -> None:
        self._throttle.instance("twin creations and deletions")
        self._throttle.write(twin_id)
        twin = self._twin(twin_id)
        _check_match(twin, if_match)
        if self._store.has_relationships(twin_id):
            raise relationships_not_deleted(twin_id)
        self._store.delete_twin(twin_id, twin)
        self._events.tell("Microsoft.DigitalTwins.Twin.Delete", twin_id, lambda: twin)

    def get_component(self, twin_id: str, name: str) -> Answer:
        self._throttle.instance("twin reads")
        twin = self._twin(twin_id)
        return Answer(dump(self._component(twin, name)), str(twin["$etag"]))

    def accept_telemetry(
        self, twin_id: str, component: str | None, data: Json, *, message_id: str, time: str | None
    ) -> None:
        """Telemetry is taken for any twin there is, whatever its model says, and kept nowhere."""
        self._throttle.instance("twin reads")
        twin = self._twin(twin_id)
        model = model_of(twin)
        if component is not None:
            self._component(twin, component)
            interface = self._store.catalog.resolve(model)
            model = interface.components[component] if interface else model
        self._events.tell_telemetry(twin_id, component, data, model=model, message_id=message_id, time=time)

    # Event routes

    def put_event_route(self, route_id: str, body: Json) -> None:
        self._throttle.instance("event route requests")
        self._events.put(route_id, body)

    def get_event_route(self, route_id: str) -> JsonObject:
        self._throttle.instance("event route requests")
        return self._events.get(route_id)

    def list_event_routes(self) -> Page:
        self._throttle.instance("event route requests")
        return Page(self._events.list_all(), None)

    def delete_event_route(self, route_id: str) -> None:
        self._throttle.instance("event route requests")
        self._events.delete(route_id)

    # Relationships

    def get_relationship(self, twin_id: str, relationship_id: str) -> Answer:
        self._throttle.instance("twin reads")
        found = self._relationship(twin_id, relationship_id)
        return Answer(dump(found), str(found["$etag"]))

    def put_relationship(
        self, twin_id: str, relationship_id: str, body: Json, if_none_match: str | None
    ) -> Answer:
        check_id("relationship", relationship_id)
        self._throttle.instance("twin creations and deletions")
        self._throttle.write(twin_id)
        model_id = model_of(self._twin(twin_id))
        before = self._store.relationship(twin_id, relationship_id)
        if if_none_match == "*" and before is not None:
            raise already_there("relationship", relationship_id)
        document = self._put_new_relationship(twin_id, relationship_id, body, before)
        if before is None:
            self._tell_relationship("Microsoft.DigitalTwins.Relationship.Create", document)
        else:
            self._tell_update(twin_id, model_id, lambda: difference(before, document), relationship_id)
        return Answer(dump(document), str(document["$etag"]))

    def patch_relationship(self, twin_id: str, relationship_id: str, body: Json, if_match: str | None) -> str:
        """Returns the new ETag."""
        self._throttle.instance("twin patches")
        self._throttle.write(twin_id)
        found = self._relationship(twin_id, relationship_id)
        _check_match(found, if_match)
        interface = resolved(self._store.catalog, model_of(self._twin(twin_id)))
        changed = patched_relationship(interface, found, operations(body))
        self._store.put_relationship(changed, before=found)
        self._tell_update(twin_id, interface.id, lambda: stated_patch(body, None), relationship_id)
        return str(changed["$etag"])

    def delete_relationship(self, twin_id: str, relationship_id: str, if_match: str | None) -> None:
        self._throttle.instance("twin creations and deletions")
        self._throttle.write(twin_id)
        found = self._relationship(twin_id, relationship_id)
        _check_match(found, if_match)
        self._store.delete_relationship(found)
        self._tell_relationship("Microsoft.DigitalTwins.Relationship.Delete", found)

    def list_relationships(self, twin_id: str, name: str | None, after: str) -> Page:
        self._throttle.instance("twin reads")
        self._twin(twin_id)
        found = self._store.outgoing(twin_id, name, after, PAGE + 1)
        return _page(found, lambda last: str(last["$relationshipId"]))

    def list_incoming(self, twin_id: str, after: str) -> Page:
        self._throttle.instance("twin reads")
        self._twin(twin_id)
        source, _, identifier = after.partition(" ")
        found = self._store.incoming(twin_id, (source, identifier), PAGE + 1)
        page = _page(found, lambda last: f"{last['$sourceId']} {last['$relationshipId']}")
        return Page([incoming(relationship) for relationship in page.items], page.next)

    # Imports: as in the requests of the same kind, without rates and events

    def import_models(self, documents: list[JsonObject]) -> None:
        """All or none; those that are there already, and the same, are passed over."""
        new: list[Json] = [document for document in documents if not self.models.has(document)]
        if new:
            self.models.add(new)

    def import_twin(self, document: JsonObject) -> None:
        twin_id = check_id("twin", str(document.get("$dtId", "")))
        self._put_new(twin_id, document, self._store.twin(twin_id))

    def import_relationship(self, document: JsonObject) -> None:
        source = str(document.get("$dtId", document.get("$sourceId", "")))
        identifier = check_id("relationship", str(document.get("$relationshipId", "")))
        self._put_new_relationship(source, identifier, document, self._store.relationship(source, identifier))

    # Queries

    async def query(self, at: Position, limit: int) -> QueryAnswer:
        """One page of a query's answer, as it goes over the wire."""
        self._throttle.instance("queries")
        compiled = compile_query(at.text, self._store.catalog.kinds_of)
        return await self._store.database.read(lambda connection: answer(connection, compiled, at, limit))

    def charge_query(self, units: float) -> None:
        self._throttle.instance("query units", units)

    def _put_new(self, twin_id: str, body: Json, before: JsonObject | None) -> tuple[bytes, JsonObject]:
        twin = new_twin(self._store.catalog, twin_id, body, self._now())
        self.models.check_in_service(model_of(twin))
        return self._put(twin_id, before, twin), twin

    def _put_new_relationship(
        self, twin_id: str, relationship_id: str, body: Json, before: JsonObject | None
    ) -> JsonObject:
        catalog = self._store.catalog
        interface = resolved(catalog, model_of(self._twin(twin_id)))
        document, wanted = new_relationship(interface, twin_id, relationship_id, body)
        target = self._store.twin(str(document["$targetId"]))
        if target is None:
            raise target_not_found()
        if wanted is not None and not catalog.is_a(model_of(target), wanted):
            raise invalid_relationship(f"The target's model {model_of(target)} is not a {wanted}.")
        self._store.put_relationship(document, before=before)
        return document

    def _put(self, twin_id: str, before: JsonObject | None, twin: JsonObject) -> bytes:
        """Store a twin that is sound and not too large; metadata is the service's own and does not count."""
        text = dump(twin)
        if len(text) > TWIN_LIMIT_BYTES:
            values: JsonObject = {name: value for name, value in twin.items() if name != "$metadata"}
            if len(dump(values)) > TWIN_LIMIT_BYTES:
                raise limit_exceeded(f"Twin {twin_id} would be larger than {TWIN_LIMIT_BYTES // 1024} KB.")
        self._store.put_twin(twin_id, model_of(twin), text, before=before, after=twin)
        return text

    def _tell_update(
        self, twin_id: str, model_id: str, patch: Callable[[], Json], relationship: str | None = None
    ) -> None:
        kind: Kind = "Microsoft.DigitalTwins.Twin.Update"
        if relationship is not None:
            kind = "Microsoft.DigitalTwins.Relationship.Update"
        self._events.tell(kind, twin_id, lambda: {"modelId": model_id, "patch": patch()}, relationship)

    def _tell_relationship(self, kind: Kind, document: JsonObject) -> None:
        source, identifier = str(document["$sourceId"]), str(document["$relationshipId"])
        self._events.tell(kind, source, lambda: document, identifier)

    def _now(self) -> str:
        return instant(self._clock())

    def _twin(self, twin_id: str) -> JsonObject:
        twin = self._store.twin(twin_id)
        if twin is None:
            raise twin_not_found(twin_id)
        return twin

    def _component(self, twin: JsonObject, name: str) -> JsonObject:
        interface = self._store.catalog.resolve(model_of(twin))
        value = twin.get(name)
        known = interface is None or name in interface.components
        if name.startswith("$") or not known or not isinstance(value, dict):
            raise component_not_found(str(twin["$dtId"]), name)
        return value

    def _relationship(self, twin_id: str, relationship_id: str) -> JsonObject:
        self._twin(twin_id)
        found = self._store.relationship(twin_id, relationship_id)
        if found is None:
            raise relationship_not_found(twin_id, relationship_id)
        return found


def _check_match(document: JsonObject, if_match: str | None) -> None:
    """If-Match: absent and `*` match anything that exists, else the weak tag must be the same."""
    if if_match is not None and if_match != "*" and if_match != document["$etag"]:
        raise etag_mismatch(if_match)


def _page(found: list[JsonObject], key: Callable[[JsonObject], str]) -> Page:
    items = found[:PAGE]
    return Page(items, key(items[-1]) if len(found) > PAGE else None)
