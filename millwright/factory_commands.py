"""`millwright factory ...`: check, diff, apply, export, schema."""

import time
from pathlib import Path
from typing import Annotated

import typer

from millwright import reports
from millwright.factory_file import Broken, load
from millwright.model_cards import BadCard, Cards, read_cards
from millwright.schemas import published
from millwright.terminal import FAILED, PROBLEMS, trouble
from shared.contracts.factory import Factory

MODELS = Path(__file__).parent.parent / "models"

app = typer.Typer(help="Factory descriptions: check, compare, apply, export.", no_args_is_help=True)

File = Annotated[
    Path,
    typer.Argument(help="The factory description, e.g. factories/smart-factory.yaml", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
Prune = Annotated[
    bool,
    typer.Option(
        "--prune",
        help="Also delete twins and relationships of this enterprise that the file no longer mentions. "
        "Histories stay.",
    ),
]
Models = Annotated[Path, typer.Option(help="Folder of the maintenance models.", show_default="models")]
Local = Annotated[
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
def check(file: File, as_json: AsJson = False, models: Models = MODELS) -> None:
    """Report everything that is wrong with a description, each with its line and a remedy.

    Exit code 0: it can be applied. 1: it has problems. 2: it could not be read.
    """
    factory, cards = _read(file, models, as_json=as_json)
    reports.checked(str(file), factory, models_checked=cards is not None, as_json=as_json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of factory descriptions, for editors."""
    typer.echo(published()["factory.schema.json"], nl=False)


@app.command()
def diff(
    file: File, local: Local = None, prune: Prune = False, as_json: AsJson = False, models: Models = MODELS
) -> None:
    """Show what applying a description would create, change and, with --prune, delete. Changes nothing."""
    factory, cards = _read(file, models, as_json=as_json)
    from millwright import at_target  # noqa: PLC0415  the SDKs take a second to load

    reports.compared(at_target.diff(factory, cards or {}, local), prune=prune, as_json=as_json)


@app.command()
def apply(
    file: File, local: Local = None, prune: Prune = False, as_json: AsJson = False, models: Models = MODELS
) -> None:
    """Make the cloud equal to a description: specs, twin models, twins, relationships.

    Applying twice changes nothing the second time. Interrupted, it is completed by running it again.
    Nothing is deleted without --prune: what the file no longer mentions is listed.
    """
    factory, cards = _read(file, models, as_json=as_json)
    from millwright import at_target  # noqa: PLC0415  the SDKs take a second to load

    started = time.monotonic()
    change = at_target.apply(factory, cards or {}, local, models, prune=prune, quiet=as_json)
    reports.applied(change, seconds=time.monotonic() - started, prune=prune, as_json=as_json)


@app.command()
def export(
    local: Local = None,
    enterprise: Annotated[
        str | None,
        typer.Option(help="Which enterprise, where the graph has several.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to; left out: standard output."),
    ] = None,
) -> None:
    """Write the live graph as a factory description.

    What was changed by hand in the graph (a machine moved, renamed, added, taken away, fed by
    another) is in it; applying it makes that the description.
    """
    from millwright import at_target  # noqa: PLC0415  the SDKs take a second to load

    found = at_target.export(enterprise, local)
    if output is None:
        typer.echo(found.text, nl=False)
    else:
        try:
            output.write_text(found.text, encoding="utf-8")
        except OSError as exc:
            trouble(f"{output}: {exc.strerror or exc}")
            raise typer.Exit(FAILED) from exc
    reports.exported(found.notes, None if output is None else str(output))


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
