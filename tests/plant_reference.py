"""A simulated plant with faults of every kind, and what its OEE has to be by the simulator's own truth.

Two yardsticks, both slow and plain. The *truth* says what the machines did; it binds wherever the
devices delivered everything with a right clock. What was *delivered* (what can be read, came in
time, once) binds everywhere, in the order of its time stamps.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from local.plant.description import PlantDescription, read
from local.plant.faults import scattered
from local.plant.gateway import Outgoing
from local.plant.stream import Settings, Stream
from local.plant.truth import Entry, Truth
from millwright.documents import site_versions
from millwright.factory_file import load
from shared.decode import Rejected, decode
from shared.decode.outcome import DeviceEntry
from shared.decode.resolve import resolve
from shared.domain.calendar import segment_at
from shared.domain.effects import StopEnded
from shared.domain.inputs import Reading
from shared.domain.oee import kpis
from shared.domain.packml import TimeCategory, category
from shared.domain.spec import MachineSpec
from shared.specs import compile_machine
from tests.machine import Machine

FACTORY = Path(__file__).parents[1] / "factories/smart-factory.yaml"
START = round(datetime(2026, 3, 9, 11, 22, tzinfo=UTC).timestamp()) * 1000
"""12:22 in Graz: in the break, which ends at 12:30; the early shift ends at 14:00."""
SHIFT, SHIFT_END = "2026-03-09.early", START + 98 * 60_000
"""Units that are told at the very border were made before it."""
SECONDS = 110 * 60
DISTORTING = {"clock_skew", "late", "malformed"}
"""Faults of a device that lose readings for OEE, or stamp them with a wrong time."""


@dataclass
class Observed:
    """One machine: what was delivered of it, in order of arrival."""

    spec: MachineSpec
    readings: list[Reading] = field(default_factory=list)
    distorted: bool = False


@dataclass(frozen=True)
class Compared:
    """A plant's machines after the domain made something of them."""

    machine_count: int
    undistorted_count: int
    """Machines that the truth itself binds, for all of theirs was delivered in time."""
    late_count: int
    differences: list[str]
    """Best empty."""


def observe(seed: int, *lines: str) -> tuple[dict[str, Observed], list[Entry]]:
    """Two hours over the end of a shift: each machine's readings as they arrived, and the truth."""
    plant = read(FACTORY).only(*lines) if lines else read(FACTORY)
    faults = scattered(plant, seed=seed, seconds=SECONDS)
    entries: list[Entry] = []
    settings = Settings(seed, START, faults, report_s=10, readings_per_message=4)
    stream = Stream(plant, settings, Truth(plant.reasons, entries.append))
    machines = {spec.machine_id: Observed(spec) for spec in _specs(plant)}
    distorted = {fault.target for fault in faults if fault.kind in DISTORTING}
    devices: dict[str, dict[str, str]] = defaultdict(dict)
    for machine_id, one in machines.items():
        (device,) = one.spec.devices
        devices[device][machine_id] = one.spec.line_id
        one.distorted = device in distorted
    for number, event in enumerate(stream.run(SECONDS)):
        if not isinstance(event, Outgoing):
            continue
        known = DeviceEntry(event.device_id, "GRAZ", 1, devices[event.device_id])
        for found in decode(
            event.body,
            device=known,
            device_id=event.device_id,
            source="telemetry/1/0",
            sequence=number,
            arrived_at=event.at + 500,
        ):
            if isinstance(found, Rejected) or found.machine_id not in machines:
                assert "malformed" in event.faults
                continue
            reading = resolve(found, machines[found.machine_id].spec)
            assert not isinstance(reading, Rejected)
            machines[found.machine_id].readings.append(reading)
    return machines, entries


def compare(seed: int, *lines: str) -> Compared:
    """What the domain makes of a plant with faults against what it has to be; of some lines, or of all."""
    machines, entries = observe(seed, *lines)
    found: list[str] = []
    undistorted = lates = 0
    for machine_id, one in machines.items():
        machine = Machine(one.spec)
        machine.fold(*one.readings)
        late = late_count(one)
        final = machine.close()
        stops = [(e.started_at, e.at) for e in machine.of(StopEnded)]
        done = final[SHIFT]
        counted = sum(e.good_count for e in final.values()), sum(e.reject_count for e in final.values())
        delivered = accepted(one)
        expected: dict[str, tuple[Any, Any]] = {
            "late": (sum(e.late_count for e in final.values()), late),
            "units": (counted, units(delivered)),
            "units of the shift": (
                (done.good_count, done.reject_count),
                units([r for r in delivered if r.at <= SHIFT_END]),
            ),
            "stops": (stops, stops_of(one.spec, delivered)),
        }
        lates += late
        if not one.distorted and not late:
            undistorted += 1
            true = [e for e in entries if e.get("machineId") == machine_id]
            expected["true units"] = counted, true_units(true)
            expected["true stops"] = stops, true_stops(true)
            times = true_times(one.spec, true)
            expected["true times"] = {k: v for k, v in done.times_ms.items() if v}, times
            expected["OEE"] = round(kpis(done).oee or 0.0, 12), round(true_oee(one, times), 12)
        found += [
            f"seed {seed}, {machine_id}, {what}: {got}, expected {wanted}"
            for what, (got, wanted) in expected.items()
            if got != wanted
        ]
    return Compared(len(machines), undistorted, lates, found)


def late_count(one: Observed) -> int:
    """How many readings came after the machine's time had passed them by the lateness bound."""
    return sum(late for _, late in _judged(one))


def accepted(one: Observed) -> list[Reading]:
    """Readings that came in time, each once, by their own time."""
    return sorted((r for r, late in _judged(one) if not late), key=lambda r: (r.at, r.sequence))


def units(readings: Sequence[Reading]) -> tuple[int, int]:
    """(good, reject) between the first reading and the highest counters seen since."""
    good = [r.good for r in readings if r.good is not None]
    reject = [r.reject for r in readings if r.reject is not None]
    return max(good) - good[0], max(reject) - reject[0]


def stops_of(spec: MachineSpec, readings: Sequence[Reading]) -> list[tuple[int, int]]:
    """(start, end) of each stop that readings tell of, first to last state that is no production."""
    return _stops((r.at, category(r.state, r.reason, spec.reasons)) for r in readings if r.state)


def true_stops(entries: Sequence[Entry]) -> list[tuple[int, int]]:
    return _stops(
        (_ms(e["start"]), TimeCategory(str(e["category"]))) for e in entries if e["type"] == "state"
    )


def true_units(entries: Sequence[Entry]) -> tuple[int, int]:
    counts = [e for e in entries if e["type"] == "counts"]
    first, last = counts[0], counts[-1]
    return last["good"] - first["good"], last["reject"] - first["reject"]  # type: ignore[operator]


def true_times(spec: MachineSpec, entries: Sequence[Entry]) -> dict[TimeCategory, int]:
    """Milliseconds by category up to the end of the shift, breaks by the calendar."""
    times: Counter[TimeCategory] = Counter()
    for entry in entries:
        if entry["type"] != "state":
            continue
        at, end = _ms(entry["start"]), min(_ms(entry["end"]), SHIFT_END)
        while at < end:
            segment = segment_at(spec.calendar, at)
            kind = TimeCategory(str(entry["category"]))
            if not segment.planned and kind is not TimeCategory.PRODUCTION:
                kind = TimeCategory.PLANNED_STOP
            times[kind] += min(end, segment.end) - at
            at = segment.end
    return dict(times)


def true_oee(one: Observed, times: dict[TimeCategory, int]) -> float:
    """Availability x effectiveness x quality, units priced one reading after the other."""
    ideal_ms = good = made = 0
    readings = [r for r in accepted(one) if r.at <= SHIFT_END]
    for before, after in pairwise(readings):
        grown = after.good - before.good, after.reject - before.reject  # type: ignore[operator]
        ideal_ms += sum(grown) * one.spec.ideal_cycle_ms[before.product or ""]
        good, made = good + grown[0], made + sum(grown)
    busy = sum(times.values()) - times.get(TimeCategory.PLANNED_STOP, 0)
    production = times[TimeCategory.PRODUCTION]
    return (production / busy) * (ideal_ms / production) * (good / made)


def _judged(one: Observed) -> Iterator[tuple[Reading, bool]]:
    """Each reading in order of arrival, whether it is late; none twice."""
    newest = -1
    seen: set[str] = set()
    for reading in one.readings:
        if reading.key in seen:
            continue
        seen.add(reading.key)
        yield reading, reading.at <= newest - one.spec.lateness_ms
        newest = max(newest, reading.at)


def _stops(told: Iterator[tuple[int, TimeCategory]]) -> list[tuple[int, int]]:
    """Stops that have ended by the last of what was told."""
    found: list[tuple[int, int]] = []
    since: int | None = None
    for at, kind in told:
        if kind is not TimeCategory.PRODUCTION:
            since = at if since is None else since
        elif since is not None:
            found.append((since, at))
            since = None
    return found


def _specs(plant: PlantDescription) -> Iterator[MachineSpec]:
    (site,) = site_versions(load(FACTORY, None).factory, {})
    lines = {line.line_id: line for line in site.lines}
    for machine in plant.machines:
        yield compile_machine(site.site, lines[machine.line_id], machine.machine_id)


def _ms(text: Any) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
