"""Dollars a machine and month: measured operations times the prices in `prices.json`.

For each cadence a fleet runs in simulated time (bench/simulated.py) and every service operation is
metered; then, n being messages a machine and month:

    n * (IoT Hub blocks of 4 KB, at full units + Event Hubs events)
    + executions and instance time + Digital Twins operations, routed messages and query units
    + Cosmos DB request units (commits, change feed, roll-ups, leases) + Event Grid operations

Nothing is left out because it is small, but storage, logs and the free grants. Every twin patch
counts as one routed message too, and every event as delivered once, as if somebody listened to all.

Instance time: Flex Consumption bills an instance of 2 GB while anything executes on it, a second
at least. A fleet as it is here keeps an instance busy all the time, so the share of a machine is
that of whole instances, as many as the executions need at the processor time they take.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from bench import child
from bench.factory import write_factory
from bench.reference import WARM_UP_S
from bench.simulated import Simulation, Usage
from bench.stage import staged
from bench.streams import START, machine_messages

PRICES = Path(__file__).parent / "prices.json"
MONTH_S = 30 * 86_400
BLOCK_BYTES = 4_096
INSTANCE_GB = 2
TIERS = ("s1", "s2", "s3")
CADENCES = tuple((every_s, readings) for every_s in (1, 10, 60) for readings in (1, 10))
UTILISATION = 0.7
"""Of provisioned throughput, where that is compared."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """One row of the grid: what a machine's message costs the services, and what that costs a month."""

    every_s: float
    readings: int
    machine_count: int
    message_bytes: float
    blocks: float
    """IoT Hub blocks of 4 KB a message."""
    commits: float
    """All figures from here on: a message."""
    ru: dict[str, float]
    """Purpose -> request units."""
    commit_ru: dict[str, float]
    """Kind of document -> request units of the commits, estimated from sizes."""
    twin_operations: float
    twin_patches: float
    query_units: float
    grid_operations: float
    executions: float
    instances: int
    """Instances that the fleet keeps busy."""
    dollars: dict[str, float]
    """Service -> a machine and month, IoT Hub left out."""
    iot_hub_dollars: dict[str, float]
    """Tier -> a machine and month."""
    provisioned_dollars: float
    """What Cosmos DB would be with provisioned throughput at 70 % use."""

    def total(self, tier: str) -> float:
        return sum(self.dollars.values()) + self.iot_hub_dollars[tier]


def measure(
    *,
    machines: int = 300,
    seconds: int = 240,
    cadences: tuple[tuple[float, int], ...] = CADENCES,
    host_ms_per_reading: float = 1.0,
) -> list[Cadence]:
    """`host_ms_per_reading`: processor time of a Functions host, from the pipeline's benchmark."""
    found: list[Cadence] = []
    for every_s, readings in cadences:
        span_s = max(seconds, round(4 * every_s))
        with child.temporary_folder() as folder:
            usage, size = child.run(
                _run, Path(folder) / "home", Path(folder), machines, span_s, every_s, readings
            )
        found.append(cadence(every_s, readings, machines, usage, size, host_ms_per_reading))
    return found


async def _run(
    folder: Path, machines: int, seconds: int, every_s: float, readings: int
) -> tuple[Usage, float]:
    """Usage behind a warm-up, and the mean size of a message in bytes."""
    factory = write_factory(folder / "factory.yaml", machines=machines, machines_per_device=1)
    warm_up_s = max(WARM_UP_S, round(2 * every_s))
    events = machine_messages(factory, seconds=warm_up_s + seconds, every_s=every_s, readings=readings)
    begin = START + warm_up_s * 1000
    measured = [event for event in events if event.at >= begin]
    async with (
        staged(folder / "home", factory, applied_at=START - 60_000) as stage,
        Simulation(stage) as simulation,
    ):
        await simulation.run([event for event in events if event.at < begin])
        usage = await simulation.run(measured)
    return usage, sum(len(event.body) for event in measured) / len(measured)


def cadence(
    every_s: float,
    readings: int,
    machines: int,
    usage: Usage,
    message_bytes: float,
    host_ms_per_reading: float,
) -> Cadence:
    """Prices applied to one run."""
    prices = {name: entry["amount"] for name, entry in load_prices()["prices"].items()}
    messages = usage.messages
    month = MONTH_S / every_s
    ru = {purpose: units / messages for purpose, units in usage.ru.items() if units}
    twin_operations = usage.meters["digital_twins.operations"] / messages
    patches = usage.meters["digital_twins.patches"] / messages
    query_units = usage.meters["digital_twins.query_units"] / messages
    published = usage.meters["event_grid.published"] / messages
    executions = sum(usage.executions.values()) / messages
    readings_per_s = usage.readings / usage.seconds
    instances = max(1, math.ceil(readings_per_s * host_ms_per_reading / 1000 / 0.8))
    busy_share = min(1.0, executions * messages / usage.seconds / instances)
    gb_s = instances * INSTANCE_GB * MONTH_S * busy_share / machines
    blocks = math.ceil(message_bytes / BLOCK_BYTES)
    million = 1e-6 * month
    all_ru = sum(ru.values())
    return Cadence(
        every_s=every_s,
        readings=readings,
        machine_count=machines,
        message_bytes=round(message_bytes),
        blocks=blocks,
        commits=usage.commits / messages,
        ru=ru,
        commit_ru={kind: units / messages for kind, units in usage.commit_ru.items()},
        twin_operations=twin_operations,
        twin_patches=patches,
        query_units=query_units,
        grid_operations=2 * published,
        executions=executions,
        instances=instances,
        dollars={
            "Event Hubs": million * prices["event_hubs_ingress"],
            "Functions": million * executions * prices["functions_execution"]
            + gb_s * prices["functions_gb_second"],
            "Digital Twins": million
            * (
                twin_operations * prices["digital_twins_operation"]
                + patches * prices["digital_twins_routed_message"]
                + query_units * prices["digital_twins_query_unit"]
            ),
            "Cosmos DB": million * all_ru * prices["cosmos_serverless_ru"],
            "Event Grid": million * 2 * published * prices["event_grid_operation"],
        },
        iot_hub_dollars={tier: month * blocks * _block_price(prices, tier) for tier in TIERS},
        provisioned_dollars=all_ru
        / every_s
        / UTILISATION
        / 100
        * prices["cosmos_provisioned_100_ru_s_hour"]
        * MONTH_S
        / 3600,
    )


def load_prices() -> dict[str, dict[str, dict[str, float]]]:
    return json.loads(PRICES.read_text())


def _block_price(prices: dict[str, float], tier: str) -> float:
    """Of one block of 4 KB, when units are used in full."""
    per_day = load_prices()["prices"][f"iot_hub_{tier}_unit_month"]["messages_per_day"]
    return prices[f"iot_hub_{tier}_unit_month"] / (per_day * 30)
