"""A description made real: spec documents, twin graph, machines told. Running it again completes it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from millwright.documents import SiteVersion
from millwright.graph import GraphChange, described, difference
from millwright.ontology import Ontology
from millwright.twin_service import TwinService
from millwright.versions import SiteChange, plan, point, write
from shared.domain.spec import MachineSpec
from shared.ports import Documents

type Describe = Callable[[MachineSpec], Awaitable[object]]
"""Pins a machine to a spec, through the one door that changes machines."""

type Progress = Callable[[str, int, int], None]
"""(what, done, of)."""

MACHINES_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Change:
    """Everything that applying a description would do."""

    sites: list[SiteChange]
    graph: GraphChange
    ontology: Ontology

    @property
    def is_nothing(self) -> bool:
        graph = self.graph
        return not (any(site.is_new for site in self.sites) or graph.models or graph.count)


async def compare(
    documents: Documents, twins: TwinService, versions: Sequence[SiteVersion], shipped: Ontology
) -> Change:
    """What is applied against what is described. Changes nothing."""
    wanted, ontology = described(versions, shipped)
    return Change(await plan(documents, versions), difference(await twins.graph(wanted), wanted), ontology)


async def carry_out(
    change: Change, documents: Documents, twins: TwinService, describe: Describe, progress: Progress
) -> None:
    """Apply a change. Interrupted anywhere, comparing and carrying out again completes it.

    1. Write the documents of new versions: nobody reads them yet.
    2. Bring the twin graph up to date: models, twins, relationships.
    3. Pin every affected machine to its new spec.
    4. Point to the new versions: from now on their devices are known.
    """
    new = [site for site in change.sites if site.is_new]
    for number, site in enumerate(new, start=1):
        await write(documents, site)  # 1
        progress("specs", number, len(new))
    written = 0

    def one_written() -> None:
        nonlocal written
        written += 1
        progress("twins and relationships", written, change.graph.count)

    await twins.change(change.graph, change.ontology, one_written)  # 2
    for site in new:
        await _tell(site, describe, progress)  # 3
        await point(documents, site)  # 4


async def _tell(site: SiteChange, describe: Describe, progress: Progress) -> None:
    specs = list(site.affected())
    told = 0
    slots = asyncio.Semaphore(MACHINES_AT_ONCE)

    async def one(spec: MachineSpec) -> None:
        nonlocal told
        async with slots:
            await describe(spec)
        told += 1
        progress(f"machines of {site.wanted.site.site_id}", told, len(specs))

    await asyncio.gather(*map(one, specs))
