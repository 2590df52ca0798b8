"""A plant's messages recorded once, to be fed to the backend any number of times, byte for byte."""

import random
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import aiohttp

from local.event_hubs.messages import Record, encode_message, frame_records
from local.plant.description import read
from local.plant.faults import scattered
from local.plant.gateway import Outgoing
from local.plant.stream import Settings, Stream

START = int(datetime.fromisoformat("2026-03-09T07:52:00+00:00").timestamp() * 1000)
"""Inside a shift that ends while the recording runs on."""


_AT_ONCE = 200


class Recorded(NamedTuple):
    device_id: str
    arrived_at: int
    """ms since the epoch."""
    body: bytes


def record(factory: Path, *, seconds: int, seed: int, readings_per_message: int = 2) -> list[Recorded]:
    """What the devices of a plant sent in the order it arrived, faults of every kind included."""
    plant = read(factory)
    faults = scattered(plant, seed=seed, seconds=seconds)
    stream = Stream(plant, Settings(seed, START, faults, 1, readings_per_message), None)
    sent = [event for event in stream.run(seconds) if isinstance(event, Outgoing)]
    recorded = [Recorded(event.device_id, event.at, event.body) for event in sent]
    # Brokers deliver at least once: some messages come again, a little later, with new numbers.
    fate = random.Random(seed)
    again = [
        (index + fate.randint(1, 40), message)
        for index, message in enumerate(recorded)
        if fate.random() < 0.02
    ]
    for index, message in sorted(again, key=lambda pair: pair[0], reverse=True):
        recorded.insert(
            index, message._replace(arrived_at=recorded[min(index, len(recorded) - 1)].arrived_at)
        )
    return recorded


async def feed(http: aiohttp.ClientSession, hub: str, messages: Sequence[Recorded]) -> None:
    """Append messages to the telemetry hub, a few hundred at a time, as IoT Hub's route does."""
    for start in range(0, len(messages), _AT_ONCE):
        await _append(http, hub, messages[start : start + _AT_ONCE])


async def _append(http: aiohttp.ClientSession, hub: str, messages: Sequence[Recorded]) -> None:
    body = frame_records(
        Record(
            message.device_id,
            encode_message(
                message.body,
                annotations={
                    "iothub-connection-device-id": message.device_id,
                    "iothub-enqueuedtime": datetime.fromtimestamp(message.arrived_at / 1000).astimezone(),
                    "iothub-message-source": "Telemetry",
                },
            ),
        )
        for message in messages
    )
    async with http.post(
        f"{hub}/telemetry/messages", data=body, headers={"Content-Type": "application/octet-stream"}
    ) as response:
        assert response.status == 204, await response.text()
