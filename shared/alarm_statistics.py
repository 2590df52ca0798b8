"""How an alarm system does (ISA-18.2 clause 16, EEMUA 191): figures from its journal."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from shared.domain.alarms.nuisances import CHATTER_COUNT, CHATTER_MS
from shared.instants import instant
from shared.ports import Document

INTERVAL_MS = 600_000
FLOOD_BEGINS, FLOOD_ENDS = 10, 5
"""A flood: more than ten alarms in ten minutes, until there are fewer than five in ten (EEMUA 191)."""
STALE_MS = 86_400_000
TOP = 10

_ANNUNCIATED = frozenset({"raised", "reannunciated"})


def statistics(
    entries: Sequence[Mapping[str, Any]], standing: Sequence[Document], *, begin: int, end: int
) -> Document:
    """Figures of [begin, end), ms. `entries`: the journal's, with `machineId`; `standing`: active now."""
    raised = sorted(
        (instant(entry["at"]), entry["machineId"], entry["ruleId"], entry["priority"])
        for entry in entries
        if entry["event"] in _ANNUNCIATED
    )
    times = [at for at, *_ in raised]
    bins = [0] * max(1, -(-(end - begin) // INTERVAL_MS))
    for at in times:
        bins[(at - begin) // INTERVAL_MS] += 1
    by_rule: dict[tuple[str, str], list[int]] = defaultdict(list)
    for at, machine, rule, _ in raised:
        by_rule[machine, rule].append(at)
    worst = sorted(by_rule.items(), key=lambda item: (-len(item[1]), item[0]))[:TOP]
    floods, flood_ms = _floods(bins)
    active = [alarm for alarm in standing if alarm["active"]]
    total = len(raised)
    return {
        "raisedCount": total,
        "perTenMinutesMean": total / len(bins),
        "perTenMinutesPeak": max(bins),
        "floodCount": floods,
        "floodRatio": min(1.0, flood_ms / max(1, end - begin)),
        "badActors": [
            {"machineId": machine, "ruleId": rule, "raisedCount": len(at), "share": len(at) / total}
            for (machine, rule), at in worst
        ],
        "chattering": [
            {"machineId": machine, "ruleId": rule} for (machine, rule), at in by_rule.items() if _chatters(at)
        ],
        "byPriority": dict(Counter(priority for *_, priority in raised)),
        "standingCount": len(active),
        "staleCount": sum(end - instant(alarm["raisedAt"]) > STALE_MS for alarm in active),
        "timeToAcknowledgeS": _durations(entries, "acknowledged"),
        "timeInAlarmS": _durations(entries, "cleared"),
    }


def _floods(bins: Sequence[int]) -> tuple[int, int]:
    """(how many floods, ms in them)."""
    count = spent = 0
    flooded = False
    for raised in bins:
        if flooded:
            flooded = raised >= FLOOD_ENDS
        elif raised > FLOOD_BEGINS:
            flooded = True
            count += 1
        spent += INTERVAL_MS * flooded
    return count, spent


def _chatters(times: Sequence[int]) -> bool:
    last = CHATTER_COUNT - 1
    return any(times[i] - times[i - last] <= CHATTER_MS for i in range(last, len(times)))


def _durations(entries: Sequence[Mapping[str, Any]], event: str) -> Document | None:
    """Median and longest time from being raised to an event, seconds; None where it did not happen."""
    found = [
        max(0, instant(entry["at"]) - instant(entry["raisedAt"])) / 1000
        for entry in entries
        if entry["event"] == event
    ]
    return {"median": median(found), "max": max(found)} if found else None
