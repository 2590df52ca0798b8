"""A shipped model on data that it has not seen: `python -m training.evaluate MODEL --data DIR [--part ...]`.

Nothing is trained, chosen or written: columns, threshold, setting and interval are those of the card.
DIR is the folder of one data set in its official form (training/README.md). `--part` says what of it: a
C-MAPSS subset (FD003), folders of SKAB (other), numbers of PdM machines (7 12 20). Figures are over all
rows, as on the cards; what the model would decline to judge in the stream stands beside them as `abstained`.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from shared.contracts.model_card import Metric
from shared.onnx_model import ModelRefused, OnnxModel, load
from training import anomaly, cnc_failure, pdm_failure, remaining_life, shipping, steel_plates

type Judge = Callable[[OnnxModel, Path, list[str]], shipping.Judgement]

JUDGES: dict[str, Judge] = {
    "anomaly": anomaly.judge,
    "cnc-failure": cnc_failure.judge,
    "pdm-failure": pdm_failure.judge,
    "steel-plate-fault": steel_plates.judge,
    "turbofan-life": remaining_life.judge,
}
"""By the beginning of a model's name."""


def evaluate(model: OnnxModel, folder: Path, parts: list[str]) -> tuple[Metric, ...]:
    """The model's figures on what lies in the folder. Raises OSError and ValueError for other data."""
    judges = [judge for name, judge in JUDGES.items() if model.card.name.startswith(name)]
    if not judges:
        raise ValueError(f"no data set is known for {model.card.name}: only for {', '.join(JUDGES)}")
    found = judges[0](model, folder, parts)
    return (*found.metrics, *shipping.abstentions(model.card, found.rows, found.wanted))


def main(arguments: list[str] | None = None) -> int:
    """0 when it was judged, 1 when model or data are not what they should be."""
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("model", help="for example turbofan-life-fd001")
    parser.add_argument("--version", default="1.0.0")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--part", nargs="+", default=[], help="a subset, groups, or numbers of machines")
    parser.add_argument("--models", type=Path, default=shipping.MODELS, help="folder of the models")
    options = parser.parse_args(arguments)
    try:
        model = load(options.models, options.model, options.version)
        figures = evaluate(model, options.data, options.part)
    except (ModelRefused, OSError, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"{model.card.name} {model.card.version} on {options.data} {' '.join(options.part)}".rstrip())
    shipping.tell(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
