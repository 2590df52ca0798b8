"""Effects -> CloudEvents 1.0. `machine:n` is the id, so what is published twice is recognised."""

from shared.alarm_documents import EVENT_TYPES, event_data
from shared.domain import effects as fx
from shared.domain.spec import MachineSpec
from shared.instants import iso, iso_or_none
from shared.maintenance_documents import (
    ORDER_EVENTS,
    call_fields,
    crossing_fields,
    order_fields,
    prediction_fields,
)
from shared.ports import Document
from shared.stop_documents import change_fields


def event(spec: MachineSpec, effect: fx.Effect) -> Document | None:
    """The event that tells of an effect, None for effects that only become documents."""
    match effect:
        case fx.AlarmChanged():
            kind = EVENT_TYPES[effect.event]
            return _event(spec, effect.n, kind, effect.at, event_data(spec, effect))
        case fx.OutageChanged():
            kind = "machine.takenoutofservice" if effect.out else "machine.returnedtoservice"
            data = {"who": effect.who, "why": effect.why, "workOrder": effect.work_order}
            return _event(spec, effect.n, kind, effect.at, data)
        case fx.SetPointChanged():
            data = {
                "ruleId": effect.rule_id,
                "old": effect.old,
                "new": effect.new,
                "who": effect.who,
                "why": effect.why,
            }
            return _event(spec, effect.n, "rule.setpointchanged", effect.at, data)
        case fx.MachineStateChanged():
            data = {"from": effect.old.word, "to": effect.new.word, "reason": effect.reason}
            return _event(spec, effect.n, "machine.statechanged", effect.at, data)
        case fx.WentSilent():
            data = {"lastArrivedAt": iso_or_none(effect.last_arrived_at)}
            return _event(spec, effect.n, "machine.wentsilent", effect.at, data)
        case fx.CameBack():
            return _event(spec, effect.n, "machine.cameback", effect.at, {})
        case fx.MachineBlocked():
            return _event(spec, effect.n, "machine.blocked", effect.at, {"reason": effect.reason})
        case fx.MachineResumed():
            return _event(spec, effect.n, "machine.resumed", effect.at, {})
        case fx.StopStarted():
            data = {
                "stopId": effect.stop_id,
                "category": str(effect.category),
                "reason": effect.reason,
            }
            return _event(spec, effect.n, "stop.started", effect.at, data)
        case fx.StopEnded():
            data = {
                "stopId": effect.stop_id,
                "startedAt": iso(effect.started_at),
                "category": str(effect.category),
                "reason": effect.reason,
                "durationMs": effect.at - effect.started_at,
            }
            return _event(spec, effect.n, "stop.ended", effect.at, data)
        case fx.StopClassified():
            return _event(spec, effect.n, "stop.classified", effect.at, change_fields(effect))
        case fx.OeeMeasured():
            return _oee(spec, effect)
        case fx.PredictionMade():
            at = effect.health.at
            return _event(spec, effect.n, "prediction.made", at, prediction_fields(spec, effect))
        case fx.ThresholdCrossed():
            data = crossing_fields(spec, effect.health, effect.threshold)
            return _event(spec, effect.n, "prediction.thresholdcrossed", effect.health.at, data)
        case fx.CallChanged(call=call):
            if call.outcome == "open" or call.judged_at is None:
                return None
            return _event(spec, effect.n, "prediction.judged", call.judged_at, _told(call_fields(call)))
        case fx.ModelSuspended():
            data = {"model": effect.model, "modelVersion": effect.version, "reason": effect.reason}
            return _event(spec, effect.n, "model.suspended", effect.at, data)
        case fx.ModelResumed():
            data = {"model": effect.model, "modelVersion": effect.version}
            return _event(spec, effect.n, "model.resumed", effect.at, data)
        case fx.WorkOrderChanged(order=order):
            kind = ORDER_EVENTS[order.state]
            return _event(spec, effect.n, kind, order.changed_at, _told(order_fields(order)))
        case _:
            return None


def _event(spec: MachineSpec, n: int, kind: str, at: int, data: Document) -> Document:
    return {
        "specversion": "1.0",
        "id": f"{spec.machine_id}:{n}",
        "source": f"/millwright/{spec.site_id}",
        "type": f"millwright.{kind}.v1",
        "subject": spec.subject,
        "time": iso(at),
        "datacontenttype": "application/json",
        "data": {"machineId": spec.machine_id, "lineId": spec.line_id, "siteId": spec.site_id, **data},
    }


def _oee(spec: MachineSpec, measured: fx.OeeMeasured) -> Document:
    """The summable elements, so that a consumer can add machines up before it divides."""
    elements = measured.elements
    data: Document = {
        "bucketId": f"{spec.machine_id}:{elements.shift_id}",
        "shiftId": elements.shift_id,
        "timesMs": {str(kind): spent for kind, spent in elements.times_ms.items()},
        "goodCount": elements.good_count,
        "rejectCount": elements.reject_count,
        "idealMs": elements.ideal_ms,
        "lateCount": elements.late_count,
        "version": elements.version,
    }
    kind = "oee.bucketmeasured"
    if elements.final:
        kind = "oee.shiftrestated" if measured.restated else "oee.shiftclosed"
    return _event(spec, measured.n, kind, elements.measured_at, data)


def _told(fields: Document) -> Document:
    """Without `at`, which documents are sorted by and an event has as its `time`."""
    return {name: value for name, value in fields.items() if name != "at"}
