"""The SQL that narrows and orders the documents for a query, and resumes at a place in that order."""

from typing import cast

from local.cosmos.json_types import Json
from local.cosmos.query.continuation import Position, bad_continuation
from local.cosmos.query.failures import SEMANTIC, query_error
from local.cosmos.query.pushdown import Argument, Path, Pushdown, type_rank, value_of
from local.cosmos.query.request import Request

UNORDERABLE = "Unsupported ORDER BY clause. ORDER BY item expression could not be mapped to a document path."
EXCLUDED = "The index path corresponding to the specified order-by item is excluded."
NO_COMPOSITE = "The order by query does not have a corresponding composite index that it can be served from."


def order_of(request: Request) -> list[tuple[Path, bool]]:
    """ORDER BY as paths with direction. Refuses what the indexing policy would not let Azure order."""
    pushdown = Pushdown(request.program.query, {}, ())
    indexing = request.container.indexing
    ordered: list[tuple[Path, bool]] = []
    for item in request.program.query.order_by:
        path = pushdown.path(item.expression)
        if path is None:
            raise query_error(SEMANTIC, UNORDERABLE, item.span)
        if not indexing.indexes(path):
            raise query_error(SEMANTIC, EXCLUDED, item.span)
        ordered.append((path, item.descending))
    if len(ordered) > 1 and not indexing.serves(ordered):
        raise query_error(SEMANTIC, NO_COMPOSITE)
    return ordered


def statement(
    request: Request, order: list[tuple[Path, bool]], after: Position | None
) -> tuple[str, list[Argument]]:
    container, query = request.container, request.program.query
    scope, arguments = request.scope.condition()
    terms = [scope, "(expires_at IS NULL OR expires_at>?)"]
    bound: list[Argument] = [*arguments, int(request.now)]
    pushed = Pushdown(query, request.parameters, container.key.paths).condition(query.where)
    if pushed:
        terms.append(f"({pushed.sql})")
        bound += pushed.arguments
    indexed = request.indexes.provide(container, request.scope, pushed, [path for path, _ in order])
    keys: list[tuple[str, bool]] = []
    for path, descending in order:
        typed = pushed is not None and path in pushed.typed
        if len(order) == 1 and not typed and not container.indexing.names(path):
            terms.append(f"({type_rank(path)}) IS NOT NULL")
        if not typed and path != ("id",):
            keys.append((f"({type_rank(path)})", descending))
        keys.append((f"({value_of(path)})", descending))
    backwards = bool(keys) and keys[0][1]
    keys.append(("seq", backwards))
    if after:
        if len(after.keys) != len(keys) - 1 or any(isinstance(one, list | dict) for one in after.keys):
            raise bad_continuation()
        resume, values = _resume(keys, [*after.keys, after.seq], inclusive=after.emitted > 0)
        terms.append(resume)
        bound += values
    if indexed and not order:
        # Sort the numbers that the index finds, then read the bodies of one page: SQLite would sort bodies.
        found = f"SELECT seq FROM {container.table} WHERE {' AND '.join(terms)}"
        return f"SELECT seq, body FROM {container.table} WHERE seq IN ({found}) ORDER BY seq", bound
    columns = ", ".join(["seq", "body", *(sql for sql, _ in keys[:-1])])
    by = ", ".join(f"{sql} DESC" if descending else sql for sql, descending in keys)
    return f"SELECT {columns} FROM {container.table} WHERE {' AND '.join(terms)} ORDER BY {by}", bound


def _resume(
    keys: list[tuple[str, bool]], values: list[Json], *, inclusive: bool
) -> tuple[str, list[Argument]]:
    """The documents that come after a place in the order; `inclusive` keeps the one at the place.

    With one direction this is a single row comparison, which an index can seek.
    """
    plain = [cast(Argument, value) for value in values]
    if len({descending for _, descending in keys}) == 1 and None not in plain:
        sign = ("<" if keys[0][1] else ">") + ("=" if inclusive else "")
        names = ", ".join(name for name, _ in keys)
        return f"({names}) {sign} ({', '.join('?' * len(keys))})", plain
    alternatives: list[str] = []
    arguments: list[Argument] = []
    for place, (name, descending) in enumerate(keys):
        last = place == len(keys) - 1
        same = [f"{other} IS ?" for other, _ in keys[:place]]
        if plain[place] is None:
            beyond = "0" if descending else f"{name} IS NOT NULL"
        else:
            beyond = f"({name}<? OR {name} IS NULL)" if descending else f"{name}>?"
        alternatives.append(" AND ".join([*same, beyond]))
        arguments += plain[:place] + ([] if plain[place] is None else [plain[place]])
        if last and inclusive:
            alternatives.append(" AND ".join([*same, f"{name} IS ?"]))
            arguments += plain
    return "(" + " OR ".join(f"({one})" for one in alternatives) + ")", arguments
