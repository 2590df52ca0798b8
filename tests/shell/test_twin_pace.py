"""What the twins of a plant cost: patches for each machine and 10 s, over a simulated quarter of an hour."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from bench.factory import machine_specs
from local.plant.description import read
from local.plant.gateway import Outgoing
from local.plant.stream import Settings, Stream
from shared.decode import Decoded, DeviceEntry, decode, resolve
from shared.documents import twin_document
from shared.domain.advance import advance, initial
from shared.domain.effects import AlarmChanged, MachineStateChanged, TwinChanged
from shared.domain.inputs import Reading
from shared.domain.spec import MachineSpec
from shared.ports import Document
from shared.relay.twin_patch import Properties, changes, projection

ROOT = Path(__file__).parents[2]
FACTORY = ROOT / "factories" / "smart-factory.yaml"
START = 1_773_036_000_000
"""A Monday, 07:00 in Graz: inside a shift."""
SECONDS = 900


class Plant:
    """Every machine's readings of a quarter of an hour, folded as they come, one a second."""

    def __init__(self) -> None:
        self.specs = {spec.machine_id: spec for spec in machine_specs(FACTORY)}
        self.documents: dict[str, list[Document]] = {name: [] for name in self.specs}
        self.happened: Counter[str] = Counter()
        """Machine -> changes of its state and its alarms."""
        states = {name: initial(spec) for name, spec in self.specs.items()}
        events = Stream(read(FACTORY), Settings(7, START)).run(SECONDS)
        for number, event in enumerate(event for event in events if isinstance(event, Outgoing)):
            name = orjson.loads(event.body)["machineId"]
            spec = self.specs[name]
            advanced = advance(spec, states[name], [_reading(event, spec, number)])
            states[name] = advanced.state
            for effect in advanced.effects:
                if isinstance(effect, TwinChanged):
                    self.documents[name].append(twin_document(spec, effect))
                self.happened[name] += isinstance(effect, AlarmChanged | MachineStateChanged)


def _reading(event: Outgoing, spec: MachineSpec, number: int) -> Reading:
    device = DeviceEntry(event.device_id, spec.site_id, 1, {spec.machine_id: spec.line_id})
    [told] = decode(
        event.body,
        device=device,
        device_id=device.device_id,
        source="telemetry/1/0",
        sequence=number,
        arrived_at=event.at,
    )
    assert isinstance(told, Decoded)
    reading = resolve(told, spec)
    assert isinstance(reading, Reading)
    return reading


@pytest.fixture(scope="module")
def plant() -> Plant:
    return Plant()


def patches(documents: list[Document]) -> int:
    """How many of a machine's documents change its twin."""
    known: Properties = {}
    count = 0
    for document in documents:
        projected = projection(document)
        assert projected is not None
        count += bool(changes(known, projected))
        known = dict(projected.wanted)
    return count


def test_a_plant_that_runs_costs_under_one_patch_a_machine_and_ten_seconds(plant: Plant) -> None:
    costs = {name: 10 * patches(documents) / SECONDS for name, documents in plant.documents.items()}
    assert sum(costs.values()) / len(costs) < 0.5
    assert max(costs.values()) < 1.0


def test_between_two_happenings_a_twin_is_told_every_half_minute_at_most(plant: Plant) -> None:
    """What drifts adds a document each 30 s; a change of state, an alarm or the band adds its own."""
    for name, documents in plant.documents.items():
        bands = [(document["oee"] or {}).get("band") for document in documents]
        turned = sum(before != after for before, after in pairwise(bands))
        assert len(documents) <= 1 + SECONDS / 30 + plant.happened[name] + turned, name


def test_no_document_is_written_that_changes_nothing_but_after_a_quiet_minute(plant: Plant) -> None:
    for name, documents in plant.documents.items():
        assert len(documents) - patches(documents) <= SECONDS / 60, name
