"""`millwright oee ...`: the figures of a shift, worked out on paper, with pictures."""

import asyncio
import json
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from millwright.options import Local
from millwright.terminal import FAILED, PROBLEMS, errors, output, trouble

app = typer.Typer(help="OEE that can be worked out again by hand.", no_args_is_help=True)


class Format(StrEnum):
    PNG = "png"
    SVG = "svg"


type Json = dict[str, Any]


@app.callback()
def oee() -> None:
    """OEE that can be worked out again by hand."""


@app.command()
def explain(
    scope: Annotated[str, typer.Argument(metavar="MACHINE", help="A machine; a line or site works, too.")],
    shift: Annotated[str, typer.Argument(help="The shift, like 2026-03-09.early.")],
    local: Local = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Draw timeline, losses and Pareto into this folder.", show_default=False
        ),
    ] = None,
    format: Annotated[Format, typer.Option(help="Of the pictures.")] = Format.PNG,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON for programs instead of tables.")
    ] = False,
) -> None:
    """Show the intervals, counters, products and arithmetic behind a shift's OEE, and that they add up.

    Exit code 0: every sum is proven. 1: the bucket is not the sum of its parts. 2: it could not be shown.
    """
    found = _found(scope, shift, local)
    drawn = _drawn(found, pictures, format) if pictures is not None else []
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _show(found)
    for path in drawn:
        errors.print(f"Written to {escape(str(path))}")
    if not found["proof"]["equal"]:
        wrong = ", ".join(row["name"] for row in found["proof"]["sums"] if not row["equal"])
        trouble(f"{found['bucketId']} is not the sum of its parts: {wrong or 'its intervals leave a gap'}")
        raise typer.Exit(PROBLEMS)


@app.command()
def stops(
    machine: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this machine's.", show_default=False)
    ] = None,
    line: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this line's.", show_default=False)
    ] = None,
    unclassified: Annotated[
        bool, typer.Option("--unclassified", help="Only those without a reason, wholly or in part.")
    ] = False,
    count: Annotated[int, typer.Option(min=1, max=200, help="At most so many, the newest.")] = 50,
    local: Local = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON for programs instead of a table.")
    ] = False,
) -> None:
    """List stops, the newest first, with what operators say of them.

    Operators classify, split and merge them over HTTP, signed in: POST /api/stops/ID/classify.
    """
    state = "unclassified" if unclassified else "all"
    asked = {"state": state, "machine": machine, "line": line, "limit": count}
    found = _stops(local, {name: value for name, value in asked.items() if value is not None})
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    rows: list[tuple[Any, ...]] = []
    for one in found:
        said = one["parts"] or [one]
        for part in said:
            ended = part["endedAt"]
            ms = None if ended is None else _instant(ended) - _instant(part["startedAt"])
            rows.append(
                (
                    one["stopId"],
                    part["startedAt"][:19],
                    "lasts" if ms is None else _clock(ms),
                    part["category"],
                    part["reason"] or "none",
                    part.get("who") or "",
                )
            )
    _table("Stops", ("stop", "from (UTC)", "time", "category", "reason", "said by"), rows)
    if not rows:
        output.print("There are none.")


def _instant(text: str) -> int:
    from shared.instants import instant  # noqa: PLC0415

    return instant(text)


def _stops(local: Path | None, asked: Json) -> list[Json]:
    from millwright.connect import NotConfigured, azure_target, connected, local_target  # noqa: PLC0415
    from shared import queries  # noqa: PLC0415
    from shared.contracts import http  # noqa: PLC0415
    from shared.contracts.documents.base import names  # noqa: PLC0415
    from shared.ports import Refused, Unavailable  # noqa: PLC0415

    async def read(target: Any) -> list[Json]:
        wanted = http.StopsAsked.model_validate(asked)
        async with connected(target) as there:
            page = await queries.all_stops(there.documents, queries.Paging(wanted.limit), wanted)
        return [{name: one[name] for name in names(http.Stop) if name in one} for one in page.items]

    try:
        return asyncio.run(read(azure_target() if local is None else local_target(local)))
    except (NotConfigured, Unavailable, Refused) as exc:
        trouble(str(exc))
        raise typer.Exit(FAILED) from exc


def _found(scope: str, shift: str, local: Path | None) -> Json:
    # The SDKs take a second to load.
    from millwright.connect import NotConfigured, azure_target, local_target  # noqa: PLC0415
    from shared.ports import Refused, Unavailable  # noqa: PLC0415

    try:
        target = azure_target() if local is None else local_target(local)
        found = asyncio.run(_read(target, scope, shift))
    except (NotConfigured, Unavailable, Refused) as exc:
        trouble(str(exc))
        raise typer.Exit(FAILED) from exc
    if found is None:
        trouble(
            f"{scope} has no shift {shift}. Shifts are called like 2026-03-09.early, by the local date on "
            f"which they start; GET /api/oee?scope={scope} lists them"
        )
        raise typer.Exit(FAILED)
    return found


async def _read(target: Any, scope_id: str, shift: str) -> Json | None:
    from millwright.connect import connected  # noqa: PLC0415
    from shared.oee_explained import explained  # noqa: PLC0415
    from shared.oee_grains import scope_of  # noqa: PLC0415
    from shared.specs import SpecStore  # noqa: PLC0415

    async with connected(target) as there:
        specs = SpecStore(there.documents, clock=time.monotonic)
        scope = await scope_of(there.documents, specs, scope_id)
        return None if scope is None else await explained(there.documents, scope, shift)


def _drawn(found: Json, folder: Path, format: Format) -> list[Path]:
    try:
        from millwright.oee_pictures import draw  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        trouble(f"pictures need matplotlib ({exc}): install it with `uv sync --group training`")
        raise typer.Exit(FAILED) from exc
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return draw(found, folder, format.value)
    except OSError as exc:
        trouble(f"{folder} cannot be written: {exc}")
        raise typer.Exit(FAILED) from exc


def _show(found: Json) -> None:
    bucket = found["bucket"]
    final = "final" if bucket["final"] else "still running"
    output.print(f"[bold]{escape(found['bucketId'])}[/]  {bucket['start']} to {bucket['end']}, {final}")
    _intervals(found)
    _table(
        "What was made",
        ("product", "order", "good", "reject", "rework", "production", "ideal cycle", "ideal time"),
        [
            (
                one["product"] or "-",
                one["order"] or "-",
                one["goodCount"],
                one["rejectCount"],
                one["reworkCount"],
                _clock(one["productionMs"]),
                "unknown" if one["idealCycleMs"] is None else f"{one['idealCycleMs']:g} ms",
                _clock(one["idealMs"]),
            )
            for one in found["products"]
        ],
    )
    _table(
        "What it is the sum of",
        ("part", "counted", "good", "reject"),
        [
            (one["bucketId"], "yes" if one["counted"] else "no", *_units(one["elements"]))
            for one in found["children"]
        ],
    )
    _table(
        "The arithmetic (ms and units)",
        ("figure", "formula", "with its numbers", "result"),
        [(one["name"], one["formula"], one["numbers"], _result(one)) for one in found["arithmetic"]],
    )
    if (fall := found["fallOff"]) is not None:
        output.print(
            f"Fall-off {fall['ratio']:.6f}: {fall['count']} of {fall['producedCount']} units made at "
            f"{escape(fall['first'])} were lost on the line"
        )
    _table(
        "Where planned busy time went",
        ("loss", "time", "units"),
        [
            (one["name"], _clock(one["timeMs"]), "-" if one["units"] is None else one["units"])
            for one in bucket["losses"]["waterfall"]
        ],
    )
    _table("What was wrong with the data", ("flag", "count"), list(bucket["flags"].items()))
    proof = found["proof"]
    verdict = "equal" if proof["equal"] else "NOT EQUAL"
    _table(
        f"The proof: parts and rest against the bucket, {verdict}",
        ("number", "parts", "rest", "bucket", ""),
        [
            (one["name"], one["parts"], one["rest"], one["bucket"], "=" if one["equal"] else "differs")
            for one in proof["sums"]
        ],
    )


def _intervals(found: Json) -> None:
    rows: list[tuple[Any, ...]] = []
    for page in found["pages"]:
        for number, one in enumerate(page["intervals"]):
            last = number == len(page["intervals"]) - 1
            rows.append(
                (
                    one["start"][11:23],
                    one["end"][11:23],
                    _clock(one["timeMs"]),
                    one["category"],
                    one["state"],
                    one["reason"] or "",
                    one["product"],
                    "begins" if one["failure"] else "",
                    *(_units(page["elements"]) if last else ("", "")),
                )
            )
    if found["rest"] is not None:
        spent = sum(found["rest"]["timesMs"].values())
        rows.append(("in no page yet", "", _clock(spent), "", "", "", "", "", *_units(found["rest"])))
    names = (
        "from (UTC)",
        "to",
        "time",
        "category",
        "state",
        "reason",
        "product",
        "failure",
        "good",
        "reject",
    )
    _table("The ledger; units by page, at its last interval", names, rows)


def _units(elements: Json) -> tuple[int, int]:
    return elements["goodCount"], elements["rejectCount"]


def _table(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    if not rows:
        return
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    output.print(table)


def _result(step: Json) -> str:
    if step["value"] is None:
        return "unknown"
    return f"{step['value']:.6f}" if step["unit"] == "ratio" else f"{step['value']:.0f}"


def _clock(ms: int) -> str:
    """Hours, minutes and seconds, with what is left of a second.

    >>> _clock(3_723_000), _clock(-1_500)
    ('1:02:03', '-0:00:01.500')
    """
    seconds, rest = divmod(abs(ms), 1_000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    sign = "-" if ms < 0 else ""
    return f"{sign}{hours}:{minute:02}:{second:02}" + (f".{rest:03}" if rest else "")
