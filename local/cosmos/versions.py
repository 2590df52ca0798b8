"""The change feed in all-versions-and-deletes mode: every write of a container that keeps them, for a while.

A container keeps versions if its `changeFeedPolicy` has a retention (minutes), as accounts with
continuous backup do in Azure. Each record is written in the transaction of its change.
"""

from sqlite3 import Connection

from local.cosmos.change_feed import Page, Scope
from local.cosmos.container import SLOTS_PER_CHANGE, Container
from local.cosmos.errors import CosmosError, bad_request
from local.cosmos.json_types import JsonObject, dump
from local.cosmos.partition import PartitionKeyValue

SCHEMA = """CREATE TABLE IF NOT EXISTS {table}(
    change INTEGER PRIMARY KEY, pk TEXT NOT NULL, epk TEXT NOT NULL, ts INTEGER NOT NULL,
    record TEXT NOT NULL)
"""


def not_kept() -> CosmosError:
    return bad_request(
        "All Versions and Deletes change feed must be enabled on the container before it is read: create it "
        "with a changeFeedPolicy that has a retentionDuration."
    )


class Versions:
    """Writes the records of one container; does nothing if it keeps none."""

    def __init__(self, connection: Connection, container: Container) -> None:
        self._connection = connection
        self._container = container
        if container.versions_kept_s:
            connection.execute(SCHEMA.format(table=container.versions))

    def written(
        self, change: int, key: PartitionKeyValue, ts: int, body: bytes, replaced: int | None
    ) -> None:
        """A document was created or (`replaced` is the number of its last change) replaced."""
        if self._container.versions_kept_s:
            kind = "create" if replaced is None else "replace"
            self._record(change, key, ts, body, self._metadata(change, ts, kind, replaced))

    def deleted(
        self, change: int, key: PartitionKeyValue, ts: int, name: str, replaced: int, *, expired: bool = False
    ) -> None:
        """A document was deleted, by a request or by its time to live."""
        if not self._container.versions_kept_s:
            return
        metadata = self._metadata(change, ts, "delete", replaced)
        steps = [path[-1] for path in self._container.key.paths]
        values = zip(steps, key.components, strict=False)
        metadata["id"] = name
        metadata["partitionKey"] = {
            step: value for step, value in values if isinstance(value, str | int | float | bool | None)
        }
        if expired:
            metadata["timeToLiveExpired"] = True
        self._record(change, key, ts, b"{}", metadata)

    def _metadata(self, change: int, ts: int, kind: str, replaced: int | None) -> JsonObject:
        return {
            "lsn": change // SLOTS_PER_CHANGE,
            "crts": ts,
            "operationType": kind,
            "previousImageLSN": (replaced or 0) // SLOTS_PER_CHANGE,
        }

    def _record(
        self, change: int, key: PartitionKeyValue, ts: int, body: bytes, metadata: JsonObject
    ) -> None:
        record = b'{"current":%b,"metadata":%b}' % (body, dump(metadata))
        self._connection.execute(
            f"INSERT INTO {self._container.versions} VALUES(?,?,?,?,?)",
            (change, key.canonical, key.effective, ts, record.decode()),
        )


def read(connection: Connection, container: Container, scope: Scope, *, after: int, limit: int) -> Page:
    """Up to `limit` records behind a change; those of one batch come on one page."""
    condition, arguments = scope.condition()
    rows = connection.execute(
        f"SELECT change, record FROM {container.versions} WHERE change>=? AND {condition} "
        "ORDER BY change LIMIT ?",
        [(after + 1) * SLOTS_PER_CHANGE, *arguments, limit + SLOTS_PER_CHANGE],
    ).fetchall()
    if not rows:
        return Page([], max(after, container.lsn))
    end = len(rows)
    if end > limit:
        last = rows[limit - 1][0] // SLOTS_PER_CHANGE
        end = next((at for at in range(limit, end) if rows[at][0] // SLOTS_PER_CHANGE != last), end)
    return Page([record.encode() for _, record in rows[:end]], rows[end - 1][0] // SLOTS_PER_CHANGE)


def forget(connection: Connection, container: Container, now: float) -> None:
    """Delete the records that are older than the container keeps them."""
    oldest = int(now) - container.versions_kept_s
    connection.execute(f"DELETE FROM {container.versions} WHERE ts<?", (oldest,))
