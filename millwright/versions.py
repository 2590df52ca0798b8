"""From a description to versions in the `specs` container: what is new, and what it changes for machines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import orjson

from millwright.documents import SiteVersion
from shared.contracts.spec_documents import (
    CurrentDocument,
    LineDocument,
    SiteDocument,
    SourceDocument,
    line_document_id,
    site_document_id,
    source_document_id,
)
from shared.domain.spec import MachineSpec
from shared.ports import AlreadyDone, Create, Document, Documents
from shared.specs import SPECS, UnknownSpec, compile_machine

CURRENT = "current"
_BATCH_DOCUMENTS = 100
_BATCH_BYTES = 1_000_000
"""Of the service's 1.2 MB."""


@dataclass(frozen=True, slots=True)
class SiteChange:
    """What applying a description does to one site's specs."""

    wanted: SiteVersion
    """Numbered as it will be, or as it is when nothing changed."""
    applied: CurrentDocument | None
    added: tuple[str, ...]
    """Machines that get their first spec."""
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    """Machines that the description no longer has. They keep their last spec and their history."""
    before: SiteVersion | None = None
    """The applied version, where another replaces it."""

    @property
    def is_new(self) -> bool:
        applied = self.applied
        return applied is None or applied.retired or applied.version != self.wanted.site.version

    def affected(self) -> Iterator[MachineSpec]:
        """The specs that machines are to be pinned to."""
        names = {*self.added, *self.changed}
        for spec in specs_of(self.wanted):
            if spec.machine_id in names:
                yield spec


def specs_of(version: SiteVersion) -> Iterator[MachineSpec]:
    for line in version.lines:
        for machine_id in line.machines:
            yield compile_machine(version.site, line, machine_id)


async def plan(documents: Documents, wanted: Sequence[SiteVersion]) -> list[SiteChange]:
    """Compare each site with its applied version."""
    return [await _plan_site(documents, version) for version in wanted]


async def dropped(documents: Documents, wanted: Sequence[SiteVersion]) -> list[SiteVersion]:
    """Applied sites of the same enterprise that the description no longer has."""
    described = {version.site.site_id for version in wanted}
    enterprises = {version.site.enterprise_id for version in wanted}
    return [
        version
        for pointer in await pointers(documents)
        if pointer.site_id not in described and not pointer.retired
        for version in (await applied_version(documents, pointer),)
        if version.site.enterprise_id in enterprises
    ]


async def pointers(documents: Documents) -> list[CurrentDocument]:
    """The pointer of every site, retired ones too, by site id."""
    found = documents.query(SPECS, "SELECT * FROM c WHERE c.id = @id", {"@id": CURRENT})
    return sorted(
        [CurrentDocument.model_validate(document) async for document in found], key=lambda one: one.site_id
    )


async def applied_version(documents: Documents, pointer: CurrentDocument) -> SiteVersion:
    """The version that a pointer names. UnknownSpec when it is not whole."""
    version = await _read(documents, pointer.site_id, pointer.version)
    if version is None:
        raise UnknownSpec(
            f"{SPECS} points to version {pointer.version} of {pointer.site_id}: it is not there"
        )
    missing = [line for line in version.site.lines if line not in {found.line_id for found in version.lines}]
    if missing:
        raise UnknownSpec(
            f"line {missing[0]} of {pointer.site_id} version {pointer.version} is not in {SPECS}"
        )
    return version


async def _plan_site(documents: Documents, wanted: SiteVersion) -> SiteChange:
    site_id = wanted.site.site_id
    pointer = await documents.get(SPECS, site_id, CURRENT)
    if pointer is None:
        number, names = (
            await _free_number(documents, wanted, 1),
            tuple(s.machine_id for s in specs_of(wanted)),
        )
        return SiteChange(wanted.numbered(number), None, names, (), ())
    applied = CurrentDocument.model_validate(pointer)
    if applied.sha256 == wanted.sha256:
        return SiteChange(wanted.numbered(applied.version), applied, (), (), ())
    number = await _free_number(documents, wanted, applied.version + 1)
    applied_site = await applied_version(documents, applied)
    before = {spec.machine_id: spec for spec in specs_of(applied_site)}
    after = {spec.machine_id: spec for spec in specs_of(wanted)}
    interrupted = number > applied.version + 1
    return SiteChange(
        wanted.numbered(number),
        applied,
        added=tuple(name for name in after if name not in before),
        changed=tuple(
            name
            for name, spec in after.items()
            if name in before and (interrupted or replace(before[name], version=spec.version) != spec)
        ),
        removed=tuple(name for name in before if name not in after),
        before=applied_site,
    )


async def _free_number(documents: Documents, wanted: SiteVersion, first: int) -> int:
    """The first version that nobody has written, unless an interrupted run wrote this very content."""
    number = first
    while (found := await _read(documents, wanted.site.site_id, number)) is not None:
        ours = wanted.numbered(number)
        if found.site == ours.site and _texts(found) <= _texts(ours):
            return number
        number += 1
    return number


def _texts(version: SiteVersion) -> set[bytes]:
    return {
        orjson.dumps(part.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
        for part in (*version.lines, *version.sources)
    }


async def write(documents: Documents, change: SiteChange) -> None:
    """Write the version's documents, many at once. Those that an interrupted run wrote are the same:
    left alone."""
    site_id = change.wanted.site.site_id
    for batch in _batches([document.model_dump(mode="json") for document in change.wanted.documents]):
        try:
            await documents.commit(SPECS, site_id, [Create(document) for document in batch])
        except AlreadyDone:
            for document in batch:
                try:
                    await documents.commit(SPECS, site_id, [Create(document)])
                except AlreadyDone:
                    continue


def _batches(documents: Sequence[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    size = 0
    for document in documents:
        length = len(orjson.dumps(document))
        if batch and (len(batch) == _BATCH_DOCUMENTS or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(document)
        size += length
    yield batch


async def point(documents: Documents, change: SiteChange) -> None:
    """Make the version the current one: the last step, so that an interrupted run is run again."""
    site = change.wanted.site
    pointer = CurrentDocument(site_id=site.site_id, version=site.version, sha256=change.wanted.sha256)
    await documents.upsert(SPECS, site.site_id, pointer.model_dump(mode="json"))


async def retire(documents: Documents, version: SiteVersion) -> None:
    """Take a site's devices out of the directory. Its versions and its machines' histories stay."""
    site = version.site
    pointer = CurrentDocument(site_id=site.site_id, version=site.version, sha256=version.sha256, retired=True)
    await documents.upsert(SPECS, site.site_id, pointer.model_dump(mode="json"))


async def _read(documents: Documents, site_id: str, number: int) -> SiteVersion | None:
    """A version as far as it is there; None without its site."""
    site: SiteDocument | None = None
    lines: dict[str, LineDocument] = {}
    sources: dict[str | None, SourceDocument] = {}
    sql = "SELECT * FROM c WHERE c.version = @version"
    async for found in documents.query(SPECS, sql, {"@version": number}, partition=site_id):
        line_id: str | None = found.get("lineId")
        if found["id"] == site_document_id(number):
            site = SiteDocument.model_validate(found)
        elif found["id"] == source_document_id(number, line_id):
            sources[line_id] = SourceDocument.model_validate(found)
        elif line_id is not None and found["id"] == line_document_id(number, line_id):
            lines[line_id] = LineDocument.model_validate(found)
    if site is None:
        return None
    return SiteVersion(
        site,
        tuple(lines[line] for line in site.lines if line in lines),
        tuple(sources[line] for line in (None, *site.lines) if line in sources),
    )
