"""Changes of the graph, as Digital Twins tells them, held against the applied description.

The relays and the device function write live properties only, which no description decides: their
patches are known by what they touch, and passed over without a request. What is left was changed
by apply or by hand. The file wins: nothing is taken over from the graph, a contradiction is
reported once, kept as a document, and cleared when graph and file agree again.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cachetools import LRUCache

from shared.contracts.spec_documents import CurrentDocument, LineDocument, SiteDocument
from shared.described import DESCRIBED, DESCRIBED_PROPERTIES, Relationship, Triple, Twin, things
from shared.instants import iso
from shared.ports import Document, Documents, Events, Twins
from shared.relay.undelivered import DELIVERIES, KEPT_S
from shared.specs import UnknownSpec

log = logging.getLogger(__name__)

ROUTE = "twin-changes"
"""Id of the event route; the event hub that it leads to is called the same."""
_UPDATED = "Microsoft.DigitalTwins.Twin.Update"
_DELETED = "Microsoft.DigitalTwins.Twin.Delete"
_RELATED = ("Microsoft.DigitalTwins.Relationship.Create", "Microsoft.DigitalTwins.Relationship.Delete")
FILTER = " OR ".join(f"type = '{kind}'" for kind in (_UPDATED, _DELETED, *_RELATED))
"""Of the route, in Digital Twins' filter language."""

CONFLICTS = "conflicts"
"""Partition of `deliveries` that holds all of them."""
_OPEN = "SELECT * FROM c WHERE c.open = true"
_MODEL = "$model"
_POINTERS = {f"/{name}" for name in DESCRIBED_PROPERTIES} | {f"/$metadata/{_MODEL}"}


@dataclass(frozen=True, slots=True)
class Change:
    """A notification of Digital Twins: its CloudEvents type, subject and data."""

    kind: str
    subject: str
    data: Document


@dataclass(frozen=True, slots=True)
class _Subject:
    """What may contradict the file: a twin, or with a name a relationship from it to `target`."""

    twin_id: str
    name: str = ""
    target: str = ""

    @property
    def conflict_id(self) -> str:
        text = "\n".join((self.twin_id, self.name, self.target))
        return f"conflict:{hashlib.sha256(text.encode()).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True)
class _Version:
    """One site's part of a description, as it is stored."""

    site: SiteDocument
    lines: tuple[LineDocument, ...]


@dataclass(frozen=True, slots=True)
class _Index:
    """What one version of a site asks for."""

    site_id: str
    twins: Mapping[str, Twin]
    triples: frozenset[Triple]


class Specs(Protocol):
    async def current(self) -> list[CurrentDocument]: ...
    async def site(self, site_id: str, version: int) -> SiteDocument: ...
    async def line(self, site_id: str, line_id: str, version: int) -> LineDocument: ...


class TwinChanges:
    """Reports what contradicts the description: events at least once with the same id, one document each."""

    def __init__(self, twins: Twins, specs: Specs, documents: Documents, events: Events) -> None:
        self._twins = twins
        self._specs = specs
        self._documents = documents
        self._events = events
        self._indexes = LRUCache[tuple[str, int], _Index](8)

    async def __call__(self, changes: Sequence[Change], *, now: int) -> None:
        """Look at what a batch of notifications touched. `now`: ms since the epoch.

        Raises Unavailable: the batch then comes again, and what was reported is not reported twice.
        """
        subjects = dict.fromkeys(filter(None, map(_touched, changes)))
        if subjects:
            descriptions = await self._descriptions()
            for subject in subjects:
                await self._settle(subject, descriptions, now)

    async def recheck(self, *, now: int) -> None:
        """Look at the open conflicts again: a new version of the file may agree with the graph."""
        found = self._documents.query(DELIVERIES, _OPEN, {}, partition=CONFLICTS)
        open_ones = [document async for document in found]
        if open_ones:
            descriptions = await self._descriptions()
            for one in open_ones:
                subject = _Subject(one["twinId"], one["relationship"] or "", one["target"] or "")
                await self._settle(subject, descriptions, now)

    async def _settle(self, subject: _Subject, descriptions: Sequence[Sequence[_Index]], now: int) -> None:
        """1. Publish. 2. Keep. A crash in between publishes again, with the same id."""
        contradiction = await self._contradiction(subject, descriptions)
        kept = await self._documents.get(DELIVERIES, CONFLICTS, subject.conflict_id)
        before = {name: value for name, value in (kept or {}).items() if not name.startswith("_")}
        was_open = bool(before.get("open"))
        if contradiction is None:
            if was_open:
                after = before | {"open": False, "clearedAt": iso(now), "ttl": KEPT_S}
                await self._publish("conflictcleared", after, now)  # 1
                await self._documents.upsert(DELIVERIES, CONFLICTS, after)  # 2
                log.info("twin %s agrees with the applied description again", subject.twin_id)
            return
        if was_open and before.items() >= contradiction.items():
            return
        after: Document = {
            "id": subject.conflict_id,
            "alarmId": CONFLICTS,
            "type": "conflict",
            "open": True,
            "number": before.get("number", 0) + (not was_open),
            "at": before["at"] if was_open else iso(now),
            "clearedAt": None,
            **contradiction,
        }
        if not was_open:
            await self._publish("conflicted", after, now)  # 1
            log.warning("twin %s: %s", subject.twin_id, after["detail"])
        await self._documents.upsert(DELIVERIES, CONFLICTS, after)  # 2

    async def _publish(self, what: str, conflict: Document, now: int) -> None:
        names = ("siteId", "twinId", "relationship", "target", "said", "found", "detail")
        event = {
            "specversion": "1.0",
            "id": f"{conflict['id']}:{conflict['number']}:{what}",
            "source": f"/millwright/{conflict['siteId']}",
            "type": f"millwright.twin.{what}.v1",
            "subject": f"{conflict['siteId']}/twins/{conflict['twinId']}",
            "time": iso(now),
            "datacontenttype": "application/json",
            "data": {"conflictId": conflict["id"], **{name: conflict[name] for name in names}},
        }
        await self._events.publish([event])

    async def _contradiction(
        self, subject: _Subject, descriptions: Sequence[Sequence[_Index]]
    ) -> Document | None:
        """How the graph contradicts all of the descriptions; None when it agrees with one of them."""
        index = next((one for one in descriptions[0] if subject.twin_id in one.twins), None)
        if index is None:
            return None
        twin = await self._twins.get(subject.twin_id)
        about: Document = {"siteId": index.site_id, "twinId": subject.twin_id}
        if not subject.name:
            wanted = [one.twins[subject.twin_id] for part in descriptions for one in part
                      if subject.twin_id in one.twins]  # fmt: skip
            differing = [_differing(twin, one) for one in wanted]
            if not all(differing):
                return None
            said, found = differing[0] or ({}, None)
            what = "it was deleted" if found is None else f"{', '.join(said)} was changed"
            return about | _said(None, None, said, found, f"{what} in the graph by hand")
        if twin is None:
            return None
        triple = subject.twin_id, subject.name, subject.target
        there = subject.target in await self._twins.targets(subject.twin_id, subject.name)
        if any(there == any(triple in one.triples for one in part) for part in descriptions):
            return None
        what = "was made" if there else "was deleted"
        text = f"the relationship {subject.name} to {subject.target} {what} in the graph by hand"
        return about | _said(subject.name, subject.target, not there, there, text)

    async def _descriptions(self) -> list[list[_Index]]:
        """The applied versions of all sites, and with those that an apply under way is writing."""
        pointers = await self._specs.current()
        applied = [await self._index(one.site_id, one.version) for one in pointers]
        coming = [await self._coming(one) or index for one, index in zip(pointers, applied, strict=True)]
        return [applied] if coming == applied else [applied, coming]

    async def _coming(self, pointer: CurrentDocument) -> _Index | None:
        """Of the versions beyond the applied one, the last that is whole."""
        found, version = None, pointer.version
        try:
            while True:
                version += 1
                found = await self._index(pointer.site_id, version)
        except UnknownSpec:
            return found

    async def _index(self, site_id: str, version: int) -> _Index:
        index = self._indexes.get((site_id, version))
        if index is None:
            site = await self._specs.site(site_id, version)
            lines = [await self._specs.line(site_id, line_id, version) for line_id in site.lines]
            twins: dict[str, Twin] = {}
            triples: set[Triple] = set()
            for thing in things([_Version(site, tuple(lines))]):
                match thing:
                    case Twin():
                        twins[thing.id] = thing
                    case Relationship():
                        triples.add(thing.triple)
            index = self._indexes[site_id, version] = _Index(site_id, twins, frozenset(triples))
        return index


def _touched(change: Change) -> _Subject | None:
    """What of a description's a notification is about; None for live properties: the relays' own patches."""
    match change.kind:
        case "Microsoft.DigitalTwins.Twin.Update":
            paths = {step["path"] for step in change.data["patch"]}
            return _Subject(change.subject) if paths & _POINTERS else None
        case "Microsoft.DigitalTwins.Twin.Delete":
            return _Subject(change.subject)
        case kind if kind in _RELATED and change.data["$relationshipName"] in DESCRIBED:
            data = change.data
            return _Subject(data["$sourceId"], data["$relationshipName"], data["$targetId"])
        case _:
            return None


def _differing(twin: Document | None, wanted: Twin) -> tuple[Document, Document | None] | None:
    """(what the file says, what the twin has) where they differ; None where they do not."""
    said: Document = {_MODEL: wanted.model, **wanted.properties}
    if twin is None:
        return said, None
    has: Document = {_MODEL: twin["$metadata"].get(_MODEL), **twin}
    names = [name for name, value in said.items() if has.get(name) != value]
    return ({name: said[name] for name in names}, {name: has.get(name) for name in names}) if names else None


def _said(relationship: str | None, target: str | None, said: Any, found: Any, text: str) -> Document:
    remedy = "`millwright factory apply --prune` puts it back, `export` takes it over into a file"
    return {
        "relationship": relationship,
        "target": target,
        "said": said,
        "found": found,
        "detail": f"{text}; the applied file says otherwise: {remedy}",
    }
