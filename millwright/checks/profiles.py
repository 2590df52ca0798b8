"""Device profiles: the signals they fill, the units they convert, the machines they name."""

from collections.abc import Iterator, Mapping

from millwright.checks.names import unknown
from millwright.checks.sites import zone_problems
from millwright.documents import lines_of
from millwright.source import Path, Problem
from shared.contracts.factory import Factory
from shared.contracts.profile import Source
from shared.contracts.units import UNITS, UnitClash, conversion


def profile_problems(factory: Factory) -> Iterator[Problem]:
    units: dict[str, set[str]] = {}
    for kind in factory.classes.values():
        for signal, spec in kind.signals.items():
            units.setdefault(signal, set()).add(spec.unit)
    machines = {
        machine.id for site in factory.sites for _, line in lines_of(site) for machine in line.machines
    }
    for name, profile in factory.profiles.items():
        at: Path = ("profiles", name)
        for signal, source in profile.signals.items():
            unit = source.unit if isinstance(source, Source) else None
            yield from _signal_problems(signal, unit, units, (*at, "signals", signal))
        for tag, meaning in profile.tags.items():
            if meaning.signal is not None:
                yield from _signal_problems(meaning.signal, meaning.unit, units, (*at, "tags", tag))
        for theirs, ours in profile.machines.items():
            if ours not in machines:
                yield unknown("machine", ours, machines, (*at, "machines", theirs))
        if profile.zone is not None:
            yield from zone_problems(profile.zone, (*at, "zone"))


def _signal_problems(
    signal: str, unit: str | None, units: Mapping[str, set[str]], at: Path
) -> Iterator[Problem]:
    if signal not in units:
        yield unknown("signal", signal, units, at)
        return
    if unit is None:
        return
    if unit not in UNITS:
        yield unknown("unit", unit, UNITS, at)
        return
    for target in sorted(units[signal] & UNITS.keys()):
        try:
            conversion(unit, target)
        except UnitClash as exc:
            yield Problem(at, f"{signal} cannot be sent in {unit}: {exc}", f"it is in {target}")
    if len(units[signal]) > 1:
        several = ", ".join(sorted(units[signal]))
        yield Problem(at, f"{signal} is in {several}, depending on the class", "use one unit for one signal")
