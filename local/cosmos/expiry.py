"""What time takes away: expired documents, and versions that need not be kept any longer."""

from local.cosmos.container import SLOTS_PER_CHANGE, Container
from local.cosmos.store import Store
from local.cosmos.versions import Versions, forget


def purge(store: Store) -> int:
    """Delete up to 128 expired documents of each container, and old versions; returns how many documents.

    No change is recorded for the latest-version feed: there, expiry is as silent as a delete.
    """
    return sum(_purge(store, container) for container in store.every_container())


def _purge(store: Store, container: Container) -> int:
    now, sql = int(store.clock()), store.connection
    versions = Versions(sql, container)
    if container.versions_kept_s:
        forget(sql, container, now)
    rows = sql.execute(
        f"SELECT seq, pk, id, change FROM {container.table} WHERE expires_at<=? LIMIT ?",
        (now, SLOTS_PER_CHANGE),
    ).fetchall()
    if not rows:
        return 0
    with store.transaction(container) as lsn:
        for place, (seq, pk, name, last_change) in enumerate(rows):
            sql.execute(f"DELETE FROM {container.table} WHERE seq=?", (seq,))
            if container.unique_keys:
                sql.execute(f"DELETE FROM {container.uniques} WHERE pk=? AND id=?", (pk, name))
            change, key = lsn * SLOTS_PER_CHANGE + place, container.key.of_header(pk)
            versions.deleted(change, key, now, name, last_change, expired=True)
    return len(rows)
