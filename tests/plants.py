"""Machines and random histories for tests: small enough to read, wild enough to break things."""

from dataclasses import replace

from hypothesis import strategies as st

from shared.domain.alarms.rules import Limit, Rule
from shared.domain.effects import ScoreRequested
from shared.domain.feature_recipe import FeaturePlan
from shared.domain.inputs import Position, Reading, Scored
from shared.domain.packml import PackMLState, TimeCategory
from shared.domain.spec import (
    Calendar,
    MachineSpec,
    ModelBinding,
    ShiftPattern,
    SignalSpec,
)

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MONDAY = 1_773_014_400_000
"""2026-03-09T00:00:00Z."""

CALENDAR = Calendar(
    "Europe/Berlin",
    (
        ShiftPattern("early", (0, 1, 2, 3, 4), 360, 840, ((600, 630),)),
        ShiftPattern("late", (0, 1, 2, 3, 4), 840, 1320, ((1080, 1110),)),
        ShiftPattern("night", (0, 1, 2, 3), 1320, 1800, ((1560, 1590),)),
    ),
    frozenset({"2026-03-11"}),
)

MODEL = ModelBinding(
    model="wear",
    version="1",
    inputs=(("torque", "torque_nm"),),
    threshold=0.5,
    features=(
        "torque.last",
        "torque.ewma0",
        "torque.ewma1",
        "torque.z1",
        "torque.mean0",
        "torque.std1",
        "torque.slope1",
    ),
    plan=FeaturePlan((600_000, 7_200_000), (3_600_000, 7_200_000), warm_up_panes=2, baseline_panes=4),
)

SPEC = MachineSpec(
    machine_id="LINE-1-CNC-1",
    site_id="SITE-1",
    line_id="LINE-1",
    machine_class="CncMachine",
    version=1,
    devices=("GATEWAY-1", "GATEWAY-2"),
    signals=(
        SignalSpec("temperature_c", "°C", -20, 200, 1.0),
        SignalSpec("torque_nm", "N·m", 0, 500, 2.0),
    ),
    calendar=CALENDAR,
    rules=(
        Rule("hot", Limit("high", "temperature_c", 85.0, 5.0), "high", 5 * SECOND),
        Rule("cold", Limit("low", "temperature_c", 5.0, 2.0), "low"),
        Rule("strain", Limit("high", "torque_nm", 80.0, 8.0), "critical"),
    ),
    models=(MODEL,),
    ideal_cycle_ms={"gear": 10 * SECOND, "shaft": 7 * SECOND, "": 9 * SECOND},
    reasons={
        "E-STOP": TimeCategory.UNPLANNED_STOP,
        "CHANGEOVER": TimeCategory.SETUP,
        "LUNCH": TimeCategory.PLANNED_STOP,
        "NO-MATERIAL": TimeCategory.STARVED,
    },
)


def another(machine_id: str) -> MachineSpec:
    """The same machine under another name."""
    return replace(SPEC, machine_id=machine_id)


class ArithmeticScorer:
    """A stand-in for the models: a probability that is a plain function of the row."""

    def score(self, requests: list[ScoreRequested]) -> list[Scored]:
        return [
            Scored(request.model, request.version, request.at, probability(request.row))
            for request in requests
        ]


def probability(row: tuple[float, ...]) -> float | None:
    known = [value for value in row if value == value]
    return round(min(1.0, abs(sum(known)) / (300.0 * len(known))), 6) if known else None


def reading(
    number: int,
    at: int,
    *,
    arrived_at: int | None = None,
    device: str = "GATEWAY-1",
    state: PackMLState | None = PackMLState.EXECUTE,
    reason: str | None = None,
    product: str | None = None,
    good: int | None = None,
    reject: int | None = None,
    **signals: float,
) -> Reading:
    """One reading; `number` is its place in the hub and makes its duplicate key."""
    return Reading(
        Position("telemetry/1/0", number),
        device,
        f"{number:016x}",
        at,
        arrived_at if arrived_at is not None else at + 200,
        number,
        state,
        reason,
        "ORDER-1" if product else None,
        product,
        good,
        reject,
        {},
        signals,
    )


_GAPS = st.sampled_from(
    [0, 1, 250, SECOND, SECOND, SECOND, 2 * SECOND, 9_999, 10 * SECOND, 11 * SECOND]
    + [delay * MINUTE for delay in (1, 5, 60, 540, 4320)]
)
_RUNNING = [None, None, PackMLState.EXECUTE, PackMLState.EXECUTE]
_STATES = st.sampled_from(
    [*_RUNNING, PackMLState.HELD, PackMLState.SUSPENDED, PackMLState.STOPPED, PackMLState.UNDEFINED]
)


@st.composite
def histories(draw: st.DrawFn, *, longest: int = 40) -> list[Reading]:
    """Readings in the order of their event time, as an honest machine would send them."""
    at = MONDAY + draw(st.integers(0, 6 * 24)) * HOUR
    good = draw(st.integers(0, 1000))
    reject = 0
    readings: list[Reading] = []
    for number in range(draw(st.integers(1, longest))):
        at += draw(_GAPS)
        good = draw(st.sampled_from([good, good + 1, good + 3, good + 3, 0]))
        reject = draw(st.sampled_from([reject, reject, reject + 1, 0]))
        signals = {
            name: value
            for name, value in (
                ("temperature_c", draw(st.sampled_from([None, 2.0, 20.5, 79.0, 84.0, 91.5, 900.0]))),
                ("torque_nm", draw(st.sampled_from([None, 0.0, 41.25, 75.0, 80.0, 96.0]))),
            )
            if value is not None
        }
        state = draw(_STATES)
        readings.append(
            reading(
                number,
                at,
                state=state,
                reason=draw(st.sampled_from([None, None, "E-STOP", "CHANGEOVER", "LUNCH"])),
                product=draw(st.sampled_from([None, None, "gear", "shaft", "unheard-of"])),
                good=good,
                reject=reject,
                **signals,
            )
        )
    return readings


@st.composite
def deliveries(draw: st.DrawFn, *, longest: int = 40) -> list[Reading]:
    """A history as it arrives: reordered, some of it late or twice, some from the far future."""
    arrivals: list[tuple[int, Reading]] = []
    for honest in draw(histories(longest=longest)):
        delay = draw(st.sampled_from([0, 0, 0, 300, 4 * SECOND, 9_999, 10 * SECOND, 15 * SECOND, HOUR]))
        arrivals.append((honest.at + delay, honest))
        if draw(st.integers(0, 9)) == 0:
            arrivals.append((honest.at + delay + draw(st.sampled_from([1, SECOND, DAY])), honest))
    arrivals.sort(key=lambda arrival: arrival[0])
    delivered: list[Reading] = []
    for number, (arrived_at, one) in enumerate(arrivals):
        if draw(st.integers(0, 19)) == 0:
            one = replace(one, at=arrived_at + HOUR, key=f"future{number}")
        delivered.append(replace(one, position=Position("telemetry/1/0", number), arrived_at=arrived_at))
    return delivered
