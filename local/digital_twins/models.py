"""The operations on models: upload, read, list, decommission, delete."""

from collections.abc import Iterable
from datetime import UTC, datetime

from local.digital_twins.errors import (
    invalid_argument,
    invalid_model,
    limit_exceeded,
    model_decommissioned,
    model_exists,
    model_not_found,
    model_referenced,
)
from local.digital_twins.interfaces import DtdlFault, Interface, parse_interfaces
from local.digital_twins.jsontypes import Json, JsonObject, dump, parse
from local.digital_twins.store import Row, Store
from local.digital_twins.throttle import Throttle
from local.service import Clock

MODELS_PER_REQUEST = 250
MODEL_LIMIT_BYTES = 1024 * 1024
MODELS_LIMIT = 10_000
PAGE = 100


class Models:
    def __init__(self, store: Store, throttle: Throttle, clock: Clock) -> None:
        self._store = store
        self._throttle = throttle
        self._clock = clock

    def create(self, body: Json) -> list[JsonObject]:
        """Upload all models of a request, or none: 400 with the cause, 409 for ids that are taken."""
        self._throttle.instance("model requests")
        if not isinstance(body, list) or not body:
            raise invalid_argument("The body is a JSON array with at least one model.")
        if len(body) > MODELS_PER_REQUEST:
            raise limit_exceeded(f"A request has at most {MODELS_PER_REQUEST} models.")
        return self.add(body)

    def add(self, body: list[Json]) -> list[JsonObject]:
        """Upload, however many there are: an import job has no limit but the instance's."""
        documents = _documents(body)
        taken = [identifier for identifier in map(_id_of, documents) if identifier in self._store.catalog]
        if taken:
            raise model_exists(taken)
        try:
            interfaces = parse_interfaces(body, self._stored)
        except DtdlFault as exc:
            raise invalid_model(str(exc).removesuffix("."), exc.code) from exc
        (count,) = self._store.rows("SELECT count(*) FROM models")[0]
        if int(count) + len(interfaces) > MODELS_LIMIT:
            raise limit_exceeded(f"An instance has at most {MODELS_LIMIT} models.")
        uploaded = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="microseconds")
        self._store.add_models(documents, uploaded)
        return [_metadata(interface, uploaded, decommissioned=False) for interface in interfaces]

    def has(self, document: JsonObject) -> bool:
        """Whether this very document is uploaded already."""
        row = self._store.model(_id_of(document))
        return row is not None and _document(row) == document

    def get(self, model_id: str, *, definition: bool) -> JsonObject:
        self._throttle.instance("model requests")
        return self._answer(self._model(model_id), definition=definition)

    def list_all(
        self, *, after: int, limit: int, definition: bool, dependencies_for: Iterable[str]
    ) -> tuple[list[JsonObject], int | None]:
        """A page of models in the order of upload, and the number to go on behind, None at the end.

        `dependencies_for`: only these models, what they extend and their components.
        """
        self._throttle.instance("model requests")
        roots = list(dependencies_for)
        for root in roots:
            self._model(root)
        wanted = self._store.catalog.closure(roots) if roots else None
        rows = self._store.models(after, -1)
        found = [row for row in rows if wanted is None or row[0] in wanted]
        page = found[:limit]
        items = [self._answer(row[:4], definition=definition) for row in page]
        return items, int(page[-1][4]) if len(found) > limit else None

    def decommission(self, model_id: str, flag: bool) -> None:
        self._throttle.instance("model requests")
        self._model(model_id)
        self._store.set_decommissioned(model_id, flag)

    def delete(self, model_id: str) -> None:
        """Twins of the model stay, and cannot be changed until it is back, as in Azure."""
        self._throttle.instance("model requests")
        self._model(model_id)
        referrers = self._store.catalog.referrers(model_id)
        if referrers:
            raise model_referenced(referrers)
        self._store.delete_model(model_id)

    def check_in_service(self, model_id: str) -> None:
        """400 when no new twin may be made of the model."""
        if self._model(model_id)[3]:
            raise model_decommissioned(model_id)

    def _model(self, model_id: str) -> Row:
        row = self._store.model(model_id)
        if row is None:
            raise model_not_found(model_id)
        return row

    def _stored(self, ids: Iterable[str]) -> list[Json]:
        """The documents of uploaded models out of `ids`."""
        rows = [self._store.model(model_id) for model_id in ids if model_id in self._store.catalog]
        return [_document(row) for row in rows if row is not None]

    def _answer(self, row: Row, *, definition: bool) -> JsonObject:
        model_id, _, uploaded, decommissioned = row
        interface = self._store.catalog[str(model_id)]
        answer = _metadata(interface, str(uploaded), decommissioned=bool(decommissioned))
        if definition:
            answer["model"] = _document(row)
        return answer


def _documents(body: list[Json]) -> list[JsonObject]:
    documents = [document for document in body if isinstance(document, dict)]
    for document in documents:
        if len(dump(document)) > MODEL_LIMIT_BYTES:
            raise limit_exceeded(f"Model {_id_of(document)} is larger than 1 MB.")
    return documents


def _id_of(document: JsonObject) -> str:
    return str(document.get("@id", ""))


def _document(row: Row) -> Json:
    document = row[1]
    assert isinstance(document, bytes)
    return parse(document)


def _metadata(interface: Interface, uploaded: str, *, decommissioned: bool) -> JsonObject:
    return {
        "id": interface.id,
        "description": dict(interface.description),
        "displayName": dict(interface.display_name),
        "decommissioned": decommissioned,
        "uploadTime": uploaded,
    }
