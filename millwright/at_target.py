"""Comparing and applying at a target: the SDKs' clients, and the one door that changes machines.

Imported only when needed: the SDKs take a second to load, and checking a file needs none of them.
"""

import asyncio
import time
from collections.abc import Coroutine
from pathlib import Path

import typer

from millwright import reports
from millwright.apply import Change, carry_out, compare
from millwright.connect import NotConfigured, Target, azure_target, connected, local_target
from millwright.documents import site_versions
from millwright.export import Exported, exported
from millwright.live import NotExportable
from millwright.model_cards import Cards
from millwright.ontology import Ontology
from millwright.terminal import FAILED, trouble
from shared.commit import Machines
from shared.contracts.factory import Factory
from shared.domain.spec import MachineSpec
from shared.ports import Refused, Unavailable
from shared.scoring import Scorer
from shared.specs import SpecStore, UnknownSpec

DTDL = Path(__file__).parent.parent / "dtdl"


def diff(factory: Factory, cards: Cards, local: Path | None) -> Change:
    """What applying would do. Ends the program when the target does not answer."""
    return _run(_diff(factory, cards, _target(local)))


def apply(
    factory: Factory, cards: Cards, local: Path | None, models: Path, *, prune: bool, quiet: bool
) -> Change:
    """Apply, and what that did. Ends the program when the target does not answer or refuses."""
    return _run(_apply(factory, cards, _target(local), models, prune=prune, quiet=quiet))


def export(enterprise: str | None, local: Path | None) -> Exported:
    """The live graph as a description. Ends the program when there is none."""
    return _run(_export(enterprise, _target(local)))


async def _diff(factory: Factory, cards: Cards, target: Target) -> Change:
    async with connected(target) as there:
        shipped = Ontology.shipped(DTDL)
        return await compare(there.documents, there.twins, site_versions(factory, cards), shipped)


async def _export(enterprise: str | None, target: Target) -> Exported:
    async with connected(target) as there:
        return await exported(there.documents, there.twins, Ontology.shipped(DTDL), enterprise)


async def _apply(
    factory: Factory, cards: Cards, target: Target, models: Path, *, prune: bool, quiet: bool
) -> Change:
    async with connected(target) as there:
        shipped = Ontology.shipped(DTDL)
        change = await compare(there.documents, there.twins, site_versions(factory, cards), shipped)
        specs = SpecStore(there.documents, clock=time.monotonic)
        machines = Machines(there.documents, specs, Scorer(models))

        async def describe(spec: MachineSpec) -> None:
            await machines.describe(spec, now=time.time_ns() // 1_000_000)

        with reports.progress(quiet=quiet) as show:
            await carry_out(change, there.documents, there.twins, describe, show, prune=prune)
    return change


def _target(local: Path | None) -> Target:
    try:
        return azure_target() if local is None else local_target(local)
    except NotConfigured as exc:
        trouble(str(exc))
        raise typer.Exit(FAILED) from exc


def _run[T](work: Coroutine[None, None, T]) -> T:
    try:
        return asyncio.run(work)
    except (Unavailable, Refused, NotExportable, UnknownSpec) as exc:
        trouble(str(exc))
        raise typer.Exit(FAILED) from exc
