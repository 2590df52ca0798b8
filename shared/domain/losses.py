"""The six big losses (Nakajima): where planned busy time went, in parts that sum to it exactly."""

from dataclasses import dataclass

from shared.domain.elements import OeeElements
from shared.domain.packml import TimeCategory


@dataclass(frozen=True, slots=True)
class Loss:
    """One step of the waterfall from planned busy time down to fully productive time."""

    name: str
    time_ms: int
    units: int | None
    """What could have been made meanwhile; None while no unit has an ideal cycle time."""


_BY_CATEGORY = (
    ("breakdowns", (TimeCategory.UNPLANNED_STOP,)),
    ("setup", (TimeCategory.SETUP,)),
    ("minorStops", (TimeCategory.MINOR_STOP,)),
    ("starved", (TimeCategory.STARVED,)),
    ("blocked", (TimeCategory.BLOCKED,)),
    ("unknown", (TimeCategory.UNKNOWN,)),
)
"""Starved and blocked are the idling of Nakajima's third loss, told apart: somebody else's stop."""


def waterfall(elements: OeeElements) -> list[Loss]:
    """From planned busy time to fully productive time; the time of all parts is planned busy time.

    Reduced speed is production time less the ideal time of what was made: negative where an ideal
    cycle is too long, and shown so. Units without an ideal cycle cannot be split into speed and
    quality: their production time stays in `unpriced`, and speed is 0.
    """
    times = elements.times_ms
    defects = elements.ideal_ms - elements.ideal_good_ms - elements.startup_ideal_ms
    rest = times.get(TimeCategory.PRODUCTION, 0) - elements.ideal_ms
    unpriced = rest if elements.unpriced_count else 0
    parts = [(name, sum(times.get(kind, 0) for kind in kinds)) for name, kinds in _BY_CATEGORY]
    parts += [
        ("reducedSpeed", rest - unpriced),
        ("unpriced", unpriced),
        ("defects", defects),
        ("startupRejects", elements.startup_ideal_ms),
        ("fullyProductive", elements.ideal_good_ms),
    ]
    produced = elements.good_count + elements.reject_count + elements.rework_count - elements.unpriced_count
    units: list[int] | list[None] = [None] * len(parts)
    if produced > 0 and elements.ideal_ms > 0:
        units = apportion([spent for _, spent in parts], units=produced, ideal_ms=elements.ideal_ms)
    return [Loss(name, spent, lost) for (name, spent), lost in zip(parts, units, strict=True)]


def apportion(times: list[int], *, units: int, ideal_ms: int) -> list[int]:
    """Times as whole units of the mean ideal cycle (ideal_ms / units), summing to the units of their sum.

    By largest remainder: each is at most one unit off its own quotient.

    >>> apportion([15_000, 15_000, 30_000], units=6, ideal_ms=60_000)
    [2, 1, 3]
    """
    whole = (2 * sum(times) * units + ideal_ms) // (2 * ideal_ms)
    shares = [divmod(time * units, ideal_ms) for time in times]
    counts = [count for count, _ in shares]
    by_rest = sorted(range(len(times)), key=lambda index: (-shares[index][1], index))
    for index in by_rest[: max(0, whole - sum(counts))]:
        counts[index] += 1
    return counts


def pareto(elements: OeeElements) -> list[tuple[str, str, int]]:
    """(category, reason, time ms) of all that was lost, the longest first; "" is no reason."""
    rows = [(*key.split("/", 1), spent) for key, spent in elements.losses_ms.items() if spent]
    return sorted(
        ((kind, reason, spent) for kind, reason, spent in rows),
        key=lambda row: (-row[2], row[0], row[1]),
    )
