"""What the devices of a plant send: steady machines with realistic noise, from `local/plant`."""

from dataclasses import replace
from pathlib import Path

import orjson

from local.plant.description import read
from local.plant.gateway import Outgoing
from local.plant.stream import Settings, Stream
from shared.instants import instant, iso

START = 1_773_036_000_000
"""A Monday, 07:00 in Graz: two hours of a shift before its first break."""
SEED = 7


def machine_messages(
    factory: Path, *, seconds: int, every_s: float, readings: int, start: int = START
) -> list[Outgoing]:
    """Messages of `readings` readings of one machine, `every_s` apart, in the order of arrival.

    Machines do not send in step: each begins at another point of its interval. Readings further
    apart than a second are a choice of the plant's reports; closer ones are the plant's seconds
    told faster, noise and events with them.
    """
    apart_s = every_s / readings
    stride, faster = max(1, round(apart_s)), max(1, round(1 / apart_s))
    reported: dict[str, list[Outgoing]] = {}
    for event in Stream(read(factory), Settings(SEED, start)).run(seconds * faster):
        if isinstance(event, Outgoing):
            reported.setdefault(event.readings[0][0], []).append(event)
    messages: list[Outgoing] = []
    for number, mine in enumerate(reported.values()):
        chosen = mine[number % stride :: stride]
        if faster > 1:
            chosen = [_sooner(message, start, faster) for message in chosen]
        for first in range(number // stride % readings, len(chosen) - readings + 1, readings):
            messages.append(_joined(chosen[first : first + readings]))
    return sorted(messages, key=lambda message: message.at)


def _joined(parts: list[Outgoing]) -> Outgoing:
    if len(parts) == 1:
        return parts[0]
    body = b"[" + b",".join(part.body for part in parts) + b"]"
    return replace(parts[-1], body=body, readings=tuple(key for part in parts for key in part.readings))


def _sooner(message: Outgoing, start: int, factor: int) -> Outgoing:
    reading = orjson.loads(message.body)
    reading["timestamp"] = iso(start + (instant(reading["timestamp"]) - start) // factor)
    return replace(message, at=start + (message.at - start) // factor, body=orjson.dumps(reading))
