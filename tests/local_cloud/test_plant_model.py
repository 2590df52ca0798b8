"""The simulated plant without a network: repeatable, causal, and true to its own record."""

import json
import subprocess
import sys
from collections import defaultdict
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from local.plant import faults
from local.plant.__main__ import main
from local.plant.description import PlantDescription, read
from local.plant.faults import BadScenario, Fault, Schedule, check, scattered
from local.plant.gateway import Link, Outgoing
from local.plant.model import Plant
from local.plant.physics import CLASSES, UnknownClass, model_of
from local.plant.stream import Settings, Stream
from local.plant.truth import Truth
from shared.decode import Rejected, decode
from shared.decode.outcome import DeviceEntry
from shared.domain.packml import PackMLState

ROOT = Path(__file__).parents[2]
FACTORY = ROOT / "factories/smart-factory.yaml"
MONDAY = int(datetime.fromisoformat("2026-03-09T06:00:00+00:00").timestamp() * 1000)
"""07:00 in Graz: in the middle of the early shift, two hours before its first break."""


@pytest.fixture(scope="module")
def factory() -> PlantDescription:
    return read(FACTORY)


@pytest.fixture(scope="module")
def line(factory) -> PlantDescription:
    return factory.only("LINE-1")


def fault(kind, target, start_s, duration_s, **more):
    return Fault(kind=kind, target=target, start_s=start_s, duration_s=duration_s, **more)


def play(plant, seconds, *, seed=7, start=MONDAY, **settings):
    """All reports of a simulation by machine, and its truth."""
    entries = []
    simulated = Plant(plant, seed=seed, start=start, truth=Truth(plant.reasons, entries.append), **settings)
    reports = defaultdict(list)
    for _ in range(seconds):
        for report in simulated.step():
            reports[report.machine_id].append(report)
    simulated.finish()
    return reports, entries


def stream(plant, seconds, *, seed=7, **settings):
    """All events of the devices of a simulation, and its truth."""
    entries = []
    found = Stream(plant, Settings(seed, MONDAY, **settings), Truth(plant.reasons, entries.append))
    return list(found.run(seconds)), entries


def ms(text):
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def entry(plant, device):
    """What the pipeline's directory knows of a device."""
    return DeviceEntry(
        device, "GRAZ", 1, {m.machine_id: m.line_id for m in plant.machines if device in m.devices}
    )


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def test_the_same_seed_gives_the_same_messages_and_another_seed_others(line):
    some = scattered(line, seed=3, seconds=600)
    first, again = (stream(line, 600, seed=3, faults=some) for _ in range(2))
    assert first == again
    assert stream(line, 60, seed=4)[0] != stream(line, 60, seed=3)[0]


def test_a_machines_history_does_not_depend_on_other_lines(factory, line):
    alone, _ = play(line, 300)
    together, _ = play(factory, 300)
    assert alone["LINE-1-CNC-1"] == together["LINE-1-CNC-1"]


def test_true_states_tile_each_machines_time_without_gap_or_overlap(factory):
    _, entries = play(factory, 3600, faults=scattered(factory, seed=1, seconds=3600))
    states = defaultdict(list)
    for entry in entries:
        if entry["type"] == "state":
            states[entry["machineId"]].append((ms(entry["start"]), ms(entry["end"])))
    assert len(states) == 12
    for intervals in states.values():
        assert 0 <= intervals[0][0] - MONDAY < 1000
        assert 0 <= intervals[-1][1] - (MONDAY + 3600_000) < 1000
        assert all(end == start for (_, end), (start, _) in pairwise(intervals))


def test_counters_never_fall_and_pieces_are_never_made_twice(line):
    reports, _ = play(line, 3 * 3600)
    for of_machine in reports.values():
        made = [(report.good, report.reject) for report in of_machine]
        assert made == sorted(made)
        assert all(sum(report.rejects.values()) == report.reject for report in of_machine)
    last = {machine: of_machine[-1] for machine, of_machine in reports.items()}
    cut = last["LINE-1-CNC-1"].good + last["LINE-1-CNC-2"].good
    robot, belt = last["LINE-1-ROBOT-1"], last["LINE-1-CONVEYOR-1"]
    assert cut - 15 <= robot.good + robot.reject <= cut + 10
    assert robot.good - 15 <= belt.good + belt.reject <= robot.good + 10
    assert cut > 300


def test_a_machine_reports_at_its_interval_and_at_each_change(line):
    reports, entries = play(line, 3600, report_s=10)
    told = {(m, r.at) for m, of_machine in reports.items() for r in of_machine}
    changes = {(e["machineId"], ms(e["start"])) for e in entries if e["type"] == "state"}
    assert changes <= told
    assert len(told) < 4 * 360 + len(changes) + 1
    counts = {(e["machineId"], ms(e["at"])) for e in entries if e["type"] == "counts"}
    assert counts == told


def test_a_worn_tool_vibrates_heats_scraps_and_breaks_and_a_new_one_does_not(line):
    wear = fault("tool_wear", "LINE-1-CNC-1", 0, 5400, amount=6)
    reports, _ = play(line, 5400, faults=[wear], seed=2)
    mine = reports["LINE-1-CNC-1"]
    breaks = [r.at for r in mine if r.state is PackMLState.ABORTED and r.reason == "tool-breakage"]
    assert breaks
    running = [r for r in mine if r.state is PackMLState.EXECUTE and r.at < breaks[0]]
    fresh = [r for r in running if r.signals["tool_wear_min"] < 120]
    worn = [r for r in running if r.signals["tool_wear_min"] > 195]
    for signal in ("vibration_mm_s", "temperature_c", "torque_nm", "power_kw"):
        assert mean(r.signals[signal] for r in worn) > 1.1 * mean(r.signals[signal] for r in fresh), signal
    assert mean(r.signals["vibration_mm_s"] for r in worn) > 5
    after = [r for r in mine if r.at > breaks[-1] and r.state is PackMLState.EXECUTE]
    assert after[0].signals["tool_wear_min"] < 2


def test_a_worn_tool_is_changed_before_it_breaks_when_nothing_is_wrong(line):
    reports, entries = play(line, 5 * 3600)
    changes = [e for e in entries if e["type"] == "state" and e["reason"] == "tool-change"]
    assert changes
    assert {e["category"] for e in changes} == {"setup"}
    assert not [e for e in entries if e["type"] == "state" and e["reason"] == "tool-breakage"]
    wear = max(r.signals.get("tool_wear_min", 0) for of_machine in reports.values() for r in of_machine)
    assert 190 <= wear <= 205


def test_overheating_switches_the_machine_off(line):
    reports, entries = play(line, 600, faults=[fault("overheating", "LINE-1-CNC-2", 60, 300, amount=300)])
    temperatures = {r.at: r.signals["temperature_c"] for r in reports["LINE-1-CNC-2"]}
    (trip,) = [
        e for e in entries if e["type"] == "state" and (e["state"], e["reason"]) == ("Aborted", "overheating")
    ]
    assert temperatures[min(temperatures)] < 60
    assert max(temperatures.values()) > 97
    assert ms(trip["start"]) > MONDAY + 60_000
    assert trip["category"] == "unplannedStop"


def test_a_jam_draws_power_first_and_then_holds_the_machine(line):
    reports, _ = play(line, 300, faults=[fault("jam", "LINE-1-CONVEYOR-1", 60, 60)])
    mine = reports["LINE-1-CONVEYOR-1"]
    held = next(r for r in mine if r.state is PackMLState.HELD and r.reason == "jam")
    before = [r for r in mine if held.at - 15_000 < r.at < held.at]
    assert mean(r.signals["power_kw"] for r in before) > 4
    assert mean(r.signals["power_kw"] for r in mine if r.at < MONDAY + 50_000) < 2


def test_without_material_a_line_starves_and_a_stuck_end_blocks_it(line):
    shortage = [fault("material_shortage", f"LINE-1-CNC-{n}", 60, 1500) for n in (1, 2)]
    _, starving = play(line, 1600, faults=shortage)
    stuck = [fault("overheating", "LINE-1-CONVEYOR-1", 10, 3000, amount=900)]
    _, blocking = play(line, 3000, faults=stuck)

    def seconds(entries, machine, category):
        return (
            sum(
                ms(e["end"]) - ms(e["start"])
                for e in entries
                if e["type"] == "state" and e["machineId"] == machine and e["category"] == category
            )
            / 1000
        )

    assert seconds(starving, "LINE-1-CNC-1", "starved") > 1200
    assert seconds(starving, "LINE-1-ROBOT-1", "starved") > 900
    assert seconds(blocking, "LINE-1-CNC-1", "blocked") > 1000


def test_a_frozen_sensor_repeats_its_last_value(line):
    freeze = fault("sensor_freeze", "LINE-1-ROBOT-1", 30, 60, signal="temperature_c")
    reports, _ = play(line, 120, faults=[freeze])
    mine = reports["LINE-1-ROBOT-1"]
    frozen = [r.signals for r in mine if 30_000 <= r.at - MONDAY < 90_000]
    assert len({signals["temperature_c"] for signals in frozen}) == 1
    assert len({signals["vibration_mm_s"] for signals in frozen}) > 30
    assert len({r.signals["temperature_c"] for r in mine if r.at - MONDAY < 30_000}) > 10


def test_nobody_works_in_a_planned_break(line):
    before_break = int(datetime.fromisoformat("2026-03-09T08:58:00+01:00").timestamp() * 1000)
    reports, _ = play(line, 20 * 60, start=before_break)
    in_break = range(before_break + 121_000, before_break + 17 * 60_000)
    for of_machine in reports.values():
        states = {r.state for r in of_machine if r.at in in_break}
        assert PackMLState.EXECUTE not in states
        assert of_machine[-1].good > 0 or of_machine[-1].state is not PackMLState.STOPPED


@pytest.mark.parametrize("factory_file", ["smart-factory.yaml", "contoso-bakery.yaml"])
def test_every_class_of_a_shipped_factory_has_its_signals_within_their_ranges(factory_file):
    path = ROOT / "factories" / factory_file
    description = yaml.safe_load(path.read_text())
    reports, _ = play(read(path), 900)
    for machine in read(path).machines:
        declared = description["classes"][machine.machine_class]["signals"]
        for report in reports[machine.machine_id]:
            assert list(report.signals) == list(declared)
            for name, value in report.signals.items():
                low, high = declared[name]["range"]
                assert low <= value <= high, (machine.machine_id, name)


def test_an_unknown_class_is_named():
    with pytest.raises(UnknownClass, match="Loom"):
        model_of("Loom")
    assert set(CLASSES) >= {"CncMachine", "Fryer"}


def test_the_pipelines_decoder_takes_every_message_of_a_healthy_plant(factory):
    events, entries = stream(factory, 120, readings_per_message=5)
    device = {d: entry(factory, d) for m in factory.machines for d in m.devices}
    decoded = 0
    for number, event in enumerate(events):
        for found in decode(
            event.body,
            device=device[event.device_id],
            device_id=event.device_id,
            source="test",
            sequence=number,
            arrived_at=event.at,
        ):
            assert not isinstance(found, Rejected), found
            decoded += 1
    assert decoded == len([e for e in entries if e["type"] == "counts"])


def test_malformed_messages_are_useless_to_the_decoder_and_marked_in_the_truth(line):
    broken = fault("malformed", "LINE-1-GATEWAY", 0, 300, share=0.5)
    events, entries = stream(line, 300, faults=[broken], readings_per_message=2)
    device = entry(line, "LINE-1-GATEWAY")
    truth = {e["messageId"]: e["faults"] for e in entries if e["type"] == "message"}
    marked = [e for e in events if "malformed" in e.faults]
    assert len({e.faults[-1] for e in marked}) == 5
    for number, event in enumerate(events):
        found = decode(
            event.body,
            device=device,
            device_id=event.device_id,
            source="test",
            sequence=number,
            arrived_at=event.at,
        )
        useless = all(isinstance(one, Rejected) for one in found)
        assert useless == ("malformed" in truth[event.message_id])


def keys(events):
    return [key for event in events if isinstance(event, Outgoing) for key in event.readings]


@pytest.mark.parametrize("kind", ["duplicate", "reordered", "late"])
def test_corrupted_streams_hold_the_same_readings_as_clean_ones(line, kind):
    clean, _ = stream(line, 300)
    corrupt, entries = stream(
        line, 300, faults=[fault(kind, "LINE-1-GATEWAY", 60, 120, share=0.3, amount=30)]
    )
    assert set(keys(corrupt)) == set(keys(clean))
    marked = [e for e in entries if e["type"] == "message" and kind in e["faults"]]
    assert len(marked) > 50
    repeated = len(keys(corrupt)) - len(keys(clean))
    assert repeated == (len(marked) if kind == "duplicate" else 0)
    in_order = keys(corrupt) == sorted(keys(corrupt), key=lambda key: key[2])
    assert not in_order


def test_a_late_message_leaves_later_by_the_amount(line):
    events, _ = stream(line, 120, faults=[fault("late", "LINE-1-GATEWAY", 10, 5, amount=40)])
    late = [e for e in events if "late" in e.faults]
    assert late
    assert all(39_000 <= e.at - ms(e.readings[0][1]) <= 42_000 for e in late)


def test_a_skewed_clock_shifts_time_stamps_only(line):
    events, _ = stream(line, 60, faults=[fault("clock_skew", "LINE-1-GATEWAY", 20, 20, amount=-45)])
    shifts = {round((ms(e.readings[0][1]) - e.at) / 1000) for e in events}
    assert shifts == {0, -45}


def test_an_offline_gateway_keeps_its_backlog_in_order(line):
    offline = fault("gateway_offline", "LINE-1-GATEWAY", 20, 60)
    events, _ = stream(line, 120, faults=[offline])
    links = [(e.online, (e.at - MONDAY) // 1000) for e in events if isinstance(e, Link)]
    assert links == [(False, 20), (True, 80)]
    sent = [e for e in events if isinstance(e, Outgoing)]
    assert not [e for e in sent if 20_000 <= e.at - MONDAY < 80_000]
    backlog = [e for e in sent if "backlog" in e.faults]
    assert len(backlog) >= 240
    numbers = [key[2] for key in keys(events)]
    assert numbers == sorted(numbers)
    assert keys(events) == keys(stream(line, 120)[0])


def test_scattered_faults_are_of_every_kind_and_fit_the_plant(factory):
    some = scattered(factory, seed=5, seconds=3600)
    check(some, factory)
    assert {f.kind for f in some} == {*faults.MACHINE_FAULTS, *faults.DEVICE_FAULTS}


def test_the_shipped_scenario_fits_the_shipped_factory(factory):
    assert len(faults.load(ROOT / "local/plant/scenarios/eventful.yaml", factory)) > 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("faults: [{kind: jam, target: NOBODY, start_s: 1, duration_s: 1}]", "no machine NOBODY"),
        ("faults: [{kind: late, target: LINE-1-CNC-1, start_s: 1, duration_s: 1}]", "no device LINE-1-CNC-1"),
        ("faults: [{kind: meteor, target: LINE-1-CNC-1, start_s: 1, duration_s: 1}]", "kind"),
        ("faults: [{kind: jam, target: LINE-1-CNC-1, start_s: 1, duration_s: 0}]", "duration_s"),
        ("faults: [", "expected"),
        ("[]", "dictionary"),
    ],
)
def test_a_broken_scenario_is_refused(tmp_path, factory, text, words):
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    with pytest.raises(BadScenario, match=words):
        faults.load(path, factory)


def test_a_schedule_knows_only_its_targets_faults():
    schedule = Schedule([fault("jam", "A", 10, 5)], "A")
    assert schedule.of("jam", 9.9) is None
    assert schedule.of("jam", 10) is not None
    assert schedule.of("jam", 15) is None
    assert not Schedule([fault("jam", "A", 10, 5)], "B")


def test_the_command_prints_messages_and_writes_the_truth(tmp_path):
    truth = tmp_path / "truth.jsonl"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "local.plant", "--seed=7", "--seconds=30", "--line=LINE-2"),
            *("--start=2026-03-09T06:00:00Z", "--readings-per-message=4", f"--truth={truth}", "--out=-"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["deviceId"] for line in lines} == {"LINE-2-GATEWAY"}
    assert sum(len(line["body"]) for line in lines[:-1]) == 4 * (len(lines) - 1)
    types = {json.loads(line)["type"] for line in truth.read_text().splitlines()}
    assert types == {"state", "counts", "message"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--factory={tmp}/broken.yaml", "--seconds=1", "--out=-"], "broken.yaml"),
        (["--out=-"], "--out needs --seconds"),
        (["--seconds=1", "--out=-", "--start=2026-03-09T06:00:00"], "has no offset"),
        (["--seconds=1", "--out=-", "--report-s=0"], "must be positive"),
        (["--seconds=1", "--out=-", "--line=LINE-9"], "no line LINE-9"),
        (["--seconds=1", "--dir={tmp}"], "endpoints.json"),
    ],
)
def test_mistakes_on_the_command_line_are_explained(tmp_path, capsys, arguments, words):
    (tmp_path / "broken.yaml").write_text("format: 1\n")
    factory = f"--factory={FACTORY}"
    assert main([factory, *(argument.format(tmp=tmp_path) for argument in arguments)]) == 2
    assert words in capsys.readouterr().err
