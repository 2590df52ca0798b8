"""From a description to versions in the `specs` container: what is new, and what it changes for machines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from millwright.documents import SiteVersion
from shared.contracts.spec_documents import (
    CurrentDocument,
    LineDocument,
    SiteDocument,
    line_document_id,
    site_document_id,
)
from shared.domain.spec import MachineSpec
from shared.ports import AlreadyDone, Create, Document, Documents
from shared.specs import SPECS, compile_machine

CURRENT = "current"


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

    @property
    def is_new(self) -> bool:
        return self.applied is None or self.applied.version != self.wanted.site.version

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
    before = {spec.machine_id: spec for spec in specs_of(await _read(documents, site_id, applied.version))}
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
    )


async def _free_number(documents: Documents, wanted: SiteVersion, first: int) -> int:
    """The first version that nobody has written, unless an interrupted run wrote this very content."""
    number = first
    while (found := await documents.get(SPECS, wanted.site.site_id, site_document_id(number))) is not None:
        version = await _read_lines(documents, SiteDocument.model_validate(found), complete=False)
        ours = wanted.numbered(number)
        if version.site == ours.site and set(map(_text, version.lines)) <= set(map(_text, ours.lines)):
            return number
        number += 1
    return number


def _text(line: LineDocument) -> str:
    return line.model_dump_json()


async def write(documents: Documents, change: SiteChange) -> None:
    """Write the version's documents. Those that an interrupted run wrote are the same: left alone."""
    site_id = change.wanted.site.site_id
    for document in (change.wanted.site, *change.wanted.lines):
        try:
            await documents.commit(SPECS, site_id, [Create(document.model_dump(mode="json"))])
        except AlreadyDone:
            continue


async def point(documents: Documents, change: SiteChange) -> None:
    """Make the version the current one: the last step, so that an interrupted run is run again."""
    site = change.wanted.site
    pointer = CurrentDocument(site_id=site.site_id, version=site.version, sha256=change.wanted.sha256)
    await documents.upsert(SPECS, site.site_id, pointer.model_dump(mode="json"))


async def _read(documents: Documents, site_id: str, number: int) -> SiteVersion:
    found: Document | None = await documents.get(SPECS, site_id, site_document_id(number))
    if found is None:
        raise LookupError(f"{SPECS} points to version {number} of {site_id}, which is not there")
    return await _read_lines(documents, SiteDocument.model_validate(found), complete=True)


async def _read_lines(documents: Documents, site: SiteDocument, *, complete: bool) -> SiteVersion:
    lines: list[LineDocument] = []
    for line_id in site.lines:
        found = await documents.get(SPECS, site.site_id, line_document_id(site.version, line_id))
        if found is not None:
            lines.append(LineDocument.model_validate(found))
        elif complete:
            raise LookupError(f"line {line_id} of {site.site_id} version {site.version} is not there")
    return SiteVersion(site, tuple(lines))
