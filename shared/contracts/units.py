"""Units of measurement, as factory descriptions write them, and the conversions between them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unit:
    """`value * scale + offset` is the value in the dimension's base unit."""

    dimension: str
    scale: float = 1.0
    offset: float = 0.0


UNITS: dict[str, Unit] = {
    "1": Unit("number"),
    "%": Unit("number", 0.01),
    "K": Unit("temperature"),
    "°C": Unit("temperature", 1.0, 273.15),
    "°F": Unit("temperature", 5 / 9, 273.15 - 32 * 5 / 9),
    "Pa": Unit("pressure"),
    "kPa": Unit("pressure", 1e3),
    "mbar": Unit("pressure", 1e2),
    "bar": Unit("pressure", 1e5),
    "psi": Unit("pressure", 6894.757293168),
    "m/s": Unit("speed"),
    "mm/s": Unit("speed", 1e-3),
    "m/min": Unit("speed", 1 / 60),
    "in/s": Unit("speed", 0.0254),
    "m/s²": Unit("acceleration"),
    "g": Unit("acceleration", 9.80665),
    "rpm": Unit("rate", 1 / 60),
    "1/min": Unit("rate", 1 / 60),
    "1/s": Unit("rate"),
    "Hz": Unit("rate"),
    "W": Unit("power"),
    "kW": Unit("power", 1e3),
    "kWh": Unit("energy", 3.6e6),
    "J": Unit("energy"),
    "N·m": Unit("torque"),
    "V": Unit("voltage"),
    "mV": Unit("voltage", 1e-3),
    "A": Unit("current"),
    "mA": Unit("current", 1e-3),
    "ms": Unit("time", 1e-3),
    "s": Unit("time"),
    "min": Unit("time", 60.0),
    "h": Unit("time", 3600.0),
    "mm": Unit("length", 1e-3),
    "m": Unit("length"),
    "l/min": Unit("flow", 1 / 60),
    "l/s": Unit("flow"),
    "kg": Unit("mass"),
    "g/kg": Unit("number", 1e-3),
}

_SUFFIXES: dict[str, str] = {
    "_mm_s": "mm/s",
    "_m_s": "m/s",
    "_kw": "kW",
    "_kwh": "kWh",
    "_rpm": "rpm",
    "_per_min": "1/min",
    "_nm": "N·m",
    "_bar": "bar",
    "_percent": "%",
    "_min": "min",
    "_s": "s",
    "_ms": "ms",
    "_c": "°C",
    "_k": "K",
    "_v": "V",
    "_a": "A",
    "_g": "g",
    "_l_min": "l/min",
}
"""The unit that a signal's name promises; the longest suffix counts."""


class UnitClash(ValueError):
    """Two units that measure different things."""


def unit_of_name(signal: str) -> str | None:
    """The unit that a signal's name says, None when it says none.

    >>> unit_of_name("vibration_mm_s"), unit_of_name("piece_rate_per_min"), unit_of_name("pressure")
    ('mm/s', '1/min', None)
    """
    suffix = max((suffix for suffix in _SUFFIXES if signal.endswith(suffix)), key=len, default=None)
    return None if suffix is None else _SUFFIXES[suffix]


def conversion(source: str, target: str) -> tuple[float, float]:
    """(scale, offset): `value_in_source * scale + offset` is the value in `target`.

    Raises KeyError for an unknown unit and UnitClash when they measure different things.

    >>> scale, offset = conversion("°F", "°C")
    >>> round(375 * scale + offset, 2)
    190.56
    """
    if source == target:
        return 1.0, 0.0
    a, b = UNITS[source], UNITS[target]
    if a.dimension != b.dimension:
        raise UnitClash(f"{source} measures {a.dimension}, {target} measures {b.dimension}")
    return a.scale / b.scale, (a.offset - b.offset) / b.scale
