"""Documents as commits leave them, for tests of what follows them."""

from typing import Any

from shared.ports import Document

SHIFT = "2026-03-09.early"


def twin(machine_id: str = "M-1", version: int = 1, **more: Any) -> Document:
    """A `twin` document; keyword arguments replace its properties."""
    return {
        "id": "twin",
        "type": "twin",
        "machineId": machine_id,
        "siteId": "SITE-1",
        "lineId": "LINE-1",
        "class": "CncMachine",
        "version": version,
        "at": "2026-03-09T06:00:00.000Z",
        "state": "Execute",
        "stateSince": "2026-03-09T05:00:00.000Z",
        "reason": None,
        "lastReadingAt": "2026-03-09T06:00:00.000Z",
        "order": None,
        "product": None,
        "silent": False,
        "blocked": None,
        "signals": {"temperature_c": signal(20.0)},
        "oee": None,
        "health": None,
        "alarms": alarms(),
        **more,
    }


def signal(value: float, at: str = "2026-03-09T06:00:00.000Z") -> Document:
    return {"value": value, "unit": "", "quality": "good", "at": at}


def alarms(active: int = 0, unacknowledged: int = 0, highest: str = "none") -> Document:
    return {"activeCount": active, "unacknowledgedCount": unacknowledged, "highestPriority": highest}


def oee(
    machine_id: str = "M-1",
    minute: int = 0,
    *,
    line_id: str = "LINE-1",
    site_id: str = "SITE-1",
    shift_id: str = SHIFT,
    production_ms: int = 0,
    stop_ms: int = 0,
    good: int = 0,
    reject: int = 0,
    final: bool = False,
    late: int = 0,
) -> Document:
    """An `oee` document that measures the shift up to `minute`; a unit ideally takes 10 s."""
    return {
        "id": f"oee:{shift_id}",
        "type": "oee",
        "machineId": machine_id,
        "siteId": site_id,
        "lineId": line_id,
        "bucketId": f"{machine_id}:{shift_id}",
        "start": "2026-03-09T05:00:00.000Z",
        "end": "2026-03-09T13:00:00.000Z",
        "measuredAt": f"2026-03-09T{5 + minute // 60:02}:{minute % 60:02}:00.000Z",
        "final": final,
        "elements": {
            "timesMs": {"production": production_ms, "unplannedStop": stop_ms},
            "goodCount": good,
            "rejectCount": reject,
            "idealMs": (good + reject) * 10_000,
            "unpricedCount": 0,
            "rejects": {"scratch": reject} if reject else {},
        },
        "resetCount": 0,
        "lateCount": late,
        "availability": None,
    }


def outbox(machine_id: str, first: int, count: int = 1) -> Document:
    """An `outbox` document with events number `first` and following."""
    return {
        "id": f"outbox:{first}",
        "type": "outbox",
        "machineId": machine_id,
        "siteId": "SITE-1",
        "lineId": "LINE-1",
        "events": [
            {
                "specversion": "1.0",
                "id": f"{machine_id}:{n}",
                "source": "/millwright/SITE-1",
                "type": "millwright.machine.wentsilent.v1",
                "subject": f"SITE-1/LINE-1/{machine_id}",
                "time": "2026-03-09T06:00:00.000Z",
                "data": {"machineId": machine_id},
            }
            for n in range(first, first + count)
        ],
    }
