"""A shift as pictures: its state timeline, the loss waterfall, and a Pareto of what was lost."""

from datetime import datetime
from pathlib import Path
from typing import Any

from matplotlib import dates, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

type Json = dict[str, Any]

_COLOURS = {
    "production": "#2e8b57",
    "setup": "#4f81bd",
    "plannedStop": "#b0b0b0",
    "unplannedStop": "#c0392b",
    "minorStop": "#e67e22",
    "starved": "#f1c40f",
    "blocked": "#8e44ad",
    "notScheduled": "#dddddd",
    "unknown": "#555555",
}
_MINUTE_MS = 60_000
_BARS = 12
"""Of the longest losses; the others are one bar."""


def draw(found: Json, folder: Path, format: str) -> list[Path]:
    """Write `SCOPE.SHIFT.timeline.png` and its like; returns the files. OSError as files have it.

    A scope without a ledger of its own has no timeline.
    """
    name = found["bucketId"].replace(":", ".")
    pictures = {
        "timeline": _timeline(found) if found["pages"] else None,
        "losses": _waterfall(found),
        "pareto": _pareto(found),
    }
    written: list[Path] = []
    with rc_context({"svg.hashsalt": "millwright"}):
        for kind, figure in pictures.items():
            if figure is not None:
                path = folder / f"{name}.{kind}.{format}"
                figure.savefig(path, format=format, metadata={"Date": None} if format == "svg" else None)
                written.append(path)
    return written


def _timeline(found: Json) -> Figure:
    figure, axes = _canvas(f"{found['bucketId']}: state by time", height=2.6)
    by_category: dict[str, list[tuple[float, float]]] = {}
    for page in found["pages"]:
        for one in page["intervals"]:
            start, end = (_day(one[name]) for name in ("start", "end"))
            by_category.setdefault(one["category"], []).append((start, end - start))
    for category, spans in by_category.items():
        axes.broken_barh(spans, (0, 1), facecolors=_COLOURS[category], label=category)
    axes.set_yticks([])
    axes.set_xlabel("UTC")
    axes.xaxis_date()
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
    axes.legend(ncols=5, loc="upper center", bbox_to_anchor=(0.5, -0.35), frameon=False)
    return figure


def _waterfall(found: Json) -> Figure:
    """Each loss begins where the one before it ended; the last bar is what stays."""
    figure, axes = _canvas(f"{found['bucketId']}: from planned busy to fully productive time")
    busy = found["bucket"]["indicators"]["plannedBusyMs"]
    names, heights, bottoms = ["plannedBusy"], [busy], [0]
    colours = ["#4f81bd"]
    left = busy
    for step in found["bucket"]["losses"]["waterfall"]:
        productive = step["name"] == "fullyProductive"
        if not productive and not step["timeMs"]:
            continue
        names.append(step["name"])
        heights.append(step["timeMs"])
        left -= step["timeMs"]
        bottoms.append(0 if productive else left)
        colours.append("#2e8b57" if productive else "#c0392b")
    minutes = [height / _MINUTE_MS for height in heights]
    bars = axes.bar(names, minutes, bottom=[at / _MINUTE_MS for at in bottoms], color=colours)
    axes.bar_label(bars, labels=[f"{height:.1f}" for height in minutes])
    axes.set_ylabel("minutes")
    axes.tick_params(axis="x", rotation=30)
    return figure


def _pareto(found: Json) -> Figure:
    figure, axes = _canvas(f"{found['bucketId']}: what was lost, the longest first")
    rows = [
        (f"{one['category']}\n{one['reason'] or 'no reason'}", one["timeMs"], _COLOURS[one["category"]])
        for one in found["bucket"]["losses"]["pareto"]
    ]
    others = rows[_BARS:]
    rows = rows[:_BARS]
    if others:
        rows.append((f"{len(others)} others", sum(row[1] for row in others), "#999999"))
    if not rows:
        axes.text(0.5, 0.5, "nothing was lost", ha="center", transform=axes.transAxes)
        return figure
    axes.bar([row[0] for row in rows], [row[1] / _MINUTE_MS for row in rows], color=[row[2] for row in rows])
    axes.set_ylabel("minutes")
    axes.tick_params(axis="x", rotation=30)
    whole = sum(row[1] for row in rows)
    shares = [100 * sum(row[1] for row in rows[: n + 1]) / whole for n in range(len(rows))]
    beside = axes.twinx()
    beside.plot(range(len(rows)), shares, color="black", marker="o")
    beside.set_ylim(0, 105)
    beside.set_ylabel("% of all, added up")
    return figure


def _canvas(title: str, *, height: float = 4.8) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(11, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    return figure, axes


def _day(text: str) -> float:
    """As matplotlib counts time: days since the epoch."""
    return datetime.fromisoformat(text).timestamp() / 86_400
