"""The published contract of telemetry messages."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from millwright.schemas import published
from shared.contracts.telemetry import MESSAGE, MESSAGES

FOLDER = Path(__file__).parents[2] / "docs" / "contracts"
FULL: dict[str, Any] = {
    "machineId": "LINE-1-CNC-1",
    "timestamp": "2026-11-21T09:30:00.5+01:00",
    "sequence": 12,
    "state": "Execute",
    "reason": "jam",
    "order": {"id": "WO-1", "product": "P-100"},
    "counts": {"good": 10, "reject": 2, "rework": 1, "total": 13, "rejects": {"scratch": 2}},
    "signals": {"temperature_c": 61.5},
}


@pytest.mark.parametrize("name", sorted(published()))
def test_published_schemas_are_those_of_the_code(name: str) -> None:
    """`python -m millwright.schemas` brings them up to date."""
    assert (FOLDER / name).read_text(encoding="utf-8") == published()[name]


def test_every_field_of_the_message_is_explained() -> None:
    schema = json.loads(published()["telemetry.schema.json"])
    for name in ("TelemetryMessage", "Order", "Counts"):
        for field, about in schema["$defs"][name]["properties"].items():
            assert about.get("description"), f"{name}.{field}"


def test_a_full_message_survives_a_round_trip() -> None:
    message = MESSAGE.validate_json(json.dumps(FULL))
    assert json.loads(MESSAGE.dump_json(message, by_alias=True)) == FULL
    assert MESSAGES.validate_json(json.dumps([FULL])) == [message]


@pytest.mark.parametrize(
    "change",
    [
        {"machine_id": "snake_case"},
        {"timestamp": "2026-11-21T09:30:00"},
        {"timestamp": 1795253400},
        {"state": 1.5},
        {"state": True},
        {"sequence": "1"},
        {"sequence": 2**53},
        {"counts": {"good": 2**53}},
        {"signals": {"": 1.0}},
        {"signals": {f"s{n}": 1.0 for n in range(257)}},
        {"counts": {"good": "1"}},
        {"order": {"id": "x" * 129}},
        {"extra": None},
    ],
)
def test_what_is_not_in_the_contract_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MESSAGE.validate_json(json.dumps({**FULL, **change}))
