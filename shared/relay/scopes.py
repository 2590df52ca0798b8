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
from time import monotonic
from typing import Protocol

from cachetools import LRUCache

from shared.contracts.spec_documents import SiteDocument
from shared.observability import continued
from shared.ports import AlreadyDone, Conflict, Create, Document, Documents, Refused, Replace
from shared.relay.events import origins
from shared.relay.memberships import SCOPES, Memberships
from shared.relay.merging import Entries, counts, entry_above, kind_of, merge, newest
from shared.relay.pace import Pace, Sleep
from shared.relay.rollup import OEE, Entry, document_id
from shared.relay.scope_rules import Rules, Scope, rules_of
from shared.relay.undelivered import record

log = logging.getLogger(__name__)

WRITE_EVERY_S = 5.0
_CONFLICTS_BORNE = 8
_KEPT = 500
"""Scope documents in memory, at most 1 MB each and a few KB as a rule."""


class Sites(Protocol):
    async def current_site(self, site_id: str) -> SiteDocument | None: ...
    async def describes(self, site_id: str, line_id: str, machine_id: str) -> bool: ...


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
        lines: dict[Scope, Entries] = {}
        dropped: dict[Scope, Entries] = {}
        for document, entry in newest(counted):  # 1
            rules, kind, machine_id = sites[document["siteId"]], kind_of(document), document["machineId"]
            scope = rules.line_scope(document["lineId"], document_id(document), kind)
            if kind == OEE or await self._is_described(document, rules):
                lines.setdefault(scope, {})[machine_id] = entry
            elif counts(await self._load(scope), machine_id):
                dropped.setdefault(scope, {})[machine_id] = Entry(entry.version, None)
        left = await self._leave(lines, sites)  # 2
        for scope, entries in dropped.items():
            left.setdefault(scope, {}).update(entries)
        if left:
            await self._climb(left, sites)
        await self._climb(lines, sites)

    async def _is_described(self, document: Document, rules: Rules) -> bool:
        place = document["siteId"], document["lineId"], document["machineId"]
        return not rules.applied or await self._sites.describes(*place)

    async def _leave(self, lines: dict[Scope, Entries], sites: dict[str, Rules]) -> dict[Scope, Entries]:
        """Of machines that are new to their line, what takes them out of the line they counted in.

        What comes late, after its machine has moved on, is taken out of `lines`. `sites` gets the
        rules of lines that are left.
        """
        left: dict[Scope, Entries] = {}
        for scope, entries in lines.items():
            before = await self._load(scope)
            new = [name for name in entries if not counts(before, name)]
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

    async def _climb(self, lines: dict[Scope, Entries], sites: dict[str, Rules]) -> None:
        """Merge entries into lines, and what lines contribute then into the scopes above."""
        above: dict[Scope, Entries] = {}
        areas: dict[Scope, Entries] = {}
        for scope, entry in await self._roll(lines):  # 3
            rules = sites[scope.site_id]
            site = rules.scope(scope.site_id, scope, "site", rules.site_bands)
            above.setdefault(site, {})[scope.scope_id] = entry
            area_id = rules.line(scope.scope_id).area
            if area_id is not None:
                area = rules.scope(area_id, scope, "area", rules.area_bands.get(area_id, ()))
                areas.setdefault(area, {})[scope.scope_id] = entry
        await self._roll(areas)
        top: dict[Scope, Entries] = {}
        for scope, entry in await self._roll(above):  # 4
            rules = sites[scope.site_id]
            enterprise = rules.scope(rules.enterprise_id, scope, "enterprise", rules.enterprise_bands)
            top.setdefault(enterprise, {})[scope.scope_id] = entry
        await self._roll(top)

    async def _site(self, site_id: str) -> Rules:
        return rules_of(site_id, await self._sites.current_site(site_id))

    async def _roll(self, scopes: dict[Scope, Entries]) -> list[tuple[Scope, Entry]]:
        """Bring scopes up to date, all at once; each with what it contributes to the scope above."""
        actions: list[Awaitable[Entry | None]] = [
            self._update(scope, entries) for scope, entries in scopes.items()
        ]
        outcomes = await asyncio.gather(*actions, return_exceptions=True)
        rolled: list[tuple[Scope, Entry]] = []
        for scope, outcome in zip(scopes, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                raise outcome
            if outcome is not None:
                rolled.append((scope, outcome))
        return rolled

    async def _update(self, scope: Scope, entries: Entries) -> Entry | None:
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
                return entry_above(before)
            if not waited:
                await self._pace.turn(scope.key)
                waited = True
                continue
            try:
                return entry_above(await self._write(scope, before, after))
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

    async def _load(self, scope: Scope) -> Document | None:
        document = self._cache.get(scope.key)
        if document is None:
            document = await self._documents.get(SCOPES, scope.scope_id, scope.document_id)
            if document is not None:
                self._cache[scope.key] = document
        return document

    async def _write(self, scope: Scope, before: Document | None, after: Document) -> Document:
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
