"""Factories of any size for benchmarks, from the lines of `factories/smart-factory.yaml`."""

from pathlib import Path

import yaml

from millwright.documents import site_versions
from millwright.factory_file import load
from millwright.model_cards import read_cards
from shared.domain.spec import MachineSpec
from shared.specs import compile_machine

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "factories" / "smart-factory.yaml"
CELL = ("CncMachine", "CncMachine", "CncMachine", "Robot", "Robot", "Conveyor")
"""One line: three machine tools, two robots, a conveyor."""


def write_factory(path: Path, *, machines: int, machines_per_device: int = len(CELL)) -> Path:
    """A factory file with `machines` machines in lines of six, at `path`.

    `machines_per_device` of 6 is a gateway a line, 1 a device for every machine.
    """
    factory = yaml.safe_load(TEMPLATE.read_text())
    lines = []
    for first in range(0, machines, len(CELL)):
        number = first // len(CELL) + 1
        members = []
        for place in range(min(len(CELL), machines - first)):
            machine_id = f"L{number:03}-M{place + 1}"
            device = f"L{number:03}-G{place // machines_per_device + 1}"
            member = {"id": machine_id, "class": CELL[place], "devices": [device]}
            if CELL[place] == "CncMachine":
                member["attributes"] = {"quality_grade": "M"}
            if place + 3 < len(CELL) and first + place + 3 < machines:
                member["feeds"] = [f"L{number:03}-M{min(place, 1) + 4 if place < 3 else 6}"]
            members.append(member)
        lines.append({"id": f"L{number:03}", "name": f"Line {number}", "machines": members})
    factory["sites"][0]["lines"] = lines
    factory["notifications"] = []
    path.write_text(yaml.safe_dump(factory, allow_unicode=True))
    return path


def machine_specs(path: Path) -> list[MachineSpec]:
    """The compiled specs of a factory file, in the file's order, as a worker would read them."""
    cards = read_cards(ROOT / "models")
    specs: list[MachineSpec] = []
    for version in site_versions(load(path, cards).factory, cards):
        first = version.numbered(1)
        specs += [
            compile_machine(first.site, line, machine_id)
            for line in first.lines
            for machine_id in line.machines
        ]
    return specs
