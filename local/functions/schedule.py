"""When a timer fires: NCRONTAB with six fields (seconds first), or a fixed interval. All times are UTC."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from croniter import croniter

from local.functions.host_json import time_span_s

_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec sun mon tue wed thu fri sat"
_FIELD = re.compile(rf"(?:[0-9*,/-]|{_NAMES.replace(' ', '|')})+", re.IGNORECASE)
_USE_MONITOR_FROM_S = 60


class Schedule(Protocol):
    def next_after(self, moment: float) -> float:
        """The first occurrence strictly after `moment`, unix seconds both."""
        ...


@dataclass(frozen=True, slots=True)
class Cron:
    """`{second} {minute} {hour} {day} {month} {day of week}`; both day fields must fit, as in NCrontab."""

    expression: str

    def next_after(self, moment: float) -> float:
        """
        >>> Cron("0 */5 * * * *").next_after(60.0)
        300.0
        """
        start = datetime.fromtimestamp(moment, UTC)
        return croniter(self.expression, start, float, day_or=False, second_at_beginning=True).get_next(float)


@dataclass(frozen=True, slots=True)
class Every:
    """A constant interval, counted from the last run."""

    interval_s: float

    def next_after(self, moment: float) -> float:
        return moment + self.interval_s


def parse_schedule(text: str) -> Schedule:
    """ValueError if the text is neither NCRONTAB nor a TimeSpan.

    Five fields mean second zero, as in the real host; croniter's own extensions are refused.
    """
    fields = text.split()
    if len(fields) == 1 and ":" in text:
        interval_s = time_span_s(text)
        if interval_s <= 0:
            raise ValueError(f"the interval {text!r} is not positive")
        return Every(interval_s)
    if len(fields) == 5:
        fields = ["0", *fields]
    expression = " ".join(fields)
    if len(fields) != 6 or not all(map(_FIELD.fullmatch, fields)):
        raise ValueError(f"'{text}' is no valid NCRONTAB expression: six fields, seconds first")
    if not croniter.is_valid(expression, second_at_beginning=True):
        raise ValueError(f"'{text}' is no valid NCRONTAB expression")
    return Cron(expression)


def monitored_by_default(schedule: Schedule, now: float) -> bool:
    """Schedules of a minute or more are persisted, so that a missed run is made up for."""
    first = schedule.next_after(now)
    return schedule.next_after(first) - first >= _USE_MONITOR_FROM_S
