"""OEE as documents say it: elements to and from camelCase, and the figures that follow from them."""

from typing import Any

from shared.domain.elements import MadeElements, OeeElements
from shared.domain.kpi import Indicators, indicators
from shared.domain.losses import pareto, waterfall
from shared.domain.oee import band, kpis
from shared.domain.packml import TimeCategory
from shared.instants import instant, iso

type Document = dict[str, Any]


def oee_ratios(elements: OeeElements, *, green_ratio: float, yellow_ratio: float) -> Document:
    """The ratios that follow from elements, those of one bucket or the sum of many."""
    figures = kpis(elements)
    return {
        "shiftId": elements.shift_id,
        "final": elements.final,
        "availability": _rounded(figures.availability),
        "effectiveness": _rounded(figures.effectiveness),
        "quality": _rounded(figures.quality),
        "oee": _rounded(figures.oee),
        "upperBound": _rounded(figures.upper_bound),
        "coverage": _rounded(figures.coverage),
        "band": band(figures, green_ratio=green_ratio, yellow_ratio=yellow_ratio),
    }


def bucket_document(elements: OeeElements) -> Document:
    """What a bucket of any scope and grain holds beside its ratios."""
    return {
        "start": iso(elements.start),
        "end": iso(elements.end),
        "measuredAt": iso(elements.measured_at),
        "elements": elements_document(elements),
        "resetCount": elements.reset_count,
        "lateCount": elements.late_count,
        "version": elements.version,
        "flags": elements.flags,
    }


def elements_document(elements: OeeElements) -> Document:
    """The summable parts."""
    return {
        "timesMs": {str(kind): spent for kind, spent in elements.times_ms.items()},
        "goodCount": elements.good_count,
        "rejectCount": elements.reject_count,
        "idealMs": elements.ideal_ms,
        "unpricedCount": elements.unpriced_count,
        "rejects": elements.rejects,
        "reworkCount": elements.rework_count,
        "idealGoodMs": elements.ideal_good_ms,
        "startupCount": elements.startup_count,
        "startupIdealMs": elements.startup_ideal_ms,
        "failureCount": elements.failure_count,
        "correctiveMs": elements.corrective_ms,
        "preventiveMs": elements.preventive_ms,
        "lossesMs": elements.losses_ms,
        "made": [
            {
                "product": made.product,
                "order": made.order,
                "productionMs": made.production_ms,
                "goodCount": made.good_count,
                "rejectCount": made.reject_count,
                "reworkCount": made.rework_count,
                "idealMs": made.ideal_ms,
            }
            for made in elements.made
        ],
    }


def elements_from(document: Document, *, shift_id: str = "") -> OeeElements:
    """The elements that `bucket_document` wrote, or an earlier release that knew fewer of them."""
    parts = document["elements"]
    return OeeElements(
        shift_id=document.get("shiftId", shift_id),
        start=instant(document["start"]),
        end=instant(document["end"]),
        times_ms={TimeCategory(kind): spent for kind, spent in parts["timesMs"].items()},
        measured_at=instant(document.get("measuredAt", document["end"])),
        good_count=parts["goodCount"],
        reject_count=parts["rejectCount"],
        ideal_ms=parts["idealMs"],
        unpriced_count=parts["unpricedCount"],
        reset_count=document["resetCount"],
        late_count=document.get("lateCount", 0),
        final=document.get("final", True),
        rejects=parts["rejects"],
        rework_count=parts.get("reworkCount", 0),
        ideal_good_ms=parts.get("idealGoodMs", 0),
        startup_count=parts.get("startupCount", 0),
        startup_ideal_ms=parts.get("startupIdealMs", 0),
        failure_count=parts.get("failureCount", 0),
        corrective_ms=parts.get("correctiveMs", 0),
        preventive_ms=parts.get("preventiveMs", 0),
        losses_ms=parts.get("lossesMs", {}),
        flags=document.get("flags", {}),
        made=tuple(
            MadeElements(
                made["product"],
                made["order"],
                made["productionMs"],
                made["goodCount"],
                made["rejectCount"],
                made["reworkCount"],
                made["idealMs"],
            )
            for made in parts.get("made", [])
        ),
        version=document.get("version", 1),
    )


def indicators_document(elements: OeeElements, *, calendar_ms: int | None = None) -> Document:
    """Every key performance indicator of ISO 22400-2 that follows from the elements."""
    found: Indicators = indicators(elements, calendar_ms=calendar_ms)
    return {
        "plannedBusyMs": found.base.planned_busy_ms,
        "nee": _rounded(found.nee),
        "teep": _rounded(found.teep),
        "allocationEfficiency": _rounded(found.allocation),
        "utilisationEfficiency": _rounded(found.utilisation),
        "technicalEfficiency": _rounded(found.technical),
        "setupRatio": _rounded(found.setup),
        "scrapRatio": _rounded(found.scrap),
        "reworkRatio": _rounded(found.rework),
        "firstPassYield": _rounded(found.first_pass_yield),
        "throughputPerH": _rounded(found.throughput_per_h),
        "mtbfMs": found.mtbf_ms,
        "mttfMs": found.mttf_ms,
        "mttrMs": found.mttr_ms,
        "correctiveMaintenanceRatio": _rounded(found.corrective),
        "unclassifiedShare": _rounded(found.unclassified),
        "suspectedCycleMs": found.suspected_cycle_ms,
        "suspectedProduct": found.suspected_product,
    }


def losses_document(elements: OeeElements) -> Document:
    """The waterfall from planned busy time to fully productive time, and the longest losses."""
    return {
        "waterfall": [
            {"name": loss.name, "timeMs": loss.time_ms, "units": loss.units} for loss in waterfall(elements)
        ],
        "pareto": [
            {"category": kind, "reason": reason or None, "timeMs": spent}
            for kind, reason, spent in pareto(elements)
        ],
        "waste": [
            {"reason": reason, "count": count}
            for reason, count in sorted(elements.rejects.items(), key=lambda entry: (-entry[1], entry[0]))
        ],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
