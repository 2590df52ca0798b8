"""How the factory commands tell what they found and did."""

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from millwright.documents import lines_of
from millwright.source import Located
from millwright.terminal import errors, output
from shared.contracts.factory import Factory

if TYPE_CHECKING:
    from millwright.apply import Change


def broken(file: str, problems: Sequence[Located], *, as_json: bool) -> None:
    """Every problem on a line of its own, as compilers write them."""
    if as_json:
        told = [{"file": p.file, "line": p.line, "message": p.message, "remedy": p.remedy} for p in problems]
        _json({"file": file, "ok": False, "problems": told})
        return
    for problem in problems:
        place = f"[bold]{escape(problem.file)}:{problem.line}[/]"
        remedy = f"; [green]{escape(problem.remedy)}[/]" if problem.remedy else ""
        output.print(f"{place}: {escape(problem.message)}{remedy}")
    errors.print(f"{_count(len(problems), 'problem')}: nothing was applied")


def checked(file: str, factory: Factory, *, models_checked: bool, as_json: bool) -> None:
    """What a sound description holds."""
    rows = [
        (
            site.id,
            site.time_zone,
            len(list(lines_of(site))),
            sum(len(line.machines) for _, line in lines_of(site)),
            len(
                {
                    device
                    for _, line in lines_of(site)
                    for machine in line.machines
                    for device in machine.devices
                }
            ),
        )
        for site in factory.sites
    ]
    if as_json:
        names = ("siteId", "timeZone", "lineCount", "machineCount", "deviceCount")
        sites = [dict(zip(names, row, strict=True)) for row in rows]
        _json({"file": file, "ok": True, "modelsChecked": models_checked, "problems": [], "sites": sites})
        return
    table = Table("site", "time zone", "lines", "machines", "devices", title=f"{file} is sound")
    for row in rows:
        table.add_row(*map(str, row))
    output.print(table)
    if not models_checked:
        errors.print("There is no folder of models here: model bindings were not checked")


def compared(change: "Change", *, prune: bool, as_json: bool) -> None:
    """What applying would do."""
    if as_json:
        _json(_as_json(change, prune=prune))
        return
    _told(change, "would be", prune=prune)


def exported(notes: Sequence[str], file: str | None) -> None:
    """What an export left out or made up."""
    for note in notes:
        errors.print(escape(note))
    if file is not None:
        errors.print(f"Written to {escape(file)}: check it, and compare it with `millwright factory diff`")


def applied(change: "Change", *, seconds: float, prune: bool, as_json: bool) -> None:
    """What was done."""
    if as_json:
        _json({**_as_json(change, prune=prune), "seconds": round(seconds, 1)})
        return
    if _told(change, "were", prune=prune):
        output.print(f"Applied in {seconds:.1f} s")


def _told(change: "Change", verb: str, *, prune: bool) -> bool:
    """A table of what is different; False when there is nothing to do."""
    busy = not change.is_nothing or (prune and change.surplus_count > 0)
    if busy:
        _table(change, verb, prune=prune)
    else:
        output.print("Nothing to do: what is described is applied")
    _warnings(change, prune=prune)
    return busy


@contextmanager
def progress(*, quiet: bool) -> Generator[Callable[[str, int, int], None]]:
    """A line for each stage of long work, on standard error, gone when it is done."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=errors,
        transient=True,
        disable=quiet,
    )
    tasks: dict[str, TaskID] = {}

    def show(what: str, done: int, of: int) -> None:
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=of)
        bar.update(tasks[what], completed=done)

    with bar:
        yield show


def _as_json(change: "Change", *, prune: bool) -> dict[str, Any]:
    graph = change.graph
    return {
        "changed": not change.is_nothing or (prune and change.surplus_count > 0),
        "prune": prune,
        "sites": [
            {
                "siteId": site.wanted.site.site_id,
                "version": site.wanted.site.version,
                "appliedVersion": site.applied.version if site.applied else None,
                "machinesAdded": list(site.added),
                "machinesChanged": list(site.changed),
                "machinesNoLongerDescribed": list(site.removed),
            }
            for site in change.sites
        ],
        "modelsCreated": [model["@id"] for model in change.graph.models],
        "modelsThatDiffer": change.graph.differing_models,
        "twinsCreated": [twin.id for twin in change.graph.twins],
        "twinsChanged": [twin.id for _, twin in change.graph.changed_twins],
        "relationshipsCreated": [[one.source, one.name, one.target] for one in change.graph.relationships],
        "relationshipsChanged": [
            [one.source, one.name, one.target] for one in change.graph.changed_relationships
        ],
        "sitesNoLongerDescribed": [version.site.site_id for version in change.dropped],
        "twinsNoLongerDescribed": graph.surplus_twins,
        "relationshipsNoLongerDescribed": [
            [one.source, one.name, one.target] for one in graph.surplus_relationships
        ],
    }


def _table(change: "Change", verb: str, *, prune: bool) -> None:
    table = Table("what", f"{verb} created", f"{verb} changed", *([f"{verb} deleted"] if prune else []))

    def row(what: str, created: str, changed: str, deleted: str = "0") -> None:
        table.add_row(what, created, changed, *([deleted] if prune else []))

    for site in change.sites:
        if site.is_new:
            before = f" (now {site.applied.version})" if site.applied else ""
            row(f"spec of {site.wanted.site.site_id}", f"version {site.wanted.site.version}{before}", "")
            row(f"machines of {site.wanted.site.site_id}", _names(site.added), _names(site.changed))
    graph = change.graph
    row("twin models", _names([model["@id"] for model in graph.models]), "0")
    row(
        "twins",
        _names([twin.id for twin in graph.twins]),
        _names([twin.id for _, twin in graph.changed_twins]),
        _names(graph.surplus_twins),
    )
    row(
        "relationships",
        str(len(graph.relationships)),
        str(len(graph.changed_relationships)),
        str(len(graph.surplus_relationships)),
    )
    output.print(table)


def _warnings(change: "Change", *, prune: bool) -> None:
    graph = change.graph
    for model in graph.differing_models:
        errors.print(
            f"{escape(model)} differs in the graph: a model cannot be changed, give it a new version"
        )
    if prune:
        return
    removed = [name for site in change.sites for name in site.removed]
    kept = sorted({*removed, *graph.surplus_twins, *(version.site.site_id for version in change.dropped)})
    if kept:
        errors.print(f"No longer described, and kept: {escape(_names(kept))}; --prune deletes them")
    if graph.surplus_relationships:
        links = [f"{one.source} {one.name} {one.target}" for one in graph.surplus_relationships]
        errors.print(f"Relationships not described, and kept: {escape(_names(links))}; --prune deletes them")


def _names(names: Sequence[str]) -> str:
    """How many, and the first few by name.

    >>> _names(["A", "B"])
    '2: A, B'
    """
    if not names:
        return "0"
    return f"{len(names)}: {', '.join(names[:5])}" + (" ..." if len(names) > 5 else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _json(value: dict[str, Any]) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
