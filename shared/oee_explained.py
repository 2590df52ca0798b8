"""A bucket explained: intervals, counters, products, the arithmetic in words, and the proof of the sums."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from shared.commit import MACHINES
from shared.domain.elements import Interval, LedgerPage, OeeElements
from shared.domain.kpi import indicators, nothing, total
from shared.domain.oee_parts import measures, rest_of
from shared.domain.packml import TimeCategory
from shared.instants import iso
from shared.oee_documents import elements_document, elements_from
from shared.oee_grains import Scope, item
from shared.oee_ledger import shift
from shared.ports import Document, Documents


async def explained(documents: Documents, scope: Scope, shift_id: str) -> Document | None:
    """The explanation of a scope's shift; None when there is no such shift."""
    document = await documents.get(scope.container, scope.id, f"oee:{shift_id}")
    if document is None:
        return None
    bucket = elements_from(document)
    if scope.container != MACHINES:
        return _of_children(scope, bucket, document)
    found = await shift(documents, scope.id, bucket)
    parts = [page.elements for page in found.pages]
    tiled = _tiled(found.pages)
    return {
        **_whole(scope, bucket),
        "pages": [_page(page) for page in found.pages],
        "rest": elements_document(found.rest) if any(measures(found.rest).values()) else None,
        "children": [],
        "fallOff": None,
        "proof": _proof(bucket, parts, found.rest, tiled=tiled),
    }


def _of_children(scope: Scope, bucket: OeeElements, document: Document) -> Document:
    only: str | None = document.get("countedMachine")
    children: Mapping[str, Document] = {
        child: entry["content"] for child, entry in sorted(document["children"].items())
    }
    listed = {child: elements_from(content, shift_id=bucket.shift_id) for child, content in children.items()}
    counted = [elements for child, elements in listed.items() if only in (None, child)]
    summed = total(counted) if counted else nothing(bucket)
    everything = total(list(listed.values()))
    summed = replace(summed, flags=everything.flags, reset_count=everything.reset_count)
    return {
        **_whole(scope, bucket),
        "pages": [],
        "rest": None,
        "children": [
            {
                "id": child,
                "bucketId": f"{child}:{bucket.shift_id}",
                "counted": only in (None, child),
                "elements": elements_document(elements),
            }
            for child, elements in listed.items()
        ],
        "fallOff": None if scope.first is None else fall_off(scope.first, listed),
        "proof": _proof(bucket, [summed], rest_of(bucket, [bucket]), tiled=True),
    }


def fall_off(first: str, machines: Mapping[str, OeeElements]) -> Document | None:
    """The fall-off ratio of a line (ISO 22400-2): units lost at any machine / produced at the first.

    None when the first machine made nothing in the shift.
    """
    made = machines.get(first)
    produced = 0 if made is None else made.good_count + made.reject_count + made.rework_count
    if not produced:
        return None
    lost = sum(one.reject_count for one in machines.values())
    return {"first": first, "count": lost, "producedCount": produced, "ratio": round(lost / produced, 6)}


def _whole(scope: Scope, bucket: OeeElements) -> Document:
    bucket_id = f"{scope.id}:{bucket.shift_id}"
    return {
        "bucketId": bucket_id,
        "bucket": item(scope, "shift", bucket.shift_id, [bucket], [bucket_id]),
        "arithmetic": arithmetic(bucket),
        "products": _products(bucket),
    }


def _page(page: LedgerPage) -> Document:
    elements = page.elements
    return {
        "start": iso(elements.start),
        "end": iso(elements.end),
        "intervals": [_interval(one) for one in page.intervals],
        "elements": elements_document(elements),
        "resetCount": elements.reset_count,
        "flags": elements.flags,
    }


def _interval(interval: Interval) -> Document:
    start, end, kind, state, reason, product, order, failure = interval
    return {
        "start": iso(start),
        "end": iso(end),
        "timeMs": end - start,
        "category": str(kind),
        "state": state.word,
        "reason": reason,
        "product": product,
        "order": order,
        "failure": failure,
    }


def _products(bucket: OeeElements) -> list[Document]:
    rows: list[Document] = []
    for made in elements_document(bucket)["made"]:
        units = made["goodCount"] + made["rejectCount"] + made["reworkCount"]
        cycle = round(made["idealMs"] / units, 3) if units and made["idealMs"] else None
        rows.append({**made, "idealCycleMs": cycle})
    return rows


def _tiled(found: Sequence[LedgerPage]) -> bool:
    """Intervals fill every page and meet each other; time without a page lies between pages only."""
    for page in found:
        borders = [page.elements.start]
        for start, end, *_ in page.intervals:
            borders += [start, end]
        borders.append(page.elements.end)
        if any(left != right for left, right in zip(borders[::2], borders[1::2], strict=True)):
            return False
    return all(one.elements.end <= after.elements.start for one, after in pairwise(found))


def _proof(bucket: OeeElements, parts: Sequence[OeeElements], rest: OeeElements, *, tiled: bool) -> Document:
    """A closed bucket has no rest but idle time; the rest of a running one is the page being written."""
    summed = measures(total(parts)) if parts else dict.fromkeys(measures(bucket), 0)
    left, whole = measures(rest), measures(bucket)
    rows: list[Document] = []
    for name, amount in whole.items():
        may_be_left = not bucket.final or name == f"time.{TimeCategory.NOT_SCHEDULED}"
        equal = summed[name] + left[name] == amount and (may_be_left or not left[name]) and left[name] >= 0
        row = {"name": name, "parts": summed[name], "rest": left[name], "bucket": amount, "equal": equal}
        if amount or summed[name] or not equal:
            rows.append(row)
    return {"equal": tiled and all(row["equal"] for row in rows), "tiled": tiled, "sums": rows}


def arithmetic(elements: OeeElements) -> list[Document]:
    """The figures written out, as ISO 22400-2 has them, with every number put in."""
    found = indicators(elements)
    base = found.base
    times = elements.times_ms
    spent = sum(times.values())
    planned_stop = times.get(TimeCategory.PLANNED_STOP, 0)
    idle = times.get(TimeCategory.NOT_SCHEDULED, 0)
    production = times.get(TimeCategory.PRODUCTION, 0)
    unknown = times.get(TimeCategory.UNKNOWN, 0)
    good, reject, rework = elements.good_count, elements.reject_count, elements.rework_count
    produced = good + reject + rework
    ideals = " + ".join(
        f"{units} {made.product or 'units'} x {made.ideal_ms / units:g} ms"
        for made in elements.made
        if (units := made.good_count + made.reject_count + made.rework_count) and made.ideal_ms
    )

    def shown(value: float | None) -> str:
        return "unknown" if value is None else f"{value:.6f}"

    effectiveness = f"{elements.ideal_ms} / {production}"
    if elements.unpriced_count:
        effectiveness = f"unknown: {elements.unpriced_count} units have no ideal cycle time"
    oee = f"{shown(base.availability)} x {shown(base.effectiveness)} x {shown(base.quality)}"
    if base.availability == 0.0:
        oee = "0: nothing was produced"
    rows: list[tuple[str, str, str, float | None, str]] = [
        ("accountedMs", "sum of all categories", " + ".join(map(str, times.values())) or "0", spent, "ms"),
        (
            "plannedBusyMs",
            "accounted - planned stops - not scheduled",
            f"{spent} - {planned_stop} - {idle}",
            base.planned_busy_ms,
            "ms",
        ),
        (
            "availability",
            "production / planned busy",
            f"{production} / {base.planned_busy_ms}",
            base.availability,
            "ratio",
        ),
        ("producedCount", "good + reject + rework", f"{good} + {reject} + {rework}", produced, "units"),
        ("idealMs", "sum of units x ideal cycle", ideals or "0", elements.ideal_ms, "ms"),
        ("effectiveness", "ideal / production", effectiveness, base.effectiveness, "ratio"),
        ("quality", "good / produced", f"{good} / {produced}", base.quality, "ratio"),
        ("oee", "availability x effectiveness x quality", oee, base.oee, "ratio"),
        (
            "coverage",
            "(planned busy - unknown) / planned busy",
            f"({base.planned_busy_ms} - {unknown}) / {base.planned_busy_ms}",
            base.coverage,
            "ratio",
        ),
        (
            "upperBound",
            "OEE + unknown / planned busy",
            f"{shown(base.oee)} + {unknown} / {base.planned_busy_ms}",
            base.upper_bound,
            "ratio",
        ),
    ]
    return [
        {
            "name": name,
            "formula": formula,
            "numbers": numbers,
            "value": None if value is None else round(value, 6),
            "unit": unit,
        }
        for name, formula, numbers, value, unit in rows
    ]
