"""Which data set lies in a folder."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from local.backend import ROOT
from local.replay import nab, own, pdm, skab
from local.replay.recording import NotARecording, Recording
from millwright.factory_file import load
from millwright.model_cards import read_cards
from shared.contracts.factory import Factory


@dataclass(frozen=True, slots=True)
class DataSet:
    """One kind of recording: how it is recognised, and how it is read."""

    looks_like: Callable[[Path], bool]
    read: Callable[[Path, Path, Factory], Recording]
    factory: str
    looked_for: str


DATA_SETS = (
    DataSet(
        own.looks_like, own.read, own.FACTORY, f"{own.FACTORY} and DEVICE.jsonl (a recording of your own)"
    ),
    DataSet(
        pdm.looks_like,
        pdm.read,
        pdm.FACTORY,
        "PdM_telemetry.csv or PdM_telemetry_subset.parquet (Azure predictive maintenance)",
    ),
    DataSet(nab.looks_like, nab.read, nab.FACTORY, f"{nab.FILE} (Numenta Anomaly Benchmark)"),
    DataSet(
        skab.looks_like,
        skab.read,
        skab.FACTORY,
        f"*.csv with columns separated by semicolons, {skab.COLUMN} among them (Skoltech Anomaly Benchmark)",
    ),
)


@dataclass(frozen=True, slots=True)
class Found:
    """A folder whose data set is known but not read yet."""

    folder: Path
    factory: Path
    data_set: DataSet

    def read(self, *, limit: int | None = None) -> Recording:
        """At most `limit` readings a machine. NotARecording or Broken says what is wrong with the files."""
        factory = load(self.factory, read_cards(ROOT / "models")).factory
        recording = self.data_set.read(self.folder, self.factory, factory)
        return replace(recording, lanes=tuple(lane.cut(limit) for lane in recording.lanes))


def recognise(folder: Path) -> Found:
    """Which data set a folder holds. NotARecording says what was looked for."""
    if not folder.is_dir():
        raise NotARecording(f"{folder} is no folder: docs/replay.md says where the data sets come from")
    for data_set in DATA_SETS:
        if data_set.looks_like(folder):
            base = folder if data_set.factory == own.FACTORY else ROOT / "factories"
            return Found(folder, base / data_set.factory, data_set)
    looked_for = "\n".join(f"  - {data_set.looked_for}" for data_set in DATA_SETS)
    raise NotARecording(f"{folder} holds no known recording. Looked for:\n{looked_for}\nSee docs/replay.md.")
