"""A plant and its devices together: the messages of a simulation, second by second."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from local.plant.description import PlantDescription
from local.plant.faults import Fault
from local.plant.gateway import Event, Gateway
from local.plant.model import Plant
from local.plant.truth import Truth


@dataclass(frozen=True, slots=True)
class Settings:
    """What makes a simulation: the same settings give the same messages, byte for byte."""

    seed: int
    start: int
    """Its first instant, milliseconds since the epoch."""
    faults: Sequence[Fault] = ()
    report_s: int = 1
    """Seconds between a machine's reports; state changes are reported at once besides."""
    readings_per_message: int = 1


class Stream:
    def __init__(self, plant: PlantDescription, settings: Settings, truth: Truth | None = None) -> None:
        truth = truth or Truth(plant.reasons)
        self._plant = Plant(
            plant,
            seed=settings.seed,
            start=settings.start,
            faults=settings.faults,
            report_s=settings.report_s,
            truth=truth,
        )
        self.devices = tuple(dict.fromkeys(machine.devices[0] for machine in plant.machines))
        self._gateways = {
            device: Gateway(
                device,
                seed=settings.seed,
                start=settings.start,
                faults=settings.faults,
                readings_per_message=settings.readings_per_message,
                truth=truth,
            )
            for device in self.devices
        }

    @property
    def at(self) -> int:
        """The simulated instant, milliseconds since the epoch."""
        return self._plant.at

    def step(self) -> list[Event]:
        """One second of the plant, as its devices tell it."""
        at_s = self._plant.at_s
        reports = self._plant.step()
        events: list[Event] = []
        for device, gateway in self._gateways.items():
            own = [report for report in reports if report.device_id == device]
            events += gateway.step(own, at_s)
        return events

    def finish(self) -> list[Event]:
        """The end: what is held back is sent, what is open in the truth is closed."""
        self._plant.finish()
        at_s = self._plant.at_s
        return [event for gateway in self._gateways.values() for event in gateway.finish(at_s)]

    def run(self, seconds: int) -> Iterator[Event]:
        """All events of `seconds`, and the end."""
        for _ in range(seconds):
            yield from self.step()
        yield from self.finish()
