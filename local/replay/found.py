"""What the pipeline found in a recording: alarms, and predictions against what really failed."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from local.replay.recording import Span
from shared.commit import MACHINES
from shared.instants import instant
from shared.ports import Documents
from training.episodes import MONTH_HOURS, episodes, false_rate
from training.hours import Hours
from training.pdm_records import HORIZON_MS, HOUR_MS

_ALARMS = (
    "SELECT e.data.ruleId, e.data.machineId, e.data.raisedAt FROM c JOIN e IN c.events "
    "WHERE c.type = 'outbox' AND e.type = 'millwright.alarm.raised.v1'"
)
_PREDICTIONS = (
    "SELECT c.assessedAt, c.probability, c.threshold, c.model, c.modelVersion FROM c "
    "WHERE c.type = 'prediction'"
)
_NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class RuleAlarms:
    """How often a rule raised its alarm."""

    rule_id: str
    raised: int
    machines: int
    within: int | None
    """Raised inside a labelled anomaly; None: the recording has no labels."""


@dataclass(frozen=True, slots=True)
class Alarms:
    rules: tuple[RuleAlarms, ...]
    spans: int | None
    """Labelled anomalies in the replayed time."""
    spans_met: int | None
    """Those during which at least one alarm was raised."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Predictions against recorded failures, by the definitions of the model's card."""

    model: str
    version: str
    threshold: float
    predictions: int
    abstained: int
    machine_months: float
    failures: int
    """Recorded failures with a judged hour in the 24 h before."""
    failures_unjudged: int
    """Recorded failures for which the model was asked in the 24 h before and abstained every time."""
    warned: int
    """Failures with a warning in the 24 h before."""
    event_recall: float | None
    episodes: int
    false_episodes_per_machine_month: float | None
    lead_time_median_h: float | None
    """From the first warning in the 24 h before to the failure; of the failures with a warning."""


async def alarms(documents: Documents, anomalies: Sequence[Span] | None, until: int) -> Alarms:
    """Every raised alarm, from the events that were committed with it."""
    raised: dict[str, list[tuple[str, int]]] = {}
    async for alarm in documents.query(MACHINES, _ALARMS, {}):
        raised.setdefault(alarm["ruleId"], []).append((alarm["machineId"], instant(alarm["raisedAt"])))
    spans = None if anomalies is None else [span for span in anomalies if span.start <= until]
    rules = tuple(
        RuleAlarms(
            rule,
            len(entries),
            len({machine for machine, _ in entries}),
            None if spans is None else sum(_in(spans, at) for _, at in entries),
        )
        for rule, entries in sorted(raised.items())
    )
    if spans is None:
        return Alarms(rules, None, None)
    instants = [at for entries in raised.values() for _, at in entries]
    met = sum(any(span.start <= at <= span.end for at in instants) for span in spans)
    return Alarms(rules, len(spans), met)


@dataclass(frozen=True, slots=True)
class Answer:
    """One prediction document."""

    at: int
    probability: float | None
    threshold: float
    model: str
    version: str


async def predictions(documents: Documents, machine_ids: Sequence[str]) -> dict[str, list[Answer]]:
    """Prediction documents by machine, in event-time order."""
    found: dict[str, list[Answer]] = {}
    for machine_id in machine_ids:
        answers = [
            Answer(
                instant(document["assessedAt"]),
                document["probability"],
                document["threshold"],
                document["model"],
                document["modelVersion"],
            )
            async for document in documents.query(MACHINES, _PREDICTIONS, {}, partition=machine_id)
        ]
        found[machine_id] = sorted(answers, key=lambda answer: answer.at)
    return found


def judge(answers: Mapping[str, Sequence[Answer]], failed_at: Mapping[str, Sequence[int]]) -> Judged | None:
    """Episodes, recall and lead time as in the model's evaluation; None when nothing was predicted.

    Hours without an answer are no part of the figures, there as here; failures that fell into
    them alone are counted apart.
    """
    every = [answer for mine in answers.values() for answer in mine]
    if not every:
        return None
    judged = [
        (number, answer, _next(failed_at.get(machine_id, ()), answer.at))
        for number, (machine_id, mine) in enumerate(answers.items())
        for answer in mine
        if answer.probability is not None
    ]
    hours = Hours(
        np.empty((len(judged), 0), np.float32),
        np.array([number for number, _, _ in judged], np.int64),
        np.array([answer.at for _, answer, _ in judged], np.int64),
        np.zeros(len(judged), np.int64),
        np.array([following for _, _, following in judged], np.int64),
    )
    threshold = every[0].threshold
    found = episodes(hours, np.array([answer.probability for _, answer, _ in judged]), threshold)
    leads = [lead / HOUR_MS for lead in found.event_lead_ms.tolist() if lead == lead]
    failures = len(found.event_lead_ms)
    ahead = {
        (machine_id, following)
        for machine_id, mine in answers.items()
        for answer in mine
        if (following := _next(failed_at.get(machine_id, ()), answer.at)) - answer.at <= HORIZON_MS
    }
    return Judged(
        model=every[0].model,
        version=every[0].version,
        threshold=threshold,
        predictions=len(every),
        abstained=len(every) - len(judged),
        machine_months=len(judged) / MONTH_HOURS,
        failures=failures,
        failures_unjudged=len(ahead) - failures,
        warned=len(leads),
        event_recall=len(leads) / failures if failures else None,
        episodes=len(found.episode_machine),
        false_episodes_per_machine_month=false_rate(found, hours) if judged else None,
        lead_time_median_h=median(leads) if leads else None,
    )


def _next(failed_at: Sequence[int], at: int) -> int:
    later = bisect_right(failed_at, at)
    return failed_at[later] if later < len(failed_at) else _NEVER


def _in(spans: Sequence[Span], at: int) -> bool:
    return any(span.start <= at <= span.end for span in spans)
