"""The rules of each operation on relationships, which count as writes of the twin that they begin at."""

from local.digital_twins.answers import PAGE, Answer, Page, check_match, page
from local.digital_twins.documents import check_id, incoming, model_of, new_relationship, resolved
from local.digital_twins.egress.events import Kind, difference, stated_patch
from local.digital_twins.egress.routes import EventRoutes
from local.digital_twins.errors import (
    already_there,
    invalid_relationship,
    relationship_not_found,
    target_not_found,
)
from local.digital_twins.jsontypes import Json, JsonObject, dump
from local.digital_twins.patch import operations, patched_relationship
from local.digital_twins.store import Store
from local.digital_twins.throttle import Throttle


class Relationships:
    def __init__(self, store: Store, throttle: Throttle, events: EventRoutes) -> None:
        self._store = store
        self._throttle = throttle
        self._events = events

    def get(self, twin_id: str, relationship_id: str) -> Answer:
        self._throttle.instance("twin reads")
        found = self._existing(twin_id, relationship_id)
        return Answer(dump(found), str(found["$etag"]))

    def put(self, twin_id: str, relationship_id: str, body: Json, if_none_match: str | None) -> Answer:
        check_id("relationship", relationship_id)
        self._throttle.instance("twin creations and deletions")
        self._throttle.write(twin_id)
        model_id = model_of(self._store.existing_twin(twin_id))
        before = self._store.relationship(twin_id, relationship_id)
        if if_none_match == "*" and before is not None:
            raise already_there("relationship", relationship_id)
        document = self._put_new(twin_id, relationship_id, body, before)
        if before is None:
            self._tell("Microsoft.DigitalTwins.Relationship.Create", document)
        else:
            self._events.tell_update(twin_id, model_id, lambda: difference(before, document), relationship_id)
        return Answer(dump(document), str(document["$etag"]))

    def patch(self, twin_id: str, relationship_id: str, body: Json, if_match: str | None) -> str:
        """Returns the new ETag."""
        self._throttle.instance("twin patches")
        self._throttle.write(twin_id)
        found = self._existing(twin_id, relationship_id)
        check_match(found, if_match)
        interface = resolved(self._store.catalog, model_of(self._store.existing_twin(twin_id)))
        changed = patched_relationship(interface, found, operations(body))
        self._store.put_relationship(changed, before=found)
        self._events.tell_update(twin_id, interface.id, lambda: stated_patch(body, None), relationship_id)
        return str(changed["$etag"])

    def delete(self, twin_id: str, relationship_id: str, if_match: str | None) -> None:
        self._throttle.instance("twin creations and deletions")
        self._throttle.write(twin_id)
        found = self._existing(twin_id, relationship_id)
        check_match(found, if_match)
        self._store.delete_relationship(found)
        self._tell("Microsoft.DigitalTwins.Relationship.Delete", found)

    def list_outgoing(self, twin_id: str, name: str | None, after: str) -> Page:
        self._throttle.instance("twin reads")
        self._store.existing_twin(twin_id)
        found = self._store.outgoing(twin_id, name, after, PAGE + 1)
        return page(found, lambda last: str(last["$relationshipId"]))

    def list_incoming(self, twin_id: str, after: str) -> Page:
        self._throttle.instance("twin reads")
        self._store.existing_twin(twin_id)
        source, _, identifier = after.partition(" ")
        found = self._store.incoming(twin_id, (source, identifier), PAGE + 1)
        items, further = page(found, lambda last: f"{last['$sourceId']} {last['$relationshipId']}")
        return Page([incoming(relationship) for relationship in items], further)

    def import_one(self, document: JsonObject) -> None:
        source = str(document.get("$dtId", document.get("$sourceId", "")))
        identifier = check_id("relationship", str(document.get("$relationshipId", "")))
        self._put_new(source, identifier, document, self._store.relationship(source, identifier))

    def _put_new(
        self, twin_id: str, relationship_id: str, body: Json, before: JsonObject | None
    ) -> JsonObject:
        catalog = self._store.catalog
        interface = resolved(catalog, model_of(self._store.existing_twin(twin_id)))
        document, wanted = new_relationship(interface, twin_id, relationship_id, body)
        target = self._store.twin(str(document["$targetId"]))
        if target is None:
            raise target_not_found()
        if wanted is not None and not catalog.is_a(model_of(target), wanted):
            raise invalid_relationship(f"The target's model {model_of(target)} is not a {wanted}.")
        self._store.put_relationship(document, before=before)
        return document

    def _tell(self, kind: Kind, document: JsonObject) -> None:
        source, identifier = str(document["$sourceId"]), str(document["$relationshipId"])
        self._events.tell(kind, source, lambda: document, identifier)

    def _existing(self, twin_id: str, relationship_id: str) -> JsonObject:
        self._store.existing_twin(twin_id)
        found = self._store.relationship(twin_id, relationship_id)
        if found is None:
            raise relationship_not_found(twin_id, relationship_id)
        return found
