"""What the simulation needs to know of a factory description."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from millwright.calendars import calendar
from millwright.factory_file import load
from shared.contracts.factory import Factory, Line, Machine
from shared.domain.packml import TimeCategory
from shared.domain.spec import Calendar

DEFAULT_CYCLE_S = 30.0


@dataclass(frozen=True, slots=True)
class MachineDescription:
    machine_id: str
    machine_class: str
    line_id: str
    site_id: str
    devices: tuple[str, ...]
    feeds: tuple[str, ...]
    cycle_s: Mapping[str, float]
    """Product -> ideal seconds for one piece."""


@dataclass(frozen=True, slots=True)
class PlantDescription:
    machines: tuple[MachineDescription, ...]
    products: Mapping[str, tuple[str, ...]]
    """Line -> the products it makes, in turn."""
    calendars: Mapping[str, Calendar]
    """Site -> when it plans to produce."""
    reasons: Mapping[str, TimeCategory]
    """The catalogue of stop reasons."""

    def reason(self, category: TimeCategory, *preferred: str) -> str | None:
        """The code for a kind of stop: a preferred one of the catalogue, else its first of the category."""
        for code in preferred:
            if code in self.reasons:
                return code
        return next((code for code, found in self.reasons.items() if found is category), None)

    def only(self, *lines: str) -> "PlantDescription":
        """The same plant with these lines only. ValueError when it has not got one of them."""
        for line in lines:
            if line not in self.products:
                raise ValueError(f"the plant has no line {line}: it has {', '.join(self.products)}")
        kept = tuple(machine for machine in self.machines if machine.line_id in lines)
        return PlantDescription(kept, self.products, self.calendars, self.reasons)


def read(path: Path) -> PlantDescription:
    """The plant of a factory file. Raises millwright.factory_file.Broken with all that is wrong with it."""
    return describe(load(path, None).factory)


def describe(factory: Factory) -> PlantDescription:
    machines: list[MachineDescription] = []
    products: dict[str, tuple[str, ...]] = {}
    for site in factory.sites:
        for line in (*site.lines, *(line for area in site.areas for line in area.lines)):
            made = _products(factory, line)
            products[line.id] = made
            machines += [
                MachineDescription(
                    machine.id,
                    machine.machine_class,
                    line.id,
                    site.id,
                    tuple(machine.devices),
                    tuple(machine.feeds),
                    {product: _cycle_s(factory, machine, product) for product in made},
                )
                for machine in line.machines
            ]
    reasons = {
        # The contract takes its words from TimeCategory itself, which a type checker cannot follow.
        code: TimeCategory(str(reason.category))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        for code, reason in factory.stop_reasons.items()
    }
    return PlantDescription(
        tuple(machines), products, {site.id: calendar(site) for site in factory.sites}, reasons
    )


def _products(factory: Factory, line: Line) -> tuple[str, ...]:
    """Products that every machine of the line has a cycle time for."""
    classes = {machine.machine_class for machine in line.machines}
    return tuple(
        code for code, product in factory.products.items() if classes <= product.ideal_cycle_s.keys()
    ) or ("",)


def _cycle_s(factory: Factory, machine: Machine, product: str) -> float:
    if product in machine.ideal_cycle_s:
        return machine.ideal_cycle_s[product]
    if product in factory.products:
        return factory.products[product].ideal_cycle_s[machine.machine_class]
    return factory.classes[machine.machine_class].ideal_cycle_s or DEFAULT_CYCLE_S
