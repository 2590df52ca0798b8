"""The report at the end of a replay: for a person as tables, for a machine as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from local.replay.account import Counts
from local.replay.found import Alarms, Judged
from shared.contracts.model_card import ModelCard


@dataclass(frozen=True, slots=True)
class Report:
    """What was sent, and what became of it."""

    recording: str
    title: str
    remarks: tuple[str, ...]
    machines: int
    messages: int
    sent: int
    repeated: int
    """Readings in messages that were sent again for want of an acknowledgement."""
    counts: Counts
    quarantined: int
    services: int
    """Maintenance records folded."""
    alarms: Alarms
    judged: Judged | None
    oee_buckets: int
    oee_coverage: float | None
    """Mean coverage of the OEE buckets; None without any."""
    state_bytes_max: int
    """Size of the largest machine state."""
    events: int
    """Committed for Event Grid."""
    fold_s: float
    """From the first message to the last commit."""
    relay_s: float
    """From there until Event Grid had every event."""
    meters: Mapping[str, Mapping[str, float]]
    card: ModelCard | None = None

    @property
    def accounted(self) -> int:
        return self.counts.total - self.counts.queued + self.quarantined

    @property
    def balanced(self) -> bool:
        """Every reading that was sent has one fate. A repeated message may have arrived once or twice."""
        return self.sent <= self.accounted <= self.sent + self.repeated and self.counts.queued == 0

    @property
    def readings_per_s(self) -> float:
        return self.accounted / self.fold_s if self.fold_s else 0.0


def as_json(report: Report) -> dict[str, Any]:
    counts = report.counts
    return {
        "recording": report.recording,
        "machines": report.machines,
        "messages": report.messages,
        "readings": {
            "sent": report.sent,
            "sentAgain": report.repeated,
            "folded": counts.folded,
            "late": counts.late,
            "duplicates": counts.duplicate,
            "quarantined": report.quarantined,
            "blocked": counts.queued,
            "balanced": report.balanced,
        },
        "maintenanceRecords": report.services,
        "alarms": asdict(report.alarms),
        "predictions": None if report.judged is None else asdict(report.judged),
        "oee": {"buckets": report.oee_buckets, "meanCoverage": report.oee_coverage},
        "stateBytesMax": report.state_bytes_max,
        "events": report.events,
        "seconds": {"folding": round(report.fold_s, 3), "relaying": round(report.relay_s, 3)},
        "readingsPerSecond": round(report.readings_per_s, 1),
        "metered": report.meters,
        "remarks": report.remarks,
    }


def show(report: Report, console: Console) -> None:
    tables = [_readings(report), _alarms(report.alarms)]
    if report.judged is not None:
        tables.append(_predictions(report.judged, report.card))
    for table in (*tables, _rest(report), _meters(report.meters)):
        # A title inside would be wrapped to the width of its table.
        console.print(f"\n{table.title}", style="bold", markup=False, highlight=False)
        table.title = None
        console.print(table)
    for remark in report.remarks:
        console.print(f"- {remark}", markup=False, highlight=False, soft_wrap=True)
    if not report.balanced:
        console.print(
            f"The readings do not add up: {report.sent:,} were sent, {report.accounted:,} are accounted for"
            + (f", {report.counts.queued:,} wait behind a blocked machine" if report.counts.queued else ""),
            style="bold red",
            markup=False,
        )


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title)
    table.add_column(headings[0])
    for heading in headings[1:]:
        table.add_column(heading, justify="right")
    return table


def _readings(report: Report) -> Table:
    counts = report.counts
    table = _table(f"{report.title}, {report.machines} machine(s)", "readings", "count")
    table.add_row("sent", f"{report.sent:,}", style="bold")
    if report.repeated:
        table.add_row("sent again, unacknowledged", f"{report.repeated:,}")
    table.add_row("folded", f"{counts.folded:,}")
    table.add_row("late, kept apart", f"{counts.late:,}")
    table.add_row("duplicates, folded once", f"{counts.duplicate:,}")
    table.add_row("quarantined", f"{report.quarantined:,}")
    if counts.queued:
        table.add_row("behind a blocked machine", f"{counts.queued:,}", style="red")
    sign = "= sent" if report.balanced else "NOT as sent"
    table.add_row(f"sum ({sign})", f"{report.accounted:,}", style="bold")
    return table


def _alarms(alarms: Alarms) -> Table:
    if alarms.spans is None:
        table = _table("alarms", "rule", "raised", "machines")
    else:
        met = f"{alarms.spans_met} of {alarms.spans} labelled anomalies had one"
        title = f"alarms; {met if alarms.spans else 'no anomaly is labelled in the replayed time'}"
        table = _table(title, "rule", "raised", "machines", "during an anomaly", "outside")
    for rule in alarms.rules:
        split = () if rule.within is None else (f"{rule.within:,}", f"{rule.raised - rule.within:,}")
        table.add_row(rule.rule_id, f"{rule.raised:,}", f"{rule.machines:,}", *split)
    if not alarms.rules:
        table.add_row("none was raised", "0", "0", *(() if alarms.spans is None else ("0", "0")))
    return table


def _predictions(judged: Judged, card: ModelCard | None) -> Table:
    title = f"{judged.model} {judged.version}, threshold {judged.threshold:g}, against recorded failures"
    table = _table(title, "figure", "replayed", "model card")

    def stated(name: str) -> str:
        return "" if card is None else f"{card.metric(name).value:.4g}"

    table.add_row("predictions", f"{judged.predictions:,}", "")
    table.add_row("of them abstained", f"{judged.abstained:,}", "")
    table.add_row("machine-months judged", f"{judged.machine_months:.1f}", "")
    table.add_row("failures", f"{judged.failures}", "")
    if judged.failures_unjudged:
        table.add_row("failures never judged", f"{judged.failures_unjudged}", "")
    table.add_row("failures warned of in the 24 h before", f"{judged.warned}", "")
    table.add_row("event recall", _figure(judged.event_recall), stated("eventRecall"))
    table.add_row("warning episodes", f"{judged.episodes}", "")
    table.add_row(
        "false episodes per machine-month",
        _figure(judged.false_episodes_per_machine_month),
        stated("falseEpisodes"),
    )
    table.add_row("median lead time, h", _figure(judged.lead_time_median_h), stated("leadTimeMedian"))
    return table


def _rest(report: Report) -> Table:
    table = _table("the run", "what", "figure")
    table.add_row("messages sent", f"{report.messages:,}")
    if report.services:
        table.add_row("maintenance records folded", f"{report.services:,}")
    table.add_row("events committed and published", f"{report.events:,}")
    table.add_row("OEE buckets", f"{report.oee_buckets:,}")
    if report.oee_coverage is not None:
        why = "" if report.oee_coverage else " (no states in the recording: band grey)"
        table.add_row(f"their mean coverage{why}", f"{report.oee_coverage:.0%}")
    table.add_row("largest machine state", f"{report.state_bytes_max / 1000:.1f} kB")
    table.add_row("first message to last commit", f"{report.fold_s:.1f} s")
    table.add_row("until every event was published", f"{report.relay_s:.1f} s more")
    table.add_row("readings/s", f"{report.readings_per_s:,.0f}", style="bold")
    return table


def _meters(meters: Mapping[str, Mapping[str, float]]) -> Table:
    table = _table("what Azure would have metered", "service and figure", "amount")
    for name, meter in meters.items():
        for figure, amount in meter.items():
            if "." in figure:
                # One function's share: in the JSON.
                continue
            table.add_row(f"{name}  {figure}", f"{amount:,.0f}")
    return table


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
