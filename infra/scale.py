"""100,000 machines on paper: the tables in docs/scaling.md (`make sizes`).

Every figure follows from docs/cost.md, prices, the code's own bounds, and Azure's limits as listed here.
"""

import json
import math
import sys

from infra.bill import EVERY_S, INSTANCE_GB, READINGS, USED
from infra.sizing import DAY_S, MONTH_S, ROOT, Figures, embedded, messages_per_day, prices
from shared.domain.showing import SHOW_EVERY_MS
from shared.relay.reconcile import AT_MOST as RECONCILED

PAGE = ROOT / "docs" / "scaling.md"
MACHINES = 100_000
S3_MESSAGES_PER_S = 6_000
STANDARD_UNITS, STANDARD_PARTITIONS = 40, 32
PATCHES_PER_S = 1_000
LOGICAL_PARTITION_RU_S = 10_000
PHYSICAL_PARTITION_RU_S = 10_000
SERVERLESS_RU_S = 5_000
COSMOS_USED = 0.7
TICKED_A_CALL = 1_000
DUE_EVERY_S = 5
"""shared/due.py and MILLWRIGHT_DUE_SCHEDULE; the tests hold these to the code."""
STATE_BYTES = 16_384
SHOWN_S = SHOW_EVERY_MS / 1000
SLOWER = 120 / SHOWN_S
"""What drifts, shown on twins every two minutes instead."""


def load() -> dict[str, float]:
    """What so many machines ask, a second unless it says otherwise."""
    asks, figures = Figures.read().asks, Figures.read()
    messages = MACHINES / EVERY_S
    cores = messages * READINGS * figures.reading_ms / 1_000
    ticks = min(1_000 / figures.tick_ms, TICKED_A_CALL / DUE_EVERY_S)
    return {
        "messages": messages,
        "readings": messages * READINGS,
        "megabytes": messages * asks["bytes"] / 1e6,
        "blocks_day": messages * asks["4 KB blocks"] * DAY_S,
        "cores": cores,
        "instances": math.ceil(cores / USED),
        "ru": messages * figures.ru,
        "patches": messages * asks["twin patches"],
        "events": messages * asks["grid operations"] / 2,
        "ticks": ticks,
    }


def stages() -> list[tuple[str, str, str]]:
    """Stage, its arithmetic, what follows."""
    asks, figures, of = Figures.read().asks, Figures.read(), load()
    s3 = math.ceil(of["blocks_day"] / messages_per_day("s3"))
    provisioned = of["ru"] / COSMOS_USED
    patches, slow = of["patches"], of["patches"] / SLOWER
    twin_units = math.ceil(max(patches / 1_000, patches * 1_000 / 1e6))
    machine_ru = figures.ru / EVERY_S
    partitions = 1 << math.ceil(math.log2(of["instances"]))
    return [
        (
            "IoT Hub",
            f"{of['blocks_day'] / 1e6:,.0f} M messages a day / {messages_per_day('s3') / 1e6:,.0f} M a unit",
            f"{s3} units of S3 (10 a hub*), {s3 * S3_MESSAGES_PER_S:,} messages/s. One hub would do; "
            "several, one a region, bound "
            "what one outage takes",
        ),
        (
            "Event Hubs `telemetry`, bytes",
            f"{of['megabytes']:.1f} MB/s / 1 MB/s a throughput unit",
            f"{math.ceil(of['megabytes'])} units; Standard ends at {STANDARD_UNITS}*",
        ),
        (
            "Event Hubs `twin-changes`",
            f"{patches:,.0f} patches/s, each routed back",
            f"{twin_units} units more: a namespace of its own, or slower twins ({math.ceil(slow / 1_000)})",
        ),
        (
            "Event Hubs, partitions",
            f"{of['readings']:,.0f} readings/s x {figures.reading_ms} ms = {of['cores']:.0f} cores; a "
            "partition is read by one "
            f"instance of one core, {USED:.0%} used",
            f"{of['instances']} instances, so {partitions} partitions. Standard has "
            f"{STANDARD_PARTITIONS} a hub: Premium (100*), "
            f"or {math.ceil(partitions / STANDARD_PARTITIONS)} hubs and as many triggers",
        ),
        (
            "Functions",
            f"{of['instances']} instances for telemetry, and those of the relays",
            "under 250 cores a subscription and region, the default: ask for more before",
        ),
        (
            "a worker's memory",
            f"{MACHINES:,} / {partitions} partitions = {MACHINES / partitions:,.0f} machines x 16 KB",
            f"{MACHINES / partitions * STATE_BYTES / 1e6:.0f} MB. A rebalance loads them again: as "
            "many point reads",
        ),
        (
            "Cosmos DB, throughput",
            f"{of['messages']:,.0f} x {figures.ru:.1f} RU = {of['ru']:,.0f} RU/s; {COSMOS_USED:.0%} used",
            f"{provisioned:,.0f} RU/s: autoscale, {math.ceil(provisioned / PHYSICAL_PARTITION_RU_S)} "
            "physical partitions at least",
        ),
        (
            "Cosmos DB, keys",
            f"one machine: {machine_ru:.1f} of {LOGICAL_PARTITION_RU_S:,} RU/s a logical partition",
            "`/machineId` spreads evenly; at 1 Hz ten times that. No machine comes near 20 GB: minutes "
            "live 30 days, "
            "outbox 14",
        ),
        (
            "change feed",
            "one lease a physical partition and relay: "
            f"{math.ceil(of['ru'] / PHYSICAL_PARTITION_RU_S)} or more",
            "that many instances a relay at most; five relays, each on its own",
        ),
        (
            "Digital Twins",
            f"{patches:,.0f} patches/s / {PATCHES_PER_S:,} an instance",
            f"**the dearest place.** {math.ceil(patches / PATCHES_PER_S)} instances (sites are "
            f"independent graphs), or what drifts shown every 2 min instead of every {SHOWN_S:.0f} s: "
            f"about {slow:,.0f}/s. State, alarms and band are shown at once either way",
        ),
        (
            "Event Grid",
            f"{of['messages']:,.0f} x {asks['grid operations'] / 2:.2f} = {of['events']:,.0f} events/s",
            "a topic takes 5,000/s*",
        ),
        (
            "roll-ups",
            "a scope is written every 5 s at most: 1,000 lines, 200 writes/s",
            "the enterprise is one document: 0.2 writes/s, however many sites",
        ),
    ]


def timers() -> list[tuple[str, str, str, str]]:
    """Timer, how often, its arithmetic, what follows. A timer runs on one instance at a time."""
    figures, of = Figures.read(), load()
    wanted = MACHINES / 60
    reconciling = MACHINES / RECONCILED
    return [
        (
            "`due`",
            f"{DUE_EVERY_S} s",
            f"{figures.tick_ms:.2f} ms of a core and {figures.tick_ru:.0f} RU a tick, at most "
            f"{TICKED_A_CALL:,} a call: "
            f"{of['ticks']:.0f} ticks/s",
            f"machines that send need few ticks. If all are due once a minute, {wanted:,.0f} ticks/s, "
            "it **does not hold**: split it "
            f"by hash of the machine into {math.ceil(wanted / of['ticks'])}. A plant of {MACHINES:,} "
            "that falls silent at once "
            f"is told of within {MACHINES / of['ticks'] / 60:.0f} min",
        ),
        (
            "`reconcile`",
            "60 s",
            f"{RECONCILED} twins a call, one read each: {RECONCILED / 60:.1f} of 1,000 reads/s",
            f"a pass over all machines takes {reconciling / 60:.1f} h; drift by hand is told of by "
            "`twin_changes` at once",
        ),
        (
            "`escalate`",
            "15 s",
            f"{DAY_S // 15:,} calls a day; what is due is found by index, so it grows with open "
            "alarms, not machines",
            "150 alarms a day and operator is what people can handle (IEC 62682): 1,000 operators make "
            "1.7 a second",
        ),
        (
            "`twin_changes` (no timer: the graph's changes)",
            "each patch",
            f"{of['patches']:,.0f} changes/s, in batches of 300: {of['patches'] / 300:.0f} executions/s",
            "the relays' own patches are passed over without a request; slower twins thin them out alike",
        ),
    ]


def dollars() -> str:
    """Of a month, by what decides it."""
    figures, of, price = Figures.read(), load(), prices()
    hour = price["cosmos_provisioned_100_ru_s_hour"] / 100
    million = MONTH_S / 1e6
    s3 = math.ceil(of["blocks_day"] / messages_per_day("s3")) * price["iot_hub_s3_unit_month"]
    units = math.ceil(of["megabytes"]) + math.ceil(of["patches"] / 1_000)
    hubs = units * price["event_hubs_throughput_unit_month"]
    cosmos = of["ru"] / COSMOS_USED * hour * MONTH_S / 3_600
    busy = of["instances"] * INSTANCE_GB * MONTH_S * price["functions_gb_second"]
    operations = of["messages"] * figures.asks["twin operations"] * million * price["digital_twins_operation"]
    routed = of["patches"] * million * price["digital_twins_routed_message"]
    twins = operations + routed
    return (
        f"IoT Hub {s3:,.0f}; throughput units {hubs:,.0f}; Cosmos DB provisioned {cosmos:,.0f} "
        "(serverless would be "
        f"{MACHINES * figures.dollars['Cosmos DB']:,.0f}); instances {busy:,.0f}; Digital Twins "
        f"{operations:,.0f} for operations "
        f"and {routed:,.0f} for routed messages, about {twins / SLOWER:,.0f} together with "
        "drift shown every 2 min. The twins "
        "decide the bill: set their pace first."
    )


def ends() -> list[str]:
    """In which order things give out."""
    figures, of = Figures.read(), load()
    each = MACHINES / of["instances"]
    prod = json.loads((ROOT / "infra" / "environments" / "prod.json").read_text())["eventHubs"]["partitions"]
    found = [
        (
            SERVERLESS_RU_S / (figures.ru / EVERY_S),
            "serverless Cosmos DB, 5,000 RU/s: autoscale (prod has it)",
        ),
        (
            PATCHES_PER_S / (figures.asks["twin patches"] / EVERY_S),
            f"{PATCHES_PER_S:,} twin patches/s: slow the twins, or split the graph by site",
        ),
        (of["ticks"] * 60, "the timer `due`, if each machine is due once a minute: split it by hash"),
        (prod * each, f"the {prod} partitions that prod starts with: choose before machines send, they stay"),
        (
            STANDARD_PARTITIONS * each,
            f"{STANDARD_PARTITIONS} partitions of Standard Event Hubs: Premium, or two hubs",
        ),
        (
            STANDARD_UNITS * EVERY_S / (figures.asks["bytes"] / 1e6 + figures.asks["twin patches"] / 1_000),
            f"{STANDARD_UNITS} throughput units, twin changes among them: a second namespace",
        ),
    ]
    return [f"at about {round(machines, -2):,.0f} machines: {what}" for machines, what in sorted(found)]


def text() -> str:
    """The generated part of the page."""
    of = load()
    return "\n".join(
        [
            f"Load: {MACHINES:,} machines / {EVERY_S} s = **{of['messages']:,.0f} messages/s**, "
            f"{of['readings']:,.0f} readings/s, {of['megabytes']:.1f} MB/s.",
            "",
            "| stage | arithmetic | consequence |",
            "|---|---|---|",
            *(f"| {' | '.join(row)} |" for row in stages()),
            "",
            "### What runs without being asked",
            "",
            "| function | every | arithmetic | consequence |",
            "|---|---|---|---|",
            *(f"| {' | '.join(row)} |" for row in timers()),
            "",
            "### Dollars a month, roughly",
            "",
            f"Unconfirmed prices. {dollars()}",
            "",
            "### In which order things give out",
            "",
            *(f"{at}. {line}" for at, line in enumerate(ends(), start=1)),
        ]
    )


def write() -> None:
    """Put it into its page. Raises NoFigure."""
    PAGE.write_text(embedded(PAGE.read_text(), "sizes", text()))


def main() -> int:
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        print(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
