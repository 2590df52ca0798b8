"""Reading the twin graph: what hangs below a twin, what a machine feeds and is fed by, queries.

Everything is bounded, in depth, in twins and in the rows of an answer: a graph of a whole
enterprise is read page by page, not in one request that runs out of time.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shared.ports import Document, Refused, Twins

MAX_TWINS = 1_000
_IDS_A_QUERY = 50
"""The service takes 50 items in an IN."""
_ROWS_A_PAGE = 1_000
MAX_QUERY_CHARACTERS = 8_000
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
_SELECT = re.compile(r"\s*SELECT\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Subgraph:
    """Twins and the relationships between them; `complete` is False where the bound cut it off."""

    twins: list[Document]
    relationships: list[Document]
    complete: bool


async def below(twins: Twins, root: str, depth: int) -> Subgraph | None:
    """A twin and what it contains, `depth` levels down, with their other relationships among each
    other; None when there is no such twin."""
    start = await twins.get(_checked(root))
    if start is None:
        return None
    found: dict[str, Document] = {root: start}
    level, complete = [root], True
    for _ in range(depth):
        links = await _links(twins, "$sourceId", level, "contains")
        new = list(dict.fromkeys(one["$targetId"] for one in links if one["$targetId"] not in found))
        if len(found) + len(new) > MAX_TWINS:
            new, complete = new[: MAX_TWINS - len(found)], False
        for twin in await _twins(twins, new):
            found[twin["$dtId"]] = twin
        level = new
        if not level or not complete:
            break
    relationships = [
        one for one in await _links(twins, "$sourceId", list(found)) if one["$targetId"] in found
    ]
    return Subgraph(list(found.values()), relationships, complete)


async def along(twins: Twins, machine_id: str, *, upstream: bool, hops: int) -> Subgraph | None:
    """The machines that material comes from, or goes to, by `feeds`, with those relationships.

    Nearest first; the machine itself is the first. None when there is no such twin.
    """
    start = await twins.get(_checked(machine_id))
    if start is None:
        return None
    mine, other = ("$targetId", "$sourceId") if upstream else ("$sourceId", "$targetId")
    found: dict[str, Document] = {machine_id: start}
    relationships: list[Document] = []
    level, complete = [machine_id], True
    for _ in range(hops):
        links = await _links(twins, mine, level, "feeds")
        relationships += links
        new = list(dict.fromkeys(one[other] for one in links if one[other] not in found))
        if len(found) + len(new) > MAX_TWINS:
            new, complete = new[: MAX_TWINS - len(found)], False
        for twin in await _twins(twins, new):
            found[twin["$dtId"]] = twin
        level = new
        if not level or not complete:
            break
    kept = [one for one in relationships if one["$sourceId"] in found and one["$targetId"] in found]
    return Subgraph(list(found.values()), _distinct(kept), complete)


async def asked(
    twins: Twins, query: str, *, limit: int, cursor: str | None
) -> tuple[list[Document], str | None]:
    """One page of a query in the service's language, which can only read. Refused for anything else."""
    if len(query) > MAX_QUERY_CHARACTERS:
        raise Refused(f"the query has {len(query)} characters, at most {MAX_QUERY_CHARACTERS} are taken")
    if not _SELECT.match(query):
        raise Refused("the query does not begin with SELECT")
    return await twins.query(query, limit=limit, cursor=cursor)


async def _links(twins: Twins, end: str, ids: Sequence[str], name: str | None = None) -> list[Document]:
    found: list[Document] = []
    for start in range(0, len(ids), _IDS_A_QUERY):
        listed = _listed(ids[start : start + _IDS_A_QUERY])
        named = "" if name is None else f" AND R.$relationshipName = '{name}'"
        found += await _all(twins, f"SELECT * FROM RELATIONSHIPS R WHERE R.{end} IN [{listed}]{named}")
    return found


async def _twins(twins: Twins, ids: Sequence[str]) -> list[Document]:
    """In the order of `ids`."""
    found: dict[str, Document] = {}
    for start in range(0, len(ids), _IDS_A_QUERY):
        listed = _listed(ids[start : start + _IDS_A_QUERY])
        for twin in await _all(twins, f"SELECT * FROM DIGITALTWINS T WHERE T.$dtId IN [{listed}]"):
            found[twin["$dtId"]] = twin
    return [found[name] for name in ids if name in found]


async def _all(twins: Twins, query: str) -> list[Document]:
    rows, cursor = await twins.query(query, limit=_ROWS_A_PAGE)
    while cursor is not None:
        more, cursor = await twins.query(query, limit=_ROWS_A_PAGE, cursor=cursor)
        rows += more
    return rows


def _listed(ids: Iterable[str]) -> str:
    r"""Ids as the language quotes them.

    >>> _listed(["A", "it's"])
    "'A', 'it\\'s'"
    """
    return ", ".join("'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'" for name in ids)


def _checked(twin_id: str) -> str:
    if not _ID.fullmatch(twin_id):
        raise Refused(f"{twin_id[:40]!r} is no id of a twin")
    return twin_id


def _distinct(relationships: Iterable[Document]) -> list[Document]:
    return list({(one["$sourceId"], one["$relationshipId"]): one for one in relationships}.values())
