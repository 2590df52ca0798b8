"""A description made real: spec documents, twin graph, machines told. Running it again completes it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from millwright.bulk import BULK_FROM
from millwright.described import described, twin_ids
from millwright.documents import SiteVersion
from millwright.graph import Graph, GraphChange, difference
from millwright.ontology import Ontology
from millwright.twin_service import TwinService
from millwright.versions import SiteChange, dropped, plan, point, retire, write
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
    wanted: Graph
    dropped: list[SiteVersion]
    """Applied sites of the same enterprise that the description no longer has."""

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to create or change; what pruning would delete is left alone."""
        graph = self.graph
        return not (any(site.is_new for site in self.sites) or graph.models or graph.count)

    @property
    def surplus_count(self) -> int:
        """What only pruning removes."""
        return self.graph.surplus_count + len(self.dropped)


async def compare(
    documents: Documents, twins: TwinService, versions: Sequence[SiteVersion], shipped: Ontology
) -> Change:
    """What is applied against what is described. Changes nothing."""
    wanted, ontology = described(versions, shipped)
    sites = await plan(documents, versions)
    gone = await dropped(documents, versions)
    before = [*gone, *(site.before for site in sites if site.before is not None)]
    former = {name for version in before for name in twin_ids(version)}
    return Change(sites, difference(await twins.graph(), wanted, former=former), ontology, wanted, gone)


async def carry_out(
    change: Change,
    documents: Documents,
    twins: TwinService,
    describe: Describe,
    progress: Progress,
    *,
    prune: bool = False,
) -> None:
    """Apply a change. Interrupted anywhere, comparing and carrying out again completes it.

    1. Write the documents of new versions: nobody reads them yet.
    2. Bring the twin graph up to date: models, twins, relationships.
    3. Pin every affected machine to its new spec.
    4. Delete what is no longer described, if `prune` says so, and retire the sites that are gone.
    5. Point to the new versions: from now on their devices are known. Last, because until then
       the versions before tell what was described.
    """
    new = [site for site in change.sites if site.is_new]
    for number, site in enumerate(new, start=1):
        await write(documents, site)  # 1
        progress("specs", number, len(new))
    await _change_graph(change, twins, progress)  # 2
    for site in new:
        await _tell(site, describe, progress)  # 3
    if prune:
        await twins.prune(change.graph, _counted(progress, "deletions", change.graph.surplus_count))  # 4
        for version in change.dropped:
            await retire(documents, version)
    for site in new:
        await point(documents, site)  # 5


async def _change_graph(change: Change, twins: TwinService, progress: Progress) -> None:
    """Large graphs by an import job, where there is a container for its file, else one by one.

    What a job did not take, or one that an interrupted run left behind did take, is found by
    looking again, and told in the service's words when it is tried by itself.
    """
    graph = change.graph
    if twins.bulk is not None and len(graph.twins) + len(graph.relationships) >= BULK_FROM:
        progress("import job", 0, 1)
        whole = not await twins.bulk.settled() and await twins.bulk(graph, change.ontology)
        progress("import job", 1, 1)
        if whole:
            graph = replace(graph, models=[], twins=[], relationships=[])
        else:
            graph = difference(await twins.graph(), change.wanted)
    await twins.change(graph, change.ontology, _counted(progress, "twins and relationships", graph.count))


def _counted(progress: Progress, what: str, total: int) -> Callable[[], None]:
    done = 0

    def one_done() -> None:
        nonlocal done
        done += 1
        progress(what, done, total)

    return one_done


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
