"""Transactional batch: up to 100 operations on one logical partition, all or none."""

from local.cosmos.container import SLOTS_PER_CHANGE, Container
from local.cosmos.documents import Conditions, Documents, Outcome
from local.cosmos.errors import CosmosError, bad_request, too_large
from local.cosmos.json_types import Json, JsonObject, text
from local.cosmos.partition import PartitionKeyValue
from local.cosmos.store import Store

MAX_OPERATIONS = 100
MAX_BYTES = 1_258_291
"""1.2 MB: what the SDK's documentation gives for a batch."""


class _Failed(Exception):
    def __init__(self, place: int, error: CosmosError) -> None:
        super().__init__(place)
        self.place = place
        self.error = error


def execute(
    store: Store,
    container: Container,
    documents: Documents,
    key: PartitionKeyValue,
    listed: Json,
    size_bytes: int,
) -> tuple[int, list[Outcome | CosmosError | None]]:
    """HTTP status (200, or 207 when one failed and all were undone) and one result per operation.

    None stands for an operation that was undone or never tried because another failed: 424.
    """
    if not isinstance(listed, list) or not listed:
        raise bad_request("Batch request has no operations.")
    if len(listed) > MAX_OPERATIONS:
        raise bad_request(
            f"Batch request has more operations than what is supported. Maximum is {MAX_OPERATIONS}."
        )
    if size_bytes > MAX_BYTES:
        raise too_large()
    outcomes: list[Outcome | CosmosError | None] = []
    try:
        with store.transaction(container) as lsn:
            for place, operation in enumerate(listed):
                try:
                    outcomes.append(_run(documents, lsn * SLOTS_PER_CHANGE + place, key, operation))
                except CosmosError as exc:
                    raise _Failed(place, exc) from exc
    except _Failed as failed:
        undone: list[Outcome | CosmosError | None] = [None] * len(listed)
        undone[failed.place] = failed.error
        return 207, undone
    return 200, outcomes


def _run(documents: Documents, change: int, key: PartitionKeyValue, operation: Json) -> Outcome:
    if not isinstance(operation, dict):
        raise bad_request("Batch request has an operation that is not an object.")
    when = Conditions(text(operation.get("ifMatch")), text(operation.get("ifNoneMatch")))
    match operation.get("operationType"):
        case "Create":
            return documents.create(change, key, _body(operation))
        case "Upsert":
            return documents.upsert(change, key, _body(operation), when)
        case "Replace":
            return documents.replace(change, key, _id(operation), _body(operation), when)
        case "Patch":
            return documents.patch(change, key, _id(operation), _body(operation), when)
        case "Delete":
            return documents.delete(change, key, _id(operation), when)
        case "Read":
            return documents.read(key, _id(operation), when)
        case other:
            raise bad_request(f"Batch request has an operation of unknown type '{other}'.")


def _id(operation: JsonObject) -> str:
    name = operation.get("id")
    if not isinstance(name, str):
        raise bad_request("Batch request has an operation without the id of its document.")
    return name


def _body(operation: JsonObject) -> JsonObject:
    body = operation.get("resourceBody")
    if not isinstance(body, dict):
        raise bad_request("Batch request has an operation without the body of its document.")
    return body
