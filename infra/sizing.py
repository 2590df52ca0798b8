"""What sizes and costs are computed from: the tables that the benchmark wrote into docs/cost.md, and prices.

Nothing is measured here. When docs/cost.md has new figures, `make sizes` puts what follows from them into
docs/deploy.md and docs/scaling.md; tests hold the pages to it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
COST = ROOT / "docs" / "cost.md"
PRICES = ROOT / "bench" / "prices.json"
ASKS, DOLLARS, DUE = "### What a message asks", "### Dollars a machine and month", "### Timer"
PIPELINE = "### Pipeline: readings a second"
LOAD = "every 10 s, 10 a message"
EVERY_S, READINGS = 10, 10
DAY_S, MONTH_S = 86_400, 30 * 86_400


class NoFigure(Exception):
    """docs/cost.md lacks a table, a row or a column; says which."""


def rows(heading: str) -> dict[str, dict[str, float]]:
    """First cell of a row -> column -> value, of the table under `heading`; units are dropped."""
    _, found, text = COST.read_text().partition(heading)
    if not found:
        raise NoFigure(f"{COST.name} has no table {heading!r}")
    lines = [line for line in text.partition("\n### ")[0].splitlines() if line.startswith("|")]
    head, *body = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {
        cells[0]: {name: number(cell) for name, cell in zip(head[1:], cells[1:], strict=True) if cell}
        for cells in body
        if not set(cells[0]) <= set("-: ")
    }


def number(cell: str) -> float:
    """`1,500` or `4.30 ms` as a number; what is none is not one (NaN)."""
    found = re.match(r"-?[\d,]+(\.\d+)?", cell)
    return float(found[0].replace(",", "")) if found else float("nan")


@dataclass(frozen=True, slots=True)
class Figures:
    """Of a machine that sends ten readings in a message every ten seconds."""

    asks: Mapping[str, float]
    """A message: bytes, request units, patches ..."""
    dollars: Mapping[str, float]
    """A machine and month, by service."""
    tick_ms: float
    tick_ru: float
    reading_ms: float
    """Processor time of a Functions host, a reading, through the whole pipeline at five a message."""

    @classmethod
    def read(cls) -> "Figures":
        asks, dollars, due = rows(ASKS), rows(DOLLARS), rows(DUE)
        for heading, table in ((ASKS, asks), (DOLLARS, dollars)):
            if LOAD not in table:
                raise NoFigure(f"{COST.name}: the table {heading!r} has no row {LOAD!r}")
        last = list(due.values())[-1]
        piped = [row for name, row in rows(PIPELINE).items() if name.startswith("5 a message")]
        if not piped:
            raise NoFigure(f"{COST.name}: the table {PIPELINE!r} has no row of 5 a message")
        reading_ms = piped[0]["host CPU a reading"]
        return cls(asks[LOAD], dollars[LOAD], last["CPU a tick"], last["RU a tick"], reading_ms)

    @property
    def ru(self) -> float:
        """Request units a message, of whatever purpose."""
        return sum(value for name, value in self.asks.items() if name.startswith("RU "))

    @property
    def provisioned(self) -> float:
        """Dollars a machine and month of Cosmos DB with provisioned throughput, in place of serverless."""
        return self.dollars["total S3, provisioned RU"] - self.dollars["total S3"] + self.dollars["Cosmos DB"]


def prices() -> dict[str, float]:
    """Name -> dollars, of bench/prices.json."""
    return {name: one["amount"] for name, one in json.loads(PRICES.read_text())["prices"].items()}


def messages_per_day(tier: str) -> int:
    """What one unit of an IoT Hub takes."""
    return json.loads(PRICES.read_text())["prices"][f"iot_hub_{tier}_unit_month"]["messages_per_day"]


def embedded(page: str, name: str, text: str) -> str:
    """The page with `text` between its marks `<!-- NAME: begin -->` and `<!-- NAME: end -->`."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, found, rest = page.partition(begin)
    if not found or end not in rest:
        raise NoFigure(f"the page has no marks {begin.strip()} and {end}")
    return f"{before}{begin}{text.strip()}\n{end}{rest.partition(end)[2]}"
