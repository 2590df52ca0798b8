"""Figures as tables for people, and as the generated part of docs/cost.md."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Grid:
    """One table. A note says what the columns cannot."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def grids(results: Json) -> list[Grid]:
    """The tables of a result file, those of parts that did not run left out."""
    makers = {
        "fold": _fold,
        "alarms": _alarms,
        "pipeline": _pipeline,
        "reference": _reference,
        "cost": _cost,
        "growth": _growth,
        "factory": _factory,
    }
    return [grid for name, maker in makers.items() if name in results for grid in maker(results[name])]


def show(results: Json, console: Console) -> None:
    for grid in grids(results):
        table = Table(title=grid.title, title_justify="left", caption=grid.note, caption_justify="left")
        for number, column in enumerate(grid.columns):
            table.add_column(column, justify="left" if number == 0 else "right")
        for row in grid.rows:
            table.add_row(*row)
        console.print(table)


def markdown(results: Json) -> str:
    parts: list[str] = []
    for grid in grids(results):
        lines = [f"### {grid.title}", ""]
        lines.append("| " + " | ".join(grid.columns) + " |")
        lines.append("|" + "|".join("---" if n == 0 else "---:" for n in range(len(grid.columns))) + "|")
        lines += ["| " + " | ".join(row) + " |" for row in grid.rows]
        if grid.note:
            lines += ["", grid.note]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def embedded(document: str, results: Json) -> str:
    """The document with its generated part made anew. ValueError when it has no markers."""
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the document has no {BEGIN} ... {END}")
    return f"{head}{BEGIN}\n{markdown(results)}\n{END}{tail}"


def _fold(result: Json) -> list[Grid]:
    fold = result["fold"]
    rows = [
        ["parse alone (pydantic)", f"{fold['parse_per_s']:,.0f}", f"{fold['parse_five_per_s']:,.0f}", ""],
        [
            "decode, resolve, advance",
            f"{fold['decode_advance_per_s']:,.0f}",
            f"{fold['decode_advance_five_per_s']:,.0f}",
            ">= 20,000",
        ],
        [
            "advance alone",
            f"{fold['advance_per_s']:,.0f}",
            f"{fold['advance_five_per_s']:,.0f}",
            ">= 40,000",
        ],
        [
            "decode, resolve, advance : parse, time",
            f"{fold['multiple_of_parsing']:.1f}",
            f"{fold['multiple_of_parsing_five']:.1f}",
            "< 3",
        ],
    ]
    sizes = [
        ["memory of a loaded machine", _kb(fold["memory_per_machine_bytes"]), "< 20 KB"],
        ["serialised state, p50", _kb(fold["state_p50_bytes"]), ""],
        ["serialised state, p99", _kb(fold["state_p99_bytes"]), "< 16 KB"],
    ]
    return [
        Grid(
            f"Fold: readings a second on one core, message of {fold['message_bytes']} B",
            ("", "1 reading a message", "5 a message", "aim"),
            rows,
            _beside(result),
        ),
        Grid("Fold: size after an hour at 1 Hz", ("", "", "aim"), sizes),
    ]


def _alarms(result: Json) -> list[Grid]:
    found = result["alarms"]
    aims = {0: ">= 30,000", 20: ">= 15,000"}
    rows = [
        [
            str(row["rule_count"]),
            f"{row['readings_per_s']:,.0f}",
            f"{row['us_per_reading']:.1f} us",
            "" if row["us_per_rule"] is None else f"{row['us_per_rule']:.2f} us",
            f"{up['readings_per_s']:,.0f}",
            "" if up["us_per_rule"] is None else f"{up['us_per_rule']:.2f} us",
            aims.get(row["rule_count"], ""),
        ]
        for row, up in zip(found["rows"], found["judging_rows"], strict=True)
    ]
    return [
        Grid(
            f"Alarms: advance on one core, {found['machine_count']:,} machines, one reading a call",
            ("rules a machine", "readings/s", "a reading", "a rule", "with one alarm up", "a rule", "aim"),
            rows,
            _beside(result),
        )
    ]


def _pipeline(result: Json) -> list[Grid]:
    flows: list[Json] = result["flows"]
    rows = [
        [
            flow["name"],
            str(flow["machine_count"]),
            str(flow["host_count"]),
            f"{flow['committed_per_s']:,.0f}",
            str(flow["lost_count"]),
            _seconds(flow["latency_p50_s"]),
            _seconds(flow["latency_p99_s"]),
            f"{flow['behind_s']:.1f} s" if flow["offered_per_s"] else "",
            f"{flow['messages_per_execution']:.1f}",
            f"{flow['host_ms_per_reading']:.3f} ms",
            _patches(flow, "twin_patches"),
            _patches(flow, "other_patches"),
            *(_seconds(flow.get(f"twin_lag_{figure}_s")) for figure in ("p50", "p99", "max")),
        ]
        for flow in flows
    ]
    return [
        Grid(
            "Pipeline: readings a second, device to commit",
            (
                "run",
                "machines",
                "hosts",
                "committed/s",
                "lost",
                "alarm p50",
                "alarm p99",
                "behind at end",
                "messages an execution",
                "host CPU a reading",
                "patches a machine and 10 s",
                "of lines and sites",
                "twin lag p50",
                "twin lag p99",
                "max",
            ),
            rows,
            "Aims: 1,500/s in messages of 5 with p99 under 2 s; a backlog at 3,000/s; under one "
            "patch, twins equal to their documents within 5 s. " + _beside(result),
        ),
        _cores("Pipeline: cores kept busy, by process", flows, result),
    ]


def _patches(flow: Json, of: str) -> str:
    """Blank for a backlog, which is no time of a plant's, and for figures from before they were counted."""
    patches = flow.get(of)
    return f"{patches:.2f}" if patches is not None and flow["offered_per_s"] else ""


def _cores(title: str, flows: Sequence[Json], result: Json) -> Grid:
    names = list(dict.fromkeys(name for flow in flows for name in flow["cores"]))
    rows = [
        [flow["name"], *(f"{flow['cores'].get(name, 0):.2f}" for name in names), str(flow["load_average"])]
        for flow in flows
    ]
    note = f"`others` is all that ran on this machine beside the benchmark; it has {result['cores']} cores."
    return Grid(title, ("run", *names, "load average"), rows, note)


def _reference(result: Json) -> list[Grid]:
    reference = result["reference"]
    rows = [
        [
            design["name"],
            f"{design['twin_operations']:,.0f}",
            f"{design['twin_writes']:,.0f}",
            f"{design['twin_telemetry']:,.0f}",
            f"{design['request_units']:,.0f}",
            f"{design['grid_events']:,.0f}",
            f"{design['hub_events']:,.0f}",
            f"{design['executions']:,.0f}",
        ]
        for design in reference["designs"]
    ]
    note = (
        f"{reference['machine_count']} machines, {reference['seconds']} s, one reading a second and message. "
        f"Digital Twins operations: {reference['times_fewer_than_better']:.1f} times fewer than the better "
        f"reference (aim: 8). {_beside(result)}"
    )
    return [
        Grid(
            "Three designs: service operations per 1,000 readings",
            (
                "design",
                "twin operations (1 KB)",
                "twin writes",
                "twin telemetry",
                "Cosmos DB RU",
                "Event Grid events",
                "Event Hubs events",
                "executions",
            ),
            rows,
            note,
        )
    ]


def _cost(result: Json) -> list[Grid]:
    cadences: list[Json] = result["cadences"]
    services = list(cadences[0]["dollars"])
    money = [
        [
            f"every {c['every_s']:g} s, {c['readings']} a message",
            f"{c['readings'] / c['every_s']:g}",
            *(f"{c['dollars'][service]:.2f}" for service in services),
            *(f"{c['iot_hub_dollars'][tier]:.2f}" for tier in c["iot_hub_dollars"]),
            *(f"{c['total'][tier]:.2f}" for tier in c["iot_hub_dollars"]),
            f"{c['total']['s3'] - c['dollars']['Cosmos DB'] + c['provisioned_dollars']:.2f}",
        ]
        for c in cadences
    ]
    operations = [
        [
            f"every {c['every_s']:g} s, {c['readings']} a message",
            f"{c['message_bytes']:,.0f}",
            f"{c['blocks']:g}",
            f"{c['commits']:.2f}",
            *(
                f"{c['ru'].get(purpose, 0):.1f}"
                for purpose in ("commits", "change feed", "roll-ups", "leases")
            ),
            f"{c['twin_patches']:.2f}",
            f"{c['twin_operations']:.2f}",
            f"{c['grid_operations']:.2f}",
            f"{c['executions']:.2f}",
            str(c["instances"]),
        ]
        for c in cadences
    ]
    kinds = list(dict.fromkeys(kind for c in cadences for kind in c["commit_ru"]))
    made_of = [
        [
            f"every {c['every_s']:g} s, {c['readings']} a message",
            *(f"{c['commit_ru'].get(kind, 0) / max(c['commits'], 1e-9):.2f}" for kind in kinds),
            f"{sum(c['commit_ru'].values()) / max(c['commits'], 1e-9):.1f}",
        ]
        for c in cadences
    ]
    tiers = list(cadences[0]["iot_hub_dollars"])
    fleet = cadences[0]["machine_count"]
    return [
        Grid(
            f"Dollars a machine and month, a fleet of {fleet}",
            (
                "message",
                "readings/s",
                *services,
                *(f"IoT Hub {tier.upper()}" for tier in tiers),
                *(f"total {tier.upper()}" for tier in tiers),
                "total S3, provisioned RU",
            ),
            money,
            "Aim: under 3 dollars at 1 reading/s, 10 to a message, S3. Cosmos DB is serverless but for the "
            f"last column (provisioned throughput, used to 70 %). {_beside(result)}",
        ),
        Grid(
            "What a message asks of the services",
            (
                "message",
                "bytes",
                "4 KB blocks",
                "commits",
                "RU commits",
                "RU change feed",
                "RU roll-ups",
                "RU leases",
                "twin patches",
                "twin operations",
                "grid operations",
                "executions",
                "instances",
            ),
            operations,
        ),
        Grid("Request units of one commit, by document", ("message", *kinds, "sum"), made_of),
    ]


def _growth(result: Json) -> list[Grid]:
    flows: list[Json] = result["flows"]
    rows = [
        [
            str(flow["machine_count"]),
            f"{flow['committed_per_s']:,.0f}",
            f"{flow['host_ms_per_reading']:.3f} ms",
            f"{_own_ms_per_reading(flow):.3f} ms",
            f"{flow['host_mb']:.0f} MB",
            f"{flow['cores'].get('others', 0):.2f}",
        ]
        for flow in flows
    ]
    found: list[Grid] = []
    if rows:
        found.append(
            Grid(
                "Growth: the same number of readings from few machines and from many (backlog, 5 a message)",
                (
                    "machines",
                    "committed/s",
                    "host CPU a reading",
                    "all CPU a reading",
                    "host memory",
                    "others, cores",
                ),
                rows,
                _beside(result),
            )
        )
    if (due := result.get("due")) is not None:
        found.append(
            Grid(
                "Timer: machines that are due at once",
                ("due", "ticked", "calls", "longest call", "ticks/s", "CPU a tick", "RU a tick", "memory"),
                [
                    [
                        f"{due['machine_count']:,}",
                        f"{due['ticked_count']:,}",
                        str(due["calls"]),
                        f"{due['longest_call_s']:.1f} s",
                        f"{due['ticks_per_s']:,.0f}",
                        f"{due['cpu_ms_per_tick']:.2f} ms",
                        f"{due['request_units_per_tick']:.1f}",
                        f"{due['memory_mb']:.0f} MB",
                    ]
                ],
                f"Load average {due['load_average']} on {result['cores']} cores.",
            )
        )
    return found


def _factory(result: Json) -> list[Grid]:
    found = result["factories"]
    used = {name: seconds for name, seconds in found["apply_cpu_s"].items() if name != "others"}
    row = [
        f"{found['machine_count']:,}",
        f"{found['twin_count']:,}",
        f"{found['relationship_count']:,}",
        f"{found['check_s']:.1f} s",
        f"{found['apply_s']:.0f} s",
        f"{sum(used.values()):.0f} s",
        f"{found['again_s']:.0f} s",
    ]
    columns = ("machines", "twins", "relationships", "check", "apply", "its CPU", "apply again")
    title = "Factory file: checked, applied to an empty local cloud by an import job, applied again"
    return [Grid(title, columns, [row], _beside(result))]


def _own_ms_per_reading(flow: Json) -> float:
    """Processor time of everything that belongs to the benchmark."""
    own = sum(cores for name, cores in flow["cores"].items() if name != "others")
    return 1000 * own / flow["committed_per_s"]


def _beside(result: Json) -> str:
    return f"Load average {result['load_average']} on {result['cores']} cores, {result['at']}."


def _kb(size: float) -> str:
    return f"{size / 1000:.1f} KB"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"
