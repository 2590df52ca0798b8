"""Cost of scoring per machine, and of a cold start.

`python -m bench.scoring [--json]`: rows are the reference rows of each card, repeated. Each figure is
processor time, the best of 25 short rounds on one thread. The last column has a warning in every row, so that
what moved it is worked out as well; the others have none.

The cold start is the best of five fresh processes with compiled bytecode, as a deployed package has it: what
a worker imports in any case, what scoring adds to that, and loading and verifying all models. Its processor
time counts all threads: numpy's and ONNX Runtime's run beside the first.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from math import nan
from pathlib import Path
from tempfile import TemporaryDirectory

from shared.domain.effects import ScoreRequested
from shared.scoring import Scorer

MODELS = Path(__file__).parents[1] / "models"
ROUNDS = 25
STARTS = 5
BATCHES = (1, 10, 100, 1000)

COLD = """
import json, sys, time
marks = [(time.perf_counter(), time.process_time())]
import shared.decode, shared.observability, shared.contracts.model_card, shared.domain.inputs
marks.append((time.perf_counter(), time.process_time()))
from pathlib import Path
from shared.scoring import Scorer
marks.append((time.perf_counter(), time.process_time()))
scorer = Scorer(Path(sys.argv[1]))
for place in sorted(Path(sys.argv[1]).glob("*/*")):
    scorer.load(place.parent.name, place.name)
marks.append((time.perf_counter(), time.process_time()))
print(json.dumps(marks))
"""
STEPS = ("worker", "scoring", "models")
"""What the marks in COLD are between."""


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
    repeats = max(1, 400 // size)
    times: list[float] = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(repeats):
            scorer.score(requests)
        times.append((time.process_time() - started) / repeats / size)
    return min(times) * 1e6


def cold_ms() -> dict[str, tuple[float, float]]:
    """Step of a cold start -> (wall clock, processor time), ms: those of the quickest process."""
    with TemporaryDirectory() as bytecode:
        environment = os.environ | {"PYTHONPYCACHEPREFIX": bytecode}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        runs: list[list[tuple[float, float]]] = [
            json.loads(
                subprocess.run(
                    [sys.executable, "-c", COLD, str(MODELS)],
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                    cwd=MODELS.parent,
                    env=environment,
                ).stdout
            )
            for _ in range(1 + STARTS)
        ]
    # The first one compiled.
    marks = min(runs[1:], key=lambda run: run[-1][0] - run[0][0])
    return {
        step: ((end[0] - begin[0]) * 1000, (end[1] - begin[1]) * 1000)
        for step, begin, end in zip(STEPS, marks[:-1], marks[1:], strict=True)
    }


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
    cold = cold_ms()
    if as_json:
        result = {
            "perMachineUs": costs,
            "perWarningUs": warned,
            "coldMs": {
                step: {"wall": round(wall, 1), "cpu": round(cpu, 1)} for step, (wall, cpu) in cold.items()
            },
        }
        print(json.dumps(result, indent=2))
        return
    print(
        f"{'us per machine, in batches of':32}" + "".join(f"{size:>9}" for size in BATCHES) + "  100 warned"
    )
    for model, by_size in costs.items():
        print(f"{model:32}" + "".join(f"{by_size[size]:9.1f}" for size in BATCHES) + f"{warned[model]:12.1f}")
    print(f"\n{'cold start, ms':32}{'wall':>9}{'cpu':>9}")
    for step, what in zip(
        STEPS, ("imported by every worker", "ONNX Runtime, numpy, scoring", "all models"), strict=True
    ):
        wall, cpu = cold[step]
        print(f"{what:32}{wall:9.0f}{cpu:9.0f}")


if __name__ == "__main__":
    main()
