"""The live table of `make run`: what the API says about the machines, for a person at a terminal."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from rich.console import Group
from rich.table import Table
from rich.text import Text

from local.inbox import Notification

type Json = dict[str, Any]

BAND_STYLES = {"green": "green", "yellow": "yellow", "red": "red", "grey": "dim"}
STATE_STYLES = {
    "Execute": "green",
    "Held": "red",
    "Aborted": "bold red",
    "Stopped": "red",
    "Suspended": "yellow",
}
PRIORITY_STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "none": "dim"}
_SIGNALS_SHOWN = 3
_COLUMNS: tuple[tuple[str, Literal["left", "right"], int], ...] = (
    ("machine", "left", 0),
    ("state", "left", 0),
    ("for", "right", 95),
    ("signals", "left", 140),
    ("A", "right", 110),
    ("E", "right", 110),
    ("Q", "right", 110),
    ("OEE", "right", 0),
    ("health", "right", 0),
    ("alarms", "right", 0),
)
"""(heading, alignment, width of the terminal from which it is shown)."""
_NOTIFICATIONS_SHOWN = 5


def board(
    machines: Sequence[Json], notifications: Iterable[Notification], footer: str, *, width: int
) -> Group:
    """All machines, the last notifications, and one line about the whole.

    A narrow terminal gets the columns that decide, not all of them cut short.
    """
    shown = [index for index, (_, _, at_least) in enumerate(_COLUMNS) if width >= at_least]
    table = Table(expand=True)
    for index in shown:
        heading, justify, _ = _COLUMNS[index]
        table.add_column(heading, justify=justify, no_wrap=True)
    for machine in machines:
        cells = row(machine, now=datetime.now(UTC))
        table.add_row(*(cells[index] for index in shown))
    last = list(notifications)[-_NOTIFICATIONS_SHOWN:]
    lines = [Text(f"{n.at:%H:%M:%S}  {n.text}", style="yellow") for n in reversed(last)]
    return Group(
        table,
        Text("last notifications", style="bold"),
        *(lines or [Text("none yet", style="dim")]),
        Text(footer, style="dim"),
    )


def row(machine: Json, *, now: datetime) -> list[Text]:
    """One machine. What is unknown is a dash, never a zero."""
    oee: Json = machine.get("oee") or {}
    health: Json = machine.get("health") or {}
    alarms: Json = machine["alarms"]
    state = "silent" if machine["silent"] else machine["state"]
    if machine.get("blocked"):
        state = "blocked"
    band = BAND_STYLES[oee.get("band", "grey")]
    return [
        Text(machine["machineId"]),
        Text(
            state + (f" ({machine['reason']})" if machine.get("reason") else ""), STATE_STYLES.get(state, "")
        ),
        Text(_since(machine.get("stateSince"), now)),
        Text(_signals(machine["signals"])),
        Text(_percent(oee.get("availability"))),
        Text(_percent(oee.get("effectiveness"))),
        Text(_percent(oee.get("quality"))),
        Text(_percent(oee.get("oee")), band),
        Text(_health(health), "red" if health.get("warning") else ""),
        Text(str(alarms["activeCount"]), PRIORITY_STYLES[alarms["highestPriority"]]),
    ]


def _signals(signals: Json) -> str:
    shown = list(signals.items())[:_SIGNALS_SHOWN]
    return "  ".join(
        f"{measured['value']:.4g} {measured['unit']}{'?' if measured['quality'] == 'bad' else ''}"
        for _, measured in shown
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _health(health: Json) -> str:
    score = health.get("score")
    if score is not None:
        return f"{score:.0%}"
    return "abstains" if health.get("abstained") else "-"


def _since(text: str | None, now: datetime) -> str:
    if text is None:
        return "-"
    seconds = max(0, round((now - datetime.fromisoformat(text)).total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
