"""The rules of each operation: what is checked in which order, written, and answered.

One method per operation of the REST reference; `app` turns them into HTTP.
"""

from local.digital_twins.answers import Answer, Page, check_match
from local.digital_twins.documents import check_id, instant, model_of, new_twin
from local.digital_twins.egress.events import difference, stated_patch
from local.digital_twins.egress.routes import EventRoutes
from local.digital_twins.errors import (
    already_there,
    component_not_found,
    limit_exceeded,
    relationships_not_deleted,
)
from local.digital_twins.jsontypes import Json, JsonObject, dump
from local.digital_twins.models import Models
from local.digital_twins.patch import operations, patched_twin
from local.digital_twins.query.answer import Answer as QueryAnswer
from local.digital_twins.query.answer import Position, answer
from local.digital_twins.query.compile import compile_query
from local.digital_twins.relationships import Relationships
from local.digital_twins.store import Store
from local.digital_twins.throttle import Throttle
from local.service import Clock

TWIN_LIMIT_BYTES = 32 * 1024


class TwinService:
    """All operations over one store: those on twins, event routes and queries here, others by topic."""

    def __init__(self, store: Store, throttle: Throttle, clock: Clock, events: EventRoutes) -> None:
        self._store = store
        self._events = events
        self._throttle = throttle
        self._clock = clock
        self.models = Models(store, throttle, clock)
        self.relationships = Relationships(store, throttle, events)

    async def settled(self) -> None:
        await self._store.database.settled()

    # Twins

    def get_twin(self, twin_id: str) -> Answer:
        self._throttle.instance("twin reads")
        twin = self._store.existing_twin(twin_id)
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
            self._events.tell_update(twin_id, model_of(twin), lambda: difference(before, twin))
        return Answer(text, str(twin["$etag"]))

    def patch_twin(self, twin_id: str, body: Json, if_match: str | None, prefix: tuple[str, ...] = ()) -> str:
        """Returns the new ETag. `prefix` names the component that the paths are relative to."""
        self._throttle.instance("twin patches")
        self._throttle.write(twin_id)
        twin = self._store.existing_twin(twin_id)
        check_match(twin, if_match)
        changed = patched_twin(self._store.catalog, twin, operations(body, prefix), self._now())
        model_id = model_of(changed)
        if model_id != model_of(twin):
            self.models.check_in_service(model_id)
        self._put(twin_id, twin, changed)
        component = prefix[0] if prefix else None
        self._events.tell_update(twin_id, model_id, lambda: stated_patch(body, component))
        return str(changed["$etag"])

    def delete_twin(self, twin_id: str, if_match: str | None) -> None:
        self._throttle.instance("twin creations and deletions")
        self._throttle.write(twin_id)
        twin = self._store.existing_twin(twin_id)
        check_match(twin, if_match)
        if self._store.has_relationships(twin_id):
            raise relationships_not_deleted(twin_id)
        self._store.delete_twin(twin_id, twin)
        self._events.tell("Microsoft.DigitalTwins.Twin.Delete", twin_id, lambda: twin)

    def get_component(self, twin_id: str, name: str) -> Answer:
        self._throttle.instance("twin reads")
        twin = self._store.existing_twin(twin_id)
        return Answer(dump(self._component(twin, name)), str(twin["$etag"]))

    def accept_telemetry(
        self, twin_id: str, component: str | None, data: Json, *, message_id: str, time: str | None
    ) -> None:
        """Telemetry is taken for any twin there is, whatever its model says, and kept nowhere."""
        self._throttle.instance("twin reads")
        twin = self._store.existing_twin(twin_id)
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

    # Imports: as in the requests of the same kind, without rates and events; relationships have their own

    def import_models(self, documents: list[JsonObject]) -> None:
        """All or none; those that are there already, and the same, are passed over."""
        new: list[Json] = [document for document in documents if not self.models.has(document)]
        if new:
            self.models.add(new)

    def import_twin(self, document: JsonObject) -> None:
        twin_id = check_id("twin", str(document.get("$dtId", "")))
        self._put_new(twin_id, document, self._store.twin(twin_id))

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

    def _put(self, twin_id: str, before: JsonObject | None, twin: JsonObject) -> bytes:
        """Store a twin that is sound and not too large; metadata is the service's own and does not count."""
        text = dump(twin)
        if len(text) > TWIN_LIMIT_BYTES:
            values: JsonObject = {name: value for name, value in twin.items() if name != "$metadata"}
            if len(dump(values)) > TWIN_LIMIT_BYTES:
                raise limit_exceeded(f"Twin {twin_id} would be larger than {TWIN_LIMIT_BYTES // 1024} KB.")
        self._store.put_twin(twin_id, model_of(twin), text, before=before, after=twin)
        return text

    def _now(self) -> str:
        return instant(self._clock())

    def _component(self, twin: JsonObject, name: str) -> JsonObject:
        interface = self._store.catalog.resolve(model_of(twin))
        value = twin.get(name)
        known = interface is None or name in interface.components
        if name.startswith("$") or not known or not isinstance(value, dict):
            raise component_not_found(str(twin["$dtId"]), name)
        return value
