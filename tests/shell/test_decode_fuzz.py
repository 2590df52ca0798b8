"""Whatever bytes a device sends: decoding never raises and never passes over anything in silence."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.profile import Profile
from shared.decode import Decoded, DeviceEntry, Rejected, decode
from shared.decode.profile import CompiledProfile

PLAIN = DeviceEntry("D", "S", 1, {"D": "L", "M": "L"})
PROFILED = DeviceEntry(
    "D",
    "S",
    1,
    {"D": "L"},
    CompiledProfile(
        Profile.model_validate(
            {
                "each": "Messages[]",
                "fields": {"timestamp": "timestamp", "state": "ceil(to_number(state))"},
                "samples": {
                    "list": "items(Payload)",
                    "tag": "[0]",
                    "value": "[1].Value",
                    "timestamp": "[1].At",
                },
                "zone": "Europe/Vienna",
                "missing_timestamp": "arrival",
                "resolution_ms": 100,
            }
        ),
        {},
    ),
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        ["2026-11-21T09:30:00Z", "2026-11-21T09:30:00", "0001-01-01T00:00:00+14:00", "Execute", "M"]
    )
)
NAMES = ["machineId", "timestamp", "sequence", "state", "reason", "order", "counts", "signals", "id", "good"]
KEYS = st.sampled_from([*NAMES, "Messages", "Payload", "Value", "At"]) | st.text(max_size=4)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=20,
)


def outcomes(message: bytes, device: DeviceEntry) -> list[Decoded | Rejected]:
    return decode(message, device=device, device_id="D", source="s", sequence=1, arrived_at=5)


def check(message: bytes) -> None:
    for device in (PLAIN, PROFILED):
        found = outcomes(message, device)
        assert found
        positions = [o.reading.position if isinstance(o, Decoded) else o.position for o in found]
        assert [position.index for position in positions] == list(range(len(found)))
        for outcome in found:
            if isinstance(outcome, Rejected):
                assert outcome.detail
                assert outcome.raw or not message


@given(st.binary(max_size=200))
def test_any_bytes(message: bytes) -> None:
    check(message)


@given(JSON)
def test_any_json(value: Any) -> None:
    check(json.dumps(value).encode())


@given(st.lists(JSON, min_size=1, max_size=4))
def test_any_lines(values: list[Any]) -> None:
    check("\n".join(map(json.dumps, values)).encode())


@given(
    st.fixed_dictionaries(
        {"timestamp": st.datetimes().map(lambda at: at.isoformat() + "Z")},
        optional={
            "machineId": st.sampled_from(["D", "M", "X"]),
            "sequence": st.integers(0, 2**64),
            "state": st.integers(-1, 20) | st.sampled_from(["Held", "word"]),
            "signals": st.dictionaries(st.text(min_size=1, max_size=8), st.floats(), max_size=4),
            "counts": st.fixed_dictionaries({}, optional={"good": st.integers(-1, 2**63)}),
        },
    )
)
def test_messages_of_nearly_the_right_shape(value: dict[str, Any]) -> None:
    check(json.dumps(value).encode())
    assert outcomes(json.dumps(value).encode(), PLAIN) == outcomes(json.dumps(value).encode(), PLAIN)
