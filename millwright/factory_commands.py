"""`millwright factory ...`: check, diff, apply, schema."""

import asyncio
import json
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated

import typer

from millwright import reports
from millwright.apply import Change, carry_out, compare
from millwright.connect import NotConfigured, Target, azure_target, connected, local_target
from millwright.documents import site_versions
from millwright.factory_file import Broken, load
from millwright.model_cards import BadCard, Cards, read_cards
from millwright.ontology import Ontology
from millwright.terminal import trouble
from shared.commit import Machines
from shared.contracts.factory import Factory
from shared.domain.spec import MachineSpec
from shared.ports import Refused, Unavailable
from shared.scoring import Scorer
from shared.specs import SpecStore

ROOT = Path(__file__).parent.parent
PROBLEMS, FAILED = 1, 2

app = typer.Typer(help="Factory descriptions: check, compare, apply.", no_args_is_help=True)

type File = Annotated[
    Path,
    typer.Argument(help="The factory description, e.g. factories/smart-factory.yaml", show_default=False),
]
type AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
type Models = Annotated[Path, typer.Option(help="Folder of the maintenance models.", show_default="models")]
type Local = Annotated[
    Path | None,
    typer.Option(
        "--local",
        metavar="DIR",
        help="Apply to the local cloud that keeps its state in this folder, usually .local. "
        "Left out: Azure, at MILLWRIGHT_COSMOS_ENDPOINT and MILLWRIGHT_DIGITAL_TWINS_URL, "
        "signed in as you are.",
        show_default=False,
    ),
]


@app.command()
def check(file: File, as_json: AsJson = False, models: Models = ROOT / "models") -> None:
    """Report everything that is wrong with a description, each with its line and a remedy.

    Exit code 0: it can be applied. 1: it has problems. 2: it could not be read.
    """
    factory, cards = _read(file, models, as_json=as_json)
    reports.checked(str(file), factory, models_checked=cards is not None, as_json=as_json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of factory descriptions, for editors."""
    typer.echo(json.dumps(Factory.model_json_schema(), indent=2, ensure_ascii=False))


@app.command()
def diff(file: File, local: Local = None, as_json: AsJson = False, models: Models = ROOT / "models") -> None:
    """Show what applying a description would create and change. Changes nothing."""
    factory, cards = _read(file, models, as_json=as_json)
    reports.compared(_run(_compare(factory, cards or {}, _target(local))), as_json=as_json)


@app.command()
def apply(file: File, local: Local = None, as_json: AsJson = False, models: Models = ROOT / "models") -> None:
    """Make the cloud equal to a description: specs, twin models, twins, relationships.

    Applying twice changes nothing the second time. Interrupted, it is completed by running it again.
    Nothing is ever deleted: what the file no longer mentions is listed.
    """
    factory, cards = _read(file, models, as_json=as_json)
    started = time.monotonic()
    change = _run(_apply(factory, cards or {}, _target(local), models, quiet=as_json))
    reports.applied(change, seconds=time.monotonic() - started, as_json=as_json)


def _read(file: Path, models: Path, *, as_json: bool) -> tuple[Factory, Cards | None]:
    """The description and the model cards; ends the program when either cannot be used."""
    try:
        cards = read_cards(models) if models.is_dir() else None
        return load(file, cards).factory, cards
    except Broken as exc:
        reports.broken(str(file), exc.problems, as_json=as_json)
        raise typer.Exit(PROBLEMS) from exc
    except OSError as exc:
        trouble(f"{file}: {exc.strerror or exc}")
        raise typer.Exit(FAILED) from exc
    except BadCard as exc:
        trouble(str(exc))
        raise typer.Exit(FAILED) from exc


def _target(local: Path | None) -> Target:
    try:
        return azure_target() if local is None else local_target(local)
    except NotConfigured as exc:
        trouble(str(exc))
        raise typer.Exit(FAILED) from exc


def _run(work: Coroutine[None, None, Change]) -> Change:
    try:
        return asyncio.run(work)
    except (Unavailable, Refused) as exc:
        trouble(str(exc))
        raise typer.Exit(FAILED) from exc


async def _compare(factory: Factory, cards: Cards, target: Target) -> Change:
    async with connected(target) as there:
        shipped = Ontology.shipped(ROOT / "dtdl")
        return await compare(there.documents, there.twins, site_versions(factory, cards), shipped)


async def _apply(factory: Factory, cards: Cards, target: Target, models: Path, *, quiet: bool) -> Change:
    shipped = Ontology.shipped(ROOT / "dtdl")
    async with connected(target) as there:
        change = await compare(there.documents, there.twins, site_versions(factory, cards), shipped)
        machines = Machines(there.documents, SpecStore(there.documents, clock=time.monotonic), Scorer(models))

        async def describe(spec: MachineSpec) -> None:
            await machines.describe(spec, now=time.time_ns() // 1_000_000)

        with reports.progress(quiet=quiet) as show:
            await carry_out(change, there.documents, there.twins, describe, show)
    return change
