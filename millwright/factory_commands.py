"""`millwright factory ...`: check, diff, apply, schema."""

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

app = typer.Typer(help="Factory descriptions: check, compare, apply.", no_args_is_help=True)

File = Annotated[
    Path,
    typer.Argument(help="The factory description, e.g. factories/smart-factory.yaml", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
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
def diff(file: File, local: Local = None, as_json: AsJson = False, models: Models = MODELS) -> None:
    """Show what applying a description would create and change. Changes nothing."""
    factory, cards = _read(file, models, as_json=as_json)
    from millwright import at_target  # noqa: PLC0415  the SDKs take a second to load

    reports.compared(at_target.diff(factory, cards or {}, local), as_json=as_json)


@app.command()
def apply(file: File, local: Local = None, as_json: AsJson = False, models: Models = MODELS) -> None:
    """Make the cloud equal to a description: specs, twin models, twins, relationships.

    Applying twice changes nothing the second time. Interrupted, it is completed by running it again.
    Nothing is ever deleted: what the file no longer mentions is listed.
    """
    factory, cards = _read(file, models, as_json=as_json)
    from millwright import at_target  # noqa: PLC0415  the SDKs take a second to load

    started = time.monotonic()
    change = at_target.apply(factory, cards or {}, local, models, quiet=as_json)
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
