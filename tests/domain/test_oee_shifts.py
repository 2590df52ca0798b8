"""Shifts worked out on paper, one row each: what came in, and the minutes and ratios it has to give.

Instants carry their offset, so that the hour that daylight saving repeats can be told apart.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction

import pytest

from shared.domain.oee import kpis
from shared.domain.packml import PackMLState
from shared.domain.spec import Calendar, CalendarException, MachineSpec, ShiftPattern
from tests.machine import Machine
from tests.plants import DAY, HOUR, MINUTE, SPEC, reading

EXECUTE, HELD, STOPPED = PackMLState.EXECUTE, PackMLState.HELD, PackMLState.STOPPED
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
CALENDAR = Calendar(
    "Europe/Berlin",
    (
        ShiftPattern("early", EVERY_DAY, 360, 840, ((600, 630),)),
        ShiftPattern("night", EVERY_DAY, 1320, 1800, ((1560, 1590),)),
    ),
    exceptions=(
        CalendarException("2026-03-14", (ShiftPattern("overtime", (), 480, 720),)),
        CalendarException("2026-03-29", (ShiftPattern("skipped", (), 150, 390),)),
    ),
)
PLANT = replace(SPEC, calendar=CALENDAR, silence_ms=30 * DAY)
"""The last state holds through any silence, so that few rows make a shift. A gear takes 10 s, a shaft 7 s."""

type Row = tuple[str, PackMLState, str | None, str, int, int]
"""Instant, state, stop reason, product, good and reject counter."""


@dataclass(frozen=True)
class Worked:
    shift: str
    rows: list[Row]
    minutes: dict[str, int]
    availability: Fraction
    effectiveness: Fraction
    quality: Fraction
    oee: Fraction
    """On paper; with one product it is the ideal time of the good units / planned busy time."""
    spec: MachineSpec = PLANT
    delay_ms: int = 200
    """From event to arrival; in order all the same, as from a gateway that was cut off."""
    at_once: bool = False
    """All rows arrive in the same instant, after the last of them."""
    flags: dict[str, int] = field(default_factory=dict)


TWO_STOPS: list[Row] = [
    ("2026-03-09T06:00+01:00", EXECUTE, None, "gear", 0, 0),
    ("2026-03-09T07:10+01:00", HELD, "E-STOP", "gear", 400, 10),
    ("2026-03-09T07:40+01:00", EXECUTE, None, "gear", 400, 10),
    ("2026-03-09T11:00+01:00", STOPPED, "NO-MATERIAL", "gear", 1500, 20),
    ("2026-03-09T11:50+01:00", EXECUTE, None, "gear", 1500, 20),
    ("2026-03-09T13:59+01:00", EXECUTE, None, "gear", 2160, 24),
]
"""480 min planned, for it ran through the break: 30 min down, 50 min starved; 2160 good are 360 min."""
TWO_STOPS_GIVE = (
    {"production": 400, "unplannedStop": 30, "starved": 50},
    Fraction(400, 480),
    Fraction(364, 400),
    Fraction(2160, 2184),
    Fraction(360, 480),
)

SHIFTS = {
    # 22:00 to 06:00 is 7 h. The break of 02:00 begins when the clock has jumped: 03:00 to 03:30.
    # Down from 01:30 to 03:15 by the clock, which is 45 min, the last 15 of them in the break.
    "spring: the night is an hour shorter": Worked(
        "2026-03-28.night",
        [
            ("2026-03-28T22:00+01:00", EXECUTE, None, "gear", 0, 0),
            ("2026-03-29T01:30+01:00", HELD, "E-STOP", "gear", 1000, 0),
            ("2026-03-29T03:15+02:00", EXECUTE, None, "gear", 1000, 0),
            ("2026-03-29T05:59+02:00", EXECUTE, None, "gear", 1944, 0),
        ],
        {"production": 375, "unplannedStop": 30, "plannedStop": 15},
        Fraction(375, 405),
        Fraction(324, 375),
        Fraction(1),
        Fraction(324, 405),
    ),
    # 9 h; it ran through the break from the first 02:00 to the first 02:30, then set up for the
    # hour from the first 02:30 to the second.
    "autumn: the night is an hour longer": Worked(
        "2026-10-24.night",
        [
            ("2026-10-24T22:00+02:00", EXECUTE, None, "gear", 0, 0),
            ("2026-10-25T02:30+02:00", STOPPED, "CHANGEOVER", "gear", 1200, 40),
            ("2026-10-25T02:30+01:00", EXECUTE, None, "gear", 1200, 40),
            ("2026-10-25T05:59+01:00", EXECUTE, None, "gear", 2430, 90),
        ],
        {"production": 480, "setup": 60},
        Fraction(480, 540),
        Fraction(420, 480),
        Fraction(2430, 2520),
        Fraction(405, 540),
    ),
    # 02:30 does not exist: the shift begins an hour after 01:30, at 03:30, and ends at 06:30.
    "spring: a shift that begins in the hour that is skipped": Worked(
        "2026-03-29.skipped",
        [
            ("2026-03-29T03:30+02:00", EXECUTE, None, "gear", 5, 0),
            ("2026-03-29T05:30+02:00", HELD, None, "gear", 725, 0),
        ],
        {"production": 120, "unplannedStop": 60},
        Fraction(120, 180),
        Fraction(1),
        Fraction(1),
        Fraction(120, 180),
        replace(PLANT, calendar=replace(CALENDAR, shifts=())),
    ),
    # 9 900 over the top to 260 are 360 units: 1 h of gears in 4 h of overtime.
    "overtime with a counter that rolls over": Worked(
        "2026-03-14.overtime",
        [
            ("2026-03-14T08:00+01:00", EXECUTE, None, "gear", 9_900, 0),
            ("2026-03-14T09:30+01:00", STOPPED, "NO-MATERIAL", "gear", 260, 0),
        ],
        {"production": 90, "starved": 150},
        Fraction(90, 240),
        Fraction(60, 90),
        Fraction(1),
        Fraction(60, 240),
        replace(PLANT, counter_modulus=10_000),
        flags={"counterRolledOver": 1},
    ),
    # 600 gears are 100 min, 1 200 shafts 140; of the 300 rejects 60 are gears (10 min), 240 shafts (28).
    # Quality is by units, as the standard has it, not by ideal time.
    "two products, both with scrap, and a break in the change-over": Worked(
        "2026-03-09.early",
        [
            ("2026-03-09T06:00+01:00", EXECUTE, None, "gear", 0, 0),
            ("2026-03-09T09:40+01:00", STOPPED, "CHANGEOVER", "gear", 600, 60),
            ("2026-03-09T10:40+01:00", EXECUTE, None, "shaft", 600, 60),
            ("2026-03-09T13:59+01:00", EXECUTE, None, "shaft", 1800, 300),
        ],
        {"production": 420, "setup": 30, "plannedStop": 30},
        Fraction(420, 450),
        Fraction(278, 420),
        Fraction(1800, 2100),
        Fraction(278, 525),
    ),
    "stops of two kinds, told as they happen": Worked("2026-03-09.early", TWO_STOPS, *TWO_STOPS_GIVE),
    "the same from a gateway three hours late": Worked(
        "2026-03-09.early", TWO_STOPS, *TWO_STOPS_GIVE, delay_ms=3 * HOUR
    ),
    "the same, all of it at once when the gateway is back": Worked(
        "2026-03-09.early", TWO_STOPS, *TWO_STOPS_GIVE, at_once=True
    ),
    # 300 before the restart and 240 since: 540 gears are 90 min of the 240.
    "half a shift without data, and a counter that began again": Worked(
        "2026-03-09.early",
        [
            *(
                (f"2026-03-09T{6 + n // 60:02}:{n % 60:02}+01:00", EXECUTE, None, "gear", 2 * n, 0)
                for n in range(151)
            ),
            ("2026-03-09T12:30+01:00", EXECUTE, None, "gear", 240, 0),
            *((f"2026-03-09T13:{n:02}+01:00", EXECUTE, None, "gear", 240, 0) for n in range(0, 60, 1)),
        ],
        # 06:00 to 08:31 is heard, 12:30 to 12:31, and 13:00 to the end. The break is no loss.
        {"production": 151 + 1 + 60, "unknown": 480 - 212 - 30, "plannedStop": 30},
        Fraction(212, 450),
        Fraction(90, 212),
        Fraction(1),
        Fraction(90, 450),
        replace(PLANT, silence_ms=MINUTE),
        flags={"counterRestarted": 1, "countedOverGap": 240},
    ),
}


@pytest.mark.parametrize("name", SHIFTS)
def test_a_shift_comes_to_what_it_came_to_on_paper(name: str) -> None:
    worked = SHIFTS[name]
    instants = [round(datetime.fromisoformat(instant).timestamp() * 1000) for instant, *_ in worked.rows]
    machine = Machine(worked.spec)
    machine.fold(
        *(
            reading(
                n,
                at,
                arrived_at=instants[-1] + HOUR if worked.at_once else at + worked.delay_ms,
                state=state,
                reason=reason,
                product=product,
                good=good,
                reject=reject,
            )
            for n, (at, (_, state, reason, product, good, reject)) in enumerate(
                zip(instants, worked.rows, strict=True)
            )
        )
    )
    done = machine.close()[worked.shift]
    figures = kpis(done)
    assert {str(kind): spent / MINUTE for kind, spent in done.times_ms.items() if spent} == worked.minutes
    assert (figures.availability, figures.effectiveness, figures.oee) == pytest.approx(
        (float(worked.availability), float(worked.effectiveness), float(worked.oee))
    )
    assert figures.quality == pytest.approx(float(worked.quality))
    assert (done.flags, done.late_count) == (worked.flags, 0)


def test_rows_on_paper_multiply_to_their_oee() -> None:
    for name, worked in SHIFTS.items():
        assert worked.availability * worked.effectiveness * worked.quality == worked.oee, name
