"""What the pipeline's domain makes of a simulated shift is what really happened in it."""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.plant.description import read
from local.plant.faults import scattered
from local.plant.gateway import Outgoing
from local.plant.stream import Settings, Stream
from local.plant.truth import Truth
from millwright.documents import site_versions
from millwright.factory_file import load
from shared.decode import Rejected, decode
from shared.decode.outcome import DeviceEntry
from shared.decode.resolve import resolve
from shared.domain.advance import advance, initial
from shared.domain.effects import OeeMeasured
from shared.specs import compile_machine

FACTORY = Path(__file__).parents[2] / "factories/smart-factory.yaml"
START = datetime(2026, 3, 9, 12, 50, tzinfo=UTC)
"""Ten minutes before the late shift in Graz, 14:00 to 22:00 with breaks at 17:00 and 19:30."""
SHIFT = range(600, 600 + 8 * 3600)
SECONDS = SHIFT.stop + 60
HOUR = 3_600_000
DEVICE = "LINE-1-GATEWAY"
MACHINE_FAULTS = ("tool_wear", "overheating", "jam", "material_shortage", "sensor_freeze")


def ms(text):
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.fixture(scope="module")
def shift():
    """The late shift of LINE-1: what was sent, and what was true."""
    plant = read(FACTORY).only("LINE-1")
    faults = [f for f in scattered(plant, seed=11, seconds=SECONDS, each=2) if f.kind in MACHINE_FAULTS]
    entries = []
    settings = Settings(11, round(START.timestamp()) * 1000, faults, report_s=10, readings_per_message=4)
    events = list(Stream(plant, settings, Truth(plant.reasons, entries.append)).run(SECONDS))
    return plant, [event for event in events if isinstance(event, Outgoing)], entries


@pytest.fixture(scope="module")
def measured(shift):
    """Each machine's last OEE elements of the shift."""
    plant, events, _ = shift
    (site,) = site_versions(load(FACTORY, None).factory, {})
    (line,) = (line for line in site.lines if line.line_id == "LINE-1")
    specs = {m.machine_id: compile_machine(site.site, line, m.machine_id) for m in plant.machines}
    device = DeviceEntry(DEVICE, "GRAZ", 1, dict.fromkeys(specs, "LINE-1"))
    readings = defaultdict(list)
    for number, event in enumerate(events):
        for found in decode(
            event.body,
            device=device,
            device_id=DEVICE,
            source="telemetry/1/0",
            sequence=number,
            arrived_at=event.at + 500,
        ):
            assert not isinstance(found, Rejected)
            reading = resolve(found, specs[found.machine_id])
            assert not isinstance(reading, Rejected)
            readings[found.machine_id].append(reading)
    final = {}
    for machine_id, spec in specs.items():
        done = advance(spec, initial(spec), readings[machine_id])
        oee = [e.elements for e in done.effects if isinstance(e, OeeMeasured)]
        final[machine_id] = next(e for e in reversed(oee) if e.shift_id == "2026-03-09.late")
    return final


def test_the_time_of_each_category_is_the_true_one_to_the_second(shift, measured):
    plant, _, entries = shift
    begin, end = (round(START.timestamp() + s) * 1000 for s in (SHIFT.start, SHIFT.stop))
    breaks = [(begin + 3 * HOUR, begin + 3 * HOUR + HOUR // 4), (begin + 11 * HOUR // 2, begin + 6 * HOUR)]
    borders = [begin, *(edge for pause in breaks for edge in pause), end]
    windows = list(zip(borders[::2], borders[1::2], strict=True))
    for machine in plant.machines:
        true = Counter()
        for e in entries:
            if e["type"] == "state" and e["machineId"] == machine.machine_id:
                for low, high in windows:
                    true[e["category"]] += max(0, min(ms(e["end"]), high) - max(ms(e["start"]), low))
        found = measured[machine.machine_id]
        assert found.final
        assert sum(found.times_ms.values()) == end - begin
        for category, spent in true.items():
            assert abs(found.times_ms.get(category, 0) - spent) <= 1000, (machine.machine_id, category)


def test_the_counted_pieces_are_the_true_ones(shift, measured):
    plant, _, entries = shift
    begin, end = (START.timestamp() + s for s in (SHIFT.start, SHIFT.stop))
    for machine in plant.machines:
        counts = [
            (ms(e["at"]) / 1000, e["good"], e["reject"])
            for e in entries
            if e["type"] == "counts" and e["machineId"] == machine.machine_id
        ]
        before = max((c for c in counts if c[0] < begin), key=lambda c: c[0])
        after = max((c for c in counts if c[0] < end), key=lambda c: c[0])
        found = measured[machine.machine_id]
        assert abs(found.good_count - (after[1] - before[1])) <= 1
        assert abs(found.reject_count - (after[2] - before[2])) <= 1
