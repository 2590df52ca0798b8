"""Faults as data: what is broken on purpose, where, from when and for how long."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from local.plant.description import PlantDescription

type MachineFault = Literal["tool_wear", "overheating", "jam", "material_shortage", "sensor_freeze"]
type DeviceFault = Literal["clock_skew", "duplicate", "reordered", "late", "malformed", "gateway_offline"]

MACHINE_FAULTS: tuple[MachineFault, ...] = (
    "tool_wear",
    "overheating",
    "jam",
    "material_shortage",
    "sensor_freeze",
)
DEVICE_FAULTS: tuple[DeviceFault, ...] = (
    "clock_skew",
    "duplicate",
    "reordered",
    "late",
    "malformed",
    "gateway_offline",
)
DEFAULT_AMOUNTS = {
    "tool_wear": 60.0,
    "overheating": 80.0,
    "clock_skew": -45.0,
    "late": 60.0,
}


class BadScenario(ValueError):
    """A scenario that cannot be played; says where and why."""


class Fault(BaseModel):
    """One fault, on one machine (the first five kinds) or on one device."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: MachineFault | DeviceFault
    target: str
    """Machine id, or device id."""
    start_s: Annotated[float, Field(ge=0)]
    """Seconds after the simulation's start."""
    duration_s: Annotated[float, Field(gt=0)]
    amount: float | None = None
    """How much: times faster wear, °C of excess heat, seconds of skew or delay. Left out: a usual one."""
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Of messages that are duplicated, reordered, late or malformed."""
    signal: str | None = None
    """The frozen signal; left out: all of the machine."""

    @property
    def end_s(self) -> float:
        return self.start_s + self.duration_s

    @property
    def strength(self) -> float:
        return DEFAULT_AMOUNTS.get(self.kind, 1.0) if self.amount is None else self.amount

    def active(self, at_s: float) -> bool:
        return self.start_s <= at_s < self.end_s


class Scenario(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    faults: list[Fault]


def load(path: Path, plant: PlantDescription) -> list[Fault]:
    """The faults of a scenario file for this plant. Raises BadScenario, or OSError."""
    try:
        scenario = TypeAdapter(Scenario).validate_python(yaml.safe_load(path.read_text("utf-8")))
    except (ValidationError, yaml.YAMLError) as exc:
        raise BadScenario(f"{path}: {exc}") from exc
    check(scenario.faults, plant)
    return scenario.faults


def check(faults: Iterable[Fault], plant: PlantDescription) -> None:
    """Whether every fault has a target in the plant. Raises BadScenario."""
    machines = {machine.machine_id for machine in plant.machines}
    devices = {device for machine in plant.machines for device in machine.devices}
    for fault in faults:
        known = machines if fault.kind in MACHINE_FAULTS else devices
        if fault.target not in known:
            kind = "machine" if fault.kind in MACHINE_FAULTS else "device"
            raise BadScenario(f"{fault.kind}: the plant has no {kind} {fault.target}")


def scattered(plant: PlantDescription, *, seed: int, seconds: float, each: int = 1) -> list[Fault]:
    """`each` faults of every kind, scattered over the plant and the time: the same for the same seed."""
    rng = Random(f"{seed}:faults")
    devices = sorted({machine.devices[0] for machine in plant.machines})
    cutting = [machine.machine_id for machine in plant.machines]
    return [
        Fault(
            kind=kind,
            target=rng.choice(cutting if kind in MACHINE_FAULTS else devices),
            start_s=round(rng.uniform(0.05, 0.7) * seconds, 1),
            duration_s=round(rng.uniform(0.05, 0.2) * seconds, 1),
            share=0.2 if kind in ("duplicate", "reordered", "late", "malformed") else 1.0,
        )
        for kind in (*MACHINE_FAULTS, *DEVICE_FAULTS)
        for _ in range(each)
    ]


class Schedule:
    """The faults of one target, asked every second."""

    def __init__(self, faults: Sequence[Fault], target: str) -> None:
        self._faults = [fault for fault in faults if fault.target == target]

    def __bool__(self) -> bool:
        return bool(self._faults)

    def of(self, kind: str, at_s: float) -> Fault | None:
        """The fault of this kind that is active at `at_s`, if any."""
        return next((fault for fault in self._faults if fault.kind == kind and fault.active(at_s)), None)
