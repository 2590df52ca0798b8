"""OEE from the local Cosmos DB: what a person waits for. `python -m bench.oee [--json]`.

A line with 30 days of three shifts among ten others, ten machines in each. Each figure is the median and
the best of 20 requests through the API's own queries; the service runs in a process of its own.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import date, timedelta

from bench.cosmos import server
from shared import oee_grains, queries
from shared.adapters.containers import ensure
from shared.adapters.cosmos import CosmosDocuments, cosmos_client
from shared.domain.elements import MadeElements, OeeElements
from shared.domain.packml import TimeCategory
from shared.instants import iso
from shared.oee_documents import bucket_document, oee_ratios
from shared.oee_grains import Asked, Scope
from shared.ports import Document, Upsert
from shared.queries import Paging
from shared.relay.scopes import SCOPES

_FIRST = date(2026, 3, 1)
_FIRST_AT = 1_772_323_200_000
_HOUR_MS = 3_600_000
_DAYS, _LINES, _REQUESTS = 30, 11, 20
_SHIFTS = ("early", "late", "night")


def shift_of(line: str, day: int, number: int) -> Document:
    """A line's roll-up of one shift, with ten machines in it."""
    start = _FIRST_AT + day * 24 * _HOUR_MS + (5 + 8 * number) * _HOUR_MS
    name = f"{_FIRST + timedelta(days=day)}.{_SHIFTS[number]}"
    production = 70 * _HOUR_MS
    elements = OeeElements(
        shift_id=name,
        start=start,
        end=start + 8 * _HOUR_MS,
        times_ms={
            TimeCategory.PRODUCTION: production,
            TimeCategory.UNPLANNED_STOP: 4 * _HOUR_MS,
            TimeCategory.SETUP: 2 * _HOUR_MS,
            TimeCategory.PLANNED_STOP: 4 * _HOUR_MS,
        },
        measured_at=start + 8 * _HOUR_MS,
        good_count=20_000 + day,
        reject_count=150,
        ideal_ms=20_150 * 10_000,
        unpriced_count=0,
        reset_count=0,
        late_count=0,
        final=True,
        rejects={"scratch": 100, "burr": 50},
        losses_ms={"unplannedStop/jam": 4 * _HOUR_MS, "setup/changeover": 2 * _HOUR_MS},
        made=(MadeElements("gear", "O-1", production, 20_000 + day, 150, 0, 20_150 * 10_000),),
    )
    content = bucket_document(elements)
    return {
        "id": f"oee:{name}",
        "scopeId": line,
        "type": "oee",
        "level": "line",
        **oee_ratios(elements, green_ratio=0.9, yellow_ratio=0.8),
        **content,
        "childCount": 10,
        "children": {f"{line}-M-{n}": {"version": [1], "content": content} for n in range(10)},
    }


async def timed_ms(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """The median and the best: what else runs on the machine is in the one and hardly in the other."""
    times: list[float] = []
    for _ in range(_REQUESTS + 1):
        started = time.perf_counter()
        await work()
        times.append((time.perf_counter() - started) * 1_000)
    return round(statistics.median(times[1:]), 1), round(min(times), 1)


async def measure(address: str, key: str) -> dict[str, tuple[float, float]]:
    """Milliseconds by what was asked."""
    async with cosmos_client(address, key) as client:
        await ensure(client)
    async with CosmosDocuments(cosmos_client(address, key)) as documents:
        for number in range(_LINES):
            line = f"LINE-{number}"
            status = {"id": "status", "scopeId": line, "type": "status", "level": "line", "children": {}}
            await documents.commit(SCOPES, line, [Upsert(status)])
            for day in range(_DAYS):
                batch = [Upsert(shift_of(line, day, shift)) for shift in range(len(_SHIFTS))]
                await documents.commit(SCOPES, line, batch)
        scope = Scope("LINE-5", "line", SCOPES)
        begin, end = iso(_FIRST_AT), iso(_FIRST_AT + (_DAYS + 1) * 24 * _HOUR_MS)
        shifts = await queries.oee(documents, Paging(200), "LINE-5", begin=begin, end=end)
        assert shifts is not None
        assert len(shifts.items) == _DAYS * len(_SHIFTS)
        return {
            "30 days of shifts of a line, ms": await timed_ms(
                lambda: queries.oee(documents, Paging(200), "LINE-5", begin=begin, end=end)
            ),
            "30 days of a line by day, ms": await timed_ms(
                lambda: oee_grains.by_date(documents, scope, "day", Asked(Paging(200), begin, end))
            ),
        }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.oee", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, server(folder) as (address, key):
        figures = asyncio.run(measure(address, key))
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:40} {value[0]:10,.1f}, best {value[1]:,.1f}")


if __name__ == "__main__":
    main()
