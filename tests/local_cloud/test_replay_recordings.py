"""Data sets -> what devices send, in the right order; predictions -> how good they were."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from local.replay.datasets import recognise
from local.replay.found import Answer, judge
from local.replay.recording import Chunk, Lane, NotARecording, Service
from local.replay.skab import body
from millwright.factory_file import load
from shared.decode import Decoded, DeviceEntry, decode
from shared.decode.profile import CompiledProfile
from training.pdm_records import HOUR_MS


def test_a_folder_without_a_known_recording_is_told_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(NotARecording, match=r"(?s)PdM_telemetry\.csv.*machine_temperature.*semicolons"):
        recognise(tmp_path)
    with pytest.raises(NotARecording, match="no folder"):
        recognise(tmp_path / "nowhere")
    (tmp_path / "PdM_telemetry.csv").write_text('"datetime","machineID","volt"\n')
    with pytest.raises(NotARecording, match=r"not PdM_machines\.csv, PdM_maint\.csv, PdM_failures\.csv"):
        recognise(tmp_path).read()


def test_a_maintenance_record_stands_behind_the_readings_of_its_instant_and_before_the_next() -> None:
    readings = [(hour * HOUR_MS, b"%d" % hour) for hour in range(1, 8)]
    maintained = [(0, "a"), (3 * HOUR_MS, "b"), (3 * HOUR_MS, "c"), (9 * HOUR_MS, "d")]
    steps = list(Lane("M", "D", readings, maintained).steps(2))
    assert steps == [
        Service(0, ("a",)),
        Chunk(b"[1,2]", 2),
        Chunk(b"[3]", 1),
        Service(3 * HOUR_MS, ("b", "c")),
        Chunk(b"[4,5]", 2),
        Chunk(b"[6,7]", 2),
    ]


def test_the_complete_table_is_read_as_the_subset_is(tmp_path: Path) -> None:
    (tmp_path / "PdM_telemetry.csv").write_text(
        '"datetime","machineID","volt","rotate","pressure","vibration"\n'
        "2015-01-01 07:00:00,1,162.879223355905,402.747489565395,95.4605253823187,43.4139726834815\n"
        "2015-01-01 06:00:00,1,176.217853015625,418.504078221616,113.077935462083,45.0876857639276\n"
        "2015-04-01 06:00:00,1,170.0,440.0,100.0,40.0\n"
        "2015-01-01 06:00:00,21,170.0,440.0,100.0,40.0\n"
    )
    (tmp_path / "PdM_machines.csv").write_text('"machineID","model","age"\n1,"model3",18\n')
    (tmp_path / "PdM_maint.csv").write_text('"datetime","machineID","comp"\n2014-06-01 06:00:00,1,"comp2"\n')
    (tmp_path / "PdM_failures.csv").write_text(
        '"datetime","machineID","failure"\n2015-01-05 06:00:00,1,"comp4"\n'
    )
    recording = recognise(tmp_path).read()
    (lane,) = recording.lanes
    assert (lane.machine_id, lane.device_id) == ("PDM-1", "PDM-GATEWAY-1")
    assert [orjson.loads(row) for _, row in lane.readings] == [
        {
            "machineId": "PDM-1",
            "timestamp": f"2015-01-01T0{hour}:00:00.000Z",
            "signals": {"volt_v": volt, "rotate_rpm": rotate, "pressure": pressure, "vibration": vibration},
        }
        for hour, volt, rotate, pressure, vibration in (
            (6, 176.217853015625, 418.504078221616, 113.077935462083, 45.0876857639276),
            (7, 162.879223355905, 402.747489565395, 95.4605253823187, 43.4139726834815),
        )
    ]
    assert lane.maintained == [(1_401_602_400_000, "comp2")]
    assert recording.failed_at == {"PDM-1": [1_420_437_600_000]}


def test_a_row_of_the_testbed_becomes_a_reading_through_the_factorys_profile(tmp_path: Path) -> None:
    header = "datetime;Accelerometer1RMS;Accelerometer2RMS;Current;Pressure;Temperature;Thermocouple;Voltage"
    header += ";Volume Flow RateRMS;anomaly;changepoint\n"
    values = "0.0265878;0.0401113;1.3302;-0.054711;79.3366;26.0199;233.062;32.0"
    (tmp_path / "valve1").mkdir()
    (tmp_path / "valve1" / "1.csv").write_text(
        f"{header}2020-03-09 10:14:34;{values};1.0;0.0\n2020-03-09 10:14:35;{values};1.0;0.0\n"
    )
    (tmp_path / "valve1" / "0.csv").write_text(f"{header}2020-03-09 10:14:33;{values};0.0;1.0\n")
    found = recognise(tmp_path)
    recording = found.read()
    (lane,) = recording.lanes
    assert [at for at, _ in lane.readings] == [1_583_748_873_000 + second * 1000 for second in range(3)]
    assert recording.anomalies is not None
    assert [(span.start, span.end) for span in recording.anomalies] == [
        (1_583_748_874_000, 1_583_748_875_000)
    ]
    (reading,) = by_profile(found.factory, "skab-row", "SKAB-PUMP-1", lane.readings[0][1])
    assert reading.at == 1_583_748_873_000
    assert reading.signals == {
        "accelerometer_1_g": 0.0265878,
        "accelerometer_2_g": 0.0401113,
        "current_a": 1.3302,
        "pressure_bar": -0.054711,
        "temperature_c": 79.3366,
        "thermocouple_c": 26.0199,
        "voltage_v": 233.062,
        "flow_l_min": 32.0,
    }


def test_the_authors_answers_are_not_sent() -> None:
    assert orjson.loads(body({"Current": "1.0", "anomaly": "1.0", "changepoint": "0.0"})) == {
        "Current": "1.0"
    }


def test_a_row_of_the_machine_becomes_a_reading_and_its_windows_are_known(tmp_path: Path) -> None:
    name = "machine_temperature_system_failure.csv"
    (tmp_path / name).write_text("timestamp,value\n2013-12-02 21:15:00,73.96732207\n")
    found = recognise(tmp_path)
    assert found.read().anomalies is None
    window = ["2013-12-10 06:25:00.000000", "2013-12-12 05:35:00.000000"]
    (tmp_path / "combined_windows.json").write_text(json.dumps({f"realKnownCause/{name}": [window]}))
    recording = found.read()
    assert recording.anomalies is not None
    assert [span.end - span.start for span in recording.anomalies] == [(46 * 60 + 70) * 60_000]
    (lane,) = recording.lanes
    (reading,) = by_profile(found.factory, "nab-row", "NAB-MACHINE-1", lane.readings[0][1])
    assert (reading.at, reading.signals) == (1_386_018_900_000, {"temperature": 73.96732207})


def by_profile(factory: Path, profile: str, machine_id: str, row: bytes) -> list[Any]:
    """The readings that the pipeline makes of what a device sent."""
    dialect = CompiledProfile(load(factory, None).factory.profiles[profile], {})
    device = DeviceEntry("GATEWAY", "SITE", 1, {machine_id: "LINE"}, dialect)
    outcomes = decode(
        b"[" + row + b"]",
        device=device,
        device_id="GATEWAY",
        source="telemetry/1/0",
        sequence=1,
        arrived_at=1_800_000_000_000,
    )
    assert all(isinstance(one, Decoded) and one.machine_id == machine_id for one in outcomes)
    return [one.reading for one in outcomes if isinstance(one, Decoded)]


def answers(*probabilities: float | None) -> list[Answer]:
    return [
        Answer(hour * HOUR_MS, probability, 0.5, "m", "1") for hour, probability in enumerate(probabilities)
    ]


def test_predictions_are_judged_by_warning_episodes_and_failure_events() -> None:
    quiet = [0.1] * 40
    warned = [*quiet[:30], 0.9, 0.1, 0.9, *quiet[:7]]
    judged = judge(
        {"A": answers(*warned), "B": answers(*quiet), "C": answers(*warned), "D": answers(*[None] * 40)},
        {"A": [36 * HOUR_MS], "B": [39 * HOUR_MS], "D": [39 * HOUR_MS]},
    )
    assert judged is not None
    assert (judged.failures, judged.warned, judged.event_recall) == (2, 1, 0.5)
    assert judged.failures_unjudged == 1
    assert judged.lead_time_median_h == 6.0
    assert judged.episodes == 2
    assert judged.false_episodes_per_machine_month == pytest.approx(1 / (120 / 720))
    assert (judged.predictions, judged.abstained) == (160, 40)


def test_without_predictions_there_is_nothing_to_judge() -> None:
    assert judge({"A": []}, {}) is None
