"""Applied factory descriptions, as the pipeline asks for them: a machine's pinned spec, a device's entry."""

import asyncio
from collections.abc import Callable
from typing import Any

from cachetools import LRUCache
from pydantic import TypeAdapter

from shared.contracts.spec_documents import (
    CurrentDocument,
    LineDocument,
    MachinePart,
    SiteDocument,
    line_document_id,
    site_document_id,
)
from shared.decode.outcome import DeviceEntry
from shared.decode.profile import CompiledProfile
from shared.domain.spec import MachineSpec
from shared.ports import Document, Documents

SPECS = "specs"
"""The container, partitioned by /siteId."""

UNKNOWN_AFTER_S = 10.0
"""Unknown devices make the directory look again, at most this often."""

DOUBTED_AFTER_S = 1.0
"""A device that reports a machine it is not known for makes the directory look again, at most this often."""

KNOWN_AFTER_S = 30.0
"""A known device's entry may be this old: so long a new version needs to reach every worker."""

_MACHINE_SPEC = TypeAdapter(MachineSpec)


class UnknownSpec(LookupError):
    """A spec that was never applied: the machine's state and the `specs` container do not belong together."""


def compile_machine(site: SiteDocument, line: LineDocument, machine_id: str) -> MachineSpec:
    """The machine's spec in that version. UnknownSpec when the line has no such machine."""
    machine = line.machines.get(machine_id)
    if machine is None:
        raise UnknownSpec(f"{line.site_id}/{line.line_id} version {line.version} has no machine {machine_id}")
    kind = site.classes[machine.machine_class]
    return MachineSpec(
        machine_id=machine_id,
        site_id=site.site_id,
        line_id=line.line_id,
        machine_class=machine.machine_class,
        version=line.version,
        devices=machine.devices,
        signals=kind.signals,
        calendar=line.calendar or site.calendar,
        rules=kind.rules if machine.rules is None else machine.rules,
        models=machine.models,
        tasks=kind.tasks,
        ideal_cycle_ms=kind.ideal_cycle_ms | machine.ideal_cycle_ms,
        reasons={code: reason.category for code, reason in site.reasons.items()},
        state_map=kind.state_map,
        lateness_ms=kind.lateness_ms,
        silence_ms=kind.silence_ms,
        close_after_ms=kind.close_after_ms,
        counter_modulus=kind.counter_modulus,
        green_ratio=site.green_ratio,
        yellow_ratio=site.yellow_ratio,
        bands=machine.bands,
        counter_fastest_ms=kind.counter_fastest_ms,
        counter_restart=kind.counter_restart,
        minor_stop_ms=kind.minor_stop_ms,
        startup_ms=kind.startup_ms,
        state_reasons=kind.state_reasons,
        maintenance={code: reason.maintenance for code, reason in site.reasons.items() if reason.maintenance},
    )


def spec_to_json(spec: MachineSpec) -> dict[str, Any]:
    """A spec as JSON values; `spec_from_json` gives it back."""
    return _MACHINE_SPEC.dump_python(spec, mode="json")


def spec_from_json(value: dict[str, Any]) -> MachineSpec:
    return _MACHINE_SPEC.validate_python(value)


class SpecStore:
    """Reads applied descriptions. Versions never change, so what was read once may be kept.

    `clock` gives seconds and only paces the directory's looking again.
    """

    def __init__(self, documents: Documents, *, clock: Callable[[], float], kept: int = 20_000) -> None:
        """`kept`: how many machines' specs stay in memory; about 2 KB each."""
        self._documents = documents
        self._clock = clock
        self._sites = LRUCache[tuple[str, int], SiteDocument](max(16, kept // 100))
        self._lines = LRUCache[tuple[str, str, int], LineDocument](max(16, kept // 100))
        self._machines = LRUCache[tuple[str, str, str, int], MachineSpec](kept)
        self._directory: dict[str, DeviceEntry] = {}
        self._current: dict[str, int] = {}
        self._looked_at: float | None = None
        self._looking = asyncio.Lock()

    async def machine_spec(self, site_id: str, line_id: str, machine_id: str, version: int) -> MachineSpec:
        """The machine's spec in a version. UnknownSpec when that was never applied."""
        key = (site_id, line_id, machine_id, version)
        spec = self._machines.get(key)
        if spec is None:
            site = await self.site(site_id, version)
            spec = compile_machine(site, await self.line(site_id, line_id, version), machine_id)
            self._machines[key] = spec
        return spec

    async def site(self, site_id: str, version: int) -> SiteDocument:
        """A site's description without its machines."""
        site = self._sites.get((site_id, version))
        if site is None:
            site = SiteDocument.model_validate(await self._read(site_id, site_document_id(version)))
            self._sites[site_id, version] = site
        return site

    async def line(self, site_id: str, line_id: str, version: int) -> LineDocument:
        """A line and its machines."""
        line = self._lines.get((site_id, line_id, version))
        if line is None:
            line = LineDocument.model_validate(await self._read(site_id, line_document_id(version, line_id)))
            self._lines[site_id, line_id, version] = line
        return line

    async def current(self) -> list[CurrentDocument]:
        """The newest version of every site that is described, by site id."""
        found = self._documents.query(SPECS, "SELECT * FROM c WHERE c.id = @id", {"@id": "current"})
        pointers = [CurrentDocument.model_validate(document) async for document in found]
        described = [pointer for pointer in pointers if not pointer.retired]
        return sorted(described, key=lambda pointer: pointer.site_id)

    async def device(self, device_id: str, *, doubted: bool = False) -> DeviceEntry | None:
        """What the newest descriptions say about a device; None when no site lists it.

        The directory looks for newer versions every 30 s, and for the sake of an unknown device
        after 10 s already: a stranger that keeps sending costs nothing. `doubted`: the device
        behaves as if a newer version knew more of it.
        """
        known = KNOWN_AFTER_S if device_id in self._directory else UNKNOWN_AFTER_S
        await self._look_after(DOUBTED_AFTER_S if doubted else known)
        return self._directory.get(device_id)

    async def current_site(self, site_id: str) -> SiteDocument | None:
        """The newest description of a site, at most 30 s old; None when it was never applied."""
        await self._look_after(KNOWN_AFTER_S)
        version = self._current.get(site_id)
        return None if version is None else await self.site(site_id, version)

    async def machine_of(self, site_id: str, line_id: str, machine_id: str) -> MachinePart | None:
        """A machine as described at most 30 s ago; None for a stranger."""
        await self._look_after(KNOWN_AFTER_S)
        version = self._current.get(site_id)
        if version is None or line_id not in (await self.site(site_id, version)).lines:
            return None
        return (await self.line(site_id, line_id, version)).machines.get(machine_id)

    async def describes(self, site_id: str, line_id: str, machine_id: str) -> bool:
        """Whether a line has a machine: as described at most 30 s ago, or by an apply under way, which
        tells machines before it points to its version."""
        if await self.machine_of(site_id, line_id, machine_id) is not None:
            return True
        try:
            coming = await self.line(site_id, line_id, self._current.get(site_id, 0) + 1)
        except UnknownSpec:
            return False
        return machine_id in coming.machines

    async def devices_of(self, site_id: str, line_id: str, machine_id: str) -> tuple[str, ...]:
        """The devices that report a machine, as described at most 30 s ago; none for a stranger."""
        machine = await self.machine_of(site_id, line_id, machine_id)
        return machine.devices if machine is not None else ()

    async def _look_after(self, seconds: float) -> None:
        if self._is_older_than(seconds):
            async with self._looking:
                if self._is_older_than(min(seconds, UNKNOWN_AFTER_S)):
                    await self._look()

    def _is_older_than(self, seconds: float) -> bool:
        return self._looked_at is None or self._clock() - self._looked_at >= seconds

    async def _look(self) -> None:
        current = {pointer.site_id: pointer.version for pointer in await self.current()}
        if current != self._current:
            directory: dict[str, DeviceEntry] = {}
            for site_id, version in current.items():
                directory.update(await self._devices_of(site_id, version))
            self._directory, self._current = directory, current
        self._looked_at = self._clock()

    async def _devices_of(self, site_id: str, version: int) -> dict[str, DeviceEntry]:
        site = await self.site(site_id, version)
        units = {signal.name: signal.unit for kind in site.classes.values() for signal in kind.signals}
        profiles = {name: CompiledProfile(profile, units) for name, profile in site.profiles.items()}
        reported: dict[str, dict[str, str]] = {}
        for line_id in site.lines:
            line = await self.line(site_id, line_id, version)
            for machine_id, machine in line.machines.items():
                for device in machine.devices:
                    reported.setdefault(device, {})[machine_id] = line_id
        return {
            device: DeviceEntry(
                device, site_id, version, machines, profiles.get(site.device_profiles.get(device, ""))
            )
            for device, machines in reported.items()
        }

    async def _read(self, site_id: str, document_id: str) -> Document:
        document = await self._documents.get(SPECS, site_id, document_id)
        if document is None:
            raise UnknownSpec(
                f"site {site_id} has no {document_id} in {SPECS}: apply the factory description"
            )
        return document
