"""`millwright contracts ...`: write, check."""

from pathlib import Path
from typing import Annotated

import typer

from millwright.terminal import PROBLEMS, output, trouble

FOLDER = Path(__file__).parent.parent / "docs" / "contracts"

app = typer.Typer(help="The published contracts: JSON Schemas, AsyncAPI, OpenAPI.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option(help="Where the files are.", show_default="docs/contracts")]


@app.command()
def write(folder: Folder = FOLDER) -> None:
    """Write every contract from the code, and remove files that no contract is behind any more."""
    stale = _stale(folder)
    for name, text in _published().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path in _unknown(folder):
        path.unlink()
    output.print(f"{len(_published())} contracts in {folder}, {len(stale)} of them changed")


@app.command()
def check(folder: Folder = FOLDER) -> None:
    """Compare the files to the code. Exit code 0: they are in step. 1: `write` would change them."""
    stale = _stale(folder)
    for name in stale:
        trouble(f"{folder / name} is not what the code says: run `millwright contracts write`")
    if stale:
        raise typer.Exit(PROBLEMS)


def _stale(folder: Path) -> list[str]:
    differing = [
        name
        for name, text in _published().items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]
    return differing + [str(path.relative_to(folder)) for path in _unknown(folder)]


def _unknown(folder: Path) -> list[Path]:
    known = {folder / name for name in _published()}
    return [path for path in sorted(folder.rglob("*.json")) if path not in known]


def _published() -> dict[str, str]:
    from millwright.published import published  # noqa: PLC0415  loads the function app and its SDKs

    return published()
