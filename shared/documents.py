"""Effects -> the documents of one commit. Shapes are the contract in contracts/documents/."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from shared.alarm_documents import Journalled, alarm_fields, journals
from shared.domain import effects as fx
from shared.domain.elements import Interval
from shared.domain.inputs import Reading
from shared.domain.spec import MachineSpec
from shared.domain.state import MachineState
from shared.events import event
from shared.instants import iso, iso_or_none
from shared.maintenance_documents import call_fields, health_figures, order_fields, prediction_fields
from shared.oee_documents import bucket_document, elements_document, oee_ratios
from shared.ports import Create, Document, Operation, SetFields, Upsert
from shared.stop_documents import change_fields, stop_fields, stop_of

READING = TypeAdapter(Reading)
"""A reading as a blocked machine's queue keeps it."""

DAY_S = 86_400
OUTBOX_TTL_S = 14 * DAY_S
COMMAND_TTL_S = 7 * DAY_S
HISTORY_TTL_S = 30 * DAY_S
"""Minute aggregates, predictions and recorded violations."""


@dataclass(slots=True)
class Rendered:
    """What a slice of one machine writes besides its state."""

    operations: list[Operation] = field(default_factory=list[Operation])
    late: list[Document] = field(default_factory=list[Document])
    refused: list[tuple[Reading, str]] = field(default_factory=list[tuple[Reading, str]])


def render(
    spec: MachineSpec,
    state: MachineState,
    effects: Sequence[fx.Effect],
    *,
    expired: Collection[str] = (),
    traceparent: str | None = None,
) -> Rendered:
    """The operations of a commit in a fixed order: later versions of a document replace earlier ones.

    Events go into one outbox document, whose id is the number of its first event. `expired` are
    documents of minutes that the store has deleted meanwhile: they are written anew. `traceparent`
    is the trace of this commit; only the outbox, which is but a grouping of events, names it.
    """
    rendered = Rendered()
    upserts: dict[str, Document] = {}
    rows: dict[str, dict[str, Any]] = {}
    items: list[Document] = []
    journalled: list[Journalled] = []
    for effect in effects:
        item = event(spec, effect)
        if item is not None:
            items.append(item)
        match effect:
            case fx.AlarmChanged():
                _put(upserts, alarm_document(spec, effect.alarm))
                journalled.append(effect)
            case fx.OutageChanged() | fx.SetPointChanged():
                journalled.append(effect)
            case fx.OeeMeasured():
                _put(upserts, oee_document(spec, effect.elements))
            case fx.PageClosed():
                _put(upserts, ledger_document(spec, effect))
            case fx.TwinChanged():
                _put(upserts, twin_document(spec, effect))
            case fx.MinuteClosed():
                _add_minute(spec, effect, upserts, rows, expired)
            case fx.StopStarted() | fx.StopEnded():
                _put(upserts, _stop(spec, effect))
            case fx.StopClassified():
                _put(upserts, _stop(spec, effect))
                _put(upserts, _stop_change(spec, effect))
            case fx.PredictionMade():
                _put(upserts, _prediction(spec, effect))
            case fx.CallChanged():
                document = _document(spec, f"call:{effect.call.call_id}", "call")
                _put(upserts, document | call_fields(effect.call))
            case fx.WorkOrderChanged():
                document = _document(spec, f"workorder:{effect.order.order_id}", "workorder")
                _put(upserts, document | order_fields(effect.order))
            case fx.ViolationRecorded():
                _put(upserts, _violation(spec, effect))
            case fx.GapClosed():
                _put(upserts, _gap(spec, effect))
            case fx.Queued():
                _put(upserts, _queued(spec, effect))
            case fx.CommandDone():
                rendered.operations.append(Create(_command(spec, effect)))
            case fx.LateKept():
                rendered.late.append(_late(spec, effect))
            case fx.ReadingRefused():
                rendered.refused.append((effect.reading, effect.reason))
            case _:
                pass
    for journal in journals(journalled, _document(spec, "", "journal")):
        _put(upserts, journal)
    rendered.operations.extend(map(Upsert, upserts.values()))
    for document_id, fields in rows.items():
        paths = list(fields.items())
        rendered.operations.extend(
            SetFields(document_id, dict(paths[i : i + 10])) for i in range(0, len(paths), 10)
        )
    if items:
        outbox = _document(spec, f"outbox:{items[0]['id'].rpartition(':')[2]}", "outbox")
        traced = {"traceparent": traceparent} if traceparent else {}
        rendered.operations.append(Upsert({**outbox, "events": items, **traced, "ttl": OUTBOX_TTL_S}))
    return rendered


def twin_document(spec: MachineSpec, twin: fx.TwinChanged) -> Document:
    """What the twin, the API and the live table show of a machine."""
    units = {signal.name: signal.unit for signal in spec.signals}
    return {
        **_document(spec, "twin", "twin"),
        "class": spec.machine_class,
        "version": twin.version,
        "at": iso(twin.at) if twin.at >= 0 else None,
        "state": twin.state.word,
        "stateSince": iso_or_none(twin.state_since),
        "reason": twin.reason,
        "lastReadingAt": iso_or_none(twin.last_reading_at),
        "order": twin.order,
        "product": twin.product,
        "silent": twin.silent,
        "blocked": twin.blocked,
        "signals": {
            name: {
                "value": measured.value,
                "unit": units.get(name, ""),
                "quality": "bad" if measured.bad else "good",
                "at": iso(measured.at),
            }
            for name, measured in twin.measurements.items()
        },
        "oee": None if twin.oee is None else oee_figures(spec, twin.oee),
        "health": None if twin.health is None else health_figures(spec, twin.health),
        "alarms": {
            "activeCount": twin.active_alarm_count,
            "unacknowledgedCount": twin.unacknowledged_alarm_count,
            "highestPriority": twin.highest_priority,
        },
    }


def oee_figures(spec: MachineSpec, elements: fx.OeeElements) -> Document:
    """The ratios behind a machine's bucket, with their bounds and band."""
    green_ratio, yellow_ratio = spec.bands_at(elements.start)
    return oee_ratios(elements, green_ratio=green_ratio, yellow_ratio=yellow_ratio)


def alarm_document(spec: MachineSpec, alarm: fx.Alarm) -> Document:
    return {**_document(spec, f"alarm:{alarm.alarm_id}", "alarm"), **alarm_fields(spec, alarm)}


def oee_document(spec: MachineSpec, elements: fx.OeeElements) -> Document:
    """One machine's shift: the elements, and the ratios that follow from them."""
    return {
        **_document(spec, f"oee:{elements.shift_id}", "oee"),
        "bucketId": f"{spec.machine_id}:{elements.shift_id}",
        **bucket_document(elements),
        **oee_figures(spec, elements),
    }


def ledger_document(spec: MachineSpec, page: fx.PageClosed) -> Document:
    """A page of the ledger: its intervals, and what they and the units made in them sum to."""
    elements = page.elements
    return {
        **_document(spec, f"ledger:{iso(elements.start)}.{elements.shift_id}", "ledger"),
        "shiftId": elements.shift_id,
        "start": iso(elements.start),
        "end": iso(elements.end),
        "elements": elements_document(elements),
        "resetCount": elements.reset_count,
        "version": elements.version,
        "flags": elements.flags,
        "intervals": _intervals(page.intervals),
        **({} if page.recorded is None else {"recorded": _intervals(page.recorded)}),
    }


def _intervals(intervals: Sequence[Interval]) -> list[list[Any]]:
    return [
        [iso(start), iso(end), str(kind), state.word, reason, product, order, failure]
        for start, end, kind, state, reason, product, order, failure in intervals
    ]


def _document(spec: MachineSpec, document_id: str, kind: str) -> Document:
    return {
        "id": document_id,
        "type": kind,
        "machineId": spec.machine_id,
        "siteId": spec.site_id,
        "lineId": spec.line_id,
    }


def _put(upserts: dict[str, Document], document: Document) -> None:
    upserts[document["id"]] = document


def _add_minute(
    spec: MachineSpec,
    closed: fx.MinuteClosed,
    upserts: dict[str, Document],
    rows: dict[str, dict[str, Any]],
    expired: Collection[str],
) -> None:
    """A row (n, low, mean, high, bad per signal) in its hour's document."""
    hour = iso(closed.at - closed.at % 3_600_000)
    document_id = f"minutes:{hour}.v{closed.spec_version}"
    minute = str(closed.at % 3_600_000 // 60_000)
    row = [[a.n, a.low, a.mean, a.high, a.bad] for a in closed.aggregates]
    if document_id in upserts:
        upserts[document_id]["rows"][minute] = row
    elif closed.first_of_hour or document_id in expired:
        _put(
            upserts,
            {
                **_document(spec, document_id, "minutes"),
                "hour": hour,
                "signals": list(closed.signals),
                "rows": {minute: row},
                "ttl": HISTORY_TTL_S,
            },
        )
    else:
        rows.setdefault(document_id, {})[f"/rows/{minute}"] = row


def _stop(spec: MachineSpec, effect: fx.StopStarted | fx.StopEnded | fx.StopClassified) -> Document:
    stop = stop_of(effect)
    return {**_document(spec, f"stop:{stop.stop_id}", "stop"), **stop_fields(stop)}


def _stop_change(spec: MachineSpec, changed: fx.StopClassified) -> Document:
    return {
        **_document(spec, f"stopchange:{changed.n:012d}", "stopchange"),
        "number": changed.n,
        "at": iso(changed.at),
        **change_fields(changed),
    }


def _prediction(spec: MachineSpec, made: fx.PredictionMade) -> Document:
    return {
        **_document(spec, f"prediction:{made.health.model}:{iso(made.health.at)}", "prediction"),
        **prediction_fields(spec, made),
        "ttl": HISTORY_TTL_S,
    }


def _violation(spec: MachineSpec, found: fx.ViolationRecorded) -> Document:
    return {
        **_document(spec, f"violation:{found.n}", "violation"),
        "ruleId": found.rule_id,
        "signal": found.signal,
        "value": found.value,
        "at": iso(found.at),
        "ttl": HISTORY_TTL_S,
    }


def _gap(spec: MachineSpec, gap: fx.GapClosed) -> Document:
    return {
        **_document(spec, f"gap:{iso(gap.start)}", "gap"),
        "start": iso(gap.start),
        "end": iso(gap.end),
        "shifts": [[shift, iso(start), iso(end), planned] for shift, start, end, planned in gap.rows],
    }


def _command(spec: MachineSpec, done: fx.CommandDone) -> Document:
    return {
        **_document(spec, f"command:{done.command_id}", "command"),
        "outcome": done.outcome,
        "at": iso(done.at),
        "ttl": COMMAND_TTL_S,
    }


def _queued(spec: MachineSpec, queued: fx.Queued) -> Document:
    return {
        **_document(spec, f"queued:{queued.number:012d}", "queued"),
        "number": queued.number,
        "reading": READING.dump_python(queued.reading, mode="json"),
    }


def _late(spec: MachineSpec, kept: fx.LateKept) -> Document:
    reading = kept.reading
    return {
        **_document(spec, reading.key, "late"),
        "shiftId": kept.shift_id,
        "device": reading.device,
        "at": iso(reading.at),
        "arrivedAt": iso(reading.arrived_at),
        "sequence": reading.sequence,
        "state": reading.state.word if reading.state is not None else None,
        "reason": reading.reason,
        "counts": {"good": reading.good, "reject": reading.reject, "rejects": reading.rejects},
        "signals": reading.signals,
    }
