"""Readings of a plant that can be given any start, and the plans and backlogs made of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from bench.load import Due
from bench.streams import SEED, START
from local.event_hubs.messages import Record, encode_message, frame_records
from local.plant.description import read
from local.plant.gateway import Outgoing
from local.plant.stream import Settings, Stream
from shared.instants import iso

VIOLATED = "tool_wear_min"
"""Its alarm has no delay: one sample beyond the limit raises it, the next one below returns it."""
BEYOND, BELOW = 201.0, 50.0
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Slot:
    """What one machine sends in one message; instants are ms since the beginning."""

    machine_id: str
    device_id: str
    at_ms: int
    readings: list[tuple[int, dict[str, Any]]]


def slots(factory: Path, *, seconds: int, every_s: float, readings: int) -> list[Slot]:
    """Messages of `readings` readings of one machine each, `every_s` apart, in the order of sending.

    Each reading is one second of the plant, told in as short a time as the cadence wants. Machines
    are spread evenly over the interval.
    """
    apart_ms = round(1000 * every_s / readings)
    count = round(seconds / every_s)
    told: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for event in Stream(read(factory), Settings(SEED, START)).run(count * readings + 1):
        if isinstance(event, Outgoing):
            reading = orjson.loads(event.body)
            if VIOLATED in reading["signals"]:
                reading["signals"][VIOLATED] = BELOW
            told.setdefault(reading["machineId"], []).append((event.device_id, reading))
    made: list[Slot] = []
    for number, (machine_id, mine) in enumerate(told.items()):
        offset_ms = round(1000 * every_s * number / len(told))
        for message in range(count):
            first = message * readings
            chosen = [(offset_ms + (first + i) * apart_ms, mine[first + i][1]) for i in range(readings)]
            made.append(Slot(machine_id, mine[first][0], chosen[-1][0], chosen))
    return sorted(made, key=lambda slot: slot.at_ms)


def violate(planned: Sequence[Slot], *, per_s: float, apart_s: float = 10.0) -> set[int]:
    """Make every so many messages' last reading raise an alarm; the places of those messages.

    A machine violates at most every `apart_s`, so that each of its alarms has returned before.
    """
    chosen: set[int] = set()
    free_at: dict[str, float] = {}
    next_at = 0.0
    for place, slot in enumerate(planned):
        signals = slot.readings[-1][1]["signals"]
        if slot.at_ms < next_at or VIOLATED not in signals or slot.at_ms < free_at.get(slot.machine_id, 0):
            continue
        signals[VIOLATED] = BEYOND
        chosen.add(place)
        free_at[slot.machine_id] = slot.at_ms + 1000 * apart_s
        next_at = slot.at_ms + 1000 / per_s
    return chosen


def plan(planned: Sequence[Slot], violating: set[int], begin_at: float) -> list[Due]:
    """The messages with their bodies, `begin_at` (s since the epoch) being their beginning.

    A violating message is marked `machine/raised at`, as its alarm's document will have them.
    """
    origin = round(begin_at * 1000)
    return [
        Due(
            slot.device_id,
            slot.at_ms / 1000,
            _body(slot, origin),
            f"{slot.machine_id}/{iso(origin + slot.at_ms)}" if place in violating else "",
        )
        for place, slot in enumerate(planned)
    ]


async def append(http: aiohttp.ClientSession, hub: str, planned: Sequence[Slot], begin_at: float) -> None:
    """Put messages straight into the telemetry hub, as if they had arrived when they were made."""
    origin = round(begin_at * 1000)
    for start in range(0, len(planned), _AT_ONCE):
        body = frame_records(_record(slot, origin) for slot in planned[start : start + _AT_ONCE])
        async with http.post(
            f"{hub}/telemetry/messages", data=body, headers={"Content-Type": "application/octet-stream"}
        ) as answer:
            answer.raise_for_status()


def _record(slot: Slot, origin: int) -> Record:
    annotations = {
        "iothub-connection-device-id": slot.device_id,
        "iothub-enqueuedtime": datetime.fromtimestamp((origin + slot.at_ms) / 1000).astimezone(),
        "iothub-message-source": "Telemetry",
    }
    return Record(slot.device_id, encode_message(_body(slot, origin), annotations=annotations))


def _body(slot: Slot, origin: int) -> bytes:
    stamped = [{**reading, "timestamp": iso(origin + at_ms)} for at_ms, reading in slot.readings]
    return orjson.dumps(stamped[0] if len(stamped) == 1 else stamped)
