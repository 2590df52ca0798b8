"""Committed `oee` and `twin` documents -> roll-ups of lines, sites and the enterprise.

Writing each scope at most every five seconds without losing the last value: a change feed
function has no memory of its own to put a late write into, so it keeps the batch instead. It
returns when everything is written, waiting where a scope was written a moment ago; the lease
moves on only then, and what changes meanwhile comes in one larger batch. The trigger polls as
seldom as scopes are written, so that this waiting is the exception.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from cachetools import LRUCache

from shared.contracts.spec_documents import LineOee, SiteDocument
from shared.domain.spec import Bands
from shared.observability import continued
from shared.ports import AlreadyDone, Conflict, Create, Document, Documents, Refused, Replace
from shared.relay.events import origins
from shared.relay.memberships import SCOPES, Memberships
from shared.relay.pace import Pace, Sleep
from shared.relay.rollup import OEE, STATUS, Entry, contribution, document_id, empty, figures, total
from shared.relay.undelivered import record

log = logging.getLogger(__name__)

WRITE_EVERY_S = 5.0
_CONFLICTS_BORNE = 8
_KEPT = 500
"""Scope documents in memory, at most 1 MB each and a few KB as a rule."""

type Entries = dict[str, Entry]


class Sites(Protocol):
    async def current_site(self, site_id: str) -> SiteDocument | None: ...
    async def describes(self, site_id: str, line_id: str, machine_id: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Scope:
    """One document of one scope."""

    scope_id: str
    site_id: str
    document_id: str
    level: str
    kind: str
    bands: tuple[Bands, ...]
    only: str | None = None
    """The child that the scope's OEE is; None: the sum of all."""

    @property
    def key(self) -> str:
        return f"{self.scope_id}/{self.document_id}"


@dataclass(frozen=True, slots=True)
class _Rules:
    """What a site's description says about its roll-ups."""

    site_id: str
    enterprise_id: str
    usual: tuple[Bands, ...]
    site_bands: tuple[Bands, ...]
    area_bands: dict[str, tuple[Bands, ...]]
    enterprise_bands: tuple[Bands, ...]
    lines: dict[str, LineOee]
    applied: bool = True
    """False: nothing is described, these are the usual rules."""

    def line(self, line_id: str) -> LineOee:
        return self.lines.get(line_id) or LineOee()

    def line_scope(self, line_id: str, document_id: str, kind: str) -> _Scope:
        line = self.line(line_id)
        only = line.machine if kind == OEE else None
        return _Scope(line_id, self.site_id, document_id, "line", kind, self.usual + line.bands, only)

    def scope(self, scope_id: str, below: _Scope, level: str, own: tuple[Bands, ...]) -> _Scope:
        """The same document one level up, with the usual limits, and its own from their dates on."""
        return _Scope(scope_id, self.site_id, below.document_id, level, below.kind, self.usual + own)


class ScopeRelay:
    """Keeps the `scopes` container equal to the machines' documents.

    1. Take each machine's newest contribution of the batch, by line. How a machine is, counts while a
       description has it; what it made in a shift stays.
    2. A machine that is new to its line first leaves the one it counted in, on all levels: so it
       never counts twice, and a crash in between only repeats its leaving.
    3. Merge contributions into the lines' documents: an entry gives way only to a newer one.
    4. Merge the lines' totals into their areas' and sites', the sites' into the enterprise's, in
       the same way; a line's version is its document's own count of writes.

    A crash in between is made good by the batch's next delivery: what is written is found equal,
    what is not is written. A document that outgrows the store is recorded and passed.
    """

    def __init__(
        self,
        documents: Documents,
        sites: Sites,
        *,
        clock: Callable[[], float] = monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._documents = documents
        self._sites = sites
        self._sleep = sleep
        self._pace = Pace(1 / WRITE_EVERY_S, clock=clock, sleep=sleep)
        self._cache = LRUCache[str, Document](_KEPT)
        self._members = Memberships(documents)

    async def __call__(self, documents: Sequence[Document]) -> None:
        """Roll a batch of changed documents up; those that no roll-up counts are passed over."""
        counted = [document for document in documents if document["type"] in ("oee", "twin")]
        if counted:
            with continued("roll up", origins(documents), {"millwright.documents": len(counted)}):
                await self._roll_up(counted)

    async def _roll_up(self, counted: Sequence[Document]) -> None:
        sites = {site_id: await self._site(site_id) for site_id in {d["siteId"] for d in counted}}
        lines: dict[_Scope, Entries] = {}
        dropped: dict[_Scope, Entries] = {}
        for document, entry in _newest(counted):  # 1
            rules, kind, machine_id = sites[document["siteId"]], _kind(document), document["machineId"]
            scope = rules.line_scope(document["lineId"], document_id(document), kind)
            if kind == OEE or await self._is_described(document, rules):
                lines.setdefault(scope, {})[machine_id] = entry
            elif _counts(await self._load(scope), machine_id):
                dropped.setdefault(scope, {})[machine_id] = Entry(entry.version, None)
        left = await self._leave(lines, sites)  # 2
        for scope, entries in dropped.items():
            left.setdefault(scope, {}).update(entries)
        if left:
            await self._climb(left, sites)
        await self._climb(lines, sites)

    async def _is_described(self, document: Document, rules: _Rules) -> bool:
        place = document["siteId"], document["lineId"], document["machineId"]
        return not rules.applied or await self._sites.describes(*place)

    async def _leave(self, lines: dict[_Scope, Entries], sites: dict[str, _Rules]) -> dict[_Scope, Entries]:
        """Of machines that are new to their line, what takes them out of the line they counted in.

        What comes late, after its machine has moved on, is taken out of `lines`. `sites` gets the
        rules of lines that are left.
        """
        left: dict[_Scope, Entries] = {}
        for scope, entries in lines.items():
            before = await self._load(scope)
            new = [name for name in entries if not _counts(before, name)]
            for machine_id, others in (await self._members.join(new, scope.scope_id, scope.site_id)).items():
                entry = entries[machine_id]
                for line_id, site_id in others.items():
                    if site_id not in sites:
                        sites[site_id] = await self._site(site_id)
                    other = sites[site_id].line_scope(line_id, scope.document_id, scope.kind)
                    self._cache.pop(other.key, None)  # another worker may have written it since
                    theirs = await self._load(other)
                    child = theirs["children"].get(machine_id) if theirs else None
                    if child is None:
                        continue
                    if child["version"] <= entry.version:
                        left.setdefault(other, {})[machine_id] = Entry(entry.version, None)
                    elif child["content"] is not None:
                        entries.pop(machine_id, None)
        return left

    async def _climb(self, lines: dict[_Scope, Entries], sites: dict[str, _Rules]) -> None:
        """Merge entries into lines, and what lines contribute then into the scopes above."""
        above: dict[_Scope, Entries] = {}
        areas: dict[_Scope, Entries] = {}
        for scope, entry in await self._roll(lines):  # 3
            rules = sites[scope.site_id]
            site = rules.scope(scope.site_id, scope, "site", rules.site_bands)
            above.setdefault(site, {})[scope.scope_id] = entry
            area_id = rules.line(scope.scope_id).area
            if area_id is not None:
                area = rules.scope(area_id, scope, "area", rules.area_bands.get(area_id, ()))
                areas.setdefault(area, {})[scope.scope_id] = entry
        await self._roll(areas)
        top: dict[_Scope, Entries] = {}
        for scope, entry in await self._roll(above):  # 4
            rules = sites[scope.site_id]
            enterprise = rules.scope(rules.enterprise_id, scope, "enterprise", rules.enterprise_bands)
            top.setdefault(enterprise, {})[scope.scope_id] = entry
        await self._roll(top)

    async def _site(self, site_id: str) -> _Rules:
        site = await self._sites.current_site(site_id)
        if site is None:
            return _Rules(site_id, "enterprise", (Bands(0, 0.9, 0.8),), (), {}, (), {}, applied=False)
        return _Rules(
            site_id,
            site.enterprise_id,
            (Bands(0, site.green_ratio, site.yellow_ratio),),
            site.bands,
            site.area_bands,
            site.enterprise_bands,
            site.line_oee,
        )

    async def _roll(self, scopes: dict[_Scope, Entries]) -> list[tuple[_Scope, Entry]]:
        """Bring scopes up to date, all at once; each with what it contributes to the scope above."""
        actions: list[Awaitable[Entry | None]] = [
            self._update(scope, entries) for scope, entries in scopes.items()
        ]
        outcomes = await asyncio.gather(*actions, return_exceptions=True)
        rolled: list[tuple[_Scope, Entry]] = []
        for scope, outcome in zip(scopes, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                raise outcome
            if outcome is not None:
                rolled.append((scope, outcome))
        return rolled

    async def _update(self, scope: _Scope, entries: Entries) -> Entry | None:
        """Merge entries into one document; write it in its turn if anything in it changes.

        None when the store refuses the document.
        """
        conflicts = 0
        waited = False
        while True:
            before = await self._load(scope)
            after = merge(scope, before, entries)
            if after is None:
                assert before is not None
                return _entry(before)
            if not waited:
                await self._pace.turn(scope.key)
                waited = True
                continue
            try:
                return _entry(await self._write(scope, before, after))
            except Conflict:
                self._cache.pop(scope.key, None)
                conflicts += 1
                if conflicts > _CONFLICTS_BORNE:
                    raise
                await self._sleep(random.uniform(0, 0.02 * 2**conflicts))
            except Refused as exc:
                log.error("roll-up %s: %s", scope.key, exc)
                await record(
                    self._documents, SCOPES, subject=scope.scope_id, item=scope.document_id, detail=str(exc)
                )
                return None

    async def _load(self, scope: _Scope) -> Document | None:
        document = self._cache.get(scope.key)
        if document is None:
            document = await self._documents.get(SCOPES, scope.scope_id, scope.document_id)
            if document is not None:
                self._cache[scope.key] = document
        return document

    async def _write(self, scope: _Scope, before: Document | None, after: Document) -> Document:
        """Replace what was read, or create. Conflict when another worker was faster."""
        operation = Create(after) if before is None else Replace(after, before["_etag"])
        try:
            [etag] = await self._documents.commit(SCOPES, scope.scope_id, [operation])
        except AlreadyDone as exc:
            raise Conflict(scope.key) from exc
        except BaseException:
            self._cache.pop(scope.key, None)
            raise
        written = self._cache[scope.key] = {**after, "_etag": etag}
        return written


def merge(scope: _Scope, before: Document | None, entries: Entries) -> Document | None:
    """The document with newer entries put in, or None when that changes no figure of it.

    The versions of entries that say the same as before are put into `before` itself: they need no
    write, and keep an older one that is still to come from winning.
    """
    children: dict[str, Document] = dict(before["children"]) if before else {}
    changed = False
    for child_id, entry in entries.items():
        kept = children.get(child_id)
        if kept is not None and not _gives_way(kept, entry):
            continue
        child = {"version": entry.version, "content": entry.content}
        if kept is not None and before is not None and kept["content"] == entry.content:
            before["children"][child_id] = child
        else:
            changed = True
        children[child_id] = child
    if not changed:
        return None
    contents = {name: child["content"] for name, child in children.items() if child["content"] is not None}
    left = before if not contents else None
    summed = total(scope.kind, contents, only=scope.only) if left is None else empty(left)
    return {
        "id": scope.document_id,
        "scopeId": scope.scope_id,
        "type": scope.kind,
        "level": scope.level,
        "version": before["version"] + 1 if before else 1,
        **figures(scope.kind, scope.document_id, summed, bands=scope.bands),
        **summed,
        **({} if scope.only is None else {"countedMachine": scope.only}),
        "childCount": len(contents),
        "children": children,
    }


def _entry(document: Document) -> Entry:
    """What a scope's document contributes to the scope above."""
    content = total(document["type"], {document["scopeId"]: document})
    return Entry([document["version"]], content)


def _counts(document: Document | None, child_id: str) -> bool:
    child = document["children"].get(child_id) if document is not None else None
    return child is not None and child["content"] is not None


def _gives_way(kept: Document, entry: Entry) -> bool:
    """A machine leaves with the very document that says so in its new line."""
    if entry.content is None and kept["content"] is not None:
        return kept["version"] <= entry.version
    return kept["version"] < entry.version


def _kind(document: Document) -> str:
    return OEE if document["type"] == "oee" else STATUS


def _newest(documents: Sequence[Document]) -> Iterable[tuple[Document, Entry]]:
    """Of a machine's contributions to one document of its scopes, the newest."""
    newest: dict[tuple[str, str], tuple[Document, Entry]] = {}
    for document in documents:
        key = document["machineId"], document_id(document)
        entry = contribution(document)
        if key not in newest or newest[key][1].version < entry.version:
            newest[key] = document, entry
    return newest.values()
