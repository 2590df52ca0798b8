"""Devices that speak other dialects, read through the profiles that ship in factories/profiles."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.contracts.profile import Profile
from shared.decode import Decoded, DeviceEntry, Reason, Rejected, decode
from shared.decode.profile import CompiledProfile
from shared.domain.inputs import Reading
from shared.domain.packml import PackMLState
from shared.instants import instant, iso

FOLDER = Path(__file__).parents[2] / "factories" / "profiles"
UNITS = {
    "temperature_c": "°C",
    "pressure_bar": "bar",
    "power_kw": "kW",
    "oil_temperature_c": "°C",
    "vibration_mm_s": "mm/s",
}
ARRIVED = instant("2026-11-21T09:30:00Z")


def profile(name: str, **changes: Any) -> Profile:
    described: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return Profile.model_validate({**described, **changes})


def read(message: object, spoken: Profile, *machines: str) -> list[Decoded | Rejected]:
    device = DeviceEntry("D", "S", 1, dict.fromkeys(machines or ("M",), "L"), CompiledProfile(spoken, UNITS))
    raw = json.dumps(message).encode()
    return decode(raw, device=device, device_id="D", source="s", sequence=1, arrived_at=ARRIVED)


def readings(message: object, spoken: Profile, *machines: str) -> list[Reading]:
    found = read(message, spoken, *machines)
    assert all(isinstance(outcome, Decoded) for outcome in found), found
    return [outcome.reading for outcome in found if isinstance(outcome, Decoded)]


def opc(payload: dict[str, Any], **message: Any) -> dict[str, Any]:
    about = {"DataSetWriterName": "1000", "Timestamp": "2026-11-21T09:29:59.5Z", "SequenceNumber": 4}
    return {
        "MessageId": "1",
        "MessageType": "ua-data",
        "Messages": [{**about, "MessageType": "ua-deltaframe", "Payload": payload, **message}],
    }


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_profile_is_well_formed(path: Path) -> None:
    assert profile(path.stem).description


def test_an_opc_message_gives_a_reading_for_each_time_in_it() -> None:
    early, late = "2026-11-21T09:29:58.1234567Z", "2026-11-21T09:29:59.2Z"
    found = readings(
        opc(
            {
                "Temperature": {"Value": 61.5, "SourceTimestamp": early},
                "Pressure": {"Value": 2500, "SourceTimestamp": late},
                "Status": {"Value": 6, "SourceTimestamp": late},
                "Unlisted": {"Value": "x", "SourceTimestamp": "2026-11-21T09:29:00Z"},
            }
        ),
        profile("opc-publisher"),
        "LINE-1-CNC-1",
    )
    assert [(iso(r.at), r.signals, r.state) for r in found] == [
        ("2026-11-21T09:29:58.100Z", {"temperature_c": 61.5}, None),
        ("2026-11-21T09:29:59.200Z", {"pressure_bar": 2.5}, PackMLState.EXECUTE),
    ]
    assert [(r.position.index, r.sequence) for r in found] == [(0, 4), (1, 4)]


def test_a_sample_without_a_time_of_its_own_has_the_messages() -> None:
    (found,) = readings(opc({"Temperature": {"Value": 61.5}}), profile("opc-publisher"), "LINE-1-CNC-1")
    assert iso(found.at) == "2026-11-21T09:29:59.500Z"


def test_a_value_that_is_not_good_is_not_used_but_shows_that_the_machine_was_heard() -> None:
    bad = {"Value": 4, "StatusCode": {"Symbol": "UncertainLastUsableValue", "Code": 1083179008}}
    good = {"Value": 5, "StatusCode": {"Symbol": "Good", "Code": 0}}
    (found,) = readings(opc({"Temperature": bad}), profile("opc-publisher"), "LINE-1-CNC-1")
    assert found.signals == {}
    (found,) = readings(opc({"Temperature": good}), profile("opc-publisher"), "LINE-1-CNC-1")
    assert found.signals == {"temperature_c": 5}


@pytest.mark.parametrize("kind", ["ua-keepalive", "ua-event", "ua-condition"])
def test_what_is_no_reading_is_passed_over(kind: str) -> None:
    assert read(opc({}, MessageType=kind), profile("opc-publisher")) == []


def test_a_message_without_readings_is_rejected() -> None:
    for message in ({"Messages": []}, {}, [1], opc({})):
        (found,) = read(message, profile("opc-publisher"))
        assert isinstance(found, Rejected)
        assert found.reason is Reason.PROFILE_FAILED


def test_a_tag_that_comes_twice_at_one_time_is_two_readings() -> None:
    tags = profile("opc-publisher", tags={"A": {"signal": "x"}, "B": {"signal": "x"}})
    found = readings(opc({"A": {"Value": 1}, "B": {"Value": 2}}), tags, "LINE-1-CNC-1")
    assert [r.signals for r in found] == [{"x": 1}, {"x": 2}]


def test_samples_mode_gives_a_reading_for_each_item() -> None:
    node = "nsu=http://example.com/Machine/;s=Temperature"
    at = "2026-11-21T09:29:58Z"
    message = [
        {"NodeId": node, "Value": {"Value": 21, "SourceTimestamp": at}},
        {"NodeId": "i=2253", "Value": {"EventId": "x", "Message": "The cycle has started"}},
        {"NodeId": node, "Value": {"SourceTimestamp": at, "StatusCode": {"Code": 2150694912}}},
    ]
    found = readings(message, profile("opc-publisher-samples"))
    assert [r.signals for r in found] == [{"temperature_c": 21}, {}]


def test_the_line_simulators_shape_brings_a_word_for_the_state_map() -> None:
    message = {
        "lineId": "LINE-1",
        "machineId": "M",
        "sensorId": "s1",
        "throughput": 120,
        "temperature": 71.2,
        "value": 71.2,
        "state": "degraded",
        "oee": 0.91,
        "health": "warning",
        "ts": "2026-11-21T09:29:58Z",
    }
    (found,) = read(message, profile("line-simulator"))
    assert isinstance(found, Decoded)
    assert (found.word, found.reading.signals) == ("degraded", {"temperature_c": 71.2})
    millis = profile("line-simulator", timestamp_format="epoch_ms")
    (same,) = readings({**message, "ts": instant(message["ts"])}, millis)
    assert same == found.reading


def test_the_edge_gateways_naive_times_are_utc_by_declaration_only() -> None:
    message = {
        "deviceId": "LINE_1_CNC_01",
        "timestamp": "2026-11-21T09:29:58.250000",
        "temperature": 71.2,
        "vibration": 0.4,
        "pressure": 30.0,
        "power": 75.0,
        "status": "Running",
        "operationalHours": 1200,
    }
    (found,) = readings(message, profile("edge-gateway"), "LINE-1-CNC-1")
    assert iso(found.at) == "2026-11-21T09:29:58.250Z"
    assert found.signals == {"temperature_c": 71.2, "vibration_mm_s": 0.4, "power_kw": 75.0}
    (refused,) = read(message, profile("edge-gateway", zone=None), "LINE-1-CNC-1")
    assert isinstance(refused, Rejected)
    assert refused.reason is Reason.NAIVE_TIMESTAMP


def test_the_sensor_bundles_watts_become_kilowatts() -> None:
    message = {
        "deviceId": "LINE-1-CNC-01",
        "lineId": "LINE-1",
        "sensors": {"temperature": 50.5, "vibration": 0.2, "power": 2250, "speed": 1900, "pressure": 17},
        "timestamp": "2026-11-21T09:29:58Z",
    }
    (found,) = readings(message, profile("sensor-bundle"), "LINE-1-CNC-1")
    assert found.signals == {
        "temperature_c": 50.5,
        "vibration_mm_s": 0.2,
        "power_kw": 2.25,
        "spindle_speed_rpm": 1900,
    }


def test_the_envelope_reads_telemetry_only() -> None:
    message = {
        "messageType": "telemetry",
        "deviceId": "M",
        "lineId": "LINE-1",
        "timestamp": "2026-11-21T09:29:58Z",
        "data": {"temperature": 50, "status": "Idle"},
    }
    (found,) = readings(message, profile("envelope"))
    assert (found.signals, found.state) == ({"temperature_c": 50}, PackMLState.IDLE)
    assert read({**message, "messageType": "alert"}, profile("envelope")) == []


def test_a_message_without_time_happened_on_arrival_where_the_profile_says_so() -> None:
    message = {"Content-Type": "application/json", "data": {"CurrentCutPerMinutes": 145, "Availability": 95}}
    (found,) = readings(message, profile("bakery-line"))
    assert (found.at, found.signals) == (ARRIVED, {"piece_rate_per_min": 145})
    (refused,) = read(message, profile("bakery-line", missing_timestamp="reject"))
    assert isinstance(refused, Rejected)
    assert refused.reason is Reason.MISSING_TIMESTAMP


def test_fahrenheit_becomes_celsius_and_a_missing_value_stays_missing() -> None:
    factory = yaml.safe_load((FOLDER.parent / "contoso-bakery.yaml").read_text(encoding="utf-8"))
    fryer = Profile.model_validate(factory["profiles"]["fryer-gateway"])
    (found,) = readings({"data": {"Oiltemperature": 375, "Tank_Level": None}}, fryer)
    assert found.signals == {"oil_temperature_c": pytest.approx(190.5556, abs=1e-3)}


def test_an_expression_that_cannot_be_applied_rejects_its_element_only() -> None:
    spoken = profile("bakery-line", signals={"x": "abs(data.v)"})
    first, second = read([{"data": {"v": "text"}}, {"data": {"v": -5}}], spoken)
    assert isinstance(first, Rejected)
    assert first.reason is Reason.PROFILE_FAILED
    assert "abs(data.v)" in first.detail
    assert isinstance(second, Decoded)
    assert second.reading.signals == {"x": 5}


PAYLOADS = os.environ.get("MILLWRIGHT_PAYLOADS", "")


@pytest.mark.skipif(
    not PAYLOADS, reason="MILLWRIGHT_PAYLOADS names no folder with OPC Publisher's messages (opcua/...)"
)
def test_opc_publishers_own_messages_are_read_or_passed_over() -> None:
    """The messages of its documentation: readings where there are values, silence where there are none."""
    text = (Path(PAYLOADS) / "opcua" / "opcpublisher-messages.json").read_text(encoding="utf-8")
    pubsub = profile("opc-publisher", machines={"1000": "M"}, tags={})
    samples = profile("opc-publisher-samples", tags={})
    counts: list[tuple[str, int, int]] = []
    for entry in json.loads(text):
        body = entry["message"]["body"]
        first = body[0] if isinstance(body, list) else body
        found = readings(body, samples if "NodeId" in first else pubsub, "M")
        counts.append((entry["section"], len(found), sum(len(r.signals) for r in found)))
    assert counts == [
        ("Delta and key frame messages", 3, 4),
        ("Delta and key frame messages", 0, 0),
        ("Event messages", 0, 0),
        ("Event messages", 0, 0),
        ("Reversible encoding", 0, 0),
        ("Pending Alarm snapshots", 0, 0),
        ("Keep Alive messages", 0, 0),
        ("Value change messages in Samples mode", 1, 1),
        ("Value change messages in Samples mode", 1, 1),
        ("Value change messages in Samples mode", 1, 0),
        ("Value change messages in Samples mode", 5, 4),
        ("Event messages in Samples mode", 0, 0),
        ("Event messages in Samples mode", 0, 0),
        ("Event messages in Samples mode", 0, 0),
        ("Event messages in Samples mode", 0, 0),
    ]
