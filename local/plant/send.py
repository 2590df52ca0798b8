"""Sends a simulation through Microsoft's device SDK: MQTT over TLS, one client per device."""

import asyncio
import contextlib
import json
import logging
import ssl
import time
import urllib.request
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from azure.iot.device import Message
from azure.iot.device.aio import IoTHubDeviceClient
from azure.iot.device.exceptions import (
    ClientError,
    CredentialError,
    OperationCancelled,
    OperationTimeout,
)

from local.iot_hub.device_port import device_port
from local.plant.gateway import Event, Link, Outgoing
from local.plant.stream import Stream

LOG = logging.getLogger(__name__)
TICK_S = 0.1
RETRY_S = 1.0
LAST_WORDS_S = 5.0
QUEUE_LIMIT = 2000
"""Messages that may wait in a device; a hub that is away holds the simulation up, memory does not grow."""


@dataclass(frozen=True, slots=True)
class Hub:
    """Where the devices connect."""

    registry: str
    """URL of the hub's service side, `https://localhost:8443`."""
    mqtt_port: int
    ca: str
    """Path of the CA certificate."""

    @classmethod
    def of(cls, endpoints: dict[str, str]) -> "Hub":
        """From endpoints.json."""
        host = dict(part.split("=", 1) for part in endpoints["iotHub"].split(";"))["HostName"]
        return cls(f"https://{host}", int(endpoints["iotHubDevicePort"]), endpoints["ca"])


def register(hub: Hub, devices: Sequence[str]) -> dict[str, str]:
    """Make the devices that do not exist; connection strings by device id. OSError when the hub is away."""
    body = json.dumps({"devices": list(devices)}).encode()
    request = urllib.request.Request(
        f"{hub.registry}/_local/devices", body, {"Content-Type": "application/json"}
    )
    tls = ssl.create_default_context(cafile=hub.ca)
    with urllib.request.urlopen(request, context=tls, timeout=30) as answer:
        return cast(dict[str, str], json.load(answer))


@dataclass(slots=True)
class Sent:
    """What went out so far."""

    messages: int = 0
    readings: int = 0
    bytes: int = 0
    retries: int = 0
    """Attempts that failed: the hub was away."""
    behind_s: float = 0.0
    """How far the simulation is behind its own pace: the hub or this machine is too slow."""


@dataclass(slots=True)
class _Device:
    """One client and the events that wait for it, in order."""

    client: Any
    events: asyncio.Queue[Event] = field(default_factory=lambda: asyncio.Queue(QUEUE_LIMIT))


async def send(
    stream: Stream,
    hub: Hub,
    *,
    speed: float = 1.0,
    until: asyncio.Event | None = None,
    seconds: int | None = None,
    sent: Sent | None = None,
) -> Sent:
    """Play a simulation against a hub until `until` is set or `seconds` of it are over.

    `speed` simulated seconds pass in one real one, until the simulation has caught up with the
    present; from then on both go together, so that no message is from the future. Each device
    sends in order, one message at a time, and waits for the hub's acknowledgement.
    """
    sent = sent or Sent()
    until = until or asyncio.Event()
    strings = await asyncio.to_thread(register, hub, stream.devices)
    ca = await asyncio.to_thread(_read, hub.ca)
    with device_port(hub.mqtt_port):
        devices = {device: _Device(device_client(strings[device], ca)) for device in stream.devices}
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(_serve(device, sent)) for device in devices.values()]
            try:
                await _play(stream, devices, speed=speed, until=until, seconds=seconds, sent=sent)
                await _finish(stream, devices, until)
            finally:
                for worker in workers:
                    worker.cancel()
        for device in devices.values():
            await device.client.shutdown()
    return sent


def device_client(connection_string: str, ca: str) -> Any:
    """A device client. The SDK leaves its keyword arguments untyped."""
    create = IoTHubDeviceClient.create_from_connection_string  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return create(connection_string, server_verification_cert=ca)


async def _play(
    stream: Stream,
    devices: dict[str, _Device],
    *,
    speed: float,
    until: asyncio.Event,
    seconds: int | None,
    sent: Sent,
) -> None:
    """Step the plant at its pace, each second when it is over, and hand every event to its device."""
    started, first = time.monotonic(), stream.at
    done = 0
    while not until.is_set() and (seconds is None or done < seconds):
        due = first + (time.monotonic() - started) * speed * 1000
        if speed > 1:
            due = min(due, time.time() * 1000)
        sent.behind_s = max(0.0, (due - stream.at) / 1000 - 1)
        if stream.at + 1000 > due:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(until.wait(), TICK_S)
            continue
        for event in stream.step():
            await devices[event.device_id].events.put(event)
        done += 1
        await asyncio.sleep(0)


async def _finish(stream: Stream, devices: dict[str, _Device], until: asyncio.Event) -> None:
    """Send what is left. Once the user wants to stop, for some seconds only."""

    async def drain() -> None:
        for event in stream.finish():
            await devices[event.device_id].events.put(event)
        await asyncio.gather(*(device.events.join() for device in devices.values()))

    draining, stopping = asyncio.create_task(drain()), asyncio.create_task(until.wait())
    await asyncio.wait({draining, stopping}, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait({draining}, timeout=LAST_WORDS_S)
    for task in (draining, stopping):
        task.cancel()


async def _serve(device: _Device, sent: Sent) -> None:
    await insist(device.client.connect, sent)
    while True:
        event = await device.events.get()
        match event:
            case Link(online=False):
                await device.client.disconnect()
            case Link():
                await insist(device.client.connect, sent)
            case Outgoing():
                message = _message(event)
                await insist(lambda message=message: device.client.send_message(message), sent)
                sent.messages += 1
                sent.readings += len(event.readings)
                sent.bytes += len(event.body)
        device.events.task_done()


async def insist(attempt: Callable[[], Awaitable[None]], sent: Sent) -> None:
    """Try until it works, as a device in the field does. A message may so arrive twice."""
    while True:
        try:
            return await attempt()
        except CredentialError:
            raise
        except (ClientError, OperationTimeout, OperationCancelled) as exc:
            sent.retries += 1
            LOG.warning("the hub does not take it, trying again: %s", exc)
            await asyncio.sleep(RETRY_S)


def _message(event: Outgoing) -> Message:
    return Message(event.body, event.message_id, "utf-8", "application/json")


def _read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read()
