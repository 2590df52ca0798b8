"""The change feed, latest version: the living documents in the order in which they last changed.

A continuation is the number of the last change that was read. Numbers are handed out inside the
writing transaction, in commit order, and never twice: whoever continues after n sees every later
change exactly once, in its latest version. All changes of one batch come on one page.
"""

from dataclasses import dataclass
from sqlite3 import Connection

from local.cosmos.container import SLOTS_PER_CHANGE, Container
from local.cosmos.errors import bad_request

DEFAULT_PAGE = 100


@dataclass(frozen=True, slots=True)
class Scope:
    """Which documents a feed or a query covers: a logical partition, or an interval of the key space."""

    pk: str | None = None
    low: str = ""
    high: str = "FF"

    @classmethod
    def of(cls, container: Container, header: str) -> "Scope":
        """What a partition key in a header's form covers: one value, or all below a prefix of one."""
        key = container.key.of_header(header)
        if container.key.is_whole(key):
            return cls(pk=key.canonical)
        return cls(low=key.effective, high=key.effective + "FF")

    def condition(self) -> tuple[str, list[str | int]]:
        """As an SQL condition with its arguments; `1` when everything is covered."""
        if self.pk is not None:
            return "pk=?", [self.pk]
        terms: list[str] = []
        arguments: list[str | int] = []
        if self.low:
            terms.append("epk>=?")
            arguments.append(self.low)
        if self.high != "FF":
            terms.append("epk<?")
            arguments.append(self.high)
        return " AND ".join(terms) or "1", arguments


@dataclass(frozen=True, slots=True)
class Page:
    """Documents as JSON, each with `_lsn`, and where to continue."""

    documents: list[bytes]
    continuation: int


def position(etag: str | None, container: Container) -> int:
    """The change after which to read: from If-None-Match; absent is the beginning, `*` is now."""
    if etag is None:
        return 0
    if etag == "*":
        return container.lsn
    digits = etag.strip('"')
    if not digits.isdecimal() or len(digits) > 16:
        raise bad_request(f"The value '{etag}' specified for the header 'If-None-Match' is invalid.")
    return int(digits)


def read(
    connection: Connection,
    container: Container,
    scope: Scope,
    *,
    after: int,
    since: float,
    limit: int,
    now: float,
) -> Page:
    """Up to `limit` documents changed after `after` and not before `since` (epoch seconds).

    A drained feed continues at the container's latest change, so that the next read starts there.
    """
    condition, arguments = scope.condition()
    rows = connection.execute(
        f"SELECT change, body FROM {container.table} WHERE change>=? AND {condition} AND ts>=? "
        "AND (expires_at IS NULL OR expires_at>?) ORDER BY change LIMIT ?",
        [(after + 1) * SLOTS_PER_CHANGE, *arguments, int(since), int(now), limit + SLOTS_PER_CHANGE],
    ).fetchall()
    if not rows:
        return Page([], max(after, container.lsn))
    end = len(rows)
    if end > limit:
        last = rows[limit - 1][0] // SLOTS_PER_CHANGE
        end = next((at for at in range(limit, end) if rows[at][0] // SLOTS_PER_CHANGE != last), end)
    documents = [
        b'%b,"_lsn":%d}' % (body.encode()[:-1], change // SLOTS_PER_CHANGE) for change, body in rows[:end]
    ]
    return Page(documents, rows[end - 1][0] // SLOTS_PER_CHANGE)
