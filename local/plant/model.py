"""A whole plant in simulated time: pure, seeded, without a clock.

`Plant.step` is one second: first every machine decides its state for the second, then reports are
taken, then the second's work is done. So a report's counters are those at its time stamp.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from local.plant.description import MachineDescription, PlantDescription
from local.plant.faults import Fault, Schedule
from local.plant.machine import Buffer, Machine, Order
from local.plant.truth import Truth
from shared.domain.calendar import Segment, segment_at
from shared.domain.packml import PackMLState


@dataclass(frozen=True, slots=True)
class Report:
    """What a machine tells its device at one instant."""

    machine_id: str
    device_id: str
    at: int
    """Event time, milliseconds since the epoch, UTC."""
    state: PackMLState
    reason: str | None
    order_id: str
    product: str
    good: int
    reject: int
    rejects: dict[str, int]
    signals: dict[str, float]


class Line:
    """Machines that make the same order, one feeding the next."""

    def __init__(self, line_id: str, machines: Sequence[MachineDescription], plant: PlantDescription) -> None:
        self.line_id = line_id
        self._products = plant.products[line_id]
        self._orders = 0
        self._rng = Random()
        fed = {target for machine in machines for target in machine.feeds}
        self.buffers = {target: Buffer() for target in sorted(fed)}

    def seed(self, seed: int) -> Order:
        """The first order. A line that is met at work has pieces on it already."""
        self._rng = Random(f"{seed}:{self.line_id}")
        for buffer in self.buffers.values():
            buffer.pieces = self._rng.randrange(3, 9)
        return self.next_order()

    def next_order(self) -> Order:
        self._orders += 1
        product = self._products[(self._orders - 1) % len(self._products)]
        return Order(f"{self.line_id}-{self._orders:05}", product, quantity=self._rng.randrange(120, 400, 10))


class Plant:
    """All machines of a plant. The same seed, description and faults give the same history."""

    def __init__(
        self,
        plant: PlantDescription,
        *,
        seed: int,
        start: int,
        faults: Sequence[Fault] = (),
        report_s: int = 1,
        truth: Truth | None = None,
    ) -> None:
        self.at_s = 0
        self._plant = plant
        self._start = start
        self._report_s = report_s
        self._truth = truth or Truth(plant.reasons)
        self._segments: dict[str, Segment] = {}
        self._lines: dict[str, tuple[Line, list[Machine]]] = {}
        self._told: dict[str, tuple[PackMLState, str | None, str]] = {}
        self._phases_ms: dict[str, int] = {}
        for line_id in dict.fromkeys(machine.line_id for machine in plant.machines):
            self._add_line(line_id, seed, faults)
        self._truth.faults(faults, start)

    @property
    def at(self) -> int:
        """The simulated instant, milliseconds since the epoch."""
        return self._start + self.at_s * 1000

    def step(self) -> list[Report]:
        """One second; the reports that were due at its beginning, in the order of their time stamps.

        A machine reports every `report_s` seconds, and whenever its state, reason or order changed.
        """
        reports: list[Report] = []
        for line, machines in self._lines.values():
            if (order := machines[0].order).made >= order.quantity:
                following = line.next_order()
                for machine in machines:
                    machine.change_over(following)
            for machine in machines:
                about = machine.about
                machine.decide(self.at_s, planned=self._planned(about.site_id))
                now = self.at + self._phases_ms[about.machine_id]
                told = (machine.state, machine.reason, machine.order.order_id)
                changed = self._told.get(about.machine_id) != told
                if changed:
                    self._told[about.machine_id] = told
                    self._truth.state(about.machine_id, now, machine.state, machine.reason)
                if changed or self.at_s % self._report_s == 0:
                    reports.append(self._report(machine, now))
                    self._truth.counts(about.machine_id, now, machine.good, machine.reject)
            for machine in machines:
                machine.work(self.at_s)
        self.at_s += 1
        return sorted(reports, key=lambda report: report.at)

    def finish(self) -> None:
        """Close what is open in the record of truth."""
        for machine_id, phase_ms in self._phases_ms.items():
            self._truth.end(machine_id, self.at + phase_ms)

    def _add_line(self, line_id: str, seed: int, faults: Sequence[Fault]) -> None:
        about = [machine for machine in self._plant.machines if machine.line_id == line_id]
        line = Line(line_id, about, self._plant)
        order = line.seed(seed)
        machines = [
            Machine(
                machine,
                self._plant,
                Schedule(faults, machine.machine_id),
                Random(f"{seed}:{machine.machine_id}"),
                order,
                inputs=line.buffers.get(machine.machine_id),
                outputs=line.buffers[machine.feeds[0]] if machine.feeds else None,
            )
            for machine in about
        ]
        self._lines[line_id] = line, machines
        for machine in machines:
            phase_ms = machine.rng.randrange(0, 1000)
            self._phases_ms[machine.about.machine_id] = phase_ms

    def _planned(self, site_id: str) -> bool:
        segment = self._segments.get(site_id)
        if segment is None or not segment.start <= self.at < segment.end:
            segment = self._segments[site_id] = segment_at(self._plant.calendars[site_id], self.at)
        return segment.planned

    def _report(self, machine: Machine, now: int) -> Report:
        about = machine.about
        return Report(
            about.machine_id,
            about.devices[0],
            now,
            machine.state,
            machine.reason,
            machine.order.order_id,
            machine.order.product,
            machine.good,
            machine.reject,
            dict(machine.rejects),
            machine.measure(self.at_s),
        )
