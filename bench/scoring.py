"""Cost of scoring per machine, and of a cold start.

`python -m bench.scoring [--json]`: rows are the reference rows of each card, repeated. Each figure is
processor time, the best of five rounds on one thread; the cold start is the best of three fresh processes.
The last column has a warning in every row, so that what moved it is worked out as well; the others have none.
"""

import argparse
import json
import subprocess
import sys
import time
from math import nan
from pathlib import Path

from shared.domain.effects import ScoreRequested
from shared.scoring import Scorer

MODELS = Path(__file__).parents[1] / "models"
ROUNDS = 5
BATCHES = (1, 10, 100, 1000)

COLD = """
import json, sys, time
started = time.process_time()
from pathlib import Path
from shared.scoring import Scorer
imported = time.process_time()
scorer = Scorer(Path(sys.argv[1]))
for place in sorted(Path(sys.argv[1]).glob("*/*")):
    scorer.load(place.parent.name, place.name)
print(json.dumps([(imported - started) * 1000, (time.process_time() - imported) * 1000]))
"""


def per_machine_us(scorer: Scorer, name: str, version: str, size: int, *, warned: bool = False) -> float:
    """Microseconds per machine when `size` machines are scored at once.

    `warned`: each answer is a warning, so that what moved it is worked out as well.
    """
    card = scorer.load(name, version).card
    rows = [tuple(nan if x is None else x for x in one.row) for one in card.reference]
    threshold = 1e9 if warned == (card.kind == "remaining-life") else -1.0
    requests = [
        ScoreRequested(f"M{place}", name, version, place, rows[place % len(rows)], threshold)
        for place in range(size)
    ]
    repeats = max(1, 2000 // size)
    times: list[float] = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(repeats):
            scorer.score(requests)
        times.append((time.process_time() - started) / repeats / size)
    return min(times) * 1e6


def cold_ms() -> tuple[float, float]:
    """(import of ONNX Runtime and numpy, load and verification of all models), ms."""
    runs = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", COLD, str(MODELS)],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                cwd=MODELS.parent,
            ).stdout
        )
        for _ in range(3)
    ]
    imported, loaded = min(runs, key=sum)
    return imported, loaded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="for machines")
    as_json = parser.parse_args().json
    scorer = Scorer(MODELS)
    models = [(place.parent.name, place.name) for place in sorted(MODELS.glob("*/*")) if place.is_dir()]
    costs = {
        f"{name} {version}": {size: round(per_machine_us(scorer, name, version, size), 2) for size in BATCHES}
        for name, version in models
    }
    warned = {
        f"{name} {version}": round(per_machine_us(scorer, name, version, 100, warned=True), 2)
        for name, version in models
    }
    imported_ms, loaded_ms = cold_ms()
    if as_json:
        result = {
            "perMachineUs": costs,
            "perWarningUs": warned,
            "importMs": round(imported_ms, 1),
            "loadAllMs": round(loaded_ms, 1),
        }
        print(json.dumps(result, indent=2))
        return
    print(
        f"{'us per machine, in batches of':32}" + "".join(f"{size:>9}" for size in BATCHES) + "  100 warned"
    )
    for model, by_size in costs.items():
        print(f"{model:32}" + "".join(f"{by_size[size]:9.1f}" for size in BATCHES) + f"{warned[model]:12.1f}")
    print(f"cold start: import {imported_ms:.0f} ms + load and verify all models {loaded_ms:.0f} ms")


if __name__ == "__main__":
    main()
