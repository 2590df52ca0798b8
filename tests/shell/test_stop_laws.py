"""Operators' words over random histories: whenever somebody speaks, the figures are the slow reference's.

The reference takes the ledger of a machine of which nobody said anything, cuts it wherever an
operator, a break or a shift begins, gives every piece its category by a plain rule, and walks over
all of it to find where failures begin. It knows nothing of pages, buckets or versions.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.calendar import segment_at
from shared.domain.inputs import Position, Reading, Tick
from shared.domain.packml import PackMLState, TimeCategory, category
from shared.domain.spec import MachineSpec
from shared.domain.stop_commands import Classify, Merge, Split, StopCommand
from shared.instants import instant
from shared.oee_ledger import page_from
from shared.ports import AlreadyDone, Document
from tests.backend import Plant
from tests.plants import DAY, MINUTE, SPEC, deliveries

MACHINE = SPEC.machine_id
REASONS = [None, "E-STOP", "CHANGEOVER", "LUNCH", "NO-MATERIAL", "nonsense"]

type Piece = tuple[int, int, TimeCategory, PackMLState, str | None, str, str]


@dataclass(frozen=True)
class Wish:
    """Somebody wants something of a stop; where, in shares of the stop and of its readings."""

    after: float
    stop: float
    kind: str
    reason: str | None
    begin: float
    end: float


wishes = st.lists(
    st.builds(
        Wish,
        st.floats(0, 1),
        st.floats(0, 1),
        st.sampled_from(["all", "all", "part", "rest", "split", "merge", "undo"]),
        st.sampled_from(REASONS),
        st.floats(0, 1),
        st.floats(0, 1),
    ),
    min_size=1,
    max_size=6,
)


async def lived(spec: MachineSpec, readings: Sequence[Reading], wanted: Sequence[Wish]) -> Plant:
    """The machine's documents after its readings, with wishes in between, and everything closed."""
    plant = Plant()
    plant.specs = {MACHINE: spec}
    await plant.describe()
    due = sorted(enumerate(wanted), key=lambda one: one[1].after)
    for index, reading in enumerate(readings):
        while due and due[0][1].after * 1.3 * len(readings) <= index:
            await wish(plant, *due.pop(0), now=reading.arrived_at)
        await plant.machines.change(MACHINE, [reading])
    end = max(reading.at for reading in readings) + 12 * DAY
    for now in range(end, end + 5):
        await plant.machines.change(MACHINE, [Tick(Position("timer/due", now), now)])
    for number, late in due:
        await wish(plant, number, late, now=end)
    return plant


async def wish(plant: Plant, number: int, one: Wish, *, now: int) -> None:
    stops = sorted(plant.of("stop"), key=lambda stop: (stop["startedAt"], stop["version"]))
    if not stops:
        return
    stop = stops[min(int(one.stop * len(stops)), len(stops) - 1)]
    loaded = await plant.machines.load(MACHINE)
    assert loaded is not None
    start = instant(stop["startedAt"])
    until = loaded.state.fold.at if stop["endedAt"] is None else instant(stop["endedAt"])
    cuts = [instant(part["startedAt"]) for part in stop["parts"]] or [start]

    def at(share: float) -> int:
        return start + round(share * (until - start) / 1_000) * 1_000

    change = {
        "all": Classify(one.reason),
        "part": Classify(one.reason, at(min(one.begin, one.end)), at(max(one.begin, one.end))),
        "rest": Classify(one.reason, at(one.begin)),
        "split": Split(at(one.begin)),
        "merge": Merge(start if one.begin < 0.5 else cuts[-1]),
        "undo": Classify(None),
    }[one.kind]
    command = StopCommand(f"key-{number}", stop["stopId"], change, "Ada", now)
    await plant.machines.change(MACHINE, [command])
    before = plant.figures()
    plant.machines.forget(MACHINE)
    try:
        await plant.machines.change(MACHINE, [command])
        raise AssertionError("a command was carried out twice")
    except AlreadyDone:
        assert plant.figures() == before


def reference(
    spec: MachineSpec, pages: Sequence[Document], stops: Sequence[Document]
) -> dict[str, Counter[str]]:
    """Shift -> milliseconds by category, by category and reason, and failures, as operators say."""
    found: dict[str, Counter[str]] = {}
    parts = {
        stop["stopId"]: stop["parts"]
        or [{"startedAt": stop["startedAt"], "endedAt": stop["endedAt"], "byOperator": False}]
        for stop in stops
    }
    ends: dict[str, bool] = {}
    failing = False
    for page in sorted(pages, key=lambda page: (page["start"], page["end"])):
        for start, end, kind, state, reason, *_ in page_from(page).intervals:
            cuts = {start, end}
            for stop in stops:
                for part in parts[stop["stopId"]]:
                    cuts |= {instant(part[name]) for name in ("startedAt", "endedAt") if part[name]}
            at = start
            while at < end:
                cuts.add(at)
                at = segment_at(spec.calendar, at).end
            edges = sorted(cut for cut in cuts if start <= cut <= end)
            for began, ended in pairwise(edges):
                stop = next((one for one in stops if _holds(one, began)), None)
                said: dict[str, Any] | None = None
                if stop is not None:
                    said = next(one for one in parts[stop["stopId"]] if _holds(one, began))
                    if instant(stop["startedAt"]) == began:
                        failing = ends.get(stop["continues"], False)
                now, why = kind, reason
                if said is not None and said["byOperator"]:
                    now, why = _as_said(spec, began, kind, state, reason, said), said["reason"]
                counted = found.setdefault(page["shiftId"], Counter())
                counted[str(now)] += ended - began
                if now not in (TimeCategory.PRODUCTION, TimeCategory.NOT_SCHEDULED):
                    counted[f"{now}/{why or ''}"] += ended - began
                if now is TimeCategory.UNPLANNED_STOP and not failing:
                    counted["failures"] += 1
                failing = now is TimeCategory.UNPLANNED_STOP or (failing and now in _THROUGH)
                if stop is not None:
                    ends[stop["stopId"]] = failing
    return found


_THROUGH = (TimeCategory.PLANNED_STOP, TimeCategory.NOT_SCHEDULED, TimeCategory.UNKNOWN)


def _holds(stretch: dict[str, Any], at: int) -> bool:
    return instant(stretch["startedAt"]) <= at and (
        stretch["endedAt"] is None or at < instant(stretch["endedAt"])
    )


def _as_said(
    spec: MachineSpec,
    at: int,
    kind: TimeCategory,
    state: PackMLState,
    reason: str | None,
    said: dict[str, Any],
) -> TimeCategory:
    wanted = TimeCategory(said["category"])
    if kind in (TimeCategory.UNKNOWN, TimeCategory.NOT_SCHEDULED):
        return kind
    if kind is TimeCategory.PLANNED_STOP:
        in_a_break = category(state, reason, spec.reasons) is not kind
        return kind if in_a_break or not segment_at(spec.calendar, at).planned else wanted
    if kind is TimeCategory.MINOR_STOP and wanted is TimeCategory.UNPLANNED_STOP:
        return kind
    return wanted


def figures(plant: Plant) -> dict[str, Counter[str]]:
    """What the buckets say, in the shape of the reference."""
    found: dict[str, Counter[str]] = {}
    for bucket in plant.of("oee"):
        elements = bucket["elements"]
        counted = Counter[str]({"failures": elements["failureCount"]})
        counted.update(elements["timesMs"])
        counted.update(elements["lossesMs"])
        found[bucket["shiftId"]] = +counted
    return found


@given(deliveries(longest=25), wishes, st.sampled_from([0, 3 * MINUTE]))
def test_whenever_operators_speak_shifts_are_what_the_slow_reference_says(
    readings: list[Reading], wanted: list[Wish], minor_stop_ms: int
) -> None:
    spec = replace(SPEC, minor_stop_ms=minor_stop_ms, models=(), rules=())
    silent = asyncio.run(lived(spec, readings, []))
    spoken = asyncio.run(lived(spec, readings, wanted))
    expected = reference(spec, silent.of("ledger"), spoken.of("stop"))
    found = figures(spoken)
    for shift_id, counted in expected.items():
        del counted[str(TimeCategory.NOT_SCHEDULED)]
        mine = found.get(shift_id, Counter())
        del mine[str(TimeCategory.NOT_SCHEDULED)]
        assert mine == counted, shift_id
    units = [(b["shiftId"], b["elements"]["goodCount"], b["elements"]["made"]) for b in spoken.of("oee")]
    assert units == [
        (b["shiftId"], b["elements"]["goodCount"], b["elements"]["made"]) for b in silent.of("oee")
    ]
    for page in spoken.of("ledger"):
        known = page_from(page)
        again = Counter[str]()
        for start, end, kind, *_ in known.intervals:
            again[str(kind)] += end - start
        assert again == Counter({str(kind): spent for kind, spent in known.elements.times_ms.items()})
    for bucket in spoken.of("oee"):
        assert sum(bucket["elements"]["timesMs"].values()) == instant(bucket["end"]) - instant(
            bucket["start"]
        )
