"""How fast the plant simulator produces: `python -m bench.plant [--json]`. No network, best of three."""

import argparse
import json
import time
from pathlib import Path

from local.plant.description import read
from local.plant.gateway import Outgoing
from local.plant.model import Plant
from local.plant.stream import Settings, Stream

FACTORY = Path("factories/smart-factory.yaml")
START = 1_773_036_000_000
SECONDS = 900


def reports_per_s() -> float:
    """Machine reports of the model alone."""
    plant = Plant(read(FACTORY), seed=7, start=START)
    begun = time.perf_counter()
    count = sum(len(plant.step()) for _ in range(SECONDS))
    return count / (time.perf_counter() - begun)


def readings_per_s(readings_per_message: int) -> float:
    """Readings in finished messages."""
    stream = Stream(read(FACTORY), Settings(7, START, readings_per_message=readings_per_message))
    begun = time.perf_counter()
    count = sum(len(event.readings) for event in stream.run(SECONDS) if isinstance(event, Outgoing))
    return count / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="figures as one JSON object, per second")
    options = parser.parse_args()
    figures = {
        "reports of the model": max(reports_per_s() for _ in range(3)),
        "readings, messages of 1": max(readings_per_s(1) for _ in range(3)),
        "readings, messages of 5": max(readings_per_s(5) for _ in range(3)),
    }
    if options.json:
        print(json.dumps({name: round(figure) for name, figure in figures.items()}))
        return
    for name, figure in figures.items():
        print(f"{name:<24} {figure:>8,.0f}/s")


if __name__ == "__main__":
    main()
