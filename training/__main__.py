"""All models anew: `python -m training --data DIR`, where DIR holds a folder for each data set.

Seeded: the same data and libraries give the same bytes. A data set that is not at hand is said and
left out. About six minutes on one core.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from training import anomaly, cnc_failure, pdm_failure, remaining_life, shipping, steel_plates


@dataclass(frozen=True, slots=True)
class Training:
    """One module's `main` and what it reads."""

    main: Callable[[list[str]], None]
    folder: str
    """Below DIR; "." when it reads several data sets."""
    needs: tuple[str, ...]


TRAININGS = {
    "cnc_failure": Training(cnc_failure.main, "ai4i2020", ("ai4i2020",)),
    "pdm_failure": Training(pdm_failure.main, "azure_pdm", ("azure_pdm",)),
    "remaining_life": Training(remaining_life.main, "cmapss", ("cmapss",)),
    "anomaly": Training(anomaly.main, ".", ("skab", "nab")),
    "steel_plates": Training(steel_plates.main, "steel_plates", ("steel_plates",)),
}


def main() -> int:
    """0 when all that was asked for was trained, 1 when data were missing."""
    parser = argparse.ArgumentParser(prog="python -m training", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets, one folder each")
    parser.add_argument("--models", type=Path, default=shipping.MODELS, help="where to write")
    parser.add_argument("--only", nargs="*", choices=[*TRAININGS], default=[*TRAININGS])
    options = parser.parse_args()
    missing = False
    for name in options.only:
        training = TRAININGS[name]
        absent = [one for one in training.needs if not (options.data / one).is_dir()]
        if absent:
            print(f"{name}: left out, {options.data} has no folder {', '.join(absent)}", file=sys.stderr)
            missing = True
            continue
        started = time.perf_counter()
        training.main(["--data", str(options.data / training.folder), "--models", str(options.models)])
        print(f"  took {time.perf_counter() - started:.0f} s", flush=True)
    return int(missing)


if __name__ == "__main__":
    sys.exit(main())
