"""How the pipeline grows with machines, and how long the timer needs when very many are due at once.

The timer's case is a shift's end: every machine went silent a day ago and its shift is still open, so
each tick closes a shift, tells of the silence and writes state, OEE, twin and outbox. Machines are
put into the store as they would have been left: one is folded through the real code, all others are
that one under their own names.
"""

import asyncio
import os
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bench import child
from bench.factory import ROOT, machine_specs, write_factory
from bench.fold import START, messages
from bench.pipeline import Flow, drain
from bench.stage import staged
from bench.surroundings import load_average, own_cpu_s, resident_mb
from local.wiring import app_settings
from shared.bootstrap import build
from shared.commit import MACHINES, Machines
from shared.decode import Decoded, DeviceEntry, decode
from shared.domain.advance import advance, initial
from shared.domain.inputs import Position, SpecChanged
from shared.domain.spec import MachineSpec
from shared.due import tick_due
from shared.ports import Create, Documents
from shared.scoring import Scorer
from shared.settings import Settings
from shared.state_document import to_document

SIZES = (12, 96, 996)
DAY_MS = 86_400_000
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Due:
    """One timer's work."""

    machine_count: int
    """Machines that were due."""
    ticked_count: int
    calls: int
    """How often `tick_due` was called until nothing was due: it does at most 1,000 a call."""
    longest_call_s: float
    ticks_per_s: float
    cpu_ms_per_tick: float
    """Of this process, which stands for the host."""
    request_units_per_tick: float
    memory_mb: float
    fill_s: float
    load_average: float


def pipelines(*, sizes: tuple[int, ...] = SIZES, readings: int = 60_000) -> list[Flow]:
    """The same number of readings from few machines and from many."""
    return [drain(machines=size, seconds=max(2, readings // size // 5), readings=5) for size in sizes]


def due(*, machines: int = 100_000) -> Due:
    with child.temporary_folder() as name:
        folder = Path(name)
        return child.run(_due, folder / "home", folder, machines)


async def _due(folder: Path, machines: int) -> Due:
    factory = write_factory(folder / "factory.yaml", machines=6)
    spec = machine_specs(factory)[0]
    async with staged(folder / "home", factory, applied_at=START) as stage, AsyncExitStack() as opened:
        settings = Settings.from_environment(app_settings(stage.backend.home, stage.endpoints))
        app = await build(settings, opened)
        began = time.monotonic()
        await _fill(app.documents, spec, machines)
        fill_s = time.monotonic() - began
        ticking = Machines(
            app.documents,
            _SameSpec(spec),
            Scorer(ROOT / "models"),
            cached_count=settings.cached_machine_count,
        )
        before, cpu = await stage.meters(), own_cpu_s()
        ticked, calls, longest = 0, 0, 0.0
        began = time.monotonic()
        now = START + 2 * DAY_MS
        while True:
            call_began = time.monotonic()
            count, more = await tick_due(ticking, app.documents, now=now + calls)
            longest = max(longest, time.monotonic() - call_began)
            ticked, calls = ticked + count, calls + 1
            if not more:
                break
        took = time.monotonic() - began
        after = await stage.meters()
        spent = after["cosmos.request_units"] - before["cosmos.request_units"]
    return Due(
        machine_count=machines,
        ticked_count=ticked,
        calls=calls,
        longest_call_s=longest,
        ticks_per_s=ticked / took,
        cpu_ms_per_tick=1000 * (own_cpu_s() - cpu) / max(1, ticked),
        request_units_per_tick=spent / max(1, ticked),
        memory_mb=resident_mb(os.getpid()),
        fill_s=fill_s,
        load_average=load_average(),
    )


class _SameSpec:
    """Every machine is described as the first one is."""

    def __init__(self, spec: MachineSpec) -> None:
        self._spec = spec

    async def machine_spec(self, site_id: str, line_id: str, machine_id: str, version: int) -> MachineSpec:
        return replace(self._spec, machine_id=machine_id)


async def _fill(documents: Documents, spec: MachineSpec, machines: int) -> None:
    """State documents of `machines` machines that reported for a minute and then no more."""
    state = advance(spec, initial(spec), [SpecChanged(Position("apply", 1), spec, START)]).state
    device = DeviceEntry(spec.devices[0], spec.site_id, 1, {spec.machine_id: spec.line_id})
    for number, [body] in enumerate(messages([spec], rounds=12, readings=5)):
        arrived_at = START + (number + 1) * 5_000
        outcomes = decode(
            body,
            device=device,
            device_id=device.device_id,
            source="telemetry/1/0",
            sequence=number,
            arrived_at=arrived_at,
        )
        state = advance(spec, state, [one.reading for one in outcomes if isinstance(one, Decoded)]).state
    gate = asyncio.Semaphore(_AT_ONCE)

    async def put(number: int) -> None:
        machine_id = f"DUE-{number:06}"
        document = to_document(replace(spec, machine_id=machine_id), replace(state, machine_id=machine_id))
        async with gate:
            await documents.commit(MACHINES, machine_id, [Create(document)])

    for first in range(0, machines, 2_000):
        await asyncio.gather(*map(put, range(first, min(machines, first + 2_000))))
