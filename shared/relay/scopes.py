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
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from cachetools import LRUCache

from shared.contracts.spec_documents import LineOee, SiteDocument
from shared.domain.spec import Bands
from shared.ports import AlreadyDone, Conflict, Create, Document, Documents, Refused, Replace
from shared.relay.pace import Pace, Sleep
from shared.relay.rollup import OEE, STATUS, Entry, contribution, document_id, figures, total
from shared.relay.undelivered import record

log = logging.getLogger(__name__)

SCOPES = "scopes"
WRITE_EVERY_S = 5.0
_CONFLICTS_BORNE = 8
_KEPT = 500
"""Scope documents in memory, at most 1 MB each and a few KB as a rule."""

type Entries = dict[str, Entry]


class Sites(Protocol):
    async def current_site(self, site_id: str) -> SiteDocument | None: ...


@dataclass(frozen=True, slots=True)
class _Rules:
    """What a site's description says about its roll-ups."""

    enterprise_id: str
    usual: tuple[Bands, ...]
    site_bands: tuple[Bands, ...]
    area_bands: dict[str, tuple[Bands, ...]]
    enterprise_bands: tuple[Bands, ...]
    lines: dict[str, LineOee]

    def line(self, line_id: str) -> LineOee:
        return self.lines.get(line_id) or LineOee()

    def bands(self, own: tuple[Bands, ...]) -> tuple[Bands, ...]:
        """The usual limits, and a scope's own from their dates on."""
        return self.usual + own


@dataclass(frozen=True, slots=True)
class _Scope:
    """One document of one scope."""

    scope_id: str
    document_id: str
    level: str
    kind: str
    bands: tuple[Bands, ...]
    only: str | None = None
    """The child that the scope's OEE is; None: the sum of all."""

    @property
    def key(self) -> str:
        return f"{self.scope_id}/{self.document_id}"


class ScopeRelay:
    """Keeps the `scopes` container equal to the machines' documents.

    1. Take each machine's newest contribution of the batch, by line.
    2. Merge them into the lines' documents: an entry gives way only to a newer one.
    3. Merge the lines' totals into their areas' and sites', the sites' into the enterprise's, in
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

    async def __call__(self, documents: Sequence[Document]) -> None:
        """Roll a batch of changed documents up; those that no roll-up counts are passed over."""
        counted = [document for document in documents if document["type"] in ("oee", "twin")]
        if not counted:
            return
        sites = {site_id: await self._site(site_id) for site_id in {d["siteId"] for d in counted}}
        lines: dict[_Scope, Entries] = {}
        site_of: dict[str, str] = {}
        for document in counted:  # 1
            kind = OEE if document["type"] == "oee" else STATUS
            line_id = document["lineId"]
            site_of[line_id] = document["siteId"]
            line = sites[document["siteId"]].line(line_id)
            only = line.machine if kind == OEE else None
            bands = sites[document["siteId"]].bands(line.bands)
            scope = _Scope(line_id, document_id(document), "line", kind, bands, only)
            _put(lines.setdefault(scope, {}), document["machineId"], contribution(document))
        above: dict[_Scope, Entries] = {}
        areas: dict[_Scope, Entries] = {}
        for scope, entry in await self._roll(lines):  # 2
            site_id = site_of[scope.scope_id]
            rules = sites[site_id]
            site = _Scope(site_id, scope.document_id, "site", scope.kind, rules.bands(rules.site_bands))
            above.setdefault(site, {})[scope.scope_id] = entry
            area_id = rules.line(scope.scope_id).area
            if area_id is not None:
                bands = rules.bands(rules.area_bands.get(area_id, ()))
                area = _Scope(area_id, scope.document_id, "area", scope.kind, bands)
                areas.setdefault(area, {})[scope.scope_id] = entry
        await self._roll(areas)
        top: dict[_Scope, Entries] = {}
        for scope, entry in await self._roll(above):  # 3
            rules = sites[scope.scope_id]
            bands = rules.bands(rules.enterprise_bands)
            enterprise = _Scope(rules.enterprise_id, scope.document_id, "enterprise", scope.kind, bands)
            top.setdefault(enterprise, {})[scope.scope_id] = entry
        await self._roll(top)

    async def _site(self, site_id: str) -> _Rules:
        site = await self._sites.current_site(site_id)
        if site is None:
            return _Rules("enterprise", (Bands(0, 0.9, 0.8),), (), {}, (), {})
        return _Rules(
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
        if kept is not None and kept["version"] >= entry.version:
            continue
        child = {"version": entry.version, "content": entry.content}
        if kept is not None and before is not None and kept["content"] == entry.content:
            before["children"][child_id] = child
        else:
            changed = True
        children[child_id] = child
    if not changed:
        return None
    contents = {child_id: child["content"] for child_id, child in children.items()}
    summed = total(scope.kind, contents, only=scope.only)
    return {
        "id": scope.document_id,
        "scopeId": scope.scope_id,
        "type": scope.kind,
        "level": scope.level,
        "version": before["version"] + 1 if before else 1,
        **figures(scope.kind, scope.document_id, summed, bands=scope.bands),
        **summed,
        **({} if scope.only is None else {"countedMachine": scope.only}),
        "childCount": len(children),
        "children": children,
    }


def _entry(document: Document) -> Entry:
    """What a scope's document contributes to the scope above."""
    content = total(document["type"], {document["scopeId"]: document})
    return Entry([document["version"]], content)


def _put(entries: Entries, child_id: str, entry: Entry) -> None:
    """Of a child's entries in one batch, the newest."""
    before = entries.get(child_id)
    if before is None or before.version < entry.version:
        entries[child_id] = entry
