"""`millwright models ...`: list, show, verify, live."""

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markdown import Markdown
from rich.table import Table

from millwright.model_cards import BadCard, read_cards
from millwright.options import Local
from millwright.terminal import FAILED, PROBLEMS, output, trouble
from shared.contracts.model_card import Metric, ModelCard

MODELS = Path(__file__).parent.parent / "models"

app = typer.Typer(
    help="Maintenance models: what they are for, and whether they are sound.", no_args_is_help=True
)

# Plain assignments: typer does not look into `type` aliases.
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
Models = Annotated[Path, typer.Option(help="Folder of the maintenance models.", show_default="models")]
Name = Annotated[str, typer.Argument(help="The model, e.g. cnc-failure", show_default=False)]


@app.command(name="list")
def list_models(as_json: AsJson = False, models: Models = MODELS) -> None:
    """List every model with what it predicts, its threshold and its main figures."""
    cards = _read(models)
    if as_json:
        typer.echo(json.dumps([card.model_dump(mode="json", by_alias=True) for card in cards], indent=2))
        return
    table = Table("Model", "Version", "Predicts", "Threshold", "Main figure (95 %)", "Data")
    for card in cards:
        table.add_row(
            card.name,
            card.version,
            card.predicts,
            f"{card.threshold:g}",
            f"{card.metrics[0].name} {_figure(card.metrics[0])}",
            "simulated" if card.data.simulated else "recorded",
        )
    output.print(table)


@app.command()
def show(
    name: Name,
    version: Annotated[str | None, typer.Option(help="Left out: the newest.", show_default=False)] = None,
    as_json: AsJson = False,
    models: Models = MODELS,
) -> None:
    """Show the card of a model: intended use, data, figures, threshold, columns."""
    found = [card for card in _read(models) if card.name == name and version in (None, card.version)]
    if not found:
        trouble(f"no model {name} {version or ''}".rstrip() + f" in {models}; see `millwright models list`")
        raise typer.Exit(FAILED)
    card = found[-1]
    if as_json:
        typer.echo(card.model_dump_json(by_alias=True, indent=2))
        return
    output.print(Markdown((models / card.name / card.version / "card.md").read_text(encoding="utf-8")))


@app.command()
def verify(as_json: AsJson = False, models: Models = MODELS) -> None:
    """Load every model as a worker does: hash, columns, answers to the reference rows.

    Exit code 0: all are sound. 1: one is refused. 2: there is nothing to verify.
    """
    # ONNX Runtime and numpy take longest to import, and the other commands do without.
    from shared import onnx_model  # noqa: PLC0415

    outcomes: dict[str, str] = {}
    for place in sorted(path for path in models.glob("*/*") if path.is_dir()):
        try:
            onnx_model.load(models, place.parent.name, place.name)
        except onnx_model.ModelRefused as refusal:
            outcomes[f"{place.parent.name} {place.name}"] = str(refusal)
        else:
            outcomes[f"{place.parent.name} {place.name}"] = ""
    if not outcomes:
        trouble(f"no models in {models}")
        raise typer.Exit(FAILED)
    if as_json:
        typer.echo(
            json.dumps([{"model": one, "refused": why or None} for one, why in outcomes.items()], indent=2)
        )
    else:
        for one, why in outcomes.items():
            if why:
                trouble(why)
            else:
                output.print(f"{one}: sound")
    if any(outcomes.values()):
        raise typer.Exit(PROBLEMS)


@app.command()
def live(
    local: Local = None,
    days: Annotated[int, typer.Option(min=1, help="Calls of so many days up to now.")] = 90,
    as_json: AsJson = False,
) -> None:
    """Show how the models do in the field: calls that maintenance confirmed, false and missed ones.

    Only as true as the maintenance records: what nobody recorded is missing here.
    """
    items = _in_field(local, days)
    if as_json:
        typer.echo(json.dumps(items, indent=2))
        return
    table = Table(
        "Model", "Version", "Open", "Confirmed", "False", "Missed", "Precision", "Recall", "Lead time"
    )
    for item in items:
        lead = item["leadTimeS"]
        table.add_row(
            item["model"],
            item["modelVersion"],
            str(item["openCount"]),
            str(item["confirmedCount"]),
            str(item["falseCallCount"]),
            str(item["missedCount"]),
            _share(item["precision"]),
            _share(item["recall"]),
            "-" if lead is None else f"{lead['median'] / 3600:.1f} h",
        )
    output.print(table)


def _in_field(local: Path | None, days: int) -> list[dict[str, Any]]:
    # The SDKs take a second to load.
    from millwright.connect import NotConfigured, azure_target, connected, local_target  # noqa: PLC0415
    from shared.instants import iso  # noqa: PLC0415
    from shared.live_models import figures  # noqa: PLC0415
    from shared.ports import Refused, Unavailable  # noqa: PLC0415

    begin = iso(time.time_ns() // 1_000_000 - days * 86_400_000)

    async def read() -> list[dict[str, Any]]:
        async with connected(azure_target() if local is None else local_target(local)) as there:
            sql = "SELECT * FROM c WHERE c.type = 'call' AND c.at >= @begin"
            found = there.documents.query("machines", sql, {"@begin": begin})
            return figures([call async for call in found])

    try:
        return asyncio.run(read())
    except (NotConfigured, Unavailable, Refused) as exc:
        trouble(str(exc))
        raise typer.Exit(FAILED) from exc


def _share(ratio: dict[str, float] | None) -> str:
    if ratio is None:
        return "-"
    return f"{ratio['value']:.0%} ({ratio['low']:.0%} to {ratio['high']:.0%})"


def _figure(metric: Metric) -> str:
    if metric.low is None or metric.high is None:
        return f"{metric.value:.3f}"
    return f"{metric.value:.3f} ({metric.low:.3f} to {metric.high:.3f})"


def _read(models: Path) -> list[ModelCard]:
    """All cards, by name and version; ends the program when one cannot be read."""
    try:
        return [card for versions in read_cards(models).values() for card in versions]
    except BadCard as bad:
        trouble(str(bad))
        raise typer.Exit(FAILED) from bad
