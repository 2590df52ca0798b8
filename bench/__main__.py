"""`python -m bench`: the figures of the main job. What ran is merged into bench-results/bench.json."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import alarms, cost, factories, fold, growth, pipeline, reference, report
from bench.surroundings import load_average
from infra import bill, scale

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench-results" / "bench.json"
DOCUMENT = ROOT / "docs" / "cost.md"
_DEFAULT_MS_PER_READING = 0.25
"""Processor time of a host as first measured, until the pipeline's own figure is there."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is."""

    seconds: int = 60
    machines: int = 300
    fold_machines: int = 1_000
    due: int = 100_000
    factory_machines: int = 10_000
    sizes: tuple[int, ...] = growth.SIZES
    cadences: tuple[tuple[float, int], ...] = cost.CADENCES
    readings: tuple[int, ...] = (5, 1)
    passes: int = 3


TINY = Size(
    seconds=2,
    machines=6,
    fold_machines=6,
    due=20,
    factory_machines=6,
    sizes=(),
    cadences=((1, 10),),
    readings=(5,),
    passes=1,
)
"""Exercises everything and says nothing about speed."""


def run_fold(size: Size, known: dict[str, Any]) -> dict[str, Any]:
    aged = 60 if size is not TINY else 1
    return {
        "fold": asdict(
            fold.measure(machines=size.fold_machines, seconds=size.seconds, passes=size.passes, aged=aged)
        )
    }


def run_alarms(size: Size, known: dict[str, Any]) -> dict[str, Any]:
    found = alarms.measure(machines=size.fold_machines, seconds=size.seconds / 3, passes=size.passes)
    return {"alarms": asdict(found)}


def run_pipeline(size: Size, known: dict[str, Any]) -> dict[str, Any]:
    flows = [
        measure(machines=size.machines, seconds=size.seconds, readings=readings)
        for readings in size.readings
        for measure in (pipeline.sustained, pipeline.drain)
    ]
    return {"flows": [asdict(flow) for flow in flows]}


def run_reference(size: Size, known: dict[str, Any]) -> dict[str, Any]:
    machines = min(24, size.machines)
    return {"reference": asdict(reference.measure(machines=machines, seconds=size.seconds))}


def run_cost(size: Size, known: dict[str, Any]) -> dict[str, Any]:
    flows = known.get("pipeline", {}).get("flows", [])
    drained = [flow["host_ms_per_reading"] for flow in flows if not flow["offered_per_s"]]
    cadences = cost.measure(
        machines=size.machines,
        seconds=2 * size.seconds,
        cadences=size.cadences,
        host_ms_per_reading=max(drained, default=_DEFAULT_MS_PER_READING),
    )
    return {
        "cadences": [
            {**asdict(one), "total": {tier: one.total(tier) for tier in cost.TIERS}} for one in cadences
        ]
    }


def run_growth(size: Size, known: dict[str, Any]) -> dict[str, Any]:
    flows = growth.pipelines(sizes=size.sizes, readings=1_000 * size.seconds)
    return {"flows": [asdict(flow) for flow in flows], "due": asdict(growth.due(machines=size.due))}


def run_factory(size: Size, known: dict[str, Any]) -> dict[str, Any]:
    return {"factories": asdict(factories.measure(machines=size.factory_machines))}


PARTS: dict[str, Callable[[Size, dict[str, Any]], dict[str, Any]]] = {
    "fold": run_fold,
    "alarms": run_alarms,
    "pipeline": run_pipeline,
    "reference": run_reference,
    "cost": run_cost,
    "growth": run_growth,
    "factory": run_factory,
}


def run_part(name: str, size: Size, known: dict[str, Any]) -> dict[str, Any]:
    """One part's figures, with when they were measured and beside what."""
    before = load_average()
    return {
        **PARTS[name](size, known),
        "load_average": f"{before} to {load_average()}",
        "cores": len(os.sched_getaffinity(0)),
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(PARTS), help="one part; may be repeated")
    parser.add_argument("--seconds", type=int, default=60, help="how long a part measures (default: 60)")
    parser.add_argument("--machines", type=int, default=300, help="of the pipeline and the fleet (300)")
    parser.add_argument("--due", type=int, default=100_000, help="machines due at once (100,000)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, no tables")
    parser.add_argument(
        "--write-docs", action="store_true", help="only put the last figures into docs/cost.md"
    )
    options = parser.parse_args()
    known: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if options.write_docs:
        DOCUMENT.write_text(report.embedded(DOCUMENT.read_text(), known))
        bill.write()  # what follows from the figures stands on other pages
        scale.write()
        return 0
    size = Size(seconds=options.seconds, machines=options.machines, due=options.due)
    results: dict[str, Any] = {}
    for name in options.only or PARTS:
        results[name] = run_part(name, size, {**known, **results})
        known[name] = results[name]
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(known, indent=2) + "\n")
        if not options.json:
            report.show({name: results[name]}, Console(width=200))
    if options.json:
        print(json.dumps(results, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
