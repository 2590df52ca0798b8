"""Decoding v1 messages: what becomes a reading, what is rejected, why, and what its neighbours notice."""

import json
from dataclasses import replace

import pytest

from shared.decode import MAX_MESSAGE_BYTES, Decoded, DeviceEntry, Reason, Rejected, decode, resolve
from shared.decode.reading import as_message
from shared.domain.inputs import Position
from shared.domain.packml import PackMLState
from shared.domain.spec import Calendar, MachineSpec

GATEWAY = DeviceEntry("GATEWAY", "SITE", 1, {"CNC-1": "LINE", "CNC-2": "LINE"})
GOOD = {"machineId": "CNC-1", "timestamp": "2026-11-21T09:30:00.5Z", "signals": {"temperature_c": 61.5}}
SPEC = MachineSpec(
    machine_id="CNC-1",
    site_id="SITE",
    line_id="LINE",
    machine_class="CncMachine",
    version=1,
    devices=("GATEWAY",),
    signals=(),
    calendar=Calendar("UTC", ()),
    state_map={"läuft": PackMLState.EXECUTE},
)


def read(message: bytes | str | object, device: DeviceEntry | None = GATEWAY) -> list[Decoded | Rejected]:
    if not isinstance(message, bytes):
        message = (message if isinstance(message, str) else json.dumps(message)).encode()
    name = device.device_id if device else "STRANGER"
    return decode(
        message, device=device, device_id=name, source="telemetry/1/0", sequence=7, arrived_at=1_000
    )


def reading(message: object) -> Decoded:
    (outcome,) = read(message)
    assert isinstance(outcome, Decoded), outcome
    return outcome


def rejected(message: object, device: DeviceEntry | None = GATEWAY) -> Rejected:
    (outcome,) = read(message, device)
    assert isinstance(outcome, Rejected), outcome
    return outcome


def test_a_full_message_becomes_one_reading() -> None:
    decoded = reading(
        {
            **GOOD,
            "sequence": 12,
            "state": "Execute",
            "reason": "jam",
            "order": {"id": "WO-1", "product": "P-100"},
            "counts": {"good": 10, "reject": 2, "rejects": {"scratch": 2}},
        }
    )
    found = decoded.reading
    assert decoded.machine_id == "CNC-1"
    assert found.position == Position("telemetry/1/0", 7, 0)
    assert (found.device, found.at, found.arrived_at) == ("GATEWAY", 1_795_253_400_500, 1_000)
    assert (found.sequence, found.state, found.reason) == (12, PackMLState.EXECUTE, "jam")
    assert (found.order, found.product) == ("WO-1", "P-100")
    assert (found.good, found.reject, found.rejects) == (10, 2, {"scratch": 2})
    assert found.signals == {"temperature_c": 61.5}


def test_offsets_are_honoured_and_fractions_beyond_milliseconds_dropped() -> None:
    one = reading({**GOOD, "timestamp": "2026-11-21T10:30:00.5009999+01:00"}).reading
    assert one.at == reading(GOOD).reading.at


@pytest.mark.parametrize("state", ["Execute", "execute", "EXECUTE", 6])
def test_a_packml_state_is_known_by_name_and_number(state: str | int) -> None:
    assert reading({**GOOD, "state": state}).reading.state is PackMLState.EXECUTE


def test_an_array_gives_readings_in_its_order_each_with_its_index() -> None:
    outcomes = read([GOOD, {**GOOD, "machineId": "CNC-2"}])
    assert [(o.machine_id, o.reading.position.index) for o in outcomes if isinstance(o, Decoded)] == [
        ("CNC-1", 0),
        ("CNC-2", 1),
    ]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\n\n"])
def test_lines_of_ndjson_are_readings(newline: str) -> None:
    line = json.dumps(GOOD)
    assert [type(o) for o in read(line + newline + line + newline)] == [Decoded, Decoded]


def test_a_byte_order_mark_and_white_space_do_no_harm() -> None:
    text = json.dumps([GOOD], indent=2).encode()
    assert read(b"\xef\xbb\xbf \n" + text) == read(text)


def test_a_bad_element_rejects_itself_only_and_can_be_replayed_alone() -> None:
    bad = {**GOOD, "signals": {"temperature_c": "hot"}}
    first, second, third = read([GOOD, bad, GOOD])
    assert isinstance(first, Decoded)
    assert isinstance(third, Decoded)
    assert isinstance(second, Rejected)
    assert second.position.index == 1
    assert json.loads(second.raw) == bad
    assert "signals.temperature_c" in second.detail


def test_a_bad_line_rejects_itself_only() -> None:
    line = json.dumps(GOOD)
    outcomes = read(f'{line}\n{{"broken"\n{line}')
    assert [type(o) for o in outcomes] == [Decoded, Rejected, Decoded]


def test_a_broken_pretty_printed_object_is_one_rejection() -> None:
    assert rejected(json.dumps(GOOD, indent=2)[:-3]).reason is Reason.NOT_JSON


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", Reason.EMPTY),
        (b" \n", Reason.EMPTY),
        (b"[]", Reason.EMPTY),
        (b'{"timestamp": "\xff"}', Reason.NOT_UTF8),
        (b"machine is fine", Reason.NOT_JSON),
        (b"[" * 1000 + b"]" * 1000, Reason.TOO_DEEP),
        (b" " * (MAX_MESSAGE_BYTES + 1), Reason.TOO_LARGE),
        (b"5", Reason.WRONG_SHAPE),
        ({"machineId": "CNC-1"}, Reason.MISSING_TIMESTAMP),
        ({**GOOD, "timestamp": "2026-11-21T09:30:00"}, Reason.NAIVE_TIMESTAMP),
        ({**GOOD, "timestamp": "2026-11-21 09:30"}, Reason.NAIVE_TIMESTAMP),
        ({**GOOD, "timestamp": "yesterday"}, Reason.BAD_TIMESTAMP),
        ({**GOOD, "timestamp": "1795253400"}, Reason.BAD_TIMESTAMP),
        ({**GOOD, "timestamp": 1795253400}, Reason.BAD_TIMESTAMP),
        ({**GOOD, "timestamp": "2026-02-30T09:30:00Z"}, Reason.BAD_TIMESTAMP),
        ({**GOOD, "timestamp": "1812-06-24T00:00:00Z"}, Reason.BAD_TIMESTAMP),
        ({**GOOD, "timestamp": "9999-06-24T00:00:00Z"}, Reason.BAD_TIMESTAMP),
        ({**GOOD, "signals": {"temperature_c": float("nan")}}, Reason.NOT_FINITE),
        ({**GOOD, "signals": {"temperature_c": float("-inf")}}, Reason.NOT_FINITE),
        (b'{"timestamp":"2026-11-21T09:30:00Z","signals":{"a":1e999}}', Reason.NOT_FINITE),
        ({**GOOD, "signals": {"temperature_c": True}}, Reason.WRONG_SHAPE),
        ({**GOOD, "signals": [1, 2]}, Reason.WRONG_SHAPE),
        ({**GOOD, "sequence": -1}, Reason.WRONG_SHAPE),
        ({**GOOD, "order": "WO-1"}, Reason.WRONG_SHAPE),
        ({**GOOD, "order": {"product": "P-100"}}, Reason.WRONG_SHAPE),
        ({**GOOD, "counts": {"good": 1.5}}, Reason.WRONG_SHAPE),
        ({**GOOD, "counts": {"good": -1}}, Reason.WRONG_SHAPE),
        ({**GOOD, "temperature": 5}, Reason.UNKNOWN_FIELD),
        ({**GOOD, "state": 18}, Reason.UNKNOWN_STATE),
        ({**GOOD, "machineId": None}, Reason.MISSING_MACHINE),
        ({**GOOD, "machineId": "CNC-3"}, Reason.NOT_ITS_DEVICE),
    ],
)
def test_what_is_no_reading_is_rejected_with_its_reason(message: object, reason: Reason) -> None:
    found = rejected(message)
    assert found.reason is reason, found.detail
    assert found.detail
    assert len(found.detail) <= 500


def test_an_unknown_device_is_rejected_whole() -> None:
    found = rejected([GOOD, GOOD], device=None)
    assert found.reason is Reason.UNKNOWN_DEVICE
    assert json.loads(found.raw) == [GOOD, GOOD]


def test_a_machine_that_is_its_own_device_need_not_name_itself() -> None:
    message = {name: value for name, value in GOOD.items() if name != "machineId"}
    own = DeviceEntry("CNC-1", "SITE", 1, {"CNC-1": "LINE", "CNC-2": "LINE"})
    only = DeviceEntry("BOX", "SITE", 1, {"CNC-1": "LINE"})
    for device in (own, only):
        (outcome,) = read(message, device)
        assert isinstance(outcome, Decoded)
        assert outcome.machine_id == "CNC-1"


def test_the_key_is_the_same_for_the_same_content_and_differs_for_any_other() -> None:
    key = reading(GOOD).reading.key
    assert len(key) == 16
    again = decode(
        json.dumps(dict(reversed(GOOD.items())), indent=1).encode(),
        device=GATEWAY,
        device_id="GATEWAY",
        source="telemetry/1/3",
        sequence=99,
        arrived_at=2_000,
    )
    assert isinstance(again[0], Decoded)
    assert again[0].reading.key == key
    others: list[dict[str, object]] = [
        {"machineId": "CNC-2"},
        {"timestamp": "2026-11-21T09:30:00.501Z"},
        {"sequence": 1},
        {"state": "Held"},
        {"state": "held up"},
        {"reason": "jam"},
        {"order": {"id": "A"}},
        {"order": {"id": "A", "product": "B"}},
        {"counts": {"good": 1}},
        {"counts": {"reject": 1}},
        {"counts": {"rejects": {"a": 1}}},
        {"signals": {"temperature_c": 61.6}},
    ]
    keys = {reading({**GOOD, **other}).reading.key for other in others}
    assert len(keys | {key}) == len(others) + 1


def test_a_vendors_word_is_resolved_by_the_machines_pinned_spec() -> None:
    decoded = reading({**GOOD, "state": "Läuft"})
    assert decoded.reading.state is None
    resolved = resolve(decoded, SPEC)
    assert not isinstance(resolved, Rejected)
    assert resolved.state is PackMLState.EXECUTE


def test_a_word_that_nobody_maps_is_rejected_with_a_message_to_replay() -> None:
    found = resolve(reading({**GOOD, "state": "kaputt"}), SPEC)
    assert isinstance(found, Rejected)
    assert found.reason is Reason.UNKNOWN_STATE
    assert reading(found.raw) == reading({**GOOD, "state": "kaputt"})


def test_a_device_that_the_pinned_spec_does_not_list_is_rejected() -> None:
    found = resolve(reading(GOOD), replace(SPEC, devices=("OTHER",)))
    assert isinstance(found, Rejected)
    assert found.reason is Reason.NOT_ITS_DEVICE


def test_a_reading_written_as_a_message_again_is_the_same_reading() -> None:
    decoded = reading(
        {
            **GOOD,
            "sequence": 3,
            "state": "Held",
            "order": {"id": "A"},
            "counts": {"good": 4, "rejects": {"b": 1}},
        }
    )
    assert reading(as_message(decoded)) == decoded
