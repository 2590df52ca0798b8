"""Documents over REST: point operations, batch, feeds, change feed, queries."""

from datetime import UTC
from email.utils import parsedate_to_datetime

from local.cosmos import batch, change_feed, charges, scripts, versions
from local.cosmos.change_feed import Scope
from local.cosmos.container import SLOTS_PER_CHANGE, Container
from local.cosmos.documents import Conditions, Documents, Outcome
from local.cosmos.errors import (
    COLLECTION_RID_MISMATCH,
    PARTITION_KEY_MISMATCH,
    CosmosError,
    bad_request,
    method_not_allowed,
    not_implemented,
    partition_key_range_gone,
    too_large,
)
from local.cosmos.json_types import dump, parse_json, parse_object
from local.cosmos.partition import PartitionKeyValue
from local.cosmos.queries import Queries
from local.cosmos.ranges import holding
from local.cosmos.store import Store
from local.cosmos.wire import Call, Reply, session_headers, too_long

PARTITION_KEY = "x-ms-documentdb-partitionkey"
WRITES = frozenset({"create", "upsert", "replace", "patch", "delete"})


class Items:
    """Everything below `/dbs/{database}/colls/{container}/docs`."""

    def __init__(self, store: Store, queries: Queries) -> None:
        self._store = store
        self._queries = queries
        self._documents: dict[int, Documents] = {}

    async def feed(self, call: Call, container: Container) -> Reply:
        """`/docs`: create, upsert, batch, query, read feed, change feed."""
        _check_rid(call, container)
        scripts.refuse_triggers(self._store, call, container)
        if call.verb == "POST":
            if call.flag("x-ms-cosmos-is-batch-request"):
                return self._batch(call, container)
            if call.is_query or call.flag("x-ms-cosmos-is-query-plan-request"):
                return await self._queries.answer(call, container, self.scope(call, container))
            return self._insert(call, container)
        if call.verb != "GET":
            raise method_not_allowed()
        if "a-im" in call.headers:
            return self._change_feed(call, container)
        return await self._queries.read_all(call, container, self.scope(call, container))

    def document(self, call: Call, container: Container) -> Reply:
        """`/docs/{id}`: read, replace, patch, delete."""
        _check_rid(call, container)
        key, name, when = self._whole_key(call, container), call.path[5], Conditions.of(call.headers)
        documents = self._of(container)
        if call.verb == "GET":
            return self._reply(call, container, key, "read", documents.read(key, name, when))
        scripts.refuse_triggers(self._store, call, container)
        if too_long(call):
            raise too_large()
        body = parse_object(call.body) if call.verb in ("PUT", "PATCH") else {}
        with self._store.transaction(container) as lsn:
            change = lsn * SLOTS_PER_CHANGE
            match call.verb:
                case "PUT":
                    kind, outcome = "replace", documents.replace(change, key, name, body, when)
                case "PATCH":
                    kind, outcome = "patch", documents.patch(change, key, name, body, when)
                case "DELETE":
                    kind, outcome = "delete", documents.delete(change, key, name, when)
                case _:
                    raise method_not_allowed()
        return self._reply(call, container, key, kind, outcome)

    def delete_partition(self, call: Call, container: Container) -> Reply:
        """Delete all documents of a logical partition: at once here, in the background in Azure."""
        key = self._whole_key(call, container)
        with self._store.transaction(container):
            self._of(container).delete_partition(key)
        return Reply(200, None, self._session(container, key.effective), kind="delete")

    def scope(self, call: Call, container: Container) -> Scope:
        """What the request covers, from its partition key, its range id and its key interval."""
        header = call.headers.get(PARTITION_KEY)
        if header is not None:
            return Scope.of(container, header)
        low, high = "", "FF"
        range_id = call.headers.get("x-ms-documentdb-partitionkeyrangeid")
        if range_id is not None:
            named = next((one for one in container.ranges if one.id == range_id.rpartition(",")[2]), None)
            if named is None:
                raise partition_key_range_gone()
            low, high = named.low, named.high
        start, end = call.headers.get("x-ms-start-epk"), call.headers.get("x-ms-end-epk")
        if start is not None and end is not None:
            low, high = max(low, start.upper()), min(high, end.upper())
        return Scope(low=low, high=high)

    def _insert(self, call: Call, container: Container) -> Reply:
        if too_long(call):
            raise too_large()
        body = parse_object(call.body)
        if PARTITION_KEY in call.headers:
            key = self._whole_key(call, container)
        else:
            key = container.key.of_document(body)
        upsert = call.flag("x-ms-documentdb-is-upsert")
        documents = self._of(container)
        with self._store.transaction(container) as lsn:
            change = lsn * SLOTS_PER_CHANGE
            if upsert:
                outcome = documents.upsert(change, key, body, Conditions.of(call.headers))
            else:
                outcome = documents.create(change, key, body)
        return self._reply(call, container, key, "upsert" if upsert else "create", outcome)

    def _batch(self, call: Call, container: Container) -> Reply:
        key = self._batch_key(call, container)
        if not call.flag("x-ms-cosmos-batch-atomic"):
            raise not_implemented("batches that are not atomic")
        status, outcomes = batch.execute(
            self._store, container, self._of(container), key, parse_json(call.body), len(call.body)
        )
        charge = sum(_charge(outcome) for outcome in outcomes)
        minimal = call.headers.get("prefer") == "return=minimal"
        body = b"[" + b",".join(_batch_item(outcome, minimal) for outcome in outcomes) + b"]"
        headers = self._session(container, key.effective)
        headers["x-ms-item-count"] = str(len(outcomes))
        return Reply(status, body, headers, charge, "batch")

    def _change_feed(self, call: Call, container: Container) -> Reply:
        after = change_feed.position(call.headers.get("if-none-match"), container)
        scope, limit = self.scope(call, container), call.page_size(change_feed.DEFAULT_PAGE)
        if call.headers["a-im"].lower() == "full-fidelity feed":
            if not container.versions_kept_s:
                raise versions.not_kept()
            self._of(container)
            page = versions.read(self._store.connection, container, scope, after=after, limit=limit)
        else:
            page = change_feed.read(
                self._store.connection,
                container,
                scope,
                after=after,
                since=_since(call),
                limit=limit,
                now=self._store.clock(),
            )
        headers = {"etag": f'"{page.continuation}"', **self._session(container, "")}
        size = sum(map(len, page.documents))
        charge = charges.query(size, len(page.documents))
        if not page.documents:
            return Reply(304, None, headers, 1.0, "change_feed")
        headers["x-ms-item-count"] = str(len(page.documents))
        body = b'{"_rid":"%b","Documents":[%b],"_count":%d}' % (
            container.rid.encode(), b",".join(page.documents), len(page.documents),
        )  # fmt: skip
        return Reply(200, body, headers, charge, "change_feed")

    def _of(self, container: Container) -> Documents:
        if container.number not in self._documents:
            self._documents[container.number] = Documents(self._store, container)
        return self._documents[container.number]

    def _batch_key(self, call: Call, container: Container) -> PartitionKeyValue:
        key = container.key.of_header(call.headers.get(PARTITION_KEY, ""))
        if not container.key.is_whole(key):
            raise bad_request(
                "Partition key provided either doesn't correspond to definition in the collection or doesn't "
                "match partition key field values specified in the document.",
                PARTITION_KEY_MISMATCH,
            )
        return key

    def _whole_key(self, call: Call, container: Container) -> PartitionKeyValue:
        header = call.headers.get(PARTITION_KEY)
        if header is None:
            raise bad_request("PartitionKey value must be supplied for this operation.")
        return container.key.require_whole(container.key.of_header(header))

    def _reply(
        self, call: Call, container: Container, key: PartitionKeyValue, kind: str, outcome: Outcome
    ) -> Reply:
        headers = self._session(container, key.effective)
        if outcome.etag:
            headers["etag"] = outcome.etag
        body = outcome.body
        if kind in WRITES and call.headers.get("prefer") == "return=minimal":
            body = None
        return Reply(outcome.status, body, headers, outcome.charge, kind)

    def _session(self, container: Container, effective: str) -> dict[str, str]:
        return session_headers(container, holding(container.ranges, effective).id)


def _since(call: Call) -> float:
    given = call.headers.get("if-modified-since")
    if given is None:
        return 0.0
    try:
        found = parsedate_to_datetime(given)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as exc:
        raise bad_request(
            f"The value '{given}' specified for the header 'If-Modified-Since' is invalid."
        ) from exc


def _check_rid(call: Call, container: Container) -> None:
    """The SDK says which container it means; one that was deleted and made anew is another."""
    intended = call.headers.get("x-ms-cosmos-intended-collection-rid")
    if intended is not None and intended != container.rid:
        raise bad_request(
            "The requested resource's container was recreated: its resource id does not match.",
            COLLECTION_RID_MISMATCH,
        )


def _charge(outcome: Outcome | CosmosError | None) -> float:
    if isinstance(outcome, Outcome):
        return outcome.charge
    return 1.0 if outcome else 0.0


def _batch_item(outcome: Outcome | CosmosError | None, minimal: bool) -> bytes:
    if outcome is None:
        return b'{"statusCode":424,"requestCharge":0}'
    if isinstance(outcome, CosmosError):
        return dump(
            {"statusCode": outcome.status, "subStatusCode": outcome.sub_status or 0, "requestCharge": 1.0}
        )
    head = b'{"statusCode":%d,"requestCharge":%.2f' % (outcome.status, outcome.charge)
    if outcome.etag:
        head += b',"eTag":' + dump(outcome.etag)
    if outcome.body and not minimal:
        head += b',"resourceBody":' + outcome.body
    return head + b"}"
