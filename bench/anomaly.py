"""What the anomaly model makes of simulated machines, healthy and with worn bearings.

`python -m bench.anomaly FACTORY --line LINE --worn MACHINE ...` simulates the line for two days, with shifts,
stops and changes of product. Machines in `--worn` wear 120 times as fast in the last 18 hours. Machines are
bound as the factory file binds them; each minute with data is asked about.
"""

import argparse
from collections import defaultdict
from pathlib import Path
from statistics import fmean

import numpy as np

from local.plant.description import read
from local.plant.faults import Fault
from local.plant.model import Plant
from millwright.documents import site_versions
from millwright.factory_file import load as load_factory
from millwright.model_cards import read_cards
from millwright.versions import specs_of
from shared.domain.features import Recipe, fold_pane, initial, row
from shared.domain.spec import MachineSpec
from shared.onnx_model import OnnxModel, load

MODELS = Path(__file__).parents[1] / "models"
MODEL, VERSION = "anomaly", "1.0.0"
MINUTE_MS = 60_000
START = 1_790_035_200_000
"""2026-09-22T00:00Z, ms: a Tuesday."""
SECONDS, WORN_FROM_S = 48 * 3600, 30 * 3600
TIMES_FASTER = 120.0

type Panes = dict[int, list[dict[str, float]]]


def simulate(factory: Path, line: str, worn: list[str]) -> dict[str, Panes]:
    """Machine -> minute -> its samples, one every ten seconds."""
    faults = [
        Fault(
            kind="tool_wear",
            target=one,
            start_s=WORN_FROM_S,
            duration_s=SECONDS - WORN_FROM_S,
            amount=TIMES_FASTER,
        )
        for one in worn
    ]
    plant = Plant(read(factory).only(line), seed=3, start=START, faults=faults, report_s=10)
    found: dict[str, Panes] = defaultdict(lambda: defaultdict(list))
    for _ in range(SECONDS):
        for report in plant.step():
            found[report.machine_id][report.at // MINUTE_MS].append(report.signals)
    return found


def distances(model: OnnxModel, spec: MachineSpec, recipe: Recipe, panes: Panes) -> dict[int, float]:
    """Instant in ms -> distance, of the minutes that the model can judge."""
    state = initial(recipe)
    rows: dict[int, tuple[float, ...]] = {}
    for minute, samples in sorted(panes.items()):
        means = tuple(fmean(sample[name] for sample in samples) for name in spec.names)
        state = fold_pane(state, recipe, at=minute * MINUTE_MS, means=means)
        rows[minute * MINUTE_MS] = row(state, recipe, at=minute * MINUTE_MS, maintained_at={})
    found = model.outputs(list(rows.values()))[:, 0]
    return {at: distance for at, distance in zip(rows, found.tolist(), strict=True) if not np.isnan(distance)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("factory", type=Path)
    parser.add_argument("--line", required=True)
    parser.add_argument("--worn", nargs="*", default=[], help="machines")
    options = parser.parse_args()
    cards = read_cards(MODELS)
    specs = {
        spec.machine_id: spec
        for version in site_versions(load_factory(options.factory, cards).factory, cards)
        for spec in specs_of(version)
    }
    model = load(MODELS, MODEL, VERSION)
    threshold, worn_from = model.card.threshold, START + WORN_FROM_S * 1000
    print(f"{'machine':24}{'healthy minutes':>16}{'called':>8}{'farthest':>10}{'first called when worn':>25}")
    for machine, panes in simulate(options.factory, options.line, options.worn).items():
        spec = specs[machine]
        for binding, recipe in zip(spec.models, spec.recipes, strict=True):
            if binding.model != MODEL:
                continue
            found = distances(model, spec, recipe, panes)
            healthy = [d for at, d in found.items() if machine not in options.worn or at < worn_from]
            warned = [at for at, d in found.items() if at >= worn_from and d >= threshold]
            after = f"{(warned[0] - worn_from) / 3_600_000:.1f} h" if warned else "never"
            print(
                f"{machine:24}{len(healthy):16}{sum(d >= threshold for d in healthy):8}{max(healthy):10.1f}"
                f"{after if machine in options.worn else '-':>25}"
            )


if __name__ == "__main__":
    main()
