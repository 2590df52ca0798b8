"""The timer trigger: one host at a time, missed runs, and the schedules it understands."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.functions.schedule import monitored_by_default, parse_schedule
from tests.local_cloud.functions_record import Record, host_environment, until


async def test_one_host_ticks_another_takes_over_and_a_missed_run_is_past_due(
    launch: Callable, tmp_path: Path
) -> None:
    record = Record(tmp_path / "record.jsonl")

    def host():
        return launch("functions", folder=tmp_path, environment=host_environment(record.path, ("tick",)))

    def ticks() -> list[dict]:
        return record.lines("tick")

    first, second = host(), host()
    await until(lambda: len(ticks()) >= 3, "three ticks")
    assert {tick["pid"] for tick in ticks()} == {first.pid}
    whole_seconds = [int(tick["at"]) for tick in ticks()]
    assert len(set(whole_seconds)) == len(whole_seconds)
    assert not any(tick["past_due"] for tick in ticks())

    second_pid = second.pid
    first.kill()
    await until(lambda: ticks()[-1]["pid"] == second_pid, "take-over of the timer")
    second.stop()
    seen = len(ticks())
    last = ticks()[-1]
    await until(lambda: time.time() > last["at"] + 3, "a run to be missed")
    third = host()
    await until(lambda: len(ticks()) > seen, "a tick after the stop")
    assert ticks()[seen]["past_due"]
    assert ticks()[seen]["pid"] == third.pid
    assert ticks()[seen]["status"]["Last"] >= last["status"]["Last"]
    third.kill()


def instant(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("expression", "after", "following"),
    [
        ("0 */5 * * * *", "2026-11-21T10:02:00", "2026-11-21T10:05:00"),
        ("0 0 * * * *", "2026-11-21T10:00:00", "2026-11-21T11:00:00"),
        ("30 30 9 * * 1-5", "2026-11-21T10:00:00", "2026-11-23T09:30:30"),
        ("0 30 9 * Jan Mon", "2026-11-21T10:00:00", "2027-01-04T09:30:00"),
        ("*/15 * * * * *", "2026-11-21T10:00:01", "2026-11-21T10:00:15"),
        ("0 0 0 13 * Fri", "2026-11-21T10:00:00", "2027-08-13T00:00:00"),
        ("*/5 * * * *", "2026-11-21T10:02:00", "2026-11-21T10:05:00"),
        ("00:00:10", "2026-11-21T10:00:01", "2026-11-21T10:00:11"),
        ("1.00:00:00", "2026-11-21T10:00:00", "2026-11-22T10:00:00"),
    ],
)
def test_schedules_are_ncrontab_with_seconds_first_or_time_spans(
    expression: str, after: str, following: str
) -> None:
    """Both day fields must fit: NCrontab knows no `or` between them."""
    assert parse_schedule(expression).next_after(instant(after)) == instant(following)


@pytest.mark.parametrize(
    "text", ["", "*", "* * * *", "0 61 * * * *", "0 0 0 L * *", "@daily", "00:00:00", "1:2"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expression|positive|TimeSpan"):
        parse_schedule(text)


def test_only_schedules_of_a_minute_or_more_are_monitored_by_themselves() -> None:
    assert monitored_by_default(parse_schedule("0 * * * * *"), 0.0)
    assert not monitored_by_default(parse_schedule("*/30 * * * * *"), 0.0)
