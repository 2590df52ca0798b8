"""SQLite indexes for the shapes of queries that are really asked.

Azure indexes every path. Here an index is made when a query first asks for its shape (the paths
that it fixes, then the path that it orders or bounds) of a container that has grown; it is kept in
the database file from then on. The first such query waits for it, as do writers meanwhile.
"""

import hashlib
from collections.abc import Sequence
from sqlite3 import Connection

from local.cosmos.change_feed import Scope
from local.cosmos.container import Container
from local.cosmos.query.pushdown import Condition, Path, type_rank, value_of

WORTHWHILE = 500
"""Documents in the scope of the query from which on an index is made."""
MOST = 12
"""Indexes a container may get; each costs every write a little."""


class Indexes:
    """Makes missing indexes; remembers what was decided."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._made: dict[str, list[tuple[str, ...]]] = {}

    def provide(
        self, container: Container, scope: Scope, condition: Condition | None, order: Sequence[Path]
    ) -> bool:
        """Make the index that this query wants if it pays; whether an index serves the query now."""
        columns = _columns(container, scope, condition, order)
        if not columns:
            return False
        made = self._made.get(container.table)
        if made is None:
            made = self._made[container.table] = self._existing(container)
        if any(one[: len(columns)] == columns for one in made):
            return True
        if len(made) >= MOST or not self._worthwhile(container, scope):
            return False
        name = f"{container.table}_by_{hashlib.sha256(repr(columns).encode()).hexdigest()[:16]}"
        self._connection.execute(
            f"CREATE INDEX IF NOT EXISTS {name} ON {container.table}({', '.join(columns)})"
        )
        made.append(columns)
        return True

    def _existing(self, container: Container) -> list[tuple[str, ...]]:
        """Columns of the indexes that earlier runs made, read back from their definitions."""
        rows = self._connection.execute(
            "SELECT sql FROM sqlite_master WHERE type='index' AND tbl_name=? AND name LIKE ?",
            (container.table, f"{container.table}_by_%"),
        ).fetchall()
        definitions = [str(sql).partition(f" ON {container.table}(")[2][:-1] for (sql,) in rows]
        return [tuple(definition.split(", ")) for definition in definitions]

    def _worthwhile(self, container: Container, scope: Scope) -> bool:
        condition, arguments = scope.condition()
        sql = f"SELECT 1 FROM {container.table} WHERE {condition} LIMIT 1 OFFSET ?"
        return self._connection.execute(sql, [*arguments, WORTHWHILE]).fetchone() is not None


def _columns(
    container: Container, scope: Scope, condition: Condition | None, order: Sequence[Path]
) -> tuple[str, ...]:
    fixed = sorted(condition.fixed) if condition else []
    bounded = sorted(condition.bounded) if condition else []
    following = list(order) or bounded[:1]
    paths = [path for path in fixed if path not in following] + following
    if any(path == ("id",) or path in container.key.paths for path in fixed):
        return ()
    paths = [path for path in paths if container.indexing.indexes(path)]
    if not paths:
        return ()
    columns = ["pk"] if scope.pk is not None else []
    for path in paths:
        columns += [f"({type_rank(path)})", f"({value_of(path)})"]
    return tuple(columns)
