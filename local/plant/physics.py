"""How machines of each class behave: signals that follow load, wear, heat and jams.

A signal is a first-order lag towards a target: idle or running value, plus what wear, heat and a
jam add. A new machine class is one row per signal.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Channel:
    """One signal. Numbers are in the unit that its name says."""

    name: str
    idle: float
    running: float
    noise: float
    """Standard deviation of a single measurement."""
    tau_s: float
    """Time constant with which it follows its target."""
    worn: float = 0.0
    """Added at the end of the tool's or bearing's life, growing with the square of strain."""
    hot: float = 0.0
    """Added per degree of excess heat."""
    jammed: float = 0.0
    """Added while jammed."""


@dataclass(frozen=True, slots=True)
class Wear:
    """What wears, and what it leads to."""

    life_min: float
    setup_s: tuple[float, float]
    """Shortest and longest time to renew it."""
    renew_reason: str
    break_reason: str
    scrap_ratio: float
    """Share of rejects added at the end of its life."""


@dataclass(frozen=True, slots=True)
class ClassModel:
    channels: tuple[Channel, ...]
    wear: Wear
    trip_c: float | None = None
    """Temperature at which the machine switches itself off."""


class Condition(Protocol):
    """What derived signals may depend on."""

    wear_min: float
    cycle_s: float
    oil_percent: float

    @property
    def running(self) -> bool: ...


_BEARING = Wear(30_000, (1200, 2400), "planned-maintenance", "machine-failure", 0.04)

CLASSES: dict[str, ClassModel] = {
    "CncMachine": ClassModel(
        (
            Channel("temperature_c", 24, 52, 0.3, 240, worn=14, hot=1),
            Channel("vibration_mm_s", 0.3, 1.8, 0.15, 5, worn=4.2),
            Channel("power_kw", 0.6, 0, 0.15, 1),
            Channel("spindle_speed_rpm", 0, 1540, 18, 3, worn=-40),
            Channel("torque_nm", 0, 40, 2.2, 3, worn=14),
            Channel("tool_wear_min", 0, 0, 0, 1),
            Channel("air_temperature_k", 298.2, 298.6, 0.05, 3600),
            Channel("process_temperature_k", 299.7, 308.7, 0.1, 300, worn=1, hot=0.1),
        ),
        Wear(200, (180, 360), "tool-change", "tool-breakage", 0.12),
        trip_c=98,
    ),
    "Robot": ClassModel(
        (
            Channel("temperature_c", 24, 46, 0.3, 400, worn=10, hot=1),
            Channel("vibration_mm_s", 0.2, 1.4, 0.1, 4, worn=3.5, jammed=1),
            Channel("power_kw", 0.4, 3.1, 0.15, 3, worn=0.6, jammed=2),
            Channel("cycle_time_s", 0, 0, 0.1, 1),
        ),
        _BEARING,
        trip_c=90,
    ),
    "Conveyor": ClassModel(
        (
            Channel("temperature_c", 23, 38, 0.2, 500, worn=8, hot=1, jammed=15),
            Channel("vibration_mm_s", 0.2, 1.1, 0.08, 4, worn=3.5, jammed=3),
            Channel("power_kw", 0.1, 1.5, 0.06, 2, worn=0.5, jammed=4.2),
            Channel("belt_speed_m_s", 0, 0.5, 0.006, 1.5, jammed=-0.35),
        ),
        _BEARING,
        trip_c=85,
    ),
    "Mixer": ClassModel(
        (
            Channel("temperature_c", 21, 26, 0.15, 600, worn=4, hot=1),
            Channel("vibration_mm_s", 0.2, 2.2, 0.15, 3, worn=3, jammed=2),
            Channel("power_kw", 0.3, 9, 0.3, 2, worn=1, jammed=5),
            Channel("mixer_speed_rpm", 0, 180, 1.5, 2, jammed=-60),
            Channel("torque_nm", 0, 120, 3, 2, worn=20, jammed=90),
        ),
        _BEARING,
    ),
    "Divider": ClassModel(
        (
            Channel("pressure_bar", 0.2, 6, 0.05, 4, jammed=1.8),
            Channel("power_kw", 0.1, 2.2, 0.06, 2, worn=0.3, jammed=1.2),
            Channel("piece_rate_per_min", 0, 0, 0.05, 1),
        ),
        _BEARING,
    ),
    "Oven": ClassModel(
        (
            Channel("temperature_c", 180, 225, 0.6, 900, hot=1),
            Channel("humidity_percent", 8, 35, 0.5, 200),
            Channel("power_kw", 4, 42, 0.8, 30, worn=3),
            Channel("belt_speed_m_s", 0, 0.05, 0.0006, 2, jammed=-0.03),
        ),
        _BEARING,
        trip_c=290,
    ),
    "Fryer": ClassModel(
        (
            Channel("oil_temperature_c", 120, 185, 0.4, 600, hot=1),
            Channel("oil_level_percent", 0, 0, 0.1, 1),
            Channel("voltage_v", 402, 400, 1.2, 1),
            Channel("power_kw", 2, 31, 0.7, 20, worn=2),
        ),
        _BEARING,
        trip_c=225,
    ),
    "PackagingMachine": ClassModel(
        (
            Channel("vibration_mm_s", 0.2, 1.3, 0.1, 3, worn=3, jammed=2.5),
            Channel("power_kw", 0.1, 1.9, 0.05, 2, worn=0.4, jammed=2),
            Channel("pack_rate_per_min", 0, 0, 0.05, 1),
        ),
        _BEARING,
    ),
}


class UnknownClass(ValueError):
    """Nobody has described how machines of this class behave."""


def model_of(machine_class: str) -> ClassModel:
    """How a class behaves. Raises UnknownClass."""
    if machine_class not in CLASSES:
        raise UnknownClass(
            f"the simulation knows no machine class {machine_class}: add it to local/plant/physics.py"
        )
    return CLASSES[machine_class]


STRAIN_FROM = 0.6
"""Share of its life up to which a tool is as good as new."""


def strain(wear_ratio: float) -> float:
    """How much wear shows: 0 up to 60 % of the life, 1 at its end, growing on beyond.

    >>> strain(0.5), strain(1.0)
    (0.0, 1.0)
    """
    return max(0.0, (wear_ratio - STRAIN_FROM) / (1 - STRAIN_FROM)) ** 2


class Signals:
    """The signals of one machine, stepped second by second."""

    def __init__(self, model: ClassModel, rng: Random) -> None:
        self._model = model
        self._rng = rng
        self._levels = [channel.idle for channel in model.channels]
        self._gains = [1 - math.exp(-1 / channel.tau_s) for channel in model.channels]
        self._hottest = next((n for n, channel in enumerate(model.channels) if channel.hot == 1), None)

    @property
    def temperature_c(self) -> float | None:
        """What the machine's own protection sees; None where it has none."""
        return None if self._hottest is None else self._levels[self._hottest]

    def step(self, *, running: bool, strained: float, heat_c: float, jammed: bool) -> None:
        """One second further. Wear shows only while running, heat and jams always."""
        for n, channel in enumerate(self._model.channels):
            target = channel.running + channel.worn * strained if running else channel.idle
            target += channel.hot * heat_c + (channel.jammed if jammed else 0.0)
            self._levels[n] += self._gains[n] * (target - self._levels[n])

    def settle(self) -> None:
        """As after running for long: a plant that is met at work is warm."""
        self._levels = [channel.running for channel in self._model.channels]

    def measure(self, condition: Condition) -> dict[str, float]:
        """One sample of every signal, with its noise."""
        gauss = self._rng.gauss
        values = {
            channel.name: level + gauss(0.0, channel.noise) if channel.noise else level
            for channel, level in zip(self._model.channels, self._levels, strict=True)
        }
        for name in values:
            if (derive := _DERIVED.get(name)) is not None:
                values[name] = derive(condition, values, gauss(0.0, 1.0))
        return {name: round(max(value, 0.0), 3) for name, value in values.items()}


def _power_kw(condition: Condition, values: dict[str, float], chance: float) -> float:
    """Of a spindle: torque times speed, besides what the machine always takes."""
    if "spindle_speed_rpm" not in values:
        return values["power_kw"]
    return 0.6 + values["torque_nm"] * values["spindle_speed_rpm"] / 9549 + 0.1 * chance


def _rate_per_min(condition: Condition, values: dict[str, float], chance: float) -> float:
    return 60 / condition.cycle_s + 0.05 * chance if condition.running else 0.0


_DERIVED: dict[str, Callable[[Condition, dict[str, float], float], float]] = {
    "power_kw": _power_kw,
    "tool_wear_min": lambda condition, values, chance: condition.wear_min,
    "cycle_time_s": lambda condition, values, chance: condition.cycle_s + 0.05 * chance,
    "piece_rate_per_min": _rate_per_min,
    "pack_rate_per_min": _rate_per_min,
    "oil_level_percent": lambda condition, values, chance: condition.oil_percent,
}
