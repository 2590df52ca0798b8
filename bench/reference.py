"""Three designs on the same stream and the same local services, and what each asks of the services.

- **naive**: as sample functions of this field do it. Per message, one after the other: one twin
  patch per property, one telemetry publish per signal, one document insert.
- **better**: per message one patch with all properties, and one insert.
- **ours**: the whole backend in simulated time (bench/simulated.py). Alone of the three it also
  raises alarms, accounts OEE, scores models, rolls up lines and publishes events.

The machines are steady and noisy and report once a second, one reading a message. The first two
do no more than their designs say: nothing is read, nothing is published to Event Grid, and one
execution handles one message. They are paced by the clock, since a twin takes ten writes a second.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy
from azure.digitaltwins.core.aio import DigitalTwinsClient
from pydantic.alias_generators import to_camel

from bench import child
from bench.factory import write_factory
from bench.simulated import Simulation, Usage
from bench.stage import Meters, Stage, since, staged
from bench.streams import START, machine_messages
from local.plant.gateway import Outgoing
from shared.adapters.containers import DATABASE
from shared.adapters.cosmos import cosmos_client
from shared.adapters.credentials import LocalToken
from shared.adapters.transport import transport

WARM_UP_S = 60
"""Ours makes its documents of the shift and the hour in the first minute; no design is billed for it."""


@dataclass(frozen=True, slots=True)
class Design:
    """Operations per 1,000 readings."""

    name: str
    readings: int
    twin_operations: float
    """As billed, in increments of 1 KB."""
    twin_writes: float
    twin_telemetry: float
    request_units: float
    grid_events: float
    hub_events: float
    executions: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Reference:
    designs: list[Design]
    times_fewer_than_better: float
    """Digital Twins operations of the better reference over ours."""
    machine_count: int
    seconds: int


def measure(*, machines: int = 24, seconds: int = 60) -> Reference:
    with child.temporary_folder() as folder:
        return child.run(_measure, Path(folder) / "home", Path(folder), machines, seconds)


async def _measure(folder: Path, machines: int, seconds: int) -> Reference:
    logging.getLogger("azure.digitaltwins").setLevel(logging.ERROR)  # it warns of its own instants
    factory = write_factory(folder / "factory.yaml", machines=machines, machines_per_device=1)
    events = machine_messages(factory, seconds=WARM_UP_S + seconds, every_s=1, readings=1)
    begin = START + WARM_UP_S * 1000
    warm, measured = [e for e in events if e.at < begin], [e for e in events if e.at >= begin]
    async with staged(folder / "home", factory, applied_at=START - 60_000) as stage:
        async with Simulation(stage) as simulation:
            await simulation.run(warm)
            usage = await simulation.run(measured)
        naive = await _reference(stage, "naive", measured, _naive)
        better = await _reference(stage, "better", measured, _better)
    ours = _ours(usage)
    return Reference(
        [naive, better, ours], better.twin_operations / max(ours.twin_operations, 1e-9), machines, seconds
    )


type Handle = Callable[[DigitalTwinsClient, ContainerProxy, Outgoing], Awaitable[None]]


async def _reference(stage: Stage, name: str, events: Sequence[Outgoing], handle: Handle) -> Design:
    """Every machine's messages in order, machines side by side, no second before its time."""
    endpoints = stage.endpoints
    twins = DigitalTwinsClient(endpoints["digitalTwins"], LocalToken("local"), transport=transport())
    client = cosmos_client(endpoints["cosmos"], endpoints["cosmosKey"])
    machines: dict[str, list[Outgoing]] = {}
    for event in events:
        machines.setdefault(event.device_id, []).append(event)
    first, started = events[0].at, time.monotonic()

    async def play(mine: list[Outgoing]) -> None:
        for event in mine:
            wait_s = (event.at - first) / 1000 - (time.monotonic() - started)
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            await handle(twins, container, event)

    async with twins, client:
        database = client.get_database_client(DATABASE)
        container = await database.create_container_if_not_exists(name, PartitionKey("/machineId"))
        before = await stage.meters()
        await asyncio.gather(*map(play, machines.values()))
        metered = since(before, await stage.meters())
    return _design(name, len(events), metered, executions=len(events), messages=len(events), began=started)


async def _naive(twins: DigitalTwinsClient, container: ContainerProxy, event: Outgoing) -> None:
    reading = orjson.loads(event.body)
    machine_id = reading["machineId"]
    for step in _steps(reading):
        await twins.update_digital_twin(machine_id, [step])  # pyright: ignore[reportUnknownMemberType]  # untyped SDK
    for name, value in reading["signals"].items():
        await twins.publish_telemetry(machine_id, {to_camel(name): value})  # pyright: ignore[reportUnknownMemberType]  # untyped SDK
    await container.create_item(_document(event, reading))


async def _better(twins: DigitalTwinsClient, container: ContainerProxy, event: Outgoing) -> None:
    reading = orjson.loads(event.body)
    await twins.update_digital_twin(reading["machineId"], _steps(reading))  # pyright: ignore[reportUnknownMemberType]  # untyped SDK
    await container.create_item(_document(event, reading))


def _steps(reading: dict[str, Any]) -> list[dict[str, Any]]:
    values = {"state": reading["state"]} | {to_camel(name): v for name, v in reading["signals"].items()}
    return [{"op": "add", "path": f"/{name}", "value": value} for name, value in values.items()]


def _document(event: Outgoing, reading: dict[str, Any]) -> dict[str, Any]:
    return {"id": event.message_id, **reading}


def _ours(usage: Usage) -> Design:
    executions = sum(usage.executions.values())
    metered = dict(usage.meters)
    metered["cosmos.request_units"] += usage.ru["leases"]
    began = time.monotonic() - usage.wall_s
    return _design(
        "ours", usage.readings, metered, executions=executions, messages=usage.messages, began=began
    )


def _design(
    name: str, readings: int, metered: Meters, *, executions: int, messages: int, began: float
) -> Design:
    def per_1000(amount: float) -> float:
        return round(1000 * amount / readings, 1)

    return Design(
        name=name,
        readings=readings,
        twin_operations=per_1000(metered["digital_twins.operations"]),
        twin_writes=per_1000(metered.get("digital_twins.patches", 0)),
        twin_telemetry=per_1000(metered.get("digital_twins.telemetry", 0)),
        request_units=per_1000(metered["cosmos.request_units"]),
        grid_events=per_1000(metered["event_grid.published"]),
        hub_events=per_1000(messages),
        executions=per_1000(executions),
        wall_s=round(time.monotonic() - began, 1),
    )
