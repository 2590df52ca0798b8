"""Date and time functions. Instants are strings `YYYY-MM-DDThh:mm:ss.fffffffZ` with 100 ns ticks.

Computed in ticks since 0001-01-01, as the service does; a string that is no ISO 8601 UTC instant gives
undefined.
"""

import re
import time
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, datetime

from local.cosmos.json_types import UNDEFINED
from local.cosmos.query.signature import Arguments, Function, as_number
from local.cosmos.query.values import Value

type Ticks = int

TICKS_PER_S = 10_000_000
EPOCH_TICKS = 719_162 * 86_400 * TICKS_PER_S
LAST_TICK = 3_652_059 * 86_400 * TICKS_PER_S - 1
FORMAT = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,7})\d*)?Z?)?")

PARTS = {
    name: part
    for part, names in {
        "year": "year yyyy yy", "month": "month mm m", "day": "day dd d",
        "hour": "hour hh", "minute": "minute mi n",
        "second": "second ss s", "millisecond": "millisecond ms", "microsecond": "microsecond mcs",
        "nanosecond": "nanosecond ns",
    }.items()
    for name in names.split()
}  # fmt: skip
FIXED_TICKS: dict[str, float] = {
    "day": 86_400 * TICKS_PER_S, "hour": 3600 * TICKS_PER_S, "minute": 60 * TICKS_PER_S,
    "second": TICKS_PER_S,
    "millisecond": 10_000, "microsecond": 10, "nanosecond": 0.01,
}  # fmt: skip


def parse_instant(value: Value) -> Ticks | None:
    """Ticks of an instant's text; None when it is none."""
    found = FORMAT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(group or 0) for group in found.groups()[:6])
    try:
        days = datetime(year, month, day, hour, minute, second, tzinfo=UTC).toordinal() - 1
    except ValueError:
        return None
    fraction = int((found[7] or "").ljust(7, "0"))
    return ((days * 24 + hour) * 60 + minute) * 60 * TICKS_PER_S + second * TICKS_PER_S + fraction


def format_instant(ticks: Ticks) -> Value:
    """The instant's text, always with seven decimals.

    >>> format_instant(EPOCH_TICKS)
    '1970-01-01T00:00:00.0000000Z'
    """
    if not 0 <= ticks <= LAST_TICK:
        return UNDEFINED
    days, rest = divmod(ticks, 86_400 * TICKS_PER_S)
    seconds, fraction = divmod(rest, TICKS_PER_S)
    day = datetime.fromordinal(days + 1)
    hour, minute = divmod(seconds // 60, 60)
    return f"{day:%Y-%m-%d}T{hour:02}:{minute:02}:{seconds % 60:02}.{fraction:07}Z".rjust(28, "0")


def _whole(value: Value) -> int | None:
    found = as_number(value)
    return int(found) if found is not None and float(found).is_integer() else None


def _part(value: Value) -> str | None:
    return PARTS.get(value.lower()) if isinstance(value, str) else None


def _shift_months(ticks: Ticks, months: int) -> Value:
    days, rest = divmod(ticks, 86_400 * TICKS_PER_S)
    day = datetime.fromordinal(days + 1)
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        return UNDEFINED
    shifted = day.replace(year=year, month=month + 1, day=min(day.day, monthrange(year, month + 1)[1]))
    return format_instant((shifted.toordinal() - 1) * 86_400 * TICKS_PER_S + rest)


def date_time_add(arguments: Arguments) -> Value:
    """DateTimeAdd(part, number, instant); months end on the last day that exists."""
    part, count, ticks = _part(arguments[0]), _whole(arguments[1]), parse_instant(arguments[2])
    if part is None or count is None or ticks is None:
        return UNDEFINED
    if part in ("year", "month"):
        return _shift_months(ticks, count * (12 if part == "year" else 1))
    return format_instant(ticks + int(count * FIXED_TICKS[part]))


def date_time_diff(arguments: Arguments) -> Value:
    """DateTimeDiff(part, start, end): boundaries of the part crossed."""
    part, start, end = _part(arguments[0]), parse_instant(arguments[1]), parse_instant(arguments[2])
    if part is None or start is None or end is None:
        return UNDEFINED
    if part in ("year", "month"):
        one, other = _date(start), _date(end)
        months = (other.year - one.year) * 12 + other.month - one.month
        return other.year - one.year if part == "year" else months
    if part == "nanosecond":
        return (end - start) * 100
    size = int(FIXED_TICKS[part])
    return end // size - start // size


def date_time_part(arguments: Arguments) -> Value:
    """DateTimePart(part, instant)."""
    part, ticks = _part(arguments[0]), parse_instant(arguments[1])
    if part is None or ticks is None:
        return UNDEFINED
    if part in ("year", "month", "day"):
        return getattr(_date(ticks), part)
    fraction = ticks % TICKS_PER_S
    sizes = {"millisecond": fraction // 10_000, "microsecond": fraction // 10, "nanosecond": fraction * 100}
    if part in sizes:
        return sizes[part]
    return ticks // int(FIXED_TICKS[part]) % (24 if part == "hour" else 60)


def date_time_bin(arguments: Arguments) -> Value:
    """DateTimeBin(instant, part[, size[, origin]]): the start of the bin; parts from day down."""
    ticks, part = parse_instant(arguments[0]), _part(arguments[1])
    size = _whole(arguments[2]) if len(arguments) > 2 else 1
    origin = parse_instant(arguments[3]) if len(arguments) > 3 else EPOCH_TICKS
    if ticks is None or part is None or not size or size < 1 or origin is None:
        return UNDEFINED
    if part in ("year", "month"):
        months = (_date(ticks).year - _date(origin).year) * 12 + _date(ticks).month - _date(origin).month
        step = size * (12 if part == "year" else 1)
        return _shift_months(origin, months // step * step)
    width = max(1, int(size * FIXED_TICKS[part]))
    return format_instant(origin + (ticks - origin) // width * width)


def date_time_from_parts(arguments: Arguments) -> Value:
    """DateTimeFromParts(year, month, day[, hour, minute, second, fraction of a second in 100 ns])."""
    parts = [_whole(argument) for argument in arguments]
    numbers = [part for part in parts if part is not None]
    if len(numbers) < len(parts):
        return UNDEFINED
    year, month, day, hour, minute, second, fraction = [*numbers, 0, 0, 0, 0][:7]
    if not 0 <= fraction < TICKS_PER_S:
        return UNDEFINED
    text = f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:07}Z"
    ticks = parse_instant(text)
    return UNDEFINED if ticks is None else format_instant(ticks)


_FORMAT_TOKEN = re.compile(r"yyyy|yy|MM|M|dd|d|HH|H|hh|h|mm|m|ss|s|f{1,7}|tt|'[^']*'|.", re.S)


def date_time_format(arguments: Arguments) -> Value:
    """DateTimeFormat(instant, pattern): .NET's custom patterns of numbers; quoted text stays as it is."""
    ticks, pattern = parse_instant(arguments[0]), arguments[1]
    if ticks is None or not isinstance(pattern, str):
        return UNDEFINED
    day, seconds = _date(ticks), ticks // TICKS_PER_S % 86_400
    hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
    fraction = f"{ticks % TICKS_PER_S:07}"
    half = hour % 12 or 12
    parts: dict[str, str] = {
        "yyyy": f"{day.year:04}", "yy": f"{day.year % 100:02}", "MM": f"{day.month:02}", "M": str(day.month),
        "dd": f"{day.day:02}", "d": str(day.day), "HH": f"{hour:02}", "H": str(hour),
        "hh": f"{half:02}", "h": str(half), "mm": f"{minute:02}", "m": str(minute),
        "ss": f"{second:02}", "s": str(second), "tt": "AM" if hour < 12 else "PM",
        **{"f" * count: fraction[:count] for count in range(1, 8)},
    }  # fmt: skip
    tokens: list[str] = _FORMAT_TOKEN.findall(pattern)
    return "".join([parts[token] if token in parts else token.strip("'") for token in tokens])


def _date(ticks: Ticks) -> datetime:
    return datetime.fromordinal(ticks // (86_400 * TICKS_PER_S) + 1)


def _of_instant(convert: Callable[[Ticks], Value]) -> Function:
    def call(arguments: Arguments) -> Value:
        ticks = parse_instant(arguments[0])
        return UNDEFINED if ticks is None else convert(ticks)

    return Function(call, 1, 1)


def _of_number(convert: Callable[[int], Ticks]) -> Function:
    def call(arguments: Arguments) -> Value:
        given = as_number(arguments[0])
        return UNDEFINED if given is None else format_instant(convert(int(given)))

    return Function(call, 1, 1)


def _now() -> Ticks:
    return EPOCH_TICKS + time.time_ns() // 100


CURRENT: dict[str, Function] = {
    "GETCURRENTDATETIME": Function(lambda arguments: format_instant(_now()), 0, 0),
    "GETCURRENTTIMESTAMP": Function(lambda arguments: time.time_ns() // 1_000_000, 0, 0),
    "GETCURRENTTICKS": Function(lambda arguments: _now() - EPOCH_TICKS, 0, 0),
}
"""They read the machine's clock."""

TIME_FUNCTIONS: dict[str, Function] = {
    **CURRENT,
    **{f"{name}STATIC": function for name, function in CURRENT.items()},
    "DATETIMEADD": Function(date_time_add, 3, 3),
    "DATETIMEDIFF": Function(date_time_diff, 3, 3),
    "DATETIMEPART": Function(date_time_part, 2, 2),
    "DATETIMEBIN": Function(date_time_bin, 2, 4),
    "DATETIMEFORMAT": Function(date_time_format, 2, 2),
    "DATETIMEFROMPARTS": Function(date_time_from_parts, 3, 7),
    "DATETIMETOTIMESTAMP": _of_instant(lambda ticks: (ticks - EPOCH_TICKS) // 10_000),
    "TIMESTAMPTODATETIME": _of_number(lambda given: EPOCH_TICKS + given * 10_000),
    "DATETIMETOTICKS": _of_instant(lambda ticks: ticks - EPOCH_TICKS),
    "TICKSTODATETIME": _of_number(lambda given: EPOCH_TICKS + given),
}
