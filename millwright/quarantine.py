"""`millwright quarantine ...`: list, replay."""

import asyncio
import json
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from millwright.options import Local
from millwright.terminal import FAILED, PROBLEMS, output, trouble

MODELS = Path(__file__).parent.parent / "models"

app = typer.Typer(
    help="Messages that could not be believed: what they are, and folding them once their cause is mended.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
Models = Annotated[Path, typer.Option(help="Folder of the maintenance models.", show_default="models")]
type Row = dict[str, Any]


@app.command(name="list")
def list_quarantined(local: Local = None, as_json: AsJson = False) -> None:
    """List what is in quarantine, oldest first, each with its reason."""
    rows = _run(_listed(local))
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table("Id", "Device", "Machine", "Reason", "Arrived", "Detail")
    for row in rows:
        table.add_row(
            row["id"], row["device"], row["machineId"] or "", row["reason"], row["arrivedAt"], row["detail"]
        )
    output.print(table)


@app.command()
def replay(
    id: Annotated[str | None, typer.Argument(help="The document, as `list` shows it.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Replay all of them, oldest first.")] = False,
    local: Local = None,
    as_json: AsJson = False,
    models: Models = MODELS,
) -> None:
    """Fold messages again, with their original arrival time. What is rejected again stays.

    Exit code 0: all were folded. 1: some of it is still rejected. 2: it could not be done.
    Interrupted, it is completed by running it again.
    """
    if (id is None) == (not everything):
        trouble("name one document, or give --all")
        raise typer.Exit(FAILED)
    results = _run(_replayed(local, id, models))
    if id is not None and not results:
        trouble(f"{id} is not in quarantine (any more); see `millwright quarantine list`")
        raise typer.Exit(FAILED)
    stays = [rejected for result in results for rejected in result["rejected"]]
    if as_json:
        typer.echo(json.dumps(results, indent=2))
    else:
        readings = sum(result["readingCount"] for result in results)
        output.print(f"{len(results)} replayed: {readings} readings folded, {len(stays)} still rejected")
        for rejected in stays:
            trouble(f"{rejected['id']}: {rejected['reason']}: {rejected['detail']}")
    if stays:
        raise typer.Exit(PROBLEMS)


async def _listed(local: Path | None) -> list[Row]:
    # The SDKs take a second to load.
    from millwright.connect import connected  # noqa: PLC0415

    async with connected(_target(local)) as there:
        found = there.documents.query("quarantine", "SELECT * FROM c", {})
        rows = [_row(document) async for document in found]
    return sorted(rows, key=lambda row: (row["arrivedAt"], row["id"]))


async def _replayed(local: Path | None, wanted: str | None, models: Path) -> list[Row]:
    from millwright.connect import connected  # noqa: PLC0415
    from shared.commit import Machines  # noqa: PLC0415
    from shared.replay import Replay  # noqa: PLC0415
    from shared.scoring import Scorer  # noqa: PLC0415
    from shared.specs import SpecStore  # noqa: PLC0415

    results: list[Row] = []
    rows = [row for row in await _listed(local) if wanted in (None, row["id"])]
    async with connected(_target(local)) as there:
        specs = SpecStore(there.documents, clock=time.monotonic)
        scorer = Scorer(models)
        fold = Replay(Machines(there.documents, specs, scorer), specs, there.documents, scorer)
        for row in rows:
            outcome = await fold(row["deviceDay"], row["id"])
            if outcome is not None:
                rejected = [_row(document) for document in outcome.rejected]
                result = {"id": row["id"], "readingCount": outcome.reading_count, "rejected": rejected}
                results.append(result)
    return results


def _row(document: Row) -> Row:
    """A document without its bytes and what the store adds."""
    return {name: value for name, value in document.items() if name != "body" and name[0] != "_"}


def _target(local: Path | None) -> Any:
    from millwright.connect import NotConfigured, azure_target, local_target  # noqa: PLC0415

    try:
        return azure_target() if local is None else local_target(local)
    except NotConfigured as exc:
        trouble(str(exc))
        raise typer.Exit(FAILED) from exc


def _run(work: Coroutine[None, None, list[Row]]) -> list[Row]:
    from shared.ports import Conflict, Refused, Unavailable  # noqa: PLC0415

    try:
        return asyncio.run(work)
    except (Unavailable, Conflict, Refused) as exc:
        trouble(str(exc))
        raise typer.Exit(FAILED) from exc
