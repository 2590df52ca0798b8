"""What an environment costs a month, resource by resource: the table in docs/deploy.md (`make sizes`).

The environments are those of environments/*.json; figures and prices come from sizing.py. What depends on
the plant is computed from its messages, what stands there anyway is counted in whole units.
"""

import json
import math
import sys
from dataclasses import dataclass

from infra.sizing import (
    DAY_S,
    EVERY_S,
    MONTH_S,
    READINGS,
    ROOT,
    Figures,
    embedded,
    messages_per_day,
    prices,
)

PAGE = ROOT / "docs" / "deploy.md"
SIZES = ((10, "dev"), (100, "dev"), (1_000, "prod"), (3_000, "prod"))
INSTANCE_GB = 2
MS_PER_READING = 1.0
"""Of a Functions host, and 80 % of an instance used: as docs/cost.md counts them."""
USED = 0.8

FROM_MEMORY = {
    "capture_unit_month": 73.0,
    "private_endpoint_month": 7.3,
    "nat_gateway_and_address_month": 36.5,
    "always_ready_gb_second": 0.000004,
    "blob_hot_gb_month": 0.0184,
    "autoscale_factor": 1.5,
    "log_gb": 2.76,
}
"""Prices that bench/prices.json lacks. None is confirmed."""
ENDPOINTS = 7
OTHER_CONTAINERS = 6
AUTOSCALE_FLOOR = 0.1
"""Of the maximum: what autoscale bills while nothing happens."""


@dataclass(frozen=True, slots=True)
class Row:
    resource: str
    sku: str
    why: str
    dollars: tuple[float | None, ...]
    """By size; None: it is not there."""


def _environment(profile: str) -> dict[str, dict[str, float]]:
    return json.loads((ROOT / "infra" / "environments" / f"{profile}.json").read_text())


def hub(machines: int) -> tuple[int, str, float]:
    """Units and tier of the IoT Hub that takes the plant's messages for least, and its dollars."""
    blocks = machines * DAY_S / EVERY_S * Figures.read().asks["4 KB blocks"]
    offers = [
        (math.ceil(blocks / messages_per_day(tier)), tier.upper(), prices()[f"iot_hub_{tier}_unit_month"])
        for tier in ("s1", "s2", "s3")
    ]
    return min(
        ((units, tier, units * each) for units, tier, each in offers), key=lambda offer: (offer[2], offer[0])
    )


def units(machines: int) -> int:
    """Throughput units: 1 MB/s or 1,000 events/s in, of messages and of the twin changes routed back."""
    asks = Figures.read().asks
    per_s = machines / EVERY_S
    events = per_s * (1 + asks["twin patches"])
    megabytes = per_s * (asks["bytes"] + asks["twin patches"] * 1_000) / 1e6
    return max(1, math.ceil(max(events / 1_000, megabytes)))


def instances(machines: int) -> int:
    """Instances that are kept busy."""
    return max(1, math.ceil(machines * READINGS / EVERY_S * MS_PER_READING / 1_000 / USED))


def _cosmos(machines: int, profile: str) -> float:
    figures, price = Figures.read(), prices()
    if profile == "dev":
        return machines * figures.dollars["Cosmos DB"]
    hour = price["cosmos_provisioned_100_ru_s_hour"] / 100 * MONTH_S / 3_600
    least = (
        _environment(profile)["cosmos"]["maximumMachinesRu"] + OTHER_CONTAINERS * 1_000
    ) * AUTOSCALE_FLOOR
    return FROM_MEMORY["autoscale_factor"] * max(machines * figures.provisioned, least * hour)


def _instances(machines: int, profile: str) -> float:
    busy = instances(machines) * INSTANCE_GB * MONTH_S * prices()["functions_gb_second"]
    ready: dict[str, float] = _environment(profile)["functions"]["alwaysReady"]  # pyright: ignore[reportAssignmentType]
    waiting = sum(ready.values()) * INSTANCE_GB * MONTH_S * FROM_MEMORY["always_ready_gb_second"]
    return busy + waiting


def table_rows() -> list[Row]:
    """What is created, in the order of main.bicep."""
    figures, price = Figures.read(), prices()
    gb_month = figures.asks["bytes"] * MONTH_S / EVERY_S / 1e9

    def each(of: str) -> tuple[float, ...]:
        return tuple(machines * figures.dollars[of] for machines, _ in SIZES)

    def only_prod(amount: float) -> tuple[float | None, ...]:
        return tuple(amount if profile == "prod" else None for _, profile in SIZES)

    hubs = [hub(machines) for machines, _ in SIZES]
    chosen = ", ".join(f"{count} {tier}" for count, tier, _ in hubs)
    counts = [
        max(units(machines), int(_environment(profile)["eventHubs"]["throughputUnits"]))
        for machines, profile in SIZES
    ]
    busy = [instances(machines) for machines, _ in SIZES]
    hubs_dollars = tuple(
        machines * figures.dollars["Event Hubs"]
        + count * (price["event_hubs_throughput_unit_month"] + FROM_MEMORY["capture_unit_month"])
        for (machines, _), count in zip(SIZES, counts, strict=True)
    )
    return [
        Row(
            "IoT Hub",
            chosen,
            "machines connect here: MQTT over TLS, X.509 certificates",
            tuple(dollars for *_, dollars in hubs),
        ),
        Row(
            "device provisioning service",
            "- / S1",
            "devices come with a certificate and find their hub; a fee per 1,000 operations, cents",
            only_prod(0),
        ),
        Row(
            "Event Hubs `telemetry`, `twin-changes`, `analytics`",
            "Standard, " + ", ".join(f"{count}" for count in counts) + " units, Capture",
            "IoT Hub's own endpoint takes keys only, ours takes identities",
            hubs_dollars,
        ),
        Row(
            "storage `archive`",
            "LRS / GRS",
            "all messages, dead letters, files of import jobs; hot, cool, archive, deleted. The first "
            "month's",
            tuple(
                machines * gb_month * FROM_MEMORY["blob_hot_gb_month"] * (2 if profile == "prod" else 1)
                for machines, profile in SIZES
            ),
        ),
        Row("storage `host`", "LRS / ZRS", "checkpoints, timers, the package: under a dollar", (0,) * 4),
        Row(
            "Cosmos DB",
            "serverless / autoscale",
            "the truth: seven containers, as [containers.py](../shared/adapters/containers.py) defines them",
            tuple(_cosmos(machines, profile) for machines, profile in SIZES),
        ),
        Row("Digital Twins", "-", "the twin graph; operations and routed messages", each("Digital Twins")),
        Row(
            "Event Grid topic and system topic",
            "Basic",
            "events out (CloudEvents), devices' life cycle in",
            each("Event Grid"),
        ),
        Row(
            "Functions",
            "Flex Consumption, 2 GB, " + ", ".join(str(count) for count in busy) + " busy",
            "the code, Python 3.13",
            tuple(_instances(machines, profile) for machines, profile in SIZES),
        ),
        Row("Key Vault", "standard", "addresses of notification channels: cents", (0,) * 4),
        Row(
            "network, seven private endpoints, DNS zones, NAT gateway",
            "- / yes",
            "prod is private; one fixed address to go out from",
            only_prod(
                ENDPOINTS * FROM_MEMORY["private_endpoint_month"]
                + FROM_MEMORY["nat_gateway_and_address_month"]
            ),
        ),
        Row("five identities, roles, locks, alerts, workbook, budget", "-", "free, or cents", (0,) * 4),
    ]


def table() -> str:
    """The table as Markdown, and what is not in it."""
    found = table_rows()
    heads = [f"{machines:,} ({profile})" for machines, profile in SIZES]
    lines = [
        f"| resource | SKU | why | {' | '.join(heads)} |",
        "|---|---|---|" + "---:|" * len(SIZES),
        *(
            f"| {row.resource} | {row.sku} | {row.why} | {' | '.join(map(_shown, row.dollars))} |"
            for row in found
        ),
    ]
    sums = [sum(row.dollars[at] or 0 for row in found) for at in range(len(SIZES))]
    lines.append(f"| **sum** | | | {' | '.join(f'**{one:,.0f}**' for one in sums)} |")
    each = [one / machines for one, (machines, _) in zip(sums, SIZES, strict=True)]
    lines.append(f"| a machine | | | {' | '.join(f'{one:,.2f}' for one in each)} |")
    caps = [
        _environment(profile)["logs"]["dailyCapGb"] * 30 * FROM_MEMORY["log_gb"]
        for profile in ("dev", "prod")
    ]
    return "\n".join(
        [
            *lines,
            "",
            "Not in the sum: logs, whose volume has not been measured, bounded by the daily cap at "
            f"{caps[0]:,.0f} (dev) and {caps[1]:,.0f} dollars (prod); storage in Cosmos DB; network out; "
            "free grants.",
        ]
    )


def _shown(dollars: float | None) -> str:
    return "-" if dollars is None else f"{dollars:,.0f}"


def write() -> None:
    """Put it into its page. Raises NoFigure."""
    PAGE.write_text(embedded(PAGE.read_text(), "bill", table()))


def main() -> int:
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        print(table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
