"""An hour of the plant with faults: each alarmed once, within its delay and 2 s, and nothing else."""
# ruff: noqa: E501  tables are read line by line

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from local.plant.description import read
from local.plant.faults import Fault
from local.plant.gateway import Outgoing
from local.plant.stream import Settings, Stream
from millwright.documents import site_versions
from millwright.factory_file import load
from shared.decode import Rejected, decode
from shared.decode.outcome import DeviceEntry
from shared.decode.resolve import resolve
from shared.domain.advance import advance, initial, next_due_at
from shared.domain.effects import AlarmChanged
from shared.domain.inputs import Input, Position, Tick
from shared.specs import compile_machine

FACTORY = Path(__file__).parents[2] / "factories/smart-factory.yaml"
START = int(datetime.fromisoformat("2026-03-09T06:20:00+00:00").timestamp() * 1000)
"""07:20 in Graz: the first break is later than the hour's end."""
SECONDS = 3600
SLACK_MS = 2_000

type Said = dict[str, Any]
"""One reading as a machine meant to send it."""


def fault(kind: Any, target: str, start_s: float, duration_s: float, **more: Any) -> Fault:
    return Fault(kind=kind, target=target, start_s=start_s, duration_s=duration_s, **more)


def above(signal: str, limit: float) -> Callable[[Said], bool]:
    return lambda said: said["signals"][signal] > limit


def reason(code: str) -> Callable[[Said], bool]:
    return lambda said: said.get("reason") == code


ALARMED: list[tuple[Fault, str, Callable[[Said], bool], float]] = [
    (fault("overheating", "LINE-1-CNC-1", 300, 300, amount=66), "temperature-high", above("temperature_c", 85), 30),
    (fault("overheating", "LINE-2-ROBOT-1", 400, 400, amount=60), "temperature-high", above("temperature_c", 75), 30),
    (fault("jam", "LINE-3-CONVEYOR-1", 600, 20), "power-high", above("power_kw", 4), 10),
    (fault("jam", "LINE-3-CNC-1", 900, 20), "jammed", reason("jam"), 0),
    (fault("tool_wear", "LINE-2-CNC-1", 200, 445, amount=15), "tool-worn", above("tool_wear_min", 200), 0),
    (fault("material_shortage", "LINE-3-CNC-2", 1500, 400), "starved", reason("material-shortage"), 120),
    (fault("sensor_freeze", "LINE-1-ROBOT-1", 1500, 200, signal="temperature_c"), "temperature-frozen", lambda said: True, 60),
    (fault("sensor_freeze", "LINE-2-CONVEYOR-1", 1900, 200), "temperature-frozen", lambda said: True, 60),
]  # fmt: skip
"""A fault, its rule, what its machine says as long as the condition holds, the rule's delay in seconds."""
OFFLINE = fault("gateway_offline", "LINE-3-GATEWAY", 2400, 180)
SILENT_S = 90
HARMLESS = [
    fault("gateway_offline", "LINE-2-GATEWAY", 3000, 60),
    fault("duplicate", "LINE-2-GATEWAY", 30, 2800, share=0.1),
    fault("reordered", "LINE-1-GATEWAY", 200, 3000, share=0.2),
    fault("late", "LINE-1-GATEWAY", 60, 3000, share=0.05, amount=40),
    fault("malformed", "LINE-2-GATEWAY", 45, 2800, share=0.03),
    fault("clock_skew", "LINE-1-GATEWAY", 2600, 300, amount=-45),
]


@dataclass(frozen=True)
class Hour:
    """What was raised, at which moment of the workers' clock, and what the machines meant to send."""

    raised: list[tuple[str, str, int]]
    said: dict[str, list[Said]]


def decided(plant: Any, faults: list[Fault]) -> Hour:
    (site,) = site_versions(load(FACTORY, None).factory, {})
    line_of = {machine_id: line for line in site.lines for machine_id in line.machines}
    specs = {name: compile_machine(site.site, line_of[name], name) for name in line_of}
    states = {name: initial(spec) for name, spec in specs.items()}
    devices = {
        device: DeviceEntry(
            device, "GRAZ", 1, {name: spec.line_id for name, spec in specs.items() if device in spec.devices}
        )
        for device in {spec.devices[0] for spec in specs.values()}
    }
    raised: list[tuple[str, str, int]] = []

    def fold(name: str, now: int, one: Input) -> None:
        done = advance(specs[name], states[name], [one])
        states[name] = done.state
        raised.extend(
            (name, e.alarm.rule_id, now)
            for e in done.effects
            if isinstance(e, AlarmChanged) and e.event == "raised"
        )

    stream = Stream(plant, Settings(7, START, faults))
    number = 0
    for second in range(SECONDS):
        for event in stream.step():
            if not isinstance(event, Outgoing):
                continue
            number += 1
            for found in decode(
                event.body,
                device=devices[event.device_id],
                device_id=event.device_id,
                source="telemetry/1/0",
                sequence=number,
                arrived_at=event.at + 500,
            ):
                if not isinstance(found, Rejected):
                    one = resolve(found, specs[found.machine_id])
                    assert not isinstance(one, Rejected)
                    fold(found.machine_id, event.at + 500, one)
        now = START + (second + 1) * 1000
        for name, spec in specs.items():
            due = next_due_at(spec, states[name])
            if due is not None and due <= now:
                fold(name, now, Tick(Position("timer/due", now), now))
    said: dict[str, list[Said]] = {}
    for event in Stream(
        plant, Settings(7, START, [f for f in faults if not f.target.endswith("GATEWAY")])
    ).run(SECONDS):
        if isinstance(event, Outgoing):
            one = orjson.loads(event.body)
            said.setdefault(one["machineId"], []).append(one)
    return Hour(raised, said)  # fmt: skip


def at(said: Said) -> int:
    return round(datetime.fromisoformat(said["timestamp"]).timestamp() * 1000)


@pytest.fixture(scope="module")
def hour() -> Hour:
    return decided(read(FACTORY), [*(one for one, *_ in ALARMED), OFFLINE, *HARMLESS])


def due_at(hour: Hour, one: Fault, holds: Callable[[Said], bool], delay_s: float) -> int:
    """When what the machine says has held for the delay, for the first time since the fault began."""
    since: int | None = None
    for said in hour.said[one.target]:
        if at(said) < START + one.start_s * 1000:
            continue
        if not holds(said):
            since = None
            continue
        since = at(said) if since is None else since
        if at(said) - since >= delay_s * 1000:
            return at(said)
    raise AssertionError(f"{one} never held for {delay_s} s")


@pytest.mark.parametrize(
    ("one", "rule", "holds", "delay_s"), ALARMED, ids=[f"{one.kind}-{one.target}" for one, *_ in ALARMED]
)
def test_a_fault_of_a_machine_is_alarmed_once_in_time(
    hour: Hour, one: Fault, rule: str, holds: Callable[[Said], bool], delay_s: float
) -> None:
    [raised_at] = [now for name, found, now in hour.raised if (name, found) == (one.target, rule)]
    due = due_at(hour, one, holds, delay_s)
    assert due <= raised_at <= due + SLACK_MS


def test_a_gateway_that_is_cut_off_is_alarmed_once_for_each_machine_behind_it(hour: Hour) -> None:
    silent = {name: now for name, rule, now in hour.raised if rule == "silent"}
    assert set(silent) == {name for name in hour.said if name.startswith("LINE-3-")}
    for name, now in silent.items():
        last = max(at(said) for said in hour.said[name] if at(said) < START + OFFLINE.start_s * 1000)
        assert last + SILENT_S * 1000 <= now <= last + SILENT_S * 1000 + SLACK_MS


def test_nothing_else_is_alarmed(hour: Hour) -> None:
    expected = [(one.target, rule) for one, rule, *_ in ALARMED]
    expected += [(name, "silent") for name in hour.said if name.startswith("LINE-3-")]
    assert sorted((name, rule) for name, rule, _ in hour.raised) == sorted(expected)
